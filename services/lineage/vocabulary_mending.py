"""What a bulk fix of the vocabulary would write, and what is left for people.

A tag is written where what it should be follows from what is there, such as `Tier-1` for `tier1`, or where somebody
gave the value; none is taken away and no metric is rewritten.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from services.lineage.tagged import Tagged
from services.lineage.vocabulary import TagRule, Vocabulary, VocabularyProblem, lint_metrics, lint_tags
from services.lineage.vocabulary_plan import LeftToPeople, TagStep, VocabularyPlan, check_value, is_allowed
from services.registry.name_lint import lint_name

ReadMetrics = Callable[[], Mapping[str, Collection[str]]]
"""Returns the metrics that were logged with the newest version of each model, by name."""


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
        check_value(rules, tag, value)
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
        if tag not in spelled and not is_allowed(rules[tag], known.get(tag, "")):
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
