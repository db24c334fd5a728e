"""What people know about a training run and a machine does not: lineage, decision context and the words of the card.

The names are the user's own (practice 5). What is not known stays empty: the story then says what is missing, where a
filler such as "unknown" would pass for an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Which code and data a model was made from.

    Args:
        git_commit: None looks it up in the working folder; empty is not known.
        dataset_commit: the commit or digest of the training data, as its store names it.
        code_version: the version of the training package.
        feature_views: version by name of each feature view that was read.
        code_paths: files that trained it.
    """

    git_commit: str | None = None
    git_branch: str = ""
    dataset_commit: str = ""
    dataset_path: str = ""
    code_version: str = ""
    preprocessing_version: str = ""
    feature_views: Mapping[str, str] = field(default_factory=dict)
    code_paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionContext:
    """Why a model was trained, and what is expected of it."""

    reason: str = ""
    improvements: str = ""
    risks: str = ""
    approver: str = ""
    business_context: str = ""
    deployment_plan: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardText:
    """The parts of a model card that only people can write (Mitchell et al., arXiv 1810.03993)."""

    purpose: str = ""
    intended_use: str = ""
    out_of_scope: str = ""
    limitations: str = ""
    ethics: str = ""
    contact: str = ""


_DECISION_KEYS = {"reason": "reason_for_training", "improvements": "expected_improvements", "risks": "risks_identified"}


def lineage_document(lineage: Lineage, *, parents: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """Return `lineage.json`: every part that is known, with parents as `NAME/VERSION` by relation."""
    known = {name: value for name, value in asdict(lineage).items() if value}
    return {**known, "parents": {relation: list(names) for relation, names in parents.items() if names}}


def decision_document(context: DecisionContext, *, at: str) -> dict[str, str]:
    """Return `decision_context.json`: every part that is known, under the user's keys."""
    known = {_DECISION_KEYS.get(name, name): value for name, value in asdict(context).items() if value}
    return {"timestamp": at, **known}
