"""Slices: how each value of each slice column fares, worst first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from services.errors import InvalidInput
from services.shadow.answers import SIDES, VALID, Carried, Standing, carried_by
from services.shadow.figures import Slice
from services.shadow.schema import SLICE_PREFIX
from services.shadow.states import ShadowState
from services.shadow.statistics import wilson_bounds

_OTHER_COLUMNS = {"label": "told", "champion_decision": "champion_decision", "candidate_decision": "candidate_decision"}
_KEYS = ("slice", "value", "is_rest")
_VALID_SUMS = ("agreeing", "difference", "difference_size")

Sums = npt.NDArray[np.float64]
Key = tuple[str, str | None, bool]


def list_slices(
    state: ShadowState, kind: Carried, *, totals: tuple[int, int, int], by: str | None
) -> tuple[Slice, ...]:
    """Return the values of all slices, or of one column, the lowest rate first.

    Args:
        kind: what a prediction is in this log.
        totals: pairs, valid pairs and agreeing pairs of the whole log; files without a slice count under no value.
        by: a slice with or without its prefix, `label`, or a decision; None lists all slices.

    Raises:
        InvalidInput: there is no such column.
    """
    sums = _sum_up(_choose(state, by), kind)
    if kind is Carried.SCORES:
        _add_agreeing(sums, state.numbers)
    _add_absent(sums, totals)
    if not sums:
        return ()
    table = np.array(list(sums.values()))
    bounds = wilson_bounds(table[:, 2], table[:, 1])
    slices = [_slice(key, row, low, high) for key, row, low, high in zip(sums, table, *bounds, strict=True)]
    return tuple(sorted(slices, key=_worst_first))


def rank_surely_worst(slices: Sequence[Slice]) -> list[Slice]:
    """Return slices in the order of how much they can agree at best: of a value that one pair has, little is known."""
    return sorted(slices, key=lambda one: math.inf if one.high is None else one.high)


def _choose(state: ShadowState, by: str | None) -> pa.Table:
    if by is None:
        return state.slices
    if by in _OTHER_COLUMNS:
        value = state.cells.column(_OTHER_COLUMNS[by])
        named = state.cells.append_column("slice", pa.array([by] * state.cells.num_rows, pa.string()))
        return named.append_column("value", value)
    names = pc.unique(state.slices.column("slice")).to_pylist()
    name = by if by in names else f"{SLICE_PREFIX}{by}"
    if name not in names and state.cells.num_rows:
        raise InvalidInput(
            f"The shadow log has no slice {by!r}.",
            next_step=f"Choose one of {', '.join([*sorted(names), *_OTHER_COLUMNS])}.",
        )
    return state.slices.filter(pc.equal(state.slices.column("slice"), name))


def _sum_up(table: pa.Table, kind: Carried) -> dict[Key, Sums]:
    """Return pairs, valid pairs, agreeing pairs, differences and their sizes by slice and value."""
    is_valid = _are_valid(table, kind)
    columns = [table.column("pairs"), pc.if_else(is_valid, table.column("pairs"), 0)]
    columns += [pc.if_else(is_valid, table.column(name), 0) for name in _VALID_SUMS]
    names = ["pairs", "valid", *_VALID_SUMS]
    keyed = pa.table([*(table.column(key) for key in _KEYS), *columns], names=[*_KEYS, *names])
    grouped = keyed.group_by(list(_KEYS), use_threads=False).aggregate([(name, "sum") for name in names])
    keys = zip(*(grouped.column(key).to_pylist() for key in _KEYS), strict=True)
    rows = np.column_stack([grouped.column(f"{name}_sum").to_numpy().astype(np.float64) for name in names])
    return dict(zip(keys, rows, strict=True))


def _are_valid(table: pa.Table, kind: Carried) -> pa.Array:
    """Return which rows are of valid pairs."""
    places = np.zeros(table.num_rows, dtype=np.int64)
    for side in SIDES:
        places = places * len(Standing) + table.column(f"{side}_standing").to_numpy()
    both = pc.and_(*(table.column(f"{side}_decided") for side in SIDES)).to_numpy()
    by_answer = np.array(
        [
            carried_by(champion, candidate, is_decided=is_decided) in VALID[kind]
            for champion in Standing
            for candidate in Standing
            for is_decided in (False, True)
        ]
    )
    return pa.array(by_answer[places * 2 + both])


def _add_agreeing(sums: Mapping[Key, Sums], numbers: pa.Table) -> None:
    grouped = numbers.group_by(list(_KEYS), use_threads=False).aggregate([("agreeing", "sum")])
    for row in grouped.to_pylist():
        found = sums.get((row["slice"], row["value"], row["is_rest"]))
        if found is not None:
            found[2] = row["agreeing_sum"]


def _add_absent(sums: dict[Key, Sums], totals: tuple[int, int, int]) -> None:
    """Count what is in no row of a slice, because its file lacks the column, under no value."""
    for column in {key[0] for key in sums}:
        counted = np.sum([row for key, row in sums.items() if key[0] == column], axis=0)
        absent = np.array([*totals, 0, 0]) - np.array([*counted[:3], 0, 0])
        if absent[0] > 0:
            sums[column, None, False] = sums.get((column, None, False), np.zeros(5)) + absent


def _slice(key: Key, sums: Sums, low: float, high: float) -> Slice:
    pairs, valid, agreeing, difference, size = sums.tolist()
    return Slice(
        column=key[0],
        value=key[1],
        is_rest=key[2],
        pairs=int(valid),
        invalid=int(pairs - valid),
        agreeing=int(agreeing),
        rate=agreeing / valid if valid else None,
        low=float(low) if valid else None,
        high=float(high) if valid else None,
        mean_difference=difference / valid if valid else None,
        mean_abs_difference=size / valid if valid else None,
    )


def _worst_first(one: Slice) -> tuple[bool, float, int, str, bool, str]:
    rate = 0.0 if one.rate is None else one.rate
    return one.rate is None, rate, -one.pairs, one.column, one.value is not None, one.value or ""
