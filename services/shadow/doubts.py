"""What of a file that counts is read otherwise than whoever wrote it may have meant: named by column, and counted.

Where the footer tells, nothing is read for it. Only versions that are kept as fractions are looked at one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.clock import from_micros, to_text
from services.shadow.file_statistics import FileStatistics

MAX_VERSION = 2**63 - 1
# Beyond this not every whole number can be told as a fraction.
MAX_FRACTION = 1e15
_EPOCH, _DAY = date(1970, 1, 1), timedelta(days=1)
_MICROS_A_DAY = 86_400_000_000
_FOLDER = re.compile(r"dt=(\d{4}-\d{2}-\d{2})")
_MICROS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_UNKNOWN = {
    "request_id": "is not told of all rows; those without are taken for different requests",
    "ts": "is not told of all rows; those without count on no day",
    "champion_version": "is not told of all rows",
    "candidate_version": "is not told of all rows",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Something about a column, and how many rows it is about where that is known."""

    column: str
    message: str
    rows: int | None = None


def list_doubts(
    path: Path, folder: str, schema: pa.Schema, statistics: FileStatistics, names: Iterable[str]
) -> list[Doubt]:
    """Return what is doubtful about the columns of a file.

    Args:
        folder: the folder in which the file lies, under the log.
        names: the columns that can be read.
    """
    found = []
    for name in names:
        kind = schema.field(name).type
        nulls = statistics.rows if pa.types.is_null(kind) else statistics.count_nulls(name)
        if name in _UNKNOWN and nulls:
            found.append(Doubt(column=name, message=_UNKNOWN[name], rows=nulls))
        if name.endswith("_version") and (odd := _count_odd(path, kind, statistics, name)):
            found.append(Doubt(column=name, message="is no whole number of a version; read as null", rows=odd))
    return [*found, *_doubts_of_times(folder, schema, statistics)] if "ts" in names else found


def find_corrupt_column(path: Path, names: Iterable[str]) -> str | None:
    """Return the first column of a file whose values cannot be read, where it is a column's fault."""
    try:
        with pq.ParquetFile(path) as file:
            for name in names:
                if not _can_be_read(file, name):
                    return name
    except (pa.ArrowException, OSError):
        return None
    return None


def _can_be_read(file: pq.ParquetFile, name: str) -> bool:
    try:
        for group in range(file.num_row_groups):
            file.read_row_group(group, columns=[name]).validate(full=True)
    except (pa.ArrowException, OSError):
        return False
    return True


def _count_odd(path: Path, kind: pa.DataType, statistics: FileStatistics, name: str) -> int:
    """Return how many versions are fractions, infinite, or greater than versions can be."""
    kind = _kind_of_values(kind)
    if pa.types.is_integer(kind):
        bounds = statistics.find_bounds(name)
        if kind != pa.uint64() or (bounds is not None and bounds[1] <= MAX_VERSION):
            return 0
    elif pa.types.is_null(kind):
        return 0
    try:
        column = pq.read_table(path, columns=[name], partitioning=None).column(0)
    except (pa.ArrowException, OSError):
        # Whoever reads all of the file finds that, and says so.
        return 0
    column = column.cast(kind)
    if pa.types.is_integer(kind):
        return int(pc.sum(pc.greater(column, pa.scalar(MAX_VERSION, pa.uint64()))).as_py() or 0)
    column = column.cast(pa.float64())
    is_whole = pc.and_(pc.less_equal(pc.abs(column), MAX_FRACTION), pc.equal(column, pc.floor(column)))
    # NaN stands for what is not told.
    return int(pc.sum(pc.and_not(pc.invert(is_whole), pc.is_nan(column))).as_py() or 0)


def _doubts_of_times(folder: str, schema: pa.Schema, statistics: FileStatistics) -> Iterator[Doubt]:
    kind = _kind_of_values(schema.field("ts").type)
    if pa.types.is_null(kind):
        return
    if not getattr(kind, "tz", None):
        yield Doubt(column="ts", message=f"holds {kind}, of no time zone; read as UTC")
    day, bounds = _find_day(folder), statistics.find_raw_bounds("ts")
    if day is None or bounds is None:
        return
    least, most = (_as_micros(bound, kind) for bound in bounds)
    if least < day or most >= day + _MICROS_A_DAY:
        times = " to ".join(_shown(moment) for moment in (least, most))
        yield Doubt(
            column="ts", message=f"holds times of {times}, some of another day than the folder's; counted on theirs"
        )


def _find_day(folder: str) -> int | None:
    """Return when the day of a folder begins, in microseconds since the epoch; None where it is of no day."""
    told = _FOLDER.fullmatch(folder.rpartition("/")[2])
    try:
        return None if told is None else (date.fromisoformat(told[1]) - _EPOCH) // _DAY * _MICROS_A_DAY
    except ValueError:
        return None


def _kind_of_values(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _as_micros(bound: int, kind: pa.DataType) -> int:
    if pa.types.is_date32(kind):
        return bound * _MICROS_A_DAY
    if pa.types.is_date64(kind):
        return bound * _MICROS["ms"]
    return bound // 1_000 if kind.unit == "ns" else bound * _MICROS[kind.unit]


def _shown(micros: int) -> str:
    try:
        return to_text(from_micros(micros))
    except (OverflowError, ValueError):
        return "no year of ours"
