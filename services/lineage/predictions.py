"""Predictions as a table, whatever shape a model answers in.

The table has one row an evaluated row: `prediction` (class or number), `score` (probability of the positive class,
confidence of the predicted class, anomaly or relevance; NaN where the model has none), `label` (missing where unknown)
and a string column `slice_NAME` for each slice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from services.errors import InvalidInput
from services.lineage.artifacts import SLICE_COLUMN_PREFIX
from services.lineage.vocabulary import Task

_MOST_SLICE_VALUES = 50
_TWO_CLASSES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What a model said about some rows, before labels are known.

    Args:
        score: NaN where the model has none.
        probabilities: one column a class; None where the model gives none.
    """

    prediction: pd.Series
    score: pd.Series
    probabilities: pd.DataFrame | None = None

    def part(self, start: int, stop: int) -> Output:
        """Return the output for some of the rows."""
        chosen = slice(start, stop)
        return Output(
            prediction=self.prediction.iloc[chosen].reset_index(drop=True),
            score=self.score.iloc[chosen].reset_index(drop=True),
            probabilities=None
            if self.probabilities is None
            else self.probabilities.iloc[chosen].reset_index(drop=True),
        )


def read_output(answer: Any, task: Task, *, classes: tuple[Any, ...] = ()) -> Output:
    """Return what a pyfunc answered, read by its shape.

    A table with a column `prediction` (and `score` or `probability`) says it itself; a table or array of two or more
    columns in classification holds one probability a class; anything of one column is the prediction, and a fraction
    in classification is the probability of the positive class, cut at a half.

    Raises:
        InvalidInput: the answer has another shape.
    """
    if isinstance(answer, pd.DataFrame) and "prediction" in answer.columns:
        return _read_named(answer)
    values = np.asarray(answer)
    is_classes = task is Task.CLASSIFICATION
    if values.ndim == _TWO_CLASSES and values.shape[1] > 1 and is_classes:
        return read_probabilities(values, classes or tuple(range(values.shape[1])))
    if values.ndim > 1:
        values = values.reshape(len(values), -1)
        if values.shape[1] != 1:
            raise InvalidInput(
                f"The model answers {values.shape[1]} columns, none of them named 'prediction'.",
                next_step="Let it answer one column, or a table with the columns prediction and score.",
            )
        values = values[:, 0]
    if is_classes and values.dtype.kind == "f" and not np.isin(values, (0.0, 1.0)).all():
        return read_probabilities(np.column_stack([1 - values, values]), classes or (0, 1))
    is_number = task in {Task.REGRESSION, Task.RANKING}
    prediction = pd.Series(values)
    return Output(prediction=prediction, score=prediction.astype(float) if is_number else _unknown(len(values)))


def read_probabilities(values: Any, classes: tuple[Any, ...]) -> Output:
    """Return the most probable class and its score: of two classes, the probability of the second."""
    probabilities = pd.DataFrame(np.asarray(values, dtype=float), columns=list(classes))
    matrix = probabilities.to_numpy()
    prediction = pd.Series(np.asarray(classes)[matrix.argmax(axis=1)])
    score = matrix[:, 1] if len(classes) == _TWO_CLASSES else matrix.max(axis=1)
    return Output(prediction=prediction, score=pd.Series(score), probabilities=probabilities)


def predictions_table(output: Output, label: Any | None, slices: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Return the table of predictions in the column order of this module's rule.

    Raises:
        InvalidInput: labels or a slice are not as many as the predictions, or a slice has more than fifty values.
    """
    rows = len(output.prediction)
    known = _unknown(rows) if label is None else pd.Series(np.asarray(label))
    _check_rows("label", known, rows)
    table = {"prediction": output.prediction, "score": output.score.astype(float), "label": known}
    for name, values in slices.items():
        _check_rows(name, values, rows)
        text = pd.Series(["missing" if pd.isna(value) else str(value) for value in values], dtype="str")
        distinct = text.nunique()
        if distinct > _MOST_SLICE_VALUES:
            raise InvalidInput(
                f"The slice {name!r} has {distinct} values; {_MOST_SLICE_VALUES} is the most that can be compared.",
                next_step="Put its values into bins, or slice by another column.",
            )
        table[SLICE_COLUMN_PREFIX + name] = text
    return pd.DataFrame(table)


def _read_named(answer: pd.DataFrame) -> Output:
    score = next((answer[name] for name in ("score", "probability") if name in answer.columns), None)
    return Output(
        prediction=answer["prediction"].reset_index(drop=True),
        score=_unknown(len(answer)) if score is None else score.reset_index(drop=True).astype(float),
    )


def _unknown(rows: int) -> pd.Series:
    return pd.Series(np.full(rows, np.nan))


def _check_rows(name: str, values: Any, rows: int) -> None:
    if len(values) != rows:
        raise InvalidInput(
            f"{name!r} has {len(values)} rows where the evaluated data has {rows}.",
            next_step="Pass one value for each row of the test data.",
        )
