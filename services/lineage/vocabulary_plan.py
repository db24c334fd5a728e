"""The bulk fix of the vocabulary as a plan: which tags would be written where, and what is left for people.

A tag is written where what it should be follows from what is there, such as `Tier-1` for `tier1`, or where somebody
gave the value; none is taken away and no metric is rewritten. Each step names the value that it replaces: the plan can
be applied as long as the registry shows that value or the new one, so one that was cut short goes on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import rfc8785

from services.errors import InvalidInput, NotFound
from services.lineage.vocabulary import TagRule, Vocabulary, VocabularyProblem, lint_metrics, lint_tags
from services.registry.name_lint import lint_name
from services.registry.names import quoted
from services.registry.port import Registry
from services.registry.stages import PROTECTED_ALIASES
from services.registry.values import ModelVersion, RegisteredModel

ReadMetrics = Callable[[], Mapping[str, Collection[str]]]
"""Returns the metrics that were logged with the newest version of each model, by name."""


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
        content: Any = [step.to_json() for step in self.steps]
        return "sha256:" + hashlib.sha256(rfc8785.dumps(content)).hexdigest()

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged:
    """The tags of some models and of their versions, as the registry has them now."""

    models: Mapping[str, RegisteredModel]
    versions: Sequence[ModelVersion]

    def look_up(self) -> Mapping[tuple[str, int], Mapping[str, str]]:
        """Return the tags by model and version, 0 for the model itself."""
        of_models = {(name, 0): model.tags for name, model in self.models.items()}
        return of_models | {(each.name, each.version): each.tags for each in self.versions}

    def merge_tags(self) -> dict[str, dict[str, str]]:
        """Return what is known of each model: its own tags over those of its newest version."""
        newest = {each.name: each.tags for each in sorted(self.versions, key=lambda each: each.version)}
        return {name: {**newest.get(name, {}), **model.tags} for name, model in self.models.items()}

    def find_serving(self) -> list[str]:
        """Return which of the models serve, by an alias of a stage."""
        return sorted(name for name, model in self.models.items() if PROTECTED_ALIASES & model.aliases.keys())


def read_tags(registry: Registry, names: Collection[str] = ()) -> Tagged:
    """Read the named models, or all, in a few calls however many they are.

    Raises:
        NotFound: one of the names is no model.
        Unreachable: the registry does not answer.
    """
    models = {model.name: model for model in registry.list_models() if not names or model.name in names}
    missing = sorted(set(names) - models.keys())
    if missing:
        raise NotFound(
            f"There is no model {quoted(missing[0])}.", next_step="`gatehouse models list` lists all that there are."
        )
    return Tagged(models=models, versions=list(registry.list_versions(sorted(models))) if models else [])


def make_plan(
    found: Tagged, vocabulary: Vocabulary, *, given: Mapping[str, str], read_metrics: ReadMetrics
) -> VocabularyPlan:
    """Say what a bulk fix would write; nothing is written.

    Args:
        given: values for standard tags that a model lacks or has wrongly, by tag.

    Raises:
        InvalidInput: a given tag is none of the standard ones, or its value is not one that it may take.
    """
    rules = {rule.name: rule for rule in vocabulary.tags}
    for tag, value in given.items():
        _check_value(rules, tag, value)
    known = found.merge_tags()
    of_models = [
        step
        for name, model in found.models.items()
        for step in _model_steps(name, model.tags, known[name], rules, given)
    ]
    of_versions = [step for each in found.versions for step in _respelled(each.name, each.version, each.tags, rules)]
    steps = sorted([*of_models, *of_versions], key=lambda step: (step.name, step.version, step.tag))
    for step in of_models:
        known[step.name][step.tag] = step.value
    metrics = read_metrics()
    left = [each for name in sorted(known) for each in _leave(name, known[name], vocabulary, metrics.get(name, ()))]
    return VocabularyPlan(steps=tuple(steps), left=tuple(left))


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
        _check_value(rules, step.tag, step.value)
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


def _model_steps(
    name: str,
    tags: Mapping[str, str],
    known: Mapping[str, str],
    rules: Mapping[str, TagRule],
    given: Mapping[str, str],
) -> Iterator[TagStep]:
    spelled = {step.tag: step for step in _respelled(name, 0, tags, rules)}
    yield from spelled.values()
    for tag, value in given.items():
        if tag not in spelled and not _is_allowed(rules[tag], known.get(tag, "")):
            yield TagStep(name=name, tag=tag, before=tags.get(tag), value=value)


def _respelled(name: str, version: int, tags: Mapping[str, str], rules: Mapping[str, TagRule]) -> Iterator[TagStep]:
    """Return the standard tags whose right value follows from what is there under another spelling."""
    by_fold: dict[str, str] = {}
    for key in sorted(tags):
        by_fold.setdefault(_fold(key), tags[key])
    for rule in rules.values():
        own = tags.get(rule.name)
        there = own or by_fold.get(_fold(rule.name), "")
        value = _allowed_spelling(rule, there)
        if value is not None and value != own:
            yield TagStep(name=name, version=version, tag=rule.name, before=own, value=value)


def _allowed_spelling(rule: TagRule, value: str) -> str | None:
    text = value.strip()
    if not rule.values:
        return text or None
    return next((allowed for allowed in rule.values if _fold(allowed) == _fold(text)), None)


def _is_allowed(rule: TagRule, value: str) -> bool:
    return value in rule.values if rule.values else bool(value.strip())


def _fold(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def _leave(
    name: str, tags: Mapping[str, str], vocabulary: Vocabulary, metrics: Collection[str]
) -> Iterator[LeftToPeople]:
    report = lint_name(name)
    if not report.is_ok:
        better = report.suggestion
        fix = f"`gatehouse migrate plan {name} {better}` shows what moving it takes." if better else "Name a product."
        message = " ".join(problem.message for problem in report.problems)
        yield LeftToPeople(name=name, problem=VocabularyProblem(kind="name", name=name, message=message, fix=fix))
    for problem in (*lint_tags(tags, vocabulary), *lint_metrics(metrics, vocabulary)):
        yield LeftToPeople(name=name, problem=problem)


def _check_value(rules: Mapping[str, TagRule], tag: str, value: str) -> None:
    rule = rules.get(tag)
    if rule is None:
        raise InvalidInput(
            f"{quoted(tag)} is none of the standard tags.", next_step=f"Choose from {', '.join(rules) or 'none'}."
        )
    if not _is_allowed(rule, value):
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
