"""How complete a story is: the parts it should have, which of them are there, and how to add the rest (practice 5).

A part that does not apply to a task or to a first version is not asked for. A part that could not be looked for counts
as missing, since nothing passes on absence.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from services.lineage import artifacts
from services.lineage.vocabulary import VOCABULARY, Task, Vocabulary, lint_tags
from services.registry.values import LoggedModel, ModelVersion, RegisteredModel, Run

_DECIDED: Final = "log_story(..., decision=DecisionContext({name}=...))"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryRecords:
    """Everything that was read about one version.

    Args:
        run: None where the version names none, or its run is gone.
        signature_sides: which of `inputs` and `outputs` its signature describes.
        files: paths of the model's folder and of the run's artifacts.
        decision: the decision context, empty where there is none.
        lineage: `lineage.json`, empty where there is none.
    """

    version: ModelVersion
    model: RegisteredModel
    run: Run | None = None
    logged: LoggedModel | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    signature_sides: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    decision: Mapping[str, Any] = field(default_factory=dict)
    lineage: Mapping[str, Any] = field(default_factory=dict)
    vocabulary: Vocabulary = VOCABULARY

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags of run, model and version; the version's own win."""
        return {**(self.run.tags if self.run else {}), **self.model.tags, **self.version.tags}

    @property
    def task(self) -> str:
        """What the model is for, as its tag says; empty where none does."""
        return self.tags.get(artifacts.TASK, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryPart:
    """One part of a story.

    Args:
        name: as gate policies name it.
        how_to_add: one sentence, for the person who is to add it.
        tasks: for which it is asked; empty is all.
    """

    name: str
    title: str
    how_to_add: str
    is_there: Callable[[StoryRecords], bool]
    tasks: Collection[Task] = ()
    is_asked: Callable[[StoryRecords], bool] = lambda _records: True


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """The parts that are asked for, in order, and those that are missing."""

    parts: tuple[StoryPart, ...]
    missing: tuple[StoryPart, ...]

    @property
    def ratio(self) -> float:
        """The share of parts that are there, from 0 to 1."""
        return 1 - len(self.missing) / len(self.parts)

    @property
    def present(self) -> tuple[StoryPart, ...]:
        """The parts that are there."""
        return tuple(part for part in self.parts if part not in self.missing)


def measure_completeness(records: StoryRecords) -> Completeness:
    """Say which parts of a version's story are there."""
    asked = tuple(
        part for part in STORY_PARTS if (not part.tasks or records.task in part.tasks) and part.is_asked(records)
    )
    return Completeness(parts=asked, missing=tuple(part for part in asked if not part.is_there(records)))


def _has_file(*paths: str) -> Callable[[StoryRecords], bool]:
    return lambda records: any(path in records.files for path in paths)


def _is_decided(key: str) -> Callable[[StoryRecords], bool]:
    return lambda records: bool(str(records.decision.get(key, "")).strip())


def _has_parents(records: StoryRecords) -> bool:
    tags = records.tags
    return bool(tags.get(artifacts.TUNED_FROM) or tags.get(artifacts.BASELINE) or tags.get(artifacts.IS_BASELINE))


STORY_PARTS: Final = (
    StoryPart(
        name="run",
        title="Training run",
        how_to_add="Register the version from the run that trained it.",
        is_there=lambda records: records.run is not None,
    ),
    StoryPart(
        name="dataset",
        title="Data sets with digests",
        how_to_add="Log the training data with mlflow.log_input, or log the story with gatehouse.log_story.",
        is_there=lambda records: records.run is not None and any(data.digest for data in records.run.datasets),
    ),
    StoryPart(
        name="code",
        title="Code commit",
        how_to_add="Train from a Git checkout, or give log_story a Lineage with git_commit.",
        is_there=lambda records: bool(
            records.tags.get(artifacts.GIT_COMMIT) or records.tags.get(artifacts.MLFLOW_COMMIT)
        ),
    ),
    StoryPart(
        name="parameters",
        title="Parameters",
        how_to_add="Log the hyperparameters with mlflow.log_params, or log the story with gatehouse.log_story.",
        is_there=lambda records: bool(
            (records.run and records.run.params) or (records.logged and records.logged.params)
        ),
    ),
    StoryPart(
        name="metrics",
        title="Canonical metrics",
        how_to_add="Log at least one metric under its canonical name, such as auc, rmse or ndcg.",
        is_there=lambda records: any(records.vocabulary.canonical_name(name) for name in records.metrics),
    ),
    StoryPart(
        name="slices",
        title="Metrics by slice",
        how_to_add="Give log_story the columns to slice by.",
        is_there=_has_file(artifacts.SLICES),
    ),
    StoryPart(
        name="predictions",
        title="Table of predictions",
        how_to_add="Log the story with gatehouse.log_story: it keeps what was predicted for the held-out rows.",
        is_there=_has_file(artifacts.PREDICTIONS),
    ),
    StoryPart(
        name="signature",
        title="Signature of inputs and outputs",
        how_to_add="Log the model with a signature that describes both sides.",
        is_there=lambda records: records.signature_sides >= {"inputs", "outputs"},
    ),
    StoryPart(
        name="input_example",
        title="Input example",
        how_to_add="Log the model with an input example: the sandbox measures latency on it.",
        is_there=_has_file("input_example.json"),
    ),
    StoryPart(
        name="feature_importance",
        title="Feature importance",
        how_to_add=f"Log {artifacts.IMPORTANCE_PLOT}; gatehouse.log_story draws it.",
        is_there=_has_file(artifacts.IMPORTANCE_PLOT, artifacts.IMPORTANCE_TABLE, "feature_importance.png"),
    ),
    StoryPart(
        name="confusion_matrix",
        title="Confusion matrix",
        how_to_add=f"Log {artifacts.CONFUSION_PLOT}; gatehouse.log_story draws it.",
        is_there=_has_file(artifacts.CONFUSION_PLOT, "confusion_matrix.png"),
        tasks=(Task.CLASSIFICATION, Task.ANOMALY_DETECTION),
    ),
    StoryPart(
        name="calibration",
        title="Calibration plot",
        how_to_add=f"Log {artifacts.CALIBRATION_PLOT}; gatehouse.log_story draws it for models with probabilities.",
        is_there=_has_file(artifacts.CALIBRATION_PLOT, "calibration.png"),
        tasks=(Task.CLASSIFICATION,),
    ),
    StoryPart(
        name="model_card",
        title="Model card",
        how_to_add=f"Log {artifacts.MODEL_CARD}; gatehouse.log_story writes it from a CardText.",
        is_there=_has_file(artifacts.MODEL_CARD),
    ),
    StoryPart(
        name="reason",
        title="Reason for training",
        how_to_add=f"Say why it was trained: {_DECIDED.format(name='reason')}.",
        is_there=_is_decided("reason_for_training"),
    ),
    StoryPart(
        name="risks",
        title="Risks",
        how_to_add=f"Say what could go wrong: {_DECIDED.format(name='risks')}.",
        is_there=_is_decided("risks_identified"),
    ),
    StoryPart(
        name="business_context",
        title="Business context",
        how_to_add=f"Say what it is for: {_DECIDED.format(name='business_context')}.",
        is_there=_is_decided("business_context"),
    ),
    StoryPart(
        name="description",
        title="What is unique about this version",
        how_to_add="Register the version with a description.",
        is_there=lambda records: bool(records.version.description.strip()),
    ),
    StoryPart(
        name="tags",
        title="Standard tags",
        how_to_add="Set the standard tags on the version or on its model.",
        is_there=lambda records: not lint_tags(records.tags, records.vocabulary),
    ),
    StoryPart(
        name="parents",
        title="Parent model",
        how_to_add="Give log_story tuned_from or baseline, or set the tag tuned_from to NAME/VERSION.",
        is_there=_has_parents,
        is_asked=lambda records: records.version.version > 1,
    ),
)
