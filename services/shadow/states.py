"""States: the small tables that a file is reduced to once, and that merge into those of a whole log by adding up.

`cells`       what both sides answered, by label and decisions: counts, right answers, moments of the score difference
`slices`      the same counts by the value of each slice column
`numbers`     for pairs with scores and no decisions: how far both are from the label and from each other
`histograms`  scores, their difference, both together, and latencies, in bins (`services.shadow.bins`); `value` where a
              bin is one value
`minutes`     counts, errors and latency sums by minute

Every table has the versions first; all but `pairs` and other sums are keys. In `cells`, `slices` and `numbers`,
`is_rest` marks rows whose texts were folded together because there are too many.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.shadow.answers import SIDES
from services.shadow.sql import VERSIONS

_VERSIONS = [(name, pa.int64()) for name in VERSIONS]
_ANSWERS = [
    *((f"{side}_standing", pa.int8()) for side in SIDES),
    *((f"{side}_decided", pa.bool_()) for side in SIDES),
]
_MOST = "difference_most"
_CLIMBING = {"bin", "minute"}


@dataclass(frozen=True, slots=True)
class _Layout:
    keys: pa.Schema
    values: pa.Schema

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([*self.keys, *self.values])


def _layout(keys: Sequence[tuple[str, pa.DataType]], counts: Sequence[str], sums: Sequence[str]) -> _Layout:
    values = [*((name, pa.int64()) for name in counts), *((name, pa.float64()) for name in sums)]
    return _Layout(pa.schema([*_VERSIONS, *keys]), pa.schema(values))


LAYOUTS: Mapping[str, _Layout] = MappingProxyType(
    {
        "cells": _layout(
            [
                *_ANSWERS,
                ("told", pa.string()),
                ("champion_decision", pa.string()),
                ("candidate_decision", pa.string()),
                ("is_rest", pa.bool_()),
            ],
            ["pairs", "agreeing", "labelled", "champion_right", "candidate_right", "both_right"],
            ["difference", "difference_squared", "difference_size", _MOST],
        ),
        "slices": _layout(
            [*_ANSWERS, ("slice", pa.string()), ("value", pa.string()), ("is_rest", pa.bool_())],
            ["pairs", "agreeing"],
            ["difference", "difference_size"],
        ),
        "numbers": _layout(
            [("slice", pa.string()), ("value", pa.string()), ("is_rest", pa.bool_())],
            ["pairs", "agreeing", "labelled", "champion_nearer", "candidate_nearer", "unread_labels"],
            [
                "difference",
                "difference_squared",
                "difference_size",
                "score",
                "score_squared",
                "score_times_difference",
                "champion_miss",
                "candidate_miss",
                "champion_miss_squared",
                "candidate_miss_squared",
                "miss_change_squared",
            ],
        ),
        "histograms": _layout(
            [
                ("measure", pa.string()),
                ("decided", pa.bool_()),
                ("told", pa.string()),
                ("bin", pa.int32()),
                ("value", pa.float64()),
            ],
            ["pairs"],
            [],
        ),
        "minutes": _layout(
            [("minute", pa.int64()), ("carried", pa.int8())],
            ["pairs", "agreeing", "champion_errors", "candidate_errors", "champion_timed", "candidate_timed"],
            ["champion_latency", "candidate_latency"],
        ),
    }
)

_MAGIC = b"ghshadow"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowState:
    """The states of some files, or of a whole log."""

    cells: pa.Table
    slices: pa.Table
    numbers: pa.Table
    histograms: pa.Table
    minutes: pa.Table


def shape(name: str, *tables: pa.Table) -> pa.Table:
    """Return tables as one of a state: columns that one lacks are null (keys) or zero (sums), others are cut."""
    shaped = [_shaped(name, table) for table in tables]
    return _added_up(name, pa.concat_tables([LAYOUTS[name].schema.empty_table(), *shaped]))


def _shaped(name: str, table: pa.Table) -> pa.Table:
    layout = LAYOUTS[name]
    columns = []
    for field in layout.schema:
        if field.name in table.column_names:
            columns.append(table.column(field.name).cast(field.type))
        elif field.name in layout.keys.names:
            columns.append(pa.nulls(table.num_rows, field.type))
        else:
            columns.append(pa.array([0] * table.num_rows, field.type))
    return pa.table(columns, schema=layout.schema)


def merge(states: Sequence[ShadowState]) -> ShadowState:
    """Return the state of all files that the given states are of."""
    return ShadowState(**{name: shape(name, *(getattr(state, name) for state in states)) for name in LAYOUTS})


def write_state(file: BinaryIO, state: ShadowState, header: Mapping[str, Any]) -> None:
    """Write a state with a header of JSON."""
    text = json.dumps(header).encode()
    file.write(_MAGIC + struct.pack("<I", len(text)) + text)
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    for name in LAYOUTS:
        table = _packed(getattr(state, name))
        with pa.ipc.new_stream(file, table.schema, options=options) as stream:
            stream.write_table(table)


def read_state(file: BinaryIO) -> tuple[ShadowState, dict[str, Any]]:
    """Read what `write_state` wrote.

    Raises:
        ValueError: the file is no state of this layout, or is cut short.
    """
    problem = "no shadow state, or one that is cut short"
    if file.read(len(_MAGIC)) != _MAGIC:
        raise ValueError(problem)
    try:
        header = json.loads(file.read(*struct.unpack("<I", file.read(4))))
        tables = {}
        for name, layout in LAYOUTS.items():
            with pa.ipc.open_stream(file) as stream:
                tables[name] = _unpacked(stream.read_all(), layout.schema)
    except (pa.ArrowException, struct.error, OSError, ValueError, KeyError) as error:
        raise ValueError(problem) from error
    return ShadowState(**tables), header


def _packed(table: pa.Table) -> pa.Table:
    """Return a table that compresses well: texts as numbers, and columns that climb as their steps."""
    columns = {}
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        if pa.types.is_string(column.type):
            column = column.dictionary_encode()
        elif name in _CLIMBING:
            climb = pc.fill_null(pc.fill_null_forward(column), 0).to_numpy(zero_copy_only=False)
            steps = pa.array(np.diff(climb, prepend=climb.dtype.type(0)), column.type)
            column = pc.if_else(pc.is_valid(column), steps, None)
        columns[name] = column
    return pa.table(columns)


def _unpacked(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return what `_packed` was given.

    Raises:
        ValueError: the table is of another schema.
    """
    for name in _CLIMBING & set(table.column_names):
        steps = table.column(name)
        climb = pc.cumulative_sum(pc.fill_null(steps, 0))
        table = table.set_column(table.column_names.index(name), name, pc.if_else(pc.is_valid(steps), climb, None))
    return table.cast(schema)


def _added_up(name: str, table: pa.Table) -> pa.Table:
    layout = LAYOUTS[name]
    keys = layout.keys.names
    # In one thread and in the order of the keys: sums of floats depend on the order.
    sums = [(column, "max" if column == _MOST else "sum") for column in layout.values.names]
    grouped = table.group_by(keys, use_threads=False).aggregate(sums)
    named = grouped.rename_columns([*keys, *layout.values.names]).select(layout.schema.names)
    for index, column in enumerate(layout.schema.names):
        if column in layout.values.names and column != _MOST:
            named = named.set_column(index, column, pc.fill_null(named.column(column), 0))
    return named.cast(layout.schema).sort_by([(key, "ascending") for key in keys])
