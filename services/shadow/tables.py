"""Figures of a comparison as tables, for files that people take along: slices, stretches of time, and flow."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

from services.shadow.figures import Figures
from services.shadow.timeline import Stretch
from services.untrusted.csv_writer import write_csv

_SLICE = (
    "slice",
    "value",
    "is_rest",
    "pairs",
    "invalid",
    "agreeing",
    "rate",
    "low",
    "high",
    "mean_difference",
    "mean_abs_difference",
)
_STRETCH = (
    "start",
    "pairs",
    "valid_pairs",
    "rate",
    "low",
    "high",
    "champion_errors",
    "candidate_errors",
    "champion_latency_ms",
    "candidate_latency_ms",
)


def slices_csv(figures: Figures) -> str:
    """Return every slice value, worst first, as CSV."""
    return _csv(
        _SLICE,
        ([one.column if name == "slice" else getattr(one, name) for name in _SLICE] for one in figures.slices),
    )


def stretches_csv(stretches: Sequence[Stretch]) -> str:
    """Return what happened over time, oldest first, as CSV."""
    return _csv(
        _STRETCH,
        (
            [
                *(one.start, one.pairs, one.valid_pairs),
                *(one.agreement.estimate, one.agreement.low, one.agreement.high),
                *(getattr(one, name) for name in _STRETCH[6:]),
            ]
            for one in stretches
        ),
    )


def flow_csv(figures: Figures) -> str:
    """Return how many pairs went from which decision to which, as CSV."""
    rows = ((one, other, pairs) for one, row in figures.flow.items() for other, pairs in row.items())
    return _csv(("champion_decision", "candidate_decision", "pairs"), rows)


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    out = io.StringIO(newline="")
    write_csv(out, header=header, rows=rows)
    return out.getvalue()
