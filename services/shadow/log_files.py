"""Files of a shadow log: finding them, telling whether one has changed, and what can be read from each.

A file counts or does not count as a whole. It does not when its predictions cannot be read: corrupt bytes, a column of
scores, decisions or errors of a wrong type, or one side without a score and a decision. Any other missing or wrongly
typed column is read as null. Either way the file and the column are named.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from services.errors import InvalidInput, NotFound
from services.shadow.doubts import MAX_VERSION, list_doubts
from services.shadow.file_statistics import FileStatistics
from services.shadow.schema import LOG_SCHEMA, SLICE_PREFIX

_TAIL_BYTES = 32 * 1024
_SUFFIX = ".parquet"


class Holding(StrEnum):
    """What a column of a file holds, as far as reading it differs."""

    TEXT = "text"
    WHOLE = "whole"
    NUMBER = "number"
    FLAG = "flag"
    TIME = "time"
    NANOSECONDS = "nanoseconds"
    NULL = "null"
    OTHER = "other"


_TEXTS = {Holding.TEXT, Holding.WHOLE, Holding.NUMBER, Holding.FLAG, Holding.NULL}
_NUMBERS = {Holding.WHOLE, Holding.NUMBER, Holding.NULL}
_READABLE: Mapping[str, set[Holding]] = {
    **{name: _NUMBERS for name in LOG_SCHEMA.names if name.endswith(("_version", "_score", "_latency_ms"))},
    **{name: {Holding.TEXT, Holding.NULL} for name in LOG_SCHEMA.names if name.endswith("_error")},
    "ts": {Holding.TIME, Holding.NANOSECONDS, Holding.NULL},
}
_ESSENTIAL = {name for name in LOG_SCHEMA.names if name.endswith(("_score", "_decision", "_error"))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something about a file that a reader of its figures should know.

    Args:
        file: its path under the log, with `/`.
        rows: how many rows it is about, where known.
        is_counted: whether the file's rows are counted all the same.
    """

    file: str
    message: str
    column: str | None = None
    rows: int | None = None
    is_counted: bool = False

    def to_json(self) -> dict[str, str | int | bool | None]:
        """Return the problem as JSON."""
        return {
            "file": self.file,
            "column": self.column,
            "message": self.message,
            "rows": self.rows,
            "counted": self.is_counted,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFile:
    """A file as it was found; `identity` changes with its content, as far as its system tells without reading it."""

    name: str
    path: Path
    identity: str

    @property
    def partition(self) -> str:
        """The folder under the log that holds it: a day, where the log is partitioned."""
        return self.name.rpartition("/")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlan:
    """How a file that counts is read.

    Args:
        columns: what each column of the log, and each slice, holds; absent ones are missing.
        constants: columns whose every value is the same, by the file's own statistics.
        blank: columns of errors in which an empty text may stand, which is no error.
        types: the types of the columns as they are kept: not every engine reads several at once.
    """

    file: LogFile
    rows: int
    columns: Mapping[str, Holding]
    constants: Mapping[str, int | None] = field(default_factory=dict)
    blank: frozenset[str] = frozenset()
    types: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def slices(self) -> tuple[str, ...]:
        """The names of the slices that the file has."""
        return tuple(sorted(name for name in self.columns if name.startswith(SLICE_PREFIX)))

    @property
    def numbers(self) -> tuple[str, ...]:
        """The names of columns of text that hold numbers which need not be whole."""
        names = (name for name, held in self.columns.items() if held is Holding.NUMBER)
        return tuple(name for name in names if name not in _READABLE)

    def find_versions(self) -> tuple[int | None, int | None] | None:
        """Return the versions of champion and candidate, where they are the same in every row."""
        found = []
        for name in ("champion_version", "candidate_version"):
            if name not in self.constants and self.columns.get(name, Holding.NULL) is not Holding.NULL:
                return None
            found.append(self.constants.get(name))
        return found[0], found[1]


def list_log_files(log: Path) -> tuple[list[LogFile], list[Problem]]:
    """Return the Parquet files under a folder (or the one file given) by name, and what else lies there.

    Names that begin with `.` or `_` are passed over, as every reader of such folders does.

    Raises:
        NotFound: there is no such folder.
        InvalidInput: it is neither a folder nor a Parquet file.
    """
    if not log.exists():
        raise NotFound(f"There is no shadow log at {str(log)!r}.", next_step="Name the folder that holds its files.")
    if log.is_file():
        if log.suffix != _SUFFIX:
            raise InvalidInput(f"{str(log)!r} is no Parquet file.", next_step="Name a folder of Parquet files.")
        return [_found(log.parent, log.name)], []
    files: list[LogFile] = []
    problems: list[Problem] = []
    for name in sorted(_walk(log, problems)):
        try:
            misfit = _find_misfit(log, name)
            if misfit is None:
                files.append(_found(log, name))
        except FileNotFoundError:
            continue
        except OSError as error:
            misfit = Problem(file=name, message=f"cannot be opened: {error.strerror}")
        problems += [] if misfit is None else [misfit]
    return files, problems


def read_plan(file: LogFile) -> FilePlan | Problem:
    """Read a file's footer: how its rows are to be read, or why they cannot be."""
    try:
        with pq.ParquetFile(file.path) as parquet:
            schema, metadata = parquet.schema_arrow, parquet.metadata
    except (pa.ArrowException, OSError, ValueError) as error:
        return Problem(file=file.name, message=f"cannot be read as Parquet: {first_line(error)}")
    rows = metadata.num_rows
    columns = {name: _holding(schema.field(name).type) for name in _log_columns(schema.names)}
    clash = _find_clash(schema.names)
    if clash is not None:
        message = "is there twice, differing at most in upper and lower case"
        return Problem(file=file.name, column=clash, message=message, rows=rows)
    wrong = {name: held for name, held in columns.items() if held not in _READABLE.get(name, _TEXTS)}
    problems = []
    for name in wrong:
        message = f"holds {schema.field(name).type}, not {_expected(name)}"
        problem = Problem(file=file.name, column=name, message=message, rows=rows, is_counted=name not in _ESSENTIAL)
        if not problem.is_counted:
            return problem
        problems.append(problem)
    readable = {name: held for name, held in columns.items() if name not in wrong}
    for side in ("champion", "candidate"):
        if not {f"{side}_score", f"{side}_decision"} & readable.keys():
            message = f"is missing, and so is {side}_decision: there is no {side} prediction"
            return Problem(file=file.name, column=f"{side}_score", message=message, rows=rows)
    problems += [
        Problem(file=file.name, column=name, message="is missing; read as null", rows=rows, is_counted=True)
        for name in LOG_SCHEMA.names
        if name not in columns
    ]
    statistics = FileStatistics(metadata)
    problems += [
        Problem(file=file.name, column=doubt.column, message=doubt.message, rows=doubt.rows, is_counted=True)
        for doubt in list_doubts(file.path, file.partition, schema, statistics, readable)
    ]
    return FilePlan(
        file=file,
        rows=rows,
        columns=readable,
        constants=_find_constants(statistics, readable),
        blank=frozenset(name for name in readable if name.endswith("_error") and statistics.may_be_blank(name)),
        types=tuple(f"{name} {schema.field(name).type}" for name in sorted(readable)),
        problems=tuple(problems),
    )


def _find_constants(statistics: FileStatistics, columns: Mapping[str, Holding]) -> dict[str, int | None]:
    """Return text that is always null, and versions that never change."""
    found: dict[str, int | None] = {}
    for name, held in columns.items():
        if (name.endswith(("_version", "_error")) or name == "label") and statistics.is_null(name):
            found[name] = None
        elif name.endswith("_version") and held is Holding.WHOLE:
            value = statistics.find_constant(name)
            # What is greater than any version can be is read as null.
            if value is not None and value <= MAX_VERSION:
                found[name] = value
    return found


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, bounded."""
    lines = str(error).splitlines()
    return (lines[0] if lines else type(error).__name__)[:300]


def _walk(log: Path, problems: list[Problem]) -> Iterator[str]:
    def report(error: OSError) -> None:
        name = Path(error.filename).relative_to(log).as_posix()
        problems.append(Problem(file=name, message=f"cannot be listed: {error.strerror}"))

    for folder, folders, names in os.walk(log, followlinks=False, onerror=report):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for name in [*names, *links]:
            if not name.startswith((".", "_")):
                yield Path(folder, name).relative_to(log).as_posix()


def _find_misfit(log: Path, name: str) -> Problem | None:
    path = log / name
    if path.is_symlink():
        return Problem(file=name, message="is a symbolic link, which is not followed")
    if path.suffix != _SUFFIX:
        # Whatever it is, no writer of logs put pairs into it.
        return Problem(file=name, message=f"is no {_SUFFIX} file", rows=0)
    return None if stat.S_ISREG(path.stat().st_mode) else Problem(file=name, message="is no regular file")


def _found(log: Path, name: str) -> LogFile:
    path = log / name
    status = path.stat()
    with path.open("rb") as file:
        file.seek(max(0, status.st_size - _TAIL_BYTES))
        tail = hashlib.sha256(file.read()).hexdigest()
    # The time of change cannot be set back by who edits a file; the footer is in the tail.
    identity = f"{name}|{status.st_size}|{status.st_mtime_ns}|{status.st_ctime_ns}|{tail}"
    return LogFile(name=name, path=path, identity=identity)


def _log_columns(names: Sequence[str]) -> list[str]:
    return [name for name in names if name in LOG_SCHEMA.names or name.startswith(SLICE_PREFIX)]


def _find_clash(names: Sequence[str]) -> str | None:
    folded = Counter(name.casefold() for name in names)
    return next((name for name in _log_columns(names) if folded[name.casefold()] > 1), None)


def _holding(kind: pa.DataType) -> Holding:
    if pa.types.is_dictionary(kind):
        return _holding(kind.value_type)
    is_time = pa.types.is_timestamp(kind)
    tests = {
        Holding.TEXT: pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind),
        Holding.WHOLE: pa.types.is_integer(kind),
        Holding.NUMBER: pa.types.is_floating(kind) or pa.types.is_decimal(kind),
        Holding.FLAG: pa.types.is_boolean(kind),
        Holding.NANOSECONDS: is_time and kind.unit == "ns",
        Holding.TIME: is_time or pa.types.is_date(kind),
        Holding.NULL: pa.types.is_null(kind),
    }
    return next((holding for holding, is_it in tests.items() if is_it), Holding.OTHER)


def _expected(name: str) -> str:
    readable = _READABLE.get(name, _TEXTS)
    if readable is _NUMBERS:
        return "a number"
    return "a time" if name == "ts" else "text"
