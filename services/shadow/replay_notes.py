"""What of a replay is done, kept beside its log under a name that readers pass over."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from services.clock import Clock, from_text, to_text
from services.errors import Conflict, Unavailable
from services.shadow.atomic import TEMPORARY, replacing

_NAME, _LOCK = ".replay.json", ".replay.lock"
_DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError)


class Outputs(StrEnum):
    """What numbers that a model returns are."""

    CLASSES = "classes"
    SCORES = "scores"


class Notes:
    """Progress of one replay: rows and errors of each chunk that is on disk."""

    def __init__(self, path: Path, *, plan: Mapping[str, Any], started_at: datetime) -> None:
        self._path = path
        self.plan = plan
        self.started_at = started_at
        self.outputs: Outputs | None = None
        self.chunks: dict[int, dict[str, int]] = {}
        self.is_complete = False

    @property
    def rows(self) -> int:
        """How many rows are done."""
        return self.count("rows")

    def count(self, what: str) -> int:
        """Return a count over all chunks."""
        return sum(chunk[what] for chunk in self.chunks.values())

    def add(self, index: int, counts: dict[str, int]) -> None:
        """Note a chunk that is on disk."""
        self.chunks[index] = counts
        self.save()

    def finish(self) -> None:
        """Note that there are no more chunks."""
        self.is_complete = True
        self.save()

    def save(self) -> None:
        """Put all this on disk, at once."""
        document = {
            "plan": self.plan,
            "started_at": to_text(self.started_at),
            "outputs": self.outputs,
            "chunks": self.chunks,
            "is_complete": self.is_complete,
        }
        with replacing(self._path) as temporary:
            temporary.write_text(json.dumps(document), encoding="utf-8")


def find_notes(out: Path) -> Notes | None:
    """Return the notes of the replay that a log came from, or None where there are none that can be read."""
    try:
        return _read_notes(out / _NAME)
    except _DAMAGE:
        return None


@contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """Keep a folder for one replay at a time; it is free again as soon as whoever holds it is gone.

    Raises:
        Conflict: another process replays into it, or it holds anything else than a replay.
        Unavailable: it cannot be written.
    """
    if out.exists() and not (out / _NAME).exists() and (not out.is_dir() or any(map(_is_foreign, out.iterdir()))):
        raise Conflict(f"{out} holds something already.", next_step="Name a new folder for the log.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / _LOCK).open("a")
    except OSError as error:
        raise Unavailable(
            f"{out} cannot be written: {error.strerror}.", next_step="Name a folder for the log that can be."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(
                f"Another process is replaying into {out}.", next_step="Wait for it, or name another folder."
            ) from error
        yield


def _is_foreign(path: Path) -> bool:
    # What one that was killed at its very beginning left is none of anybody else's.
    return path.name != _LOCK and not path.name.startswith(TEMPORARY)


def open_notes(out: Path, plan: Mapping[str, Any], clock: Clock) -> Notes:
    """Begin a replay in a folder that is ours alone, or take up the one that was begun there.

    Raises:
        Conflict: the folder holds another replay.
    """
    path = out / _NAME
    if not path.exists():
        return _begin(path, plan, clock)
    try:
        notes = _read_notes(path)
    except _DAMAGE as error:
        raise Conflict(f"{path} is damaged.", next_step="Name a new folder for the log.") from error
    if notes.plan != plan:
        # One that ended before anything was written, since its data was no good, is in nobody's way.
        if not notes.chunks and not any(out.glob("dt=*")):
            return _begin(path, plan, clock)
        raise Conflict(
            f"{out} holds a replay of other data, versions or options.", next_step="Name a new folder for the log."
        )
    return notes


def _begin(path: Path, plan: Mapping[str, Any], clock: Clock) -> Notes:
    notes = Notes(path, plan=plan, started_at=clock())
    notes.save()
    return notes


def _read_notes(path: Path) -> Notes:
    found = json.loads(path.read_text(encoding="utf-8"))
    notes = Notes(path, plan=found["plan"], started_at=from_text(found["started_at"]))
    notes.chunks = {int(index): dict(counts) for index, counts in found["chunks"].items()}
    notes.outputs = None if found["outputs"] is None else Outputs(found["outputs"])
    notes.is_complete = bool(found["is_complete"])
    return notes
