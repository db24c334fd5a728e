"""How much of a junk drawer the registry is: a score, and what to fix first (the user's picture of two years).

Each model is asked five questions. The score is the share of no's over all models, 0 for a clean registry and 100 for a
drawer where every model fails every question; models that serve count as one, like all others, and come first in the
list of what to fix.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from services.clock import Clock, from_micros, utc_now
from services.registry.summary import Problem
from services.store import Store
from services.store import registry_catalog as catalog

STALE_AFTER = timedelta(days=180)
MESSY_FROM, JUNK_FROM = 15, 40


class Question(StrEnum):
    """What every model is asked."""

    NAME = "name"
    SIGNATURE = "signature"
    STORY = "story"
    OWNER = "owner"
    FRESH = "fresh"


class Condition(StrEnum):
    """The user's three pictures of a registry."""

    CLEAN = "clean"
    MESSY = "messy"
    JUNK_DRAWER = "junk_drawer"


_QUESTION_OF_RULE: Mapping[str, Question] = {
    "tags_missing": Question.OWNER,
    "empty": Question.FRESH,
    "stale": Question.FRESH,
    "story_incomplete": Question.STORY,
    "description_missing": Question.STORY,
    "not_ready": Question.SIGNATURE,
    "artifacts_gone": Question.SIGNATURE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelToFix:
    """A model with what is wrong; `is_serving` if a version of it is in production or staging."""

    name: str
    is_serving: bool
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hygiene:
    """The state of the registry.

    Args:
        score: 0 (clean) to 100.
        failing: of each question, how many models fail it.
        to_fix: models with problems, those that serve first, then by how much is wrong.
    """

    score: float
    condition: Condition
    model_count: int
    failing: Mapping[Question, int]
    to_fix: tuple[ModelToFix, ...]


def judge_hygiene(store: Store, *, clock: Clock = utc_now, limit: int = 50) -> Hygiene:
    """Return the state of the registry as it was last synced, with the `limit` models to fix first."""
    with store.read() as unit:
        rows = catalog.list_hygiene_rows(unit)
    now = clock()
    found = [_read(row, now) for row in rows]
    failing = Counter(question for model in found for question in {question_of(p.rule) for p in model.problems})
    asked = len(found) * len(Question)
    score = 100 * failing.total() / asked if asked else 0.0
    to_fix = sorted((model for model in found if model.problems), key=_urgency)
    return Hygiene(
        score=round(score, 1),
        condition=_condition(score),
        model_count=len(found),
        failing={question: failing[question] for question in Question},
        to_fix=tuple(to_fix[:limit]),
    )


def question_of(rule: str) -> Question:
    """Return the question that a problem's rule answers with no."""
    if rule.startswith("name_"):
        return Question.NAME
    return Question.SIGNATURE if rule.startswith("signature_") else _QUESTION_OF_RULE[rule]


def _read(row: Any, now: datetime) -> ModelToFix:
    found = [Problem(**problem) for problem in row.problems]
    is_serving = row.production_version is not None or row.staging_version is not None
    age = now - from_micros(row.latest_us) if row.latest_us is not None else timedelta(0)
    if age > STALE_AFTER and not is_serving:
        message = f"No version came for {age.days} days, and none serves: archive it or say what it is kept for."
        found.append(Problem(rule="stale", message=message))
    return ModelToFix(name=row.name, is_serving=is_serving, problems=tuple(found))


def _urgency(model: ModelToFix) -> tuple[bool, int, str]:
    return not model.is_serving, -len(model.problems), model.name


def _condition(score: float) -> Condition:
    if score < MESSY_FROM:
        return Condition.CLEAN
    return Condition.MESSY if score < JUNK_FROM else Condition.JUNK_DRAWER
