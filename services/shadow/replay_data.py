"""Data to replay: a Parquet, CSV or JSON-lines file in chunks, each parted into what the model sees and the rest.

The model sees every column but those that describe the request: its id, its time, its label and its slices. Text files
stay text, so that the sandbox types them by the model's own signature.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.errors import InvalidInput, NotFound
from services.shadow.log_files import first_line
from services.shadow.schema import SLICE_PREFIX

_DIGEST_BYTES = 1024 * 1024
_FORMATS = ".parquet, .csv or .jsonl"
SUFFIXES = (".parquet", ".csv", ".jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """Which columns of the data describe a request rather than being inputs of the model.

    Args:
        slices: columns to slice by, which stay inputs; columns named `slice_*` are slices and no inputs.
    """

    label: str | None = None
    slices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DataChunk:
    """Some rows: `path` holds what the model sees; `described` has request_id, ts, label and slice_* where given."""

    index: int
    first_row: int
    rows: int
    path: Path
    described: pa.Table


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        NotFound: there is no such file.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_DIGEST_BYTES):
                digest.update(block)
    except FileNotFoundError as error:
        raise NotFound(f"There is no data file {str(path)!r}.", next_step="Check the path.") from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.", next_step="Name a data file.") from error
    return digest.hexdigest()


def check_suffix(suffix: str) -> None:
    """Refuse a kind of file that cannot be replayed.

    Raises:
        InvalidInput: it is none of those that can.
    """
    if suffix not in SUFFIXES:
        raise InvalidInput(f"A {suffix or 'nameless'} file cannot be replayed.", next_step=f"Give a {_FORMATS} file.")


def read_chunks(data: Path, described: Described, *, rows: int, folder: Path) -> Iterator[DataChunk]:
    """Yield a data file in chunks, each written into `folder` for the model and gone when the next is asked for.

    Raises:
        InvalidInput: the file is of another format, cannot be read, or lacks a column that was named.
    """
    suffix = data.suffix.lower()
    check_suffix(suffix)
    reader = {".parquet": _read_parquet, ".csv": _read_csv, ".jsonl": _read_json_lines}[suffix]
    first_row = 0
    with _translated(data):
        for index, chunk in enumerate(reader(data, rows)):
            names = _describing(chunk.names, described)
            path = folder / f"chunk{suffix}"
            chunk.write(path, [name for name in chunk.names if name not in names or name in described.slices])
            yield DataChunk(
                index=index, first_row=first_row, rows=chunk.rows, path=path, described=_describe(chunk, described)
            )
            first_row += chunk.rows


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column as text: whole numbers as their digits, the empty text as null."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
        if pc.all(pc.equal(column, pc.floor(column))).as_py() and pc.all(pc.less(pc.abs(column), 2.0**53)).as_py():
            column = column.cast(pa.int64())
    text = column.cast(pa.string())
    return pc.if_else(pc.equal(text, ""), None, text)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chunk:
    """Rows as a table, and the suffix that says how they are written again."""

    table: pa.Table
    suffix: str

    @property
    def names(self) -> list[str]:
        return list(self.table.column_names)

    @property
    def rows(self) -> int:
        return int(self.table.num_rows)

    def write(self, path: Path, names: Sequence[str]) -> None:
        table = self.table.select(names)
        if self.suffix == ".parquet":
            pq.write_table(table, path)
        elif self.suffix == ".csv":
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(names)
                writer.writerows(zip(*(table.column(name).to_pylist() for name in names), strict=True))
        else:
            # Each value is still the JSON it came as.
            rows = zip(*(table.column(name).to_pylist() for name in names), strict=True)
            with path.open("w", encoding="utf-8") as file:
                for row in rows:
                    fields = (f"{json.dumps(name)}: {value}" for name, value in zip(names, row, strict=True) if value)
                    file.write("{" + ", ".join(fields) + "}\n")

    def text(self, name: str) -> pa.ChunkedArray:
        """Return a column as text."""
        column = self.table.column(name)
        if self.suffix == ".jsonl":
            values = [None if value is None else json.loads(value) for value in column.to_pylist()]
            told = [value if isinstance(value, str) else _json_text(value) for value in values]
            return as_text(pa.chunked_array([pa.array(told, pa.string())]))
        try:
            return as_text(column)
        except pa.ArrowException as error:
            raise ValueError(f"the column {name} holds {column.type}, which is no text") from error


def _json_text(value: object) -> str | None:
    # NaN, which some writers of JSON have for what is missing, is the one value that differs from itself.
    return None if value is None or value != value else json.dumps(value)  # noqa: PLR0124


def _read_parquet(data: Path, rows: int) -> Iterator[_Chunk]:
    with pq.ParquetFile(data) as file:
        _check_names(file.schema_arrow.names)
        for batch in file.iter_batches(batch_size=rows):
            yield _Chunk(table=pa.Table.from_batches([batch]), suffix=".parquet")


def _read_csv(data: Path, rows: int) -> Iterator[_Chunk]:
    with data.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        names = next(reader, [])
        _check_names(names)
        lines = _csv_rows(reader, len(names))
        while batch := list(itertools.islice(lines, rows)):
            columns = [pa.array(values, pa.string()) for values in zip(*batch, strict=True)]
            yield _Chunk(table=pa.table(columns, names=names), suffix=".csv")


def _read_json_lines(data: Path, rows: int) -> Iterator[_Chunk]:
    with data.open(encoding="utf-8-sig") as file:
        lines = _json_rows(file)
        while batch := list(itertools.islice(lines, rows)):
            names = list(dict.fromkeys(name for row in batch for name in row))
            columns = [[json.dumps(row[name]) if name in row else None for row in batch] for name in names]
            yield _Chunk(table=pa.table([pa.array(c, pa.string()) for c in columns], names=names), suffix=".jsonl")


def _csv_rows(reader: Any, width: int) -> Iterator[list[str]]:
    """Yield the rows of a table; lines that are blank are none."""
    for row in reader:
        if row and len(row) != width:
            raise ValueError(f"line {reader.line_num} has {len(row)} values, and the header {width}")
        if row:
            yield row


def _json_rows(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"line {number} is no JSON ({first_line(error)})") from error
        if not isinstance(row, dict):
            raise ValueError(f"line {number} is no JSON object")  # noqa: TRY004 - of the data, not of a caller
        yield row


def _check_names(names: Sequence[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"the column {twice} is there twice")


def _describing(names: Sequence[str], described: Described) -> set[str]:
    """Return the columns that describe a request.

    Raises:
        InvalidInput: a column that was named is not there.
    """
    wanted = [*((described.label,) if described.label else ()), *described.slices]
    absent = [name for name in wanted if name not in names]
    if absent:
        raise InvalidInput(f"The data has no column {absent[0]!r}.", next_step=f"Its columns are {', '.join(names)}.")
    found = {name for name in names if name in {"request_id", "ts", "label"} or name.startswith(SLICE_PREFIX)}
    return found | set(wanted)


def _describe(chunk: _Chunk, described: Described) -> pa.Table:
    columns = {name: chunk.text(name) for name in chunk.names if name.startswith(SLICE_PREFIX) or name == "request_id"}
    columns |= {f"{SLICE_PREFIX}{name.removeprefix(SLICE_PREFIX)}": chunk.text(name) for name in described.slices}
    label = described.label or ("label" if "label" in chunk.names else None)
    if label is not None:
        # As text files have the whole numbers of a column that lacks some.
        columns["label"] = pc.replace_substring_regex(chunk.text(label), r"^(-?\d+)\.0+$", r"\1")
    if "ts" in chunk.names:
        columns["ts"] = _as_time(chunk.table.column("ts") if chunk.suffix == ".parquet" else chunk.text("ts"))
    return pa.table(columns) if columns else pa.table({"label": pa.nulls(chunk.rows, pa.string())})


def _as_time(column: pa.ChunkedArray) -> pa.ChunkedArray:
    import pandas as pd

    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return _in_utc(column)
    texts = column.cast(pa.string()).to_pandas()
    moments = pd.to_datetime(texts, utc=True, format="ISO8601", errors="coerce")
    wrong = texts[moments.isna() & texts.notna()]
    if len(wrong):
        raise ValueError(f"{wrong.iloc[0]!r} in the column ts is no time as ISO 8601 writes it")
    return _in_utc(pa.chunked_array([pa.array(moments.dt.tz_localize(None).to_numpy("datetime64[us]"))]))


def _in_utc(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return moments in microseconds; those without a zone are of UTC."""
    zone = column.type.tz if pa.types.is_timestamp(column.type) else None
    column = column.cast(pa.timestamp("us", zone), safe=False)
    return column.cast(pa.timestamp("us", "UTC")) if zone else pc.assume_timezone(column, "UTC")


@contextmanager
def _translated(data: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, csv.Error) as error:
        raise InvalidInput(
            f"{data} cannot be read: {first_line(error)}.", next_step=f"Give a sound {_FORMATS} file."
        ) from error


def count_rows(data: Path) -> int | None:
    """Return how many rows a data file has, or None where it cannot be read: that is told by who reads it."""
    suffix = data.suffix.lower()
    try:
        if suffix == ".parquet":
            return int(pq.read_metadata(data).num_rows)
        with data.open(encoding="utf-8-sig", newline="") as file:
            # A quoted value may go on over several lines.
            rows = csv.reader(file) if suffix == ".csv" else (line.strip() for line in file)
            return sum(1 for row in rows if row) - (suffix == ".csv")
    except (pa.ArrowException, OSError, ValueError, csv.Error):
        return None
