"""The gate policy: which gates a stage asks for, how many approvals, and for which models and tiers it asks for more.

Gates of a stage come in order; an override replaces the gate of the same name, adds others at the end, and may leave
some out. Overrides apply in the order of the document, those by tier before those by model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from services.documents.kind import DocumentKind, Fault, Location
from services.documents.wording import suggest
from services.gates.kinds import BaseGate, Gate, Text, Word, find_contradiction
from services.registry.values import Stage

StageKey = Literal["staging", "production", "archived"]
_KEYS: Mapping[Stage, StageKey] = {
    Stage.STAGING: "staging",
    Stage.PRODUCTION: "production",
    Stage.ARCHIVED: "archived",
    # Leaving the archive, or staging, for nowhere retires a version as archiving does.
    Stage.NONE: "archived",
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ApprovalsText(_Strict):
    """How many people have to approve: for every tier, and where a tier asks for another number."""

    default: Annotated[int, Field(ge=1, le=10)]
    tiers: dict[Word, Annotated[int, Field(ge=1, le=10)]] = Field(default_factory=dict)


class StageText(_Strict):
    """What one stage asks for."""

    approvals: ApprovalsText
    includes: StageKey | None = Field(default=None, description="a stage whose gates come first")
    gates: tuple[Gate, ...] = Field(min_length=1)


class ProtectedText(_Strict):
    """What moves through Gatehouse alone."""

    aliases: tuple[Word, ...] = ()
    tags: tuple[Text, ...] = ()


class OverrideText(_Strict):
    """Other gates for a risk tier or for some models."""

    stage: StageKey
    tier: Word | None = None
    models: tuple[Text, ...] = Field(default=(), description="model names")
    gates: tuple[Gate, ...] = ()
    without: tuple[Word, ...] = Field(default=(), description="names of gates that are left out")
    description: Text = ""


class GatePolicyText(_Strict):
    """The whole document."""

    kind: Literal["gate_policy"]
    description: Text = ""
    expires_after_hours: Annotated[float, Field(gt=0, le=24 * 365)] = Field(description="life of a pending request")
    waiver_days: Annotated[float, Field(gt=0, le=365)] = Field(description="the longest that a waiver may last")
    protected: ProtectedText = ProtectedText()
    stages: dict[StageKey, StageText] = Field(min_length=1)
    overrides: tuple[OverrideText, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePolicy:
    """A policy in use.

    Args:
        revision: `gate_policy/NAME/NUMBER`, or `sha256:…` of a file's text.
        author: who wrote the revision; empty for a file.
    """

    revision: str
    author: str
    text: GatePolicyText

    def list_gates(self, stage: Stage, *, model: str, tier: str) -> Sequence[BaseGate]:
        """Return the gates of a stage for a model of a tier; empty where the policy does not speak of the stage."""
        key = _KEYS[stage]
        gates = dict(_stage_gates(self.text, key))
        by_tier = [override for override in self.text.overrides if override.tier is not None and override.tier == tier]
        by_model = [override for override in self.text.overrides if model in override.models]
        for override in (*by_tier, *(each for each in by_model if each not in by_tier)):
            if override.stage == key:
                gates |= {gate.gate: gate for gate in override.gates}
                for name in override.without:
                    gates.pop(name, None)
        return tuple(gates.values())

    def count_approvals(self, stage: Stage, *, tier: str) -> int:
        """Return how many people have to approve a move to a stage, or to the strictest one if it speaks of none."""
        text = self.text.stages.get(_KEYS[stage])
        if text is None:
            return max(
                max([each.approvals.default, *each.approvals.tiers.values()]) for each in self.text.stages.values()
            )
        return text.approvals.tiers.get(tier, text.approvals.default)


def find_faults(text: GatePolicyText) -> Iterator[Fault]:
    """Yield what the schema cannot say."""
    for key, stage in text.stages.items():
        yield from _gate_faults(("stages", key, "gates"), stage.gates)
        if stage.includes is not None and (stage.includes not in text.stages or text.stages[stage.includes].includes):
            yield Fault(
                location=("stages", key, "includes"),
                message=f"{stage.includes} is not there, or includes another stage itself",
                rests_on=(("stages", stage.includes),),
            )
    for index, override in enumerate(text.overrides):
        yield from _override_faults(("overrides", index), override, text)


def _gate_faults(where: Location, gates: Sequence[BaseGate]) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, gate in enumerate(gates):
        if gate.gate in seen:
            yield Fault(location=(*where, index, "gate"), message=f"there is a gate named {gate.gate!r} before")
        seen.add(gate.gate)
        contradiction = find_contradiction(gate)
        if contradiction is not None:
            key, message = contradiction
            yield Fault(location=(*where, index, key), message=message, rests_on=((*where, index),))


def _override_faults(where: Location, override: OverrideText, text: GatePolicyText) -> Iterator[Fault]:
    yield from _gate_faults((*where, "gates"), override.gates)
    if (override.tier is None) == (not override.models):
        yield Fault(location=where, message="an override is for a tier or for models: write one of the two")
    known = [name for name, _ in _stage_gates(text, override.stage)]
    for place, name in enumerate(override.without):
        if name not in known:
            yield Fault(
                location=(*where, "without", place),
                message=f"the stage {override.stage} has no gate {name!r}{suggest(name, known)}",
                rests_on=(("stages",),),
            )
    if known and set(known) <= set(override.without) and not override.gates:
        yield Fault(location=(*where, "without"), message="nothing would be left to pass", rests_on=(("stages",),))


def _stage_gates(text: GatePolicyText, key: StageKey) -> Iterator[tuple[str, BaseGate]]:
    stage = text.stages.get(key)
    if stage is None:
        return
    included = None if stage.includes is None else text.stages.get(stage.includes)
    for each in (included, stage):
        if each is not None:
            yield from ((gate.gate, gate) for gate in each.gates)


GATE_POLICY: DocumentKind[Any] = DocumentKind(
    name="gate_policy",
    title="Gate policy",
    adapter=TypeAdapter(GatePolicyText),
    find_faults=find_faults,
    default_file=("services.gates", "defaults/gate_policy.yaml"),
)
