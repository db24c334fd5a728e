"""A story as it was given and measured, before anything of it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from services.lineage import artifacts
from services.lineage.context import CardText, DecisionContext, Lineage
from services.lineage.evaluation import Evaluation
from services.lineage.loggable import Loggable


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryDraft:
    """Everything that one call of `log_story` knows.

    `parents` holds `NAME/VERSION` by relation (`tuned_from`, `baseline`).
    """

    model: Any
    subject: Loggable
    train: Any
    train_label: Any | None
    test: Any
    query: pd.Series | None
    evaluation: Evaluation
    signature: Any
    lineage: Lineage
    decision: DecisionContext
    card: CardText
    title: str
    dataset_name: str
    params: Mapping[str, Any]
    tags: Mapping[str, str]
    parents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def run_params(draft: StoryDraft) -> dict[str, Any]:
    """Return the parameters of the run: the model's own, the feature views, and those that were given."""
    lineage = draft.lineage
    views = {artifacts.FEATURE_VIEW_PARAM.format(name=name): version for name, version in lineage.feature_views.items()}
    paths = {
        artifacts.DATASET_PATH_PARAM: lineage.dataset_path,
        artifacts.PREPROCESSING_PARAM: lineage.preprocessing_version,
    }
    return {**draft.subject.params, **views, **_known(paths), **draft.params}


def version_tags(draft: StoryDraft) -> dict[str, str]:
    """Return the tags that a version carries: where it is from, and those that were given."""
    lineage = draft.lineage
    known = {
        artifacts.TASK: str(draft.evaluation.task),
        artifacts.GIT_COMMIT: lineage.git_commit,
        artifacts.GIT_BRANCH: lineage.git_branch,
        artifacts.DATASET_COMMIT: lineage.dataset_commit,
        artifacts.CODE_VERSION: lineage.code_version,
        **{relation: ", ".join(names) for relation, names in draft.parents.items()},
    }
    return {**_known(known), **draft.tags}


def run_tags(draft: StoryDraft) -> dict[str, str]:
    """Return the tags of the run: those of the version, the decision, and Git as MLflow's own pages show it."""
    known = {
        artifacts.APPROVER: draft.decision.approver,
        artifacts.DEPLOYMENT_PLAN: draft.decision.deployment_plan,
        artifacts.MLFLOW_COMMIT: draft.lineage.git_commit,
        artifacts.MLFLOW_BRANCH: draft.lineage.git_branch,
    }
    return {**_known(known), **version_tags(draft)}


def _known(texts: Mapping[str, str | None]) -> dict[str, str]:
    return {name: text for name, text in texts.items() if text}
