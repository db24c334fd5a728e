"""Verdicts: what a change of signature does to those who call the model and to those who read its answers.

Two callers are judged apart, because MLflow treats them apart: a DataFrame is checked by `predict` as it is, a JSON
request is cast by the scoring server first, sometimes silently into something else.

The order is closed: identical < compatible < risky < unknown < breaking. What cannot be judged never passes; what
surely breaks outweighs what is unknown.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple


class Effect(StrEnum):
    """What one change does. Mildest first."""

    COMPATIBLE = "compatible"
    RISKY = "risky"
    BREAKING = "breaking"

    @property
    def rank(self) -> int:
        """Position from mild to severe."""
        return _EFFECT_RANKS[self]


class Verdict(StrEnum):
    """What all changes together do. Mildest first."""

    IDENTICAL = "identical"
    COMPATIBLE = "compatible"
    RISKY = "risky"
    UNKNOWN = "unknown"
    BREAKING = "breaking"

    @property
    def is_pass(self) -> bool:
        """Whether callers are served: risky is shown, but passes; unknown never does."""
        return self not in {Verdict.UNKNOWN, Verdict.BREAKING}


class Direction(StrEnum):
    """Whose requests the verdict is about, as in schema registries."""

    BACKWARD = "backward"
    """The new model takes today's requests."""
    FORWARD = "forward"
    """The old model takes tomorrow's requests: rolling back is safe."""
    FULL = "full"
    """Both."""


class Side(StrEnum):
    """The part of a signature."""

    INPUTS = "inputs"
    OUTPUTS = "outputs"
    PARAMS = "params"


class ChangeKind(StrEnum):
    """What happened to a column, tensor, nested field or param."""

    ADDED = "added"
    REMOVED = "removed"
    RETYPED = "retyped"
    REORDERED = "reordered"
    MADE_REQUIRED = "made_required"
    MADE_OPTIONAL = "made_optional"
    RESHAPED = "reshaped"
    DEFAULT_CHANGED = "default_changed"


class Judgement(NamedTuple):
    """An effect and the sentence that explains it."""

    effect: Effect
    reason: str


class Judged(NamedTuple):
    """The judgements for the two callers."""

    frame: Judgement
    json: Judgement


def both(effect: Effect, reason: str) -> Judged:
    """Return the same judgement for both callers."""
    judgement = Judgement(effect, reason)
    return Judged(judgement, judgement)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference. `path` reaches into nested fields: `customer.zip`, `items[]`, `scores{}`; `*` is a whole side."""

    side: Side
    path: str
    kind: ChangeKind
    before: Any
    after: Any
    judged: Judged

    @property
    def effect(self) -> Effect:
        """What it does to DataFrame callers, or to those who read the answers as a DataFrame."""
        return self.judged.frame.effect

    @property
    def json_effect(self) -> Effect:
        """What it does to JSON callers."""
        return self.judged.json.effect

    def mirrored(self) -> Change:
        """Return the same difference seen from the other side, with the judgement kept."""
        return replace(self, kind=_MIRRORED.get(self.kind, self.kind), before=self.after, after=self.before)

    def to_json(self) -> dict[str, Any]:
        """Return the change in the form of the public interface."""
        return {
            "side": self.side,
            "path": self.path,
            "kind": self.kind,
            "from": finite(self.before),
            "to": finite(self.after),
            "effect": self.effect,
            "reason": self.judged.frame.reason,
            "json_effect": self.json_effect,
            "json_reason": self.judged.json.reason,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename:
    """A guess that a removed and an added column are one; `likelihood` is from 0 to 1. It changes no verdict."""

    side: Side
    before: str
    after: str
    likelihood: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The outcome of comparing two signatures; `reason` says why it is unknown, and is empty otherwise."""

    verdict: Verdict
    json_verdict: Verdict
    direction: Direction
    changes: tuple[Change, ...] = ()
    renames: tuple[Rename, ...] = ()
    reason: str = ""
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the comparison in the form of the public interface."""
        return {
            "verdict": self.verdict,
            "json_verdict": self.json_verdict,
            "direction": self.direction,
            "reason": self.reason,
            "notes": list(self.notes),
            "changes": [change.to_json() for change in self.changes],
            "renames": [
                {"side": guess.side, "from": guess.before, "to": guess.after, "likelihood": guess.likelihood}
                for guess in self.renames
            ],
        }


def worst_verdict(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the severest of the verdicts; identical if there is none."""
    return max(verdicts, key=_VERDICT_RANKS.__getitem__, default=Verdict.IDENTICAL)


def verdict_of(effects: Sequence[Effect]) -> Verdict:
    """Return the verdict that changes with these effects amount to."""
    if not effects:
        return Verdict.IDENTICAL
    return Verdict(max(effects, key=_EFFECT_RANKS.__getitem__).value)


def worse_of_both(one: Judged, other: Judged) -> Judged:
    """Return the severer judgement for each caller, the first where they are alike."""
    return Judged(_worse(one.frame, other.frame), _worse(one.json, other.json))


def _worse(one: Judgement, other: Judgement) -> Judgement:
    return other if other.effect.rank > one.effect.rank else one


def finite(value: Any) -> Any:
    """Return `value` such that strict JSON can hold it: a number that is none becomes its name.

    >>> finite([float("nan"), 1.5])
    ['nan', 1.5]
    """
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return value


_EFFECT_RANKS = {effect: rank for rank, effect in enumerate(Effect)}
_VERDICT_RANKS = {verdict: rank for rank, verdict in enumerate(Verdict)}
_MIRRORED = {
    ChangeKind.ADDED: ChangeKind.REMOVED,
    ChangeKind.REMOVED: ChangeKind.ADDED,
    ChangeKind.MADE_REQUIRED: ChangeKind.MADE_OPTIONAL,
    ChangeKind.MADE_OPTIONAL: ChangeKind.MADE_REQUIRED,
}
