"""Metrics by slice: how they are named among a run's metrics, and the file that keeps them exactly.

A metric's name may hold letters, digits, `_ . - :`, spaces and slashes, so every other character of a column or
value is written as `:` and the hexadecimal of its UTF-8 bytes; two slices never share a name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from services.errors import InvalidInput
from services.lineage.artifacts import SLICE_METRIC_PREFIX

_ESCAPED = re.compile(r"[^A-Za-z0-9_.\- ]")
_LONGEST_NAME = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceMetrics:
    """The metrics of the rows in which one column has one value."""

    column: str
    value: str
    rows: int
    metrics: Mapping[str, float]


def slice_metric_name(column: str, value: str, metric: str) -> str:
    """Return the name under which a slice's metric is logged.

    >>> slice_metric_name("country", "US", "auc")
    'slice/country/US/auc'
    >>> slice_metric_name("band", "0+", "auc")
    'slice/band/0:2b/auc'
    """
    return "/".join((SLICE_METRIC_PREFIX, _escape(column), _escape(value), metric))


def named_metrics(slices: Iterable[SliceMetrics]) -> dict[str, float]:
    """Return every metric of every slice by its logged name; one too long for MLflow is kept in the file alone."""
    named = {
        slice_metric_name(part.column, part.value, metric): value
        for part in slices
        for metric, value in part.metrics.items()
    }
    return {name: value for name, value in named.items() if len(name) <= _LONGEST_NAME}


def slices_document(slices: Iterable[SliceMetrics]) -> list[dict[str, Any]]:
    """Return the content of `slices.json`."""
    return [
        {"slice": part.column, "value": part.value, "rows": part.rows, "metrics": dict(part.metrics)} for part in slices
    ]


def read_slices(content: bytes) -> tuple[SliceMetrics, ...]:
    """Return what a `slices.json` holds.

    Raises:
        InvalidInput: it is not such a file.
    """
    try:
        return tuple(
            SliceMetrics(
                column=str(part["slice"]),
                value=str(part["value"]),
                rows=int(part["rows"]),
                metrics={str(name): float(value) for name, value in part["metrics"].items()},
            )
            for part in json.loads(content)
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidInput(
            "slices.json of this run is not a list of slices with their metrics.",
            next_step="Log the story again with gatehouse.log_story.",
        ) from error


def _escape(text: str) -> str:
    if text in {"", ".", ".."}:
        # MLflow reads a name as a path, in which these would vanish.
        return ":" + text.replace(".", ":2e")
    return _ESCAPED.sub(lambda found: "".join(f":{byte:02x}" for byte in found[0].encode()), text)
