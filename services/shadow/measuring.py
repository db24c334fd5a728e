"""From the merged state of a log to its figures; milliseconds, whatever the log's size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.clock import from_micros
from services.shadow.answers import SIDES, VALID, Carried
from services.shadow.bins import GRID, GRID_SIDE, difference_of_bin
from services.shadow.cells import Cell, count_invalid, find_fault, find_kind, is_valid, read_cells, select_versions
from services.shadow.correctness import (
    TIGHTEST_AT,
    measure_labels,
    measure_mcnemar,
    measure_nearness,
    measure_regression,
)
from services.shadow.distributions import (
    Paired,
    jensen_shannon,
    kolmogorov_smirnov,
    pair_up,
    population_stability,
    rank_probability,
)
from services.shadow.figures import (
    Agreement,
    Drift,
    Failures,
    Figures,
    Histogram,
    ScoreDifference,
    Task,
    VersionPair,
)
from services.shadow.latencies import bins_of, measure_latency
from services.shadow.reading import LogState
from services.shadow.slicing import list_slices
from services.shadow.sql import MICROS_A_MINUTE, VERSIONS
from services.shadow.states import ShadowState
from services.shadow.statistics import always_valid_mean, always_valid_rate, correlation, kappa, stuart_maxwell, wilson
from services.shadow.thresholds import Grid

OTHERS = "(others)"
_MINUTES_A_DAY = 24 * 60
_MAX_CLASSES = 100
_TWO = 2


def measure(
    log: LogState, *, champion: int | None = None, candidate: int | None = None, by: str | None = None
) -> Figures:
    """Return the figures of a log.

    Args:
        champion: only pairs of this champion version; likewise `candidate`.
        by: the only slice to list; None lists all.

    Raises:
        InvalidInput: the log has no slice of that name.
    """
    state = select_versions(log.state, champion, candidate)
    cells = read_cells(state.cells)
    kind = find_kind(cells)
    valid = [cell for cell in cells if is_valid(cell, kind)]
    numbers = _numbers_of_all(state) if kind is Carried.SCORES else {}
    pairs, valid_pairs = (sum(cell.pairs for cell in some) for some in (cells, valid))
    agreeing = int(numbers["agreeing"]) if numbers else sum(cell.agreeing for cell in valid)
    flow = _flow(valid) if kind in {Carried.DECISIONS, Carried.BOTH} else {}
    task = _find_task(kind, flow)
    square = _square(flow)
    scores = _paired_scores(state, kind)
    differences = _differences(state, kind)
    mcnemar, basis = measure_mcnemar(valid, flow if task is Task.BINARY else {})
    if numbers:
        mcnemar, basis = measure_nearness(numbers, differences)
    days, first_at, last_at = _time(state.minutes, kind)
    return Figures(
        versions=list_versions(state),
        task=task,
        pairs=pairs,
        valid_pairs=valid_pairs,
        invalid=count_invalid(cells, kind),
        days=days,
        first_at=first_at,
        last_at=last_at,
        agreement=_agreement(agreeing, valid_pairs),
        difference=_difference(valid, numbers),
        drift=_drift(scores),
        latency={side: measure_latency(state.histograms, side) for side in SIDES},
        failures={side: _failures(cells, side, kind, pairs) for side in SIDES},
        flow=flow,
        homogeneity=stuart_maxwell(square) if square else None,
        kappa=kappa(square) if square else None,
        slices=list_slices(state, kind, totals=(pairs, valid_pairs, agreeing), by=by),
        mcnemar=mcnemar,
        mcnemar_basis=basis,
        labels=measure_labels(valid, state.histograms),
        regression=measure_regression(numbers),
        scores=scores,
        differences=differences,
        grid=_grid(state, kind),
        coverage=log.coverage,
    )


def list_versions(state: ShadowState) -> tuple[VersionPair, ...]:
    """Return the pairs of versions of a state, those with the most pairs first."""
    counted = state.cells.group_by(list(VERSIONS), use_threads=False).aggregate([("pairs", "sum")]).to_pylist()
    found = [
        VersionPair(champion=row["champion_version"], candidate=row["candidate_version"], pairs=row["pairs_sum"])
        for row in counted
    ]
    return tuple(sorted(found, key=lambda pair: (-pair.pairs, pair.champion or 0, pair.candidate or 0)))


def _numbers_of_all(state: ShadowState) -> Mapping[str, float]:
    """Return the sums over all pairs of a regression."""
    table = state.numbers.filter(pc.is_null(state.numbers.column("slice")))
    names = [field.name for field in table.schema if field.name not in {*VERSIONS, "slice", "value", "is_rest"}]
    return {name: pc.sum(table.column(name)).as_py() or 0 for name in names}


def _agreement(agreeing: int, valid_pairs: int) -> Agreement:
    return Agreement(
        agreeing=agreeing, wilson=wilson(agreeing, valid_pairs), always_valid=always_valid_rate(agreeing, valid_pairs)
    )


def _flow(valid: Sequence[Cell]) -> dict[str, dict[str, int]]:
    counts: Counter[tuple[str, str]] = Counter()
    for cell in valid:
        champion, candidate = (
            OTHERS if text is None else text for text in (cell.champion_decision, cell.candidate_decision)
        )
        counts[champion, candidate] += cell.pairs
    flow: dict[str, dict[str, int]] = {}
    for champion, candidate in sorted(counts):
        flow.setdefault(champion, {})[candidate] = counts[champion, candidate]
    return flow


def _square(flow: Mapping[str, Mapping[str, int]]) -> list[list[int]]:
    """Return the flow as a square table over all decisions, or nothing where they are too many, or not all known."""
    classes = sorted(flow.keys() | {decision for row in flow.values() for decision in row})
    if len(classes) > _MAX_CLASSES or OTHERS in classes:
        return []
    return [[flow.get(champion, {}).get(candidate, 0) for candidate in classes] for champion in classes]


def _find_task(kind: Carried, flow: Mapping[str, Mapping[str, int]]) -> Task:
    if kind is Carried.SCORES:
        return Task.REGRESSION
    classes = flow.keys() | {decision for row in flow.values() for decision in row}
    if not classes:
        return Task.UNKNOWN
    return Task.BINARY if len(classes) <= _TWO else Task.MULTICLASS


def _difference(valid: Sequence[Cell], numbers: Mapping[str, float]) -> ScoreDifference:
    scored = [cell for cell in valid if cell.carried in {Carried.SCORES, Carried.BOTH}]
    pairs = sum(cell.pairs for cell in scored)
    if not pairs:
        return ScoreDifference()
    total, squared = sum(cell.difference for cell in scored), sum(cell.difference_squared for cell in scored)
    related = None
    if numbers:
        moments = ("score", "score_squared", "difference", "difference_squared", "score_times_difference")
        related = correlation(pairs, [numbers[name] for name in moments])
    return ScoreDifference(
        pairs=pairs,
        mean=always_valid_mean(pairs, total, squared, tightest_at=TIGHTEST_AT),
        mean_abs=always_valid_mean(
            pairs, sum(cell.difference_size for cell in scored), squared, tightest_at=TIGHTEST_AT
        ),
        max_abs=max(cell.difference_most for cell in scored),
        correlation=related,
    )


def _paired_scores(state: ShadowState, kind: Carried) -> Paired | None:
    table = state.histograms
    is_score = pc.is_in(table.column("measure"), value_set=pa.array([f"{side}_score" for side in SIDES]))
    table = table.filter(pc.and_(is_score, pc.equal(table.column("decided"), kind is not Carried.SCORES)))
    if not table.num_rows:
        return None
    return pair_up(
        table.column("bin").to_numpy().astype(np.int64),
        table.column("value").to_numpy(),
        pc.equal(table.column("measure"), "champion_score").to_numpy(),
        table.column("pairs").to_numpy(),
    )


def _drift(scores: Paired | None) -> Drift:
    if scores is None:
        return Drift()
    return Drift(
        psi=population_stability(scores),
        ks=kolmogorov_smirnov(scores),
        js=jensen_shannon(scores),
        rank=rank_probability(scores),
    )


def _differences(state: ShadowState, kind: Carried) -> Histogram:
    bins, pairs = bins_of(state.histograms, "difference", decided=kind is not Carried.SCORES)
    return Histogram(places=difference_of_bin(bins.to_numpy(zero_copy_only=False).astype(np.int64)), pairs=pairs)


def _grid(state: ShadowState, kind: Carried) -> Grid | None:
    bins, pairs = bins_of(state.histograms, "grid", decided=kind is not Carried.SCORES)
    if not len(bins):
        return None
    grid = np.zeros((GRID + 2, GRID + 2), dtype=np.int64)
    grid[np.divmod(bins.to_numpy(zero_copy_only=False), GRID_SIDE)] = pairs
    return grid


def _failures(cells: Sequence[Cell], side: str, kind: Carried, pairs: int) -> Failures:
    counts: Counter[str | None] = Counter()
    for cell in cells:
        counts[find_fault(cell, side, kind)] += cell.pairs
    errors, failed = counts["error"], pairs - counts[None]
    return Failures(
        errors=errors,
        unusable=failed - errors,
        error_rate=wilson(errors, pairs),
        always_valid=always_valid_rate(failed, pairs),
    )


def _time(minutes: pa.Table, kind: Carried) -> tuple[int, datetime | None, datetime | None]:
    """Return how many days have valid pairs, and the first and last minute of any."""
    known = minutes.filter(pc.is_valid(minutes.column("minute")))
    if not known.num_rows:
        return 0, None, None
    is_counted = pc.is_in(known.column("carried"), value_set=pa.array([int(one) for one in VALID[kind]], pa.int8()))
    days = np.unique(known.filter(is_counted).column("minute").to_numpy() // _MINUTES_A_DAY)
    bounds = pc.min_max(known.column("minute")).as_py()
    first_at, last_at = (from_micros(bounds[name] * MICROS_A_MINUTE) for name in ("min", "max"))
    return len(days), first_at, last_at
