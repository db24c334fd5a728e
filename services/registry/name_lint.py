"""The lint of names: a name is the product's and stays; versions, dates and stages are the registry's (practice 1).

Each problem is told with its reason, and where something is left after taking it away, that is the suggested name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from services.registry.look_alikes import find_look_alike, split_words
from services.registry.name_words import (
    COUNTED_KIND,
    COUNTED_STATE,
    DATE,
    FINALITY,
    FINALITY_AT_THE_END,
    GENERIC,
    GIVEN_NAMES,
    JOINING,
    KINDS,
    MONTHS,
    MONTHS_AT_THE_END,
    MONTHS_BESIDE_A_NUMBER,
    NUMBER,
    NUMBER_WORDS,
    STAGES,
    VERSION,
    VERSION_WORD,
    YEAR,
)
from services.registry.names import find_unusable, quoted

MAX_READABLE_CHARACTERS = 64
MIN_READABLE_CHARACTERS = 3
LEVELS = 3

_PLAIN = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_PLAIN_LEVEL = re.compile(r"[A-Za-z0-9_]+")
_DECIMAL_POINT = re.compile(r"(?<=[0-9])\.(?=[0-9])")


@dataclass(frozen=True, slots=True, kw_only=True)
class NameProblem:
    """One thing that is wrong with a name; `rule` is a short stable word, `message` a sentence."""

    rule: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NameReport:
    """What the lint says of one name."""

    name: str
    problems: tuple[NameProblem, ...]
    suggestion: str | None = None

    @property
    def is_ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def as_json(self) -> dict[str, object]:
        """Return the entry of `names lint --json`."""
        problems = [{"rule": problem.rule, "message": problem.message} for problem in self.problems]
        return {"name": self.name, "ok": self.is_ok, "problems": problems, "suggestion": self.suggestion}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Word:
    """A word of a name and what stands around it: before it, nearest first, and after it with the rule that breaks."""

    text: str
    before: tuple[str, ...]
    after: str
    after_rule: str | None
    is_first: bool
    is_last: bool
    is_in_date: bool


def lint_name(name: str, *, existing: Collection[str] = (), people: Collection[str] = ()) -> NameReport:
    """Return what is wrong with a name.

    Args:
        existing: names that are registered, which a new name should not look like; one that is among them is not new.
        people: account names, besides common given names.

    >>> report = lint_name("fraud_detector_v2")
    >>> [problem.rule for problem in report.problems], report.suggestion
    (['version'], 'fraud_detector')
    """
    return report_name(name, look_alike=find_look_alike(name, existing), people=people)


def report_name(name: str, *, look_alike: str | None, people: Collection[str] = ()) -> NameReport:
    """Return what is wrong with a name whose look-alike is known already; see `lint_name`."""
    words = split_words(_levels(name)[-1])
    rules = _rules_of(words, GIVEN_NAMES.union(person.lower() for person in people))
    problems = [*_shape_problems(name), *_word_problems(words, rules)]
    kept = [_without_count(word) for word, rule in zip(words, rules, strict=True) if rule is None or _is_counted(word)]
    if not (set(kept) - GENERIC - JOINING or (kept and _has_place(name))):
        message = "Nothing in the name says what the model is for, as fraud_detector does."
        problems.append(NameProblem(rule="generic", message=message))
        kept = []
    if look_alike is not None:
        message = f"The name is easily taken for {quoted(look_alike)}, which is registered."
        problems.append(NameProblem(rule="look_alike", message=message))
    suggestion = _suggest(name, kept, look_alike) if problems else None
    return NameReport(name=name, problems=tuple(problems), suggestion=suggestion)


def _has_place(name: str) -> bool:
    """Return whether catalog and schema stand before the name, which may say what a bare word does not."""
    return len(_levels(name)) == LEVELS and all(_levels(name))


def _levels(name: str) -> list[str]:
    return _DECIMAL_POINT.sub("_", name).split(".")


def _shape_problems(name: str) -> Iterator[NameProblem]:
    levels, unusable = _levels(name), find_unusable(name)
    if unusable is not None:
        yield NameProblem(rule="unusable", message=f"The name {unusable}.")
        return
    if len(levels) not in {1, LEVELS} or not all(levels):
        yield NameProblem(rule="levels", message="A name has one level, or three: catalog.schema.model.")
    if not all(_PLAIN_LEVEL.fullmatch(level) for level in levels if level):
        yield NameProblem(rule="characters", message="A name has letters, digits and underscores only.")
    elif levels[-1] and not _PLAIN.fullmatch(levels[-1]):
        yield NameProblem(rule="case", message="A name is in lower case, its words joined by single underscores.")
    if not MIN_READABLE_CHARACTERS <= len(levels[-1]) <= MAX_READABLE_CHARACTERS:
        message = f"A name that people read has {MIN_READABLE_CHARACTERS} to {MAX_READABLE_CHARACTERS} characters."
        yield NameProblem(rule="length", message=message)


def _word_problems(words: Sequence[str], rules: Sequence[str | None]) -> Iterator[NameProblem]:
    for rule, reason, _ in _RULES:
        broken = [word for word, found in zip(words, rules, strict=True) if found == rule]
        if broken:
            yield NameProblem(rule=rule, message=f"{quoted(' '.join(broken))} {reason}.")


def _rules_of(words: Sequence[str], people: Collection[str]) -> list[str | None]:
    """Return the rule that each word breaks, found from the end: a word that goes uncovers the one before it."""
    rules: list[str | None] = [None] * len(words)
    is_last, dated = True, _dated(words)
    for index in reversed(range(len(words))):
        is_inner = index + 1 < len(words)
        word = _Word(
            text=words[index],
            before=tuple(words[:index][::-1]),
            after=words[index + 1] if is_inner else "",
            after_rule=rules[index + 1] if is_inner else None,
            is_first=index == 0,
            is_last=is_last,
            is_in_date=index in dated,
        )
        rules[index] = next((rule for rule, _, breaks in _RULES if breaks(word, people)), None)
        is_last = is_last and (rules[index] is not None or word.text in GENERIC)
    return rules


def _dated(words: Sequence[str]) -> frozenset[int]:
    """Return which words are numbers in a row with a year or a month, such as 2024 10 01."""
    found: set[int] = set()
    run: list[int] = []
    for index, word in enumerate([*words, ""]):
        if NUMBER.fullmatch(word) or word in MONTHS:
            run.append(index)
            continue
        if len(run) > 1 and any(YEAR.fullmatch(words[place]) or words[place] in MONTHS for place in run):
            found.update(run)
        run = []
    return frozenset(found)


def _is_date(word: _Word, _people: Collection[str]) -> bool:
    if DATE.fullmatch(word.text) or word.is_in_date:
        return True
    if word.text not in MONTHS - MONTHS_BESIDE_A_NUMBER:
        return False
    return word.is_last or (word.is_first and word.text not in MONTHS_AT_THE_END)


def _is_version(word: _Word, _people: Collection[str]) -> bool:
    if VERSION.fullmatch(word.text) or _is_counted(word.text) or (NUMBER.fullmatch(word.text) and word.is_last):
        return True
    if word.text in NUMBER_WORDS:
        return word.is_last and bool(word.before and VERSION_WORD.fullmatch(word.before[0]))
    return bool(VERSION_WORD.fullmatch(word.text)) and (word.after_rule == "version" or word.is_last)


def _is_finality(word: _Word, _people: Collection[str]) -> bool:
    is_at_an_end = word.is_first or word.is_last
    if COUNTED_STATE.fullmatch(word.text):
        return is_at_an_end
    return (word.text in FINALITY and is_at_an_end) or (word.text in FINALITY_AT_THE_END and word.is_last)


def _is_stage(word: _Word, _people: Collection[str]) -> bool:
    return word.text in STAGES and (word.is_first or word.is_last)


def _is_author(word: _Word, people: Collection[str]) -> bool:
    if _is_person(word.text, people) or word.before[:1] == ("by",):
        # After what a model does, nothing more is said of it: fraud_detector_ada_lovelace.
        return word.is_first or word.is_last or word.before[0] in KINDS
    is_surname = len(word.before) > 1 and word.before[0] in people and word.before[1] in KINDS
    return is_surname and word.is_last


def _is_person(word: str, people: Collection[str]) -> bool:
    return word in people or (word.endswith("s") and word[:-1] in people)


_RULES: tuple[tuple[str, str, Callable[[_Word, Collection[str]], bool]], ...] = (
    ("date", "is a date, which the registry keeps for every version", _is_date),
    ("version", "counts versions, which the registry does itself", _is_version),
    ("finality", "says how things stood one day, and the next version will contradict it", _is_finality),
    ("stage", "is a stage, which moves while the name stays", _is_stage),
    ("author", "is a person, and people change teams; the owner belongs in a tag", _is_author),
)


def _is_counted(word: str) -> bool:
    return COUNTED_KIND.fullmatch(word) is not None


def _without_count(word: str) -> str:
    return word.rstrip("0123456789") if _is_counted(word) else word


def _suggest(name: str, kept: Sequence[str], look_alike: str | None) -> str | None:
    if look_alike is not None and report_name(look_alike, look_alike=None).is_ok:
        return look_alike
    words = list(kept)
    while len(words) > 1 and words[-1] in JOINING:
        words.pop()
    above = _levels(name)[:-1]
    is_placed = len(above) == LEVELS - 1 and all(map(_PLAIN_LEVEL.fullmatch, above))
    suggestion = ".".join([*(above if is_placed else ()), "_".join(words)])
    is_better = suggestion != name and report_name(suggestion, look_alike=None).is_ok
    return suggestion if is_better else None
