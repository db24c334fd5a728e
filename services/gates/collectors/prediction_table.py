"""Slices, fairness and calibration, computed from the prediction table that a run logged."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pandas as pd

from services.errors import InvalidInput
from services.gates.collectors.sources import FileSource
from services.gates.evidence import Absent, Predictions, Subject
from services.gates.kinds import FairnessGate
from services.lineage import artifacts
from services.lineage.metrics import calibration_psi, classification_metrics, demographic_parity
from services.lineage.slices import SliceMetrics

PREDICTIONS_CSV = "predictions.csv"
TWO_CLASSES = 2


def measure_fairness(table: pd.DataFrame, subject: Subject) -> Predictions | Absent:
    """Return demographic parity by slice column, and calibration; absent where there are not two classes."""
    positive = _positive_class(table)
    if positive is None:
        return Absent(reason="The prediction table does not speak of two classes.")
    least = min((gate.min_rows for gate in subject.gates if isinstance(gate, FairnessGate)), default=1)
    favoured = table["prediction"] == positive
    parity = {
        column.removeprefix(artifacts.SLICE_COLUMN_PREFIX): demographic_parity(
            favoured, table[column], least_rows=least
        )
        for column in _slice_columns(table)
    }
    return Predictions(rows=len(table), demographic_parity=parity, calibration_psi=_calibration(table, positive))


def find_table(source: FileSource, subject: Subject) -> pd.DataFrame | None:
    """Return the table that a run logged, or None.

    Raises:
        InvalidInput: it cannot be read, or has no predictions.
    """
    content = source.find(subject, artifacts.PREDICTIONS)
    try:
        if content is not None:
            table = pd.read_parquet(io.BytesIO(content))
        elif (content := source.find(subject, PREDICTIONS_CSV)) is not None:
            table = pd.read_csv(io.BytesIO(content))
        else:
            return None
    except (ValueError, OSError) as error:
        raise InvalidInput(
            "The prediction table cannot be read.", next_step=f"Log it as {artifacts.PREDICTIONS} again."
        ) from error
    if "prediction" not in table.columns:
        raise InvalidInput(
            "The prediction table has no column 'prediction'.", next_step=f"Log it as {artifacts.PREDICTIONS} again."
        )
    return table


def _slice_columns(table: pd.DataFrame) -> Sequence[str]:
    return [column for column in table.columns if column.startswith(artifacts.SLICE_COLUMN_PREFIX)]


def _positive_class(table: pd.DataFrame) -> Any | None:
    """Return the second of two classes, in their natural order; None where there are not two."""
    columns = [name for name in ("prediction", "label") if name in table.columns]
    seen = pd.unique(pd.concat([table[name].dropna() for name in columns], ignore_index=True))
    if len(seen) != TWO_CLASSES:
        return None
    return max(seen, key=lambda value: (isinstance(value, str), value))


def _calibration(table: pd.DataFrame, positive: Any) -> float | None:
    if not {"score", "label"} <= set(table.columns):
        return None
    known = table[table["score"].between(0, 1) & table["label"].notna()]
    return calibration_psi(known["score"], known["label"] == positive) if len(known) else None


def measure_slices(table: pd.DataFrame) -> list[SliceMetrics]:
    """Return the metrics of every value of every slice column; none where there are no labels."""
    if "label" not in table.columns:
        return []
    positive = _positive_class(table)
    known = table[table["label"].notna()]
    return [
        SliceMetrics(
            column=column.removeprefix(artifacts.SLICE_COLUMN_PREFIX),
            value=str(value),
            rows=len(group),
            metrics=classification_metrics(
                group["label"],
                group["prediction"],
                positive=positive,
                score=group["score"] if "score" in group.columns else None,
                probabilities=None,
            ),
        )
        for column in _slice_columns(known)
        for value, group in known.groupby(column, sort=True)
    ]
