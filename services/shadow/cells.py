"""Cells of a merged state as values: which pairs are valid, why others are not, and what counts follow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from services.shadow.answers import SIDES, VALID, Carried, Standing, carried_by
from services.shadow.sql import VERSIONS
from services.shadow.states import LAYOUTS, ShadowState

_FAULTS = {Standing.ERROR: "error", Standing.INFINITE: "infinite_score", Standing.NAN: "nan_score"}
_FAULT_ORDER = ("error", "infinite_score", "nan_score", "missing")
UNLIKE = "unlike_the_rest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Pairs that were answered alike; the sums are over them."""

    champion: Standing
    candidate: Standing
    champion_decided: bool
    candidate_decided: bool
    told: str | None
    champion_decision: str | None
    candidate_decision: str | None
    is_rest: bool
    pairs: int
    agreeing: int
    labelled: int
    champion_right: int
    candidate_right: int
    both_right: int
    difference: float
    difference_squared: float
    difference_size: float
    difference_most: float

    @property
    def carried(self) -> Carried:
        """What both sides have."""
        is_decided = self.champion_decided and self.candidate_decided
        return carried_by(self.champion, self.candidate, is_decided=is_decided)


def read_cells(table: pa.Table) -> list[Cell]:
    """Return the cells of a state, versions left out."""
    renamed = {"champion_standing": "champion", "candidate_standing": "candidate"}
    cells = []
    for row in table.drop_columns(list(VERSIONS)).to_pylist():
        values: dict[str, Any] = {renamed.get(name, name): value for name, value in row.items()}
        for side in SIDES:
            values[side] = Standing(values[side])
        cells.append(Cell(**{**values, "difference_most": values["difference_most"] or 0.0}))
    return cells


def find_kind(cells: Iterable[Cell]) -> Carried:
    """Return what most comparable pairs carry, which is what a prediction is in this log.

    A few pairs that carry more or less than the others cannot change what is valid for all of them.
    """
    counts: Counter[Carried] = Counter()
    for cell in cells:
        counts[cell.carried] += cell.pairs
    del counts[Carried.NOTHING]
    return max(counts, key=lambda kind: (counts[kind], kind), default=Carried.NOTHING)


def is_valid(cell: Cell, kind: Carried) -> bool:
    """Return whether both predictions of a cell's pairs are valid, in a log of this kind."""
    return cell.carried in VALID[kind]


def find_fault(cell: Cell, side: str, kind: Carried) -> str | None:
    """Return what is wrong with one side of a cell, or None."""
    standing = cell.champion if side == "champion" else cell.candidate
    is_decided = cell.champion_decided if side == "champion" else cell.candidate_decided
    if standing in {Standing.ERROR, Standing.INFINITE}:
        return _FAULTS[standing]
    if kind in {Carried.SCORES, Carried.BOTH} and standing is not Standing.FINITE:
        return _FAULTS.get(standing, "missing")
    lacks_decision = kind in {Carried.DECISIONS, Carried.BOTH} and not is_decided
    has_nothing = kind is Carried.NOTHING and not is_decided and standing is not Standing.FINITE
    return "missing" if lacks_decision or has_nothing else None


def count_invalid(cells: Iterable[Cell], kind: Carried) -> Mapping[str, int]:
    """Return how many pairs are not valid, by the worst that is wrong and the side it is wrong with."""
    counts: Counter[str] = Counter()
    for cell in cells:
        if not is_valid(cell, kind):
            counts[_reason(cell, kind)] += cell.pairs
    return dict(sorted(counts.items()))


def select_versions(state: ShadowState, champion: int | None, candidate: int | None) -> ShadowState:
    """Return the part of a state that is about some versions; None selects every one."""
    wanted = [
        (name, version) for name, version in zip(VERSIONS, (champion, candidate), strict=True) if version is not None
    ]
    if not wanted:
        return state
    return ShadowState(**{name: _filtered(getattr(state, name), wanted) for name in LAYOUTS})


def _reason(cell: Cell, kind: Carried) -> str:
    faults = {side: find_fault(cell, side, kind) for side in SIDES}
    for fault in _FAULT_ORDER:
        sides = [side for side in SIDES if faults[side] == fault]
        if sides:
            return f"{sides[0] if len(sides) == 1 else 'both'}_{fault}"
    return UNLIKE


def _filtered(table: pa.Table, wanted: Iterable[tuple[str, int]]) -> pa.Table:
    for name, version in wanted:
        table = table.filter(pc.equal(table.column(name), version))
    return table
