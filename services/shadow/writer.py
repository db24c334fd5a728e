"""Writing a shadow log: whole files, or none.

A file is written under a name that readers pass over, forced to disk, and then renamed, so that a crash leaves either
all of it or nothing that counts. A row goes to the day of its own time, in UTC.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.errors import Unavailable
from services.shadow.atomic import TEMPORARY, replacing
from services.shadow.schema import ROW_GROUP_ROWS, fit_to_schema

_STALE_S = 3600


class PairedLogWriter:
    """Collects pairs and writes them as files of a log; not for several threads at once.

    Args:
        folder: the log.
        max_rows: how many rows make a file, unless `max_seconds` pass first.
        max_seconds: how old a row may become before it is written; looked at whenever rows come or `flush_if_due` asks.
        seconds: a clock that only goes forward.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_rows: int = 100_000,
        max_seconds: float = 60.0,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self._max_rows = max_rows
        self._max_seconds = max_seconds
        self._seconds = seconds
        self._waiting: list[pa.Table] = []
        self._since = 0.0
        remove_leftovers(folder)

    @property
    def waiting_rows(self) -> int:
        """How many rows are not on disk yet."""
        return sum(table.num_rows for table in self._waiting)

    def append(self, pairs: pa.Table) -> list[Path]:
        """Take pairs, and return the files that were written on the way.

        Raises:
            InvalidInput: the pairs do not fit the schema; none of them is taken.
            Unavailable: a file cannot be written; the rows are still waiting.
        """
        fitting = fit_to_schema(pairs)
        if fitting.num_rows:
            self._since = self._since if self._waiting else self._seconds()
            self._waiting.append(fitting)
        return self.flush() if self.waiting_rows >= self._max_rows else self.flush_if_due()

    def flush_if_due(self) -> list[Path]:
        """Write what has waited for long enough.

        Raises:
            Unavailable: a file cannot be written; the rows are still waiting.
        """
        is_due = self._waiting and self._seconds() - self._since >= self._max_seconds
        return self.flush() if is_due else []

    def flush(self) -> list[Path]:
        """Write everything that waits.

        Raises:
            Unavailable: a file cannot be written; the rows of days that are not written are still waiting.
        """
        if not self._waiting:
            return []
        name = uuid.uuid4().hex
        written = []
        days = list(split_by_day(pa.concat_tables(self._waiting, promote_options="default")))
        for index, (day, rows) in enumerate(days):
            try:
                written.append(write_part(self.folder, day, rows, name=name))
            except Unavailable:
                self._waiting = [rows for _day, rows in days[index:]]
                raise
        self._waiting = []
        return written

    def discard(self) -> int:
        """Give up what waits, and return how many rows were lost: serving goes on when the disk is full."""
        lost = self.waiting_rows
        self._waiting = []
        return lost

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()


def write_part(folder: Path, day: str, rows: pa.Table, *, name: str) -> Path:
    """Write rows of one day as `dt=DAY/part-NAME.parquet`, in place of a file of that name.

    Raises:
        Unavailable: the file cannot be written.
    """
    path = folder / f"dt={day}" / f"part-{name}.parquet"
    with replacing(path) as temporary:
        pq.write_table(rows, temporary, **write_options(rows.schema))
    return path


def write_options(schema: pa.Schema) -> dict[str, object]:
    """Return how files of a log are written: ids are all different, so no dictionary of them is tried."""
    dictionaries = [field.name for field in schema if pa.types.is_string(field.type) and field.name != "request_id"]
    return {"compression": "zstd", "row_group_size": ROW_GROUP_ROWS, "use_dictionary": dictionaries}


def split_by_day(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Yield the days that rows fall on, as `YYYY-MM-DD` in UTC, each with its rows."""
    days = pc.strftime(rows.column("ts"), format="%Y-%m-%d")
    for day in sorted(pc.unique(days).to_pylist()):
        yield day, rows.filter(pc.equal(days, day))


def remove_leftovers(folder: Path) -> None:
    """Remove what writers left that were killed; a file that is being written now is younger."""
    for leftover in folder.glob(f"**/{TEMPORARY}*"):
        with suppress(FileNotFoundError):
            if time.time() - leftover.stat().st_mtime > _STALE_S:
                leftover.unlink()
