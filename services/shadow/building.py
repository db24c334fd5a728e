"""Building the state of some files: a handful of queries on one relation, made to fit the tables of states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.shadow.answers import SIDES, Carried, Standing, carried_by
from services.shadow.bins import UNSOUND_LATENCY_BIN, atom_of_bin
from services.shadow.engines import Relation
from services.shadow.folding import fold_texts, fold_values
from services.shadow.number_texts import write_numbers_alike
from services.shadow.sql import (
    CODES,
    DECIDED,
    MOMENTS,
    STANDINGS,
    VERSIONS,
    atoms_sql,
    cells_sql,
    latency_histograms_sql,
    minutes_sql,
    numbers_sql,
    score_code_sql,
    score_histograms_sql,
    variety_sql,
)
from services.shadow.states import ShadowState, shape

_HEAD_ROWS = 10_000
_MIN_VARIETY = 1_000
_FEW_BINS = 256
_HEAVY_RATIO = 0.02
_MAX_LABELS = 2
# The years 1 to 9999, which times can be told in; `NO_MINUTE` lies before.
_FIRST_MINUTE, _LAST_MINUTE = -1_035_593_280, 4_223_371_679
_MAX_LABEL = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """What is known of a relation before it is read.

    Args:
        slices: the names of its columns s0, s1, …
        versions: of champion and candidate, where they are the same in every row; else None.
        numbers: columns that hold numbers in some file, where a log has text.
    """

    rows: int
    slices: tuple[str, ...] = ()
    versions: tuple[int | None, int | None] | None = None
    numbers: frozenset[str] = frozenset()


def build_state(relation: Relation, extent: Extent) -> ShadowState:
    """Reduce an open relation to its state."""
    return _Builder(relation, extent).build()


class _Builder:
    def __init__(self, relation: Relation, extent: Extent) -> None:
        self._relation = relation
        self._extent = extent
        self._by = [] if extent.versions else list(VERSIONS)
        self._slices = {f"s{index}": name for index, name in enumerate(extent.slices)}

    def build(self) -> ShadowState:
        groups = self._group_keys()
        cubes = [(group, _judged(self._query(cells_sql([*self._by, *group])))) for group in groups]
        cells = shape("cells", next(cube for group, cube in cubes if "told" in group))
        by_slice = [
            _named_slice("slices", cube, column, name)
            for group, cube in cubes
            for column, name in self._slices.items()
            if column in group
        ]
        carried = _labels_by_carried(cells)
        latencies = self._query(latency_histograms_sql(self._by))
        state = ShadowState(
            cells=fold_texts(cells),
            slices=shape("slices", *by_slice),
            numbers=shape("numbers", *(self._numbers(groups) if Carried.SCORES in carried else [])),
            histograms=shape("histograms", *self._scores(carried), latencies),
            minutes=self._minutes(_find_decided(cells, carried), latencies),
        )
        return write_numbers_alike(state, self._extent.numbers)

    def _query(self, sql: str) -> pa.Table:
        """Run a text and add the versions where they do not vary."""
        found = self._relation.query(sql)
        for name, version in zip(VERSIONS, self._extent.versions or (), strict=False):
            found = found.append_column(name, pa.array([version] * found.num_rows, pa.int64()))
        return found

    def _group_keys(self) -> list[list[str]]:
        """Return which columns to group by together: all, unless they combine into too many groups."""
        together = ["told", *self._slices]
        if self._slices:
            variety = self._relation.query(variety_sql(together, _HEAD_ROWS)).column("n")[0].as_py()
            if variety > max(_MIN_VARIETY, min(self._extent.rows, _HEAD_ROWS) // 3):
                return [[column] for column in together]
        return [together]

    def _numbers(self, groups: Sequence[Sequence[str]]) -> list[pa.Table]:
        tables = []
        for group in groups:
            keys = [key for key in group if key != "told"]
            cube = self._query(numbers_sql([*self._by, *keys]))
            cube = _not_rest(cube.filter(pc.greater(cube.column("pairs"), 0)))
            if "told" in group:
                tables.append(cube)
            tables += [_named_slice("numbers", cube, column, self._slices[column]) for column in keys]
        return tables

    def _scores(self, carried: Mapping[Carried, set[str | None]]) -> list[pa.Table]:
        kinds = {Carried.SCORES, Carried.BOTH} & carried.keys()
        if not kinds:
            return []
        labels = _find_labels(carried.get(Carried.BOTH, set()))
        decided = Carried.BOTH in kinds if len(kinds) == 1 else None
        code = score_code_sql(decided=decided, first_label=labels[0] if labels else None)
        found = self._query(score_histograms_sql(self._by, code=code))
        place = found.column("place").cast(pa.int64()).to_numpy()
        codes = place % CODES
        words = pa.array([None, *labels, *[None] * (DECIDED - 1 - len(labels))], pa.string())
        found = found.append_column("bin", pa.array(place // CODES, pa.int32()))
        found = found.append_column("decided", pa.array((codes & DECIDED) > 0))
        found = found.append_column("told", words.take(pa.array(codes % DECIDED)))
        return [self._with_atoms(found)]

    def _with_atoms(self, found: pa.Table) -> pa.Table:
        """Add `value`: where much lies in one bin, whether the bin is one value, so that KS and ranks stay sharp."""
        is_score = pc.is_in(found.column("measure"), value_set=pa.array([f"{side}_score" for side in SIDES]))
        known = pa.array(atom_of_bin(found.column("bin").to_numpy()), from_pandas=True)
        value = pc.if_else(is_score, known, pa.nulls(found.num_rows, pa.float64()))
        for side in SIDES:
            is_side = pc.equal(found.column("measure"), f"{side}_score")
            counts = found.filter(is_side).group_by("bin", use_threads=False).aggregate([("pairs", "sum")])
            total, heaviest = (function(counts.column("pairs_sum")).as_py() for function in (pc.sum, pc.max))
            if counts.num_rows > _FEW_BINS and heaviest <= _HEAVY_RATIO * total:
                continue
            bins = self._relation.query(atoms_sql(side))
            atoms = bins.filter(pc.equal(bins.column("least"), bins.column("greatest")))
            place = pc.index_in(found.column("bin"), value_set=atoms.column("bin").combine_chunks())
            value = pc.if_else(is_side, pc.coalesce(value, pc.take(atoms.column("least"), place)), value)
        return found.append_column("value", value)

    def _minutes(self, decided: Carried | None, latencies: pa.Table) -> pa.Table:
        are_sound = not pc.any(pc.equal(latencies.column("bin"), UNSOUND_LATENCY_BIN)).as_py()
        found = self._query(minutes_sql(self._by, decided=decided, are_latencies_sound=are_sound))
        moment = found.column("moment").cast(pa.int64()).to_numpy()
        minute = moment // MOMENTS
        is_beyond = (minute < _FIRST_MINUTE) | (minute > _LAST_MINUTE)
        found = found.append_column("minute", pa.array(minute, mask=is_beyond))
        return shape("minutes", found.append_column("carried", pa.array(moment % MOMENTS, pa.int8())))


def _judged(cube: pa.Table) -> pa.Table:
    """Add to a cube what its pairs agree on and get right; sums that invalid scores spoiled are dropped."""
    standing = cube.column("standing").cast(pa.int64())
    champion, candidate = (cube.column(f"{side}_decision") for side in SIDES)
    is_so = {"agreeing": pc.equal(champion, candidate)}
    if "told" in cube.column_names:
        told = cube.column("told")
        is_right = [pc.fill_null(pc.equal(told, decision), False) for decision in (champion, candidate)]
        is_so |= {
            "labelled": pc.is_valid(told),
            "champion_right": is_right[0],
            "candidate_right": is_right[1],
            "both_right": pc.and_(*is_right),
        }
    pairs = cube.column("pairs").cast(pa.int64())
    for name, so in is_so.items():
        cube = cube.append_column(name, pc.if_else(pc.fill_null(so, False), pairs, 0))
    for name in ("difference", "difference_squared", "difference_size", "difference_most"):
        index = cube.column_names.index(name)
        cube = cube.set_column(index, name, pc.if_else(pc.equal(standing, 0), cube.column(name), None))
    places = np.divmod(standing.to_numpy(), STANDINGS)
    for side, place, decision in zip(SIDES, places, (champion, candidate), strict=True):
        cube = cube.append_column(f"{side}_standing", pa.array(place, pa.int8()))
        cube = cube.append_column(f"{side}_decided", pc.is_valid(decision))
    return _not_rest(cube)


def _not_rest(cube: pa.Table) -> pa.Table:
    return cube.append_column("is_rest", pa.repeat(False, cube.num_rows))


def _named_slice(state: str, cube: pa.Table, column: str, name: str) -> pa.Table:
    named = cube.append_column("value", cube.column(column)).append_column("slice", pa.repeat(name, cube.num_rows))
    return fold_values(state, shape(state, named))


def _labels_by_carried(cells: pa.Table) -> dict[Carried, set[str | None]]:
    """Return what the pairs of cells carry, and which labels pairs of each kind have."""
    found: dict[Carried, set[str | None]] = {}
    for carried, _is_decided, told in _answers(cells):
        found.setdefault(carried, set()).add(told)
    return found


def _find_decided(cells: pa.Table, carried: Mapping[Carried, object]) -> Carried | None:
    """Return what decided pairs without errors carry, where it is the same for all and no other pair carries any."""
    kinds = {kind for kind, is_decided, _told in _answers(cells) if is_decided}
    is_plain = len(kinds) == 1 and Carried.SCORES not in carried and Carried.NOTHING not in kinds
    return kinds.pop() if is_plain else None


def _answers(cells: pa.Table) -> list[tuple[Carried, bool, str | None]]:
    """Return what pairs carry, whether both decided without an error, and the label, of all cells."""
    columns = [*(f"{side}_{fact}" for fact in ("standing", "decided") for side in SIDES), "told"]
    found = []
    for cell in cells.select(columns).group_by(columns, use_threads=False).aggregate([]).to_pylist():
        standings = [Standing(cell[f"{side}_standing"]) for side in SIDES]
        is_decided = cell["champion_decided"] and cell["candidate_decided"]
        is_whole = is_decided and Standing.ERROR not in standings
        found.append((carried_by(*standings, is_decided=is_decided), is_whole, cell["told"]))
    return found


def _find_labels(labels: set[str | None]) -> list[str]:
    """Return the labels where there are at most two, as ranks need, and where they can stand in a text."""
    found = sorted(label for label in labels if label is not None)
    is_usable = all(label.isprintable() and len(label) <= _MAX_LABEL for label in found)
    return found if len(found) <= _MAX_LABELS and is_usable else []
