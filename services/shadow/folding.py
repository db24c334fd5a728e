"""Folding: texts that are too many to keep apart are counted together, so that hostile logs cannot make states grow.

What is folded is the rarest, it stays in every total, and `is_rest` marks it.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from services.shadow.states import shape

MAX_CELLS = 10_000
MAX_SLICE_VALUES = 20_000

_CELL_TEXTS = ("told", "champion_decision", "candidate_decision")


def fold_texts(cells: pa.Table) -> pa.Table:
    """Return cells of which at most `MAX_CELLS` have labels and decisions."""
    if cells.num_rows <= MAX_CELLS:
        return cells
    order = [("pairs", "descending"), *((name, "ascending") for name in cells.column_names if name != "pairs")]
    ranked = cells.sort_by(order)
    return shape("cells", pa.concat_tables([ranked[:MAX_CELLS], _blanked(ranked[MAX_CELLS:], *_CELL_TEXTS)]))


def fold_values(state: str, table: pa.Table) -> pa.Table:
    """Return the table of one slice of which at most `MAX_SLICE_VALUES` values are kept apart."""
    by_value = table.group_by("value", use_threads=False).aggregate([("pairs", "sum")])
    if by_value.num_rows <= MAX_SLICE_VALUES:
        return table
    ranked = by_value.sort_by([("pairs_sum", "descending"), ("value", "ascending")])
    kept = ranked.column("value")[:MAX_SLICE_VALUES].combine_chunks()
    is_kept = pc.is_in(table.column("value"), value_set=kept)
    rest = _blanked(table.filter(pc.invert(is_kept)), "value")
    return shape(state, pa.concat_tables([table.filter(is_kept), rest]))


def _blanked(table: pa.Table, *texts: str) -> pa.Table:
    for name in texts:
        table = table.set_column(table.column_names.index(name), name, pa.nulls(table.num_rows, pa.string()))
    index = table.column_names.index("is_rest")
    return table.set_column(index, "is_rest", pa.repeat(True, table.num_rows))
