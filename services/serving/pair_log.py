"""The paired log of a server: rows are taken without waiting and written by a thread of their own.

When they cannot be written, as on a full disk, they are kept up to a bound; what comes beyond it is lost and counted.
Serving goes on.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
from prometheus_client import Counter

from services.errors import InvalidInput, Unavailable
from services.serving.metrics import Metrics
from services.serving.pairs import Pair, to_rows
from services.serving.tally import Counted, Tally
from services.shadow.writer import PairedLogWriter

MAX_WAITING_ROWS = 100_000
TICK_S = 0.5
RETRY_S = 5.0


class PairLog:
    """Writes pairs to the log of a model.

    Args:
        folder: the log.
        tally: tells the next server what this one lost, should it be killed.
        seconds: how old a row may become before it is on disk.
        on_trouble: told when writing begins to fail, and why; and with None when it works again.
    """

    def __init__(
        self,
        folder: Path,
        metrics: Metrics,
        tally: Tally,
        *,
        seconds: float = 15.0,
        max_waiting_rows: int = MAX_WAITING_ROWS,
        on_trouble: Callable[[str | None], object] = lambda _why: None,
    ) -> None:
        self.trouble: str | None = None
        self._writer = PairedLogWriter(folder, max_seconds=seconds)
        self._metrics = metrics
        self._tally = tally
        self._max_rows = max_waiting_rows
        self._on_trouble = on_trouble
        self._pairs: deque[Pair] = deque()
        self._rows = 0
        self._unwritten = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def add(self, pair: Pair) -> bool:
        """Take a pair, or count it as lost and return False if too much waits; never waits itself."""
        rows = pair.rows
        with self._lock:
            if self._rows + self._unwritten + rows > self._max_rows:
                is_taken = False
            else:
                self._pairs.append(pair)
                self._rows += rows
                is_taken = True
        if is_taken:
            self._tally.count(Counted.ROWS_TAKEN, by=rows)
        else:
            self._metrics.count(self._metrics.lost, by=rows)
        return is_taken

    def close(self, *, patience_s: float = 10.0) -> None:
        """Write what waits, and count what cannot be written as lost."""
        self._stop.set()
        self._thread.join(patience_s)

    def _run(self) -> None:
        while not self._stop.wait(RETRY_S if self.trouble else TICK_S):
            self._write(self._writer.flush_if_due)
        self._write(self._writer.flush)
        if lost := self._writer.discard():
            self._settle(self._metrics.lost, lost)

    def _write(self, flush: Callable[[], list[Path]]) -> None:
        rows = self._take()
        before = self._unwritten
        try:
            if rows:
                self._writer.append(_to_table(rows))
            flush()
            self._change_trouble(None)
        except Unavailable as error:
            self._change_trouble(error.message)
        except (InvalidInput, pa.ArrowException) as error:
            # Rows that the log does not take are a fault of ours; they must not hold up those that come after them.
            self._settle(self._metrics.lost, len(rows))
            self._change_trouble(str(error))
            rows = []
        self._unwritten = self._writer.waiting_rows
        self._settle(self._metrics.logged, before + len(rows) - self._unwritten)

    def _settle(self, as_what: Counter, rows: int) -> None:
        self._metrics.count(as_what, by=rows)
        self._tally.count(Counted.ROWS_SETTLED, by=rows)

    def _take(self) -> list[dict[str, Any]]:
        with self._lock:
            pairs, self._pairs, self._rows = self._pairs, deque(), 0
        return [row for pair in pairs for row in to_rows(pair)]

    def _change_trouble(self, why: str | None) -> None:
        if (why is None) != (self.trouble is None):
            self._on_trouble(why)
        self.trouble = why


def _to_table(rows: list[dict[str, Any]]) -> pa.Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: [row.get(name) for row in rows] for name in names})
