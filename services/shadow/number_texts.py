"""Numbers where text belongs: each engine writes a fraction in its own way, so they are written again, all alike."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from services.shadow.states import ShadowState, shape

# Whole numbers are digits already, on every engine.
_FRACTION = re.compile(r"-?(\d+\.\d+|\d+(\.\d+)?[eE][-+]?\d+|inf|Infinity)")
_KEYS = {"label": "told", "champion_decision": "champion_decision", "candidate_decision": "candidate_decision"}


def write_numbers_alike(state: ShadowState, columns: AbstractSet[str]) -> ShadowState:
    """Return a state in which the fractions of some columns of a log are told as Python tells them."""
    if not columns:
        return state
    keys = [key for name, key in _KEYS.items() if name in columns]
    slices = pa.array([name for name in columns if name not in _KEYS], pa.string())
    return replace(
        state,
        cells=_rewritten("cells", state.cells, keys),
        histograms=_rewritten("histograms", state.histograms, [key for key in keys if key == "told"]),
        slices=_rewritten("slices", state.slices, ["value"], slices),
        numbers=_rewritten("numbers", state.numbers, ["value"], slices),
    )


def as_python_tells(text: str | None) -> str | None:
    """Return a fraction as Python tells it, and any other text as it is.

    >>> [as_python_tells(text) for text in ("1.0E20", "1e+20", "1.0E-7", "Infinity", "7", "a1.5")]
    ['1e+20', '1e+20', '1e-07', 'inf', '7', 'a1.5']
    """
    return text if text is None or not _FRACTION.fullmatch(text) else repr(float(text))


def _rewritten(name: str, table: pa.Table, keys: list[str], slices: pa.Array | None = None) -> pa.Table:
    for key in keys:
        column = table.column(key).combine_chunks().dictionary_encode()
        words = pa.array([as_python_tells(text) for text in column.dictionary.to_pylist()], pa.string())
        told = words.take(column.indices)
        if slices is not None:
            told = pc.if_else(pc.is_in(table.column("slice"), value_set=slices), told, table.column(key))
        table = table.set_column(table.column_names.index(key), key, told)
    return shape(name, table)
