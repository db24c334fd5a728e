"""From two answers to one request to rows of the paired log.

A row is a row of the request. Latency is that of the prediction of the whole request, as each version reports its own,
so that a queue in front of one of them does not count against it. Where a version decides nothing, a class it names is
its decision, and a number that stands for a class is one by the model's own signature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from services.shadow.schema import SLICE_PREFIX
from services.signatures.values import Columns, Scalar, Signature, Tensors

_CLASSES = {Scalar.INTEGER, Scalar.LONG, Scalar.BOOLEAN, Scalar.STRING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What one version made of a request.

    Args:
        given: its values, one a row.
        decisions: the actions of the policy in force, one a row, where there is one.
        error: why there are no values.
    """

    version: int
    given: Sequence[float | str | None] | None = None
    decisions: Sequence[str] | None = None
    latency_ms: float | None = None
    error: str | None = None
    names_classes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What both versions made of a request; `slices` are columns of it, as text."""

    request_id: str
    at: datetime
    champion: Side
    candidate: Side
    slices: Mapping[str, Sequence[str | None]]

    @property
    def rows(self) -> int:
        """How many rows the request had, as far as anybody can tell; at least 1."""
        return max((len(side.given) for side in (self.champion, self.candidate) if side.given is not None), default=1)


def to_rows(pair: Pair) -> list[dict[str, Any]]:
    """Return the rows of the log for a pair."""
    count = pair.rows
    rows = []
    for place in range(count):
        row: dict[str, Any] = {
            "request_id": pair.request_id if count == 1 else f"{pair.request_id}-{place}",
            "ts": pair.at,
        }
        for role, side in (("champion", pair.champion), ("candidate", pair.candidate)):
            row |= {f"{role}_{name}": value for name, value in _of_row(side, place, count).items()}
        for name, column in pair.slices.items():
            row[f"{SLICE_PREFIX}{name}"] = column[place] if len(column) == count else None
        rows.append(row)
    return rows


def names_classes(signature: Signature | None) -> bool:
    """Return whether a model's outputs are declared as classes rather than as numbers."""
    outputs = signature.outputs if signature is not None else None
    if isinstance(outputs, Columns):
        return outputs.columns[-1].type in _CLASSES
    return isinstance(outputs, Tensors) and not outputs.tensors[-1].dtype.startswith("float")


def slices_of(frame: pd.DataFrame | None, columns: Sequence[str]) -> dict[str, list[str | None]]:
    """Return columns of a request as text, those that it has."""
    if frame is None:
        return {}
    return {
        name: [None if pd.isna(cell) else str(cell) for cell in frame[name]]
        for name in columns
        if name in frame.columns
    }


def _of_row(side: Side, place: int, count: int) -> dict[str, Any]:
    fits = side.given is not None and len(side.given) == count
    value = side.given[place] if side.given is not None and fits else None
    error = side.error
    if error is None and side.given is not None and not fits:
        error = f"it gave {len(side.given)} values for {count} rows"
    if error is None and value is None:
        error = "the prediction is empty"
    is_class = isinstance(value, str) or (side.names_classes and value is not None)
    decision = side.decisions[place] if side.decisions is not None and fits else _as_class(value) if is_class else None
    return {
        "version": side.version,
        "score": None if is_class and side.decisions is None else value if isinstance(value, float) else None,
        "decision": decision,
        "latency_ms": side.latency_ms,
        "error": error,
    }


def _as_class(value: float | str | None) -> str | None:
    return f"{value:g}" if isinstance(value, float) else value
