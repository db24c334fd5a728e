"""A shadow log over time: agreement, errors and latency by stretch of minutes, for pages to draw."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.clock import from_micros
from services.shadow.answers import VALID
from services.shadow.cells import find_kind, read_cells, select_versions
from services.shadow.reading import LogState
from services.shadow.sql import MICROS_A_MINUTE
from services.shadow.statistics import Interval, wilson_bounds

_SUMS = (
    "pairs",
    "champion_errors",
    "candidate_errors",
    "champion_latency",
    "champion_timed",
    "candidate_latency",
    "candidate_timed",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What happened from `start` on, for as long as the timeline's stretches are; means of latencies are in ms."""

    start: datetime
    pairs: int
    valid_pairs: int
    agreement: Interval
    champion_errors: int
    candidate_errors: int
    champion_latency_ms: float | None
    candidate_latency_ms: float | None


def list_stretches(
    log: LogState, *, minutes: int, champion: int | None = None, candidate: int | None = None
) -> tuple[Stretch, ...]:
    """Return what happened, by stretches of some minutes, in order; pairs without a time are left out."""
    state = select_versions(log.state, champion, candidate)
    valid_kinds = pa.array([int(kind) for kind in VALID[find_kind(read_cells(state.cells))]], pa.int8())
    table = state.minutes.filter(pc.is_valid(state.minutes.column("minute")))
    if not table.num_rows:
        return ()
    starts, place = np.unique(table.column("minute").to_numpy() // minutes * minutes, return_inverse=True)
    is_valid = pc.is_in(table.column("carried"), value_set=valid_kinds).to_numpy()

    def total(name: str, where: np.ndarray | None = None) -> np.ndarray:
        values = table.column(name).to_numpy()
        return np.bincount(place, weights=values if where is None else np.where(where, values, 0))

    sums = {name: total(name) for name in _SUMS}
    valid, agreeing = total("pairs", is_valid), total("agreeing", is_valid)
    low, high = wilson_bounds(agreeing, valid)
    return tuple(
        Stretch(
            start=from_micros(int(start) * MICROS_A_MINUTE),
            pairs=int(sums["pairs"][index]),
            valid_pairs=int(valid[index]),
            agreement=_interval(agreeing[index], valid[index], low[index], high[index]),
            champion_errors=int(sums["champion_errors"][index]),
            candidate_errors=int(sums["candidate_errors"][index]),
            champion_latency_ms=_mean(sums["champion_latency"][index], sums["champion_timed"][index]),
            candidate_latency_ms=_mean(sums["candidate_latency"][index], sums["candidate_timed"][index]),
        )
        for index, start in enumerate(starts)
    )


def _interval(agreeing: float, valid: float, low: float, high: float) -> Interval:
    return Interval(estimate=float(agreeing / valid), low=float(low), high=float(high)) if valid else Interval()


def _mean(total: float, count: float) -> float | None:
    return float(total / count) if count else None
