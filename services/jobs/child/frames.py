"""Data for a model: files as tables with the types of its signature, and the model's own input example."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

# What a file without types has to be cast to before MLflow's enforcement accepts it.
_CASTS = {"double": "float64", "float": "float32", "integer": "int32", "long": "int64"}


class DataUnusable(Exception):
    """The data cannot be given to the model."""


def read_chunks(path: Path, *, rows: int, schema: Any) -> Generator[pd.DataFrame, None, None]:
    """Yield the table in a Parquet, CSV, JSON or pickle file, some rows at a time.

    Args:
        path: JSON is a list of records, records a line, or an object with `columns` and `data`; a `.pickle` file is
            our own, tables one after the other as they are to be predicted.
        rows: how many at a time; pickled tables come as they were written.
        schema: the inputs of the model's signature, or None; text files are cast to its types.
    """
    if path.suffix == ".parquet":
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=rows):
                yield batch.to_pandas()
    elif path.suffix == ".csv":
        with pd.read_csv(path, chunksize=rows) as reader:
            for chunk in reader:
                yield cast(chunk, schema)
    elif path.suffix in {".json", ".jsonl"}:
        table = _read_json(path)
        for start in range(0, len(table), rows):
            yield cast(table.iloc[start : start + rows], schema)
    elif path.suffix == ".pickle":
        with path.open("rb") as stream, contextlib.suppress(EOFError):
            while True:
                yield pickle.load(stream)  # noqa: S301 - written by the process that started this one
    else:
        raise DataUnusable(f"a {path.suffix or 'nameless'} file is not Parquet, CSV or JSON")


def read_head(path: Path | None, *, rows: int, model: Any) -> pd.DataFrame:
    """Return the first rows of a file, or the input example that was saved with the model."""
    head = model.input_example if path is None else _first_chunk(path, rows=rows, schema=_inputs(model))
    if not isinstance(head, pd.DataFrame):
        raise DataUnusable("there is neither a data file nor a table as input example")
    if head.empty:
        raise DataUnusable("the data has no rows")
    return head.head(rows).reset_index(drop=True)


def _first_chunk(path: Path, *, rows: int, schema: Any) -> pd.DataFrame | None:
    with contextlib.closing(read_chunks(path, rows=rows, schema=schema)) as chunks:
        return next(chunks, None)


def cast(table: pd.DataFrame, schema: Any) -> pd.DataFrame:
    """Return a table that came without types, with those of a signature; what does not fit stays as it is."""
    if schema is None or not schema.has_input_names():
        return table
    table = table.copy()
    for name, kind in zip(schema.input_names(), schema.input_types(), strict=True):
        if name not in table:
            continue
        called = getattr(kind, "name", "")
        if called == "datetime":
            table[name] = pd.to_datetime(table[name])
        elif called in _CASTS:
            table[name] = _as_number(table[name], _CASTS[called])
    return table


def _as_number(column: pd.Series[Any], wanted: str) -> pd.Series[Any]:
    is_whole = pd.api.types.is_integer_dtype(column)
    return column.astype(wanted) if is_whole or wanted.startswith("float") else column  # type: ignore[call-overload]


def _read_json(path: Path) -> pd.DataFrame:
    if path.suffix == ".jsonl":
        return pd.read_json(path, lines=True)
    with path.open(encoding="utf-8") as file:
        is_split = file.read(1) == "{"
    return pd.read_json(path, orient="split" if is_split else "records")


def _inputs(model: Any) -> Any:
    signature = model.metadata.signature
    return signature.inputs if signature is not None else None
