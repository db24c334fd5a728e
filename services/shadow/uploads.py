"""Data that people bring for a replay: it may tell of persons, so it is kept no longer than a replay needs it.

What was scored whole is removed when its job ends. What was not, since the replay failed or was cancelled, is kept for
a week, so that the replay can be taken up again. The log that a replay wrote stays: comparisons rest on it.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Container
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from services.clock import Clock, to_micros
from services.shadow.atomic import replacing

KEPT = timedelta(days=7)


class Uploads:
    """The data that was brought.

    Args:
        folder: where it lies; nothing else does.
    """

    def __init__(self, folder: Path, *, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock

    def keep(self, upload: bytes, *, suffix: str, wanted: Container[Path]) -> Path:
        """Keep data under its digest, and remove what nobody came back for.

        Args:
            suffix: what kind of file it is.
            wanted: what replays that have not ended are to read.

        Raises:
            Unavailable: it cannot be kept.
        """
        limit_us = to_micros(self._clock() - KEPT)
        for path in self._folder.glob("*"):
            if path not in wanted and _brought_us(path) < limit_us:
                path.unlink(missing_ok=True)
        path = self._folder / f"{hashlib.sha256(upload).hexdigest()}{suffix}"
        with replacing(path) as temporary:
            temporary.write_bytes(upload)
            # Whoever brings it again begins its time anew, so that a replay that just ends leaves it there.
            os.utime(temporary, ns=(to_micros(self._clock()) * 1000,) * 2)
        return path

    def remove(self, path: Path, *, asked_at: datetime, wanted: Container[Path]) -> None:
        """Remove data that a replay has scored whole, unless it is not ours, another wants it, or it was brought again.

        Args:
            asked_at: when the replay was asked for.
        """
        is_ours = path.parent == self._folder and path not in wanted
        if is_ours and _brought_us(path) <= to_micros(asked_at):
            path.unlink(missing_ok=True)


def _brought_us(path: Path) -> float:
    with suppress(FileNotFoundError):
        return path.stat().st_mtime_ns // 1000
    return math.inf
