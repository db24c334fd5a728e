"""An evaluation: predictions, canonical metrics overall and by slice, and what calibration and fairness say.

Every figure is computed from the one table of predictions that is kept beside it, so that anyone can compute it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from services.errors import InvalidInput
from services.lineage.artifacts import SLICE_COLUMN_PREFIX
from services.lineage.metrics import (
    calibration_psi,
    classification_metrics,
    defined,
    demographic_parity,
    ranking_metrics,
    regression_metrics,
)
from services.lineage.predictions import Output, predictions_table
from services.lineage.slices import SliceMetrics
from services.lineage.vocabulary import Task

ANOMALY = -1
"""What an anomaly is labelled and predicted as; normal rows are 1 (scikit-learn's convention)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What was measured of a model on one data set.

    Args:
        table: the predictions, as `services.lineage.predictions` lays them out.
        positive: the class that scores speak of; None for more than two classes and for numbers.
    """

    task: Task
    table: pd.DataFrame
    metrics: Mapping[str, float]
    slices: tuple[SliceMetrics, ...]
    positive: Any = None


def evaluate(
    output: Output,
    *,
    task: Task,
    label: Any | None,
    slices: Mapping[str, pd.Series] | None = None,
    fairness_by: str | None = None,
    positive: Any = None,
    query: pd.Series | None = None,
) -> Evaluation:
    """Measure a model's output against what was true.

    Only anomaly detection can do without `label`. `fairness_by` is the slice whose groups should be treated alike.
    `positive` is the class that scores are the probability of, by default the larger of two. `query` says, for ranking,
    which query a row belongs to.

    Raises:
        InvalidInput: there are no rows, or labels, queries or slices that the task needs are missing or too few.
    """
    _check_given(output, task=task, label=label, query=query, fairness_by=fairness_by, slices=slices or {})
    table = predictions_table(output, label, slices or {})
    positive = _find_positive(task, table, output, positive)
    measured = measure(task, table, output, positive=positive, query=query)
    measured |= _responsibility(task, table, output, positive=positive, fairness_by=fairness_by)
    by_slice = tuple(
        SliceMetrics(
            column=column.removeprefix(SLICE_COLUMN_PREFIX),
            value=str(value),
            rows=len(rows),
            metrics=measure(task, rows, output, positive=positive, query=query),
        )
        for column in table.columns
        if column.startswith(SLICE_COLUMN_PREFIX)
        for value, rows in table.groupby(column, sort=True)
    )
    return Evaluation(task=task, table=table, metrics=measured, slices=by_slice, positive=positive)


def measure(
    task: Task,
    table: pd.DataFrame,
    output: Output,
    *,
    positive: Any,
    query: pd.Series | None,
    only: frozenset[str] | None = None,
) -> dict[str, float]:
    """Return the canonical metrics of some rows of the table; its index says which rows of the output they are.

    `only` names the metrics that a classification is asked for, since measuring all of them takes long.
    """
    label, prediction, score = table["label"], table["prediction"], table["score"]
    if task is Task.REGRESSION:
        return regression_metrics(label, prediction)
    if task is Task.RANKING:
        assert query is not None
        return ranking_metrics(label, score, query.reset_index(drop=True).loc[table.index])
    if label.isna().all():
        return {"anomaly_rate": float((prediction == ANOMALY).mean())}
    probabilities = None if output.probabilities is None else output.probabilities.loc[table.index]
    known_score = None if score.isna().any() else score
    return classification_metrics(
        label, prediction, positive=positive, score=known_score, probabilities=probabilities, only=only
    )


def _responsibility(
    task: Task, table: pd.DataFrame, output: Output, *, positive: Any, fairness_by: str | None
) -> dict[str, float]:
    measured: dict[str, float | None] = {}
    if task is Task.CLASSIFICATION and output.probabilities is not None:
        happened = table["label"] == (table["prediction"] if positive is None else positive)
        measured["calibration_psi"] = calibration_psi(table["score"], happened)
    if fairness_by is not None and positive is not None:
        favoured = table["prediction"] == positive
        measured["demographic_parity"] = demographic_parity(favoured, table[SLICE_COLUMN_PREFIX + fairness_by])
    return defined({name: value for name, value in measured.items() if value is not None})


def _find_positive(task: Task, table: pd.DataFrame, output: Output, positive: Any) -> Any:
    if task is Task.ANOMALY_DETECTION:
        return ANOMALY
    if task is not Task.CLASSIFICATION or positive is not None:
        return positive
    classes = sorted(set(table["label"]) | set(table["prediction"]))
    if output.probabilities is not None:
        classes = list(output.probabilities.columns)
    return classes[1] if len(classes) == 2 else None  # noqa: PLR2004 - two classes have one positive


def _check_given(
    output: Output,
    *,
    task: Task,
    label: Any | None,
    query: pd.Series | None,
    fairness_by: str | None,
    slices: Mapping[str, pd.Series],
) -> None:
    if output.prediction.empty:
        raise InvalidInput("The test data has no rows.", next_step="Evaluate on the rows that were held out.")
    if label is None and task is not Task.ANOMALY_DETECTION:
        raise InvalidInput(f"A {task} model is evaluated without labels.", next_step="Pass test_label.")
    if label is not None and pd.isna(np.asarray(label, dtype=object)).any():
        raise InvalidInput("Some labels of the test data are missing.", next_step="Evaluate on the labelled rows only.")
    if task is Task.RANKING and (query is None or len(query) != len(output.prediction)):
        raise InvalidInput(
            "A ranking needs to know each row's query.", next_step="Pass query, one a row of the test data."
        )
    if fairness_by is not None and fairness_by not in slices:
        raise InvalidInput(
            f"Fairness is asked by {fairness_by!r}, which is not among the slices.",
            next_step=f"Add {fairness_by!r} to slices.",
        )
