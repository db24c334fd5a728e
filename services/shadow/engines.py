"""Engines: who runs the SQL of the states. DuckDB is built in; Spark joins by setting (`services.shadow.spark`).

DuckDB runs one thread a relation, in order, so that sums come out the same each time; several relations run at once.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from services.errors import InvalidInput, Unavailable
from services.shadow.log_files import FilePlan, Holding, first_line
from services.shadow.relation import column_names, pairs_sql
from services.shadow.sql import distinct_sql

_MEMORY = "1GiB"
_HASHED_ROWS = 8_000_000
_SLOT_BITS, _BLOCK = 21, 1 << 16
_MOST_LOSERS = 0.9


class FilesUnreadable(Exception):
    """An engine could not read one of the files that it was given."""


class Relation(Protocol):
    """An open relation `pairs`."""

    def query(self, sql: str) -> pa.Table:
        """Run one text of `services.shadow.sql`.

        Raises:
            FilesUnreadable: a file turned out to be corrupt.
        """

    def may_repeat(self, rows: int) -> bool:
        """Return False only where no request id of these rows is there twice."""


class Engine(Protocol):
    """What makes states out of files.

    Attributes:
        workers: how many relations may be open at once.
        batch_rows: how many rows one relation should hold at most, where files allow.
    """

    name: str
    workers: int
    batch_rows: int

    def open(
        self, plans: Sequence[FilePlan], slices: Sequence[str], *, is_distinct: bool
    ) -> AbstractContextManager[Relation]:
        """Open files as one relation, each identity once if `is_distinct`."""


class DuckDbEngine:
    """The embedded engine."""

    name = "duckdb"
    batch_rows = 4_000_000

    def __init__(self) -> None:
        self.workers = max(1, min(4, os.cpu_count() or 1))

    @cached_property
    def _database(self) -> Any:
        import duckdb

        settings: dict[str, str | bool | int | float | list[str]] = {
            "threads": "1",
            "memory_limit": _MEMORY,
            "temp_directory": f"{tempfile.gettempdir()}/gatehouse-duckdb-{os.getpid()}-{id(self)}",
            "autoinstall_known_extensions": "false",
            "TimeZone": "UTC",
            # Memory that one file took is given back, else what two threads keep of it adds up.
            "allocator_flush_threshold": "8MiB",
            "allocator_bulk_deallocation_flush_threshold": "8MiB",
            # It trusts the least and greatest value that a Parquet file states of a column, which leave NaN out, and so
            # takes a test that NaN fails for one that every row passes.
            "disabled_optimizers": "statistics_propagation",
        }
        return duckdb.connect(config=settings)

    @contextmanager
    def open(self, plans: Sequence[FilePlan], slices: Sequence[str], *, is_distinct: bool) -> Iterator[Relation]:
        """Open files as one relation, each identity once if `is_distinct`."""
        with self._database.cursor() as connection:
            relation = _DuckDbRelation(connection)
            union = pairs_sql(plans, slices, source=_read_parquet, micros=_epoch_micros)
            if is_distinct:
                relation.execute(f"CREATE TEMP VIEW all_pairs AS {union}")
                relation.execute(f"CREATE TEMP TABLE pairs AS {distinct_sql('all_pairs', column_names(slices))}")
            else:
                relation.execute(f"CREATE TEMP VIEW pairs AS {union}")
            yield relation


class _DuckDbRelation:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, sql: str) -> None:
        with _translated():
            self._connection.execute(sql)

    def query(self, sql: str) -> pa.Table:
        with _translated():
            return self._connection.sql(sql).to_arrow_table()

    def may_repeat(self, rows: int) -> bool:
        # A hash that is there twice may be chance; one that is there once is proof.
        parts = -(-rows // _HASHED_ROWS)
        for part in range(parts):
            chosen = f" WHERE h % {parts} = {part}" if parts > 1 else ""
            known = "SELECT HASH(request_id) AS h FROM pairs WHERE request_id IS NOT NULL"
            text = f"SELECT h FROM ({known}) AS hashed{chosen}"  # noqa: S608 - constants and numbers
            if is_any_twice(self.query(text).column("h").to_numpy()):
                return True
        return False


def is_any_twice(hashes: npt.NDArray[np.uint64]) -> bool:
    """Return whether one of many hashes is there twice.

    Each is put into the slot that its first bits name, over what is there already. Whoever lost its slot is compared
    with who holds it, and goes into the next round without those: a third of the time that sorting takes.
    """
    holders = np.empty(1 << _SLOT_BITS, dtype=np.uint32)
    while len(hashes) > 1:
        for first, slots in _in_blocks(hashes):
            holders[slots] = np.arange(first, first + len(slots), dtype=np.uint32)
        losers = []
        for first, slots in _in_blocks(hashes):
            holding = holders[slots]
            lost = np.flatnonzero(holding != np.arange(first, first + len(slots), dtype=np.uint32))
            losers.append(hashes[first + lost])
            if np.any(losers[-1] == hashes[holding[lost]]):
                return True
        left = np.concatenate(losers)
        if len(left) > _MOST_LOSERS * len(hashes):
            return len(np.unique(left)) < len(left)  # as ids that were made to meet would have it
        hashes = left
    return False


def _in_blocks(hashes: npt.NDArray[np.uint64]) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """Yield the slots of some hashes at a time, and the number of the first of them."""
    for first in range(0, len(hashes), _BLOCK):
        yield first, (hashes[first : first + _BLOCK] >> np.uint64(64 - _SLOT_BITS)).view(np.int64)


def open_engine(name: str) -> Engine:
    """Return the engine of a name.

    Raises:
        InvalidInput: there is none of that name.
        Unavailable: its libraries are not installed.
    """
    if name == DuckDbEngine.name:
        return DuckDbEngine()
    if name == "spark":
        from services.shadow.spark import SparkEngine

        return SparkEngine()
    raise InvalidInput(f"There is no shadow engine {name!r}.", next_step="Choose duckdb or spark.")


@contextmanager
def _translated() -> Iterator[None]:
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise Unavailable(
            f"Comparing the shadow log needs more than {_MEMORY} of memory ({first_line(error)}).",
            next_step="Write smaller files, or set GATEHOUSE_SHADOW_ENGINE=spark.",
        ) from error
    except duckdb.Error as error:
        raise FilesUnreadable(first_line(error)) from error


def _read_parquet(plans: Sequence[FilePlan]) -> str:
    paths = ", ".join(_literal(_unglobbed(str(plan.file.path))) for plan in plans)
    # Folder names are not columns here, and columns stand in each file's own order.
    return f"READ_PARQUET([{paths}], hive_partitioning = false, union_by_name = true)"


def _unglobbed(path: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in path)


def _literal(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped}'"


def _epoch_micros(column: str, held: Holding) -> str:
    return f"EPOCH_NS({column}) // 1000" if held is Holding.NANOSECONDS else f"EPOCH_US({column})"
