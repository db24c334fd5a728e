"""What is on its way to the paired log, counted in a file that outlives the process.

A server that is killed says nothing any more, and what it had not written is gone. The file is mapped into memory, so
that counting costs nothing and the system keeps the last number even of a process that gets SIGKILL (mmap(2)): the next
server reads it and tells what was lost.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

_BYTES = 8


class Counted(IntEnum):
    """A place in the file: what came, and what of it has come to an end, written or told to be lost."""

    REQUESTS_TAKEN = 0
    REQUESTS_SETTLED = 1
    ROWS_TAKEN = 2
    ROWS_SETTLED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What a server that was killed cannot have written, at most: it may have been in the middle of counting."""

    requests: int
    rows: int


class Tally:
    """Counts for one server. Each place is counted by one thread alone.

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        # Real bytes, not a hole: writing into a hole of a full disk would end the process.
        path.write_bytes(bytes(_BYTES * len(Counted)))
        with path.open("r+b") as file:
            self._places = memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")

    def count(self, what: Counted, *, by: int = 1) -> None:
        """Count up one of the places."""
        self._places[what] += by

    @property
    def loss(self) -> Loss:
        """What would be lost if the process ended here."""
        return _to_loss(self._places.tolist())


def read_loss(path: Path) -> Loss | None:
    """Return what the file of a server that is gone says was lost, or None where it says nothing."""
    try:
        held = path.read_bytes()
    except OSError:
        return None
    return _to_loss(memoryview(held).cast("Q").tolist()) if len(held) == _BYTES * len(Counted) else None


def _to_loss(counts: list[int]) -> Loss:
    # Never below nothing: what was counted last may not have come to the file in order.
    return Loss(
        requests=max(0, counts[Counted.REQUESTS_TAKEN] - counts[Counted.REQUESTS_SETTLED]),
        rows=max(0, counts[Counted.ROWS_TAKEN] - counts[Counted.ROWS_SETTLED]),
    )
