"""A bulk fix of the vocabulary as a plan: which tags are written where, and where the registry has moved on from it.

Each step names the value that it replaces: the plan can be applied as long as the registry shows that value or the new
one, so one that was cut short goes on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.errors import InvalidInput
from services.lineage.plans import digest_of
from services.lineage.tagged import Tagged
from services.lineage.vocabulary import TagRule, Vocabulary, VocabularyProblem
from services.registry.names import quoted
from services.registry.port import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class TagStep:
    """One tag to write, on a version or on the model itself (0); `before` is the value there, None for none."""

    name: str
    version: int = 0
    tag: str
    before: str | None
    value: str

    @property
    def where(self) -> str:
        """The model or version, as people write it."""
        return f"{self.name}/{self.version}" if self.version else self.name

    def to_json(self) -> dict[str, Any]:
        """Return the step as it stands in a plan file."""
        return {
            "name": self.name,
            "version": self.version or None,
            "tag": self.tag,
            "before": self.before,
            "value": self.value,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftToPeople:
    """A problem that no plan mends, and what would."""

    name: str
    problem: VocabularyProblem

    def to_json(self) -> dict[str, Any]:
        """Return it as it stands in a plan file."""
        problem = self.problem
        return {"name": self.name, "kind": problem.kind, "message": problem.message, "fix": problem.fix}


@dataclass(frozen=True, slots=True, kw_only=True)
class VocabularyPlan:
    """Every tag that a bulk fix writes."""

    steps: tuple[TagStep, ...]
    left: tuple[LeftToPeople, ...] = ()

    @property
    def digest(self) -> str:
        """`sha256:…` over the steps; what is left to people is told and not done."""
        return digest_of([step.to_json() for step in self.steps])

    @property
    def names(self) -> tuple[str, ...]:
        """The models that it writes to."""
        return tuple(sorted({step.name for step in self.steps}))

    def to_json(self) -> dict[str, Any]:
        """Return the plan as a file holds it."""
        return {
            "kind": "vocabulary_plan",
            "digest": self.digest,
            "steps": [step.to_json() for step in self.steps],
            "left": [each.to_json() for each in self.left],
        }


def read_plan(content: bytes, vocabulary: Vocabulary) -> VocabularyPlan:
    """Return the plan of a file.

    Raises:
        InvalidInput: it is no plan, was edited since it was made, or writes what is not in the vocabulary.
    """
    try:
        document = json.loads(content)
        steps = tuple(
            TagStep(
                name=_text(each["name"]),
                version=int(each["version"] or 0),
                tag=_text(each["tag"]),
                before=None if each["before"] is None else _text(each["before"]),
                value=_text(each["value"]),
            )
            for each in document["steps"]
        )
        is_plan, digest = document["kind"] == "vocabulary_plan", document["digest"]
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise _no_plan() from error
    if not is_plan:
        raise _no_plan()
    plan = VocabularyPlan(steps=steps)
    if plan.digest != digest:
        raise InvalidInput(
            "The plan was edited since it was made: its digest is of other steps.",
            next_step="Make it anew with `gatehouse names plan`, with --set for values of your own.",
        )
    rules = {rule.name: rule for rule in vocabulary.tags}
    for step in steps:
        check_value(rules, step.tag, step.value)
    return plan


def find_moved(plan: VocabularyPlan, found: Tagged) -> list[str]:
    """Return where the registry shows neither the value that a step replaces nor the one that it writes."""
    tags = found.look_up()
    return [
        step.where if (step.name, step.version) in tags else f"{step.where}, which is gone"
        for step in plan.steps
        if _value(tags, step, missing="") not in {step.before, step.value}
    ]


def list_pending(plan: VocabularyPlan, found: Tagged) -> list[TagStep]:
    """Return the steps that the registry does not show as done."""
    tags = found.look_up()
    return [step for step in plan.steps if _value(tags, step, missing=None) != step.value]


def apply_step(registry: Registry, step: TagStep) -> None:
    """Write one tag; twice is once."""
    if step.version:
        registry.set_version_tag(step.name, step.version, step.tag, step.value)
    else:
        registry.set_model_tag(step.name, step.tag, step.value)


def _value(tags: Mapping[tuple[str, int], Mapping[str, str]], step: TagStep, *, missing: str | None) -> str | None:
    known = tags.get((step.name, step.version))
    return missing if known is None else known.get(step.tag)


def is_allowed(rule: TagRule, value: str) -> bool:
    """Return whether a standard tag may have this value."""
    return value in rule.values if rule.values else bool(value.strip())


def check_value(rules: Mapping[str, TagRule], tag: str, value: str) -> None:
    """Let pass only a value that the vocabulary has.

    Raises:
        InvalidInput: the tag is none of the standard ones, or may not have this value.
    """
    rule = rules.get(tag)
    if rule is None:
        raise InvalidInput(
            f"{quoted(tag)} is none of the standard tags.", next_step=f"Choose from {', '.join(rules) or 'none'}."
        )
    if not is_allowed(rule, value):
        allowed = f"one of {', '.join(rule.values)}" if rule.values else f"a text, such as {rule.example}"
        raise InvalidInput(f"The tag {tag} cannot have the value {value!r}.", next_step=f"Give it {allowed}.")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _no_plan() -> InvalidInput:
    return InvalidInput(
        "The file is not a plan of the vocabulary.", next_step="Make one with `gatehouse names plan --out FILE`."
    )
