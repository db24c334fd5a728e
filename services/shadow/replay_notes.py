"""What of a replay is done, kept beside its log under a name that readers pass over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from services.clock import Clock, from_text, to_text
from services.errors import Conflict
from services.shadow.atomic import replacing

_NAME = ".replay.json"
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


def open_notes(out: Path, plan: Mapping[str, Any], clock: Clock) -> Notes:
    """Begin a replay in a new folder, or take up the one that was begun there.

    Raises:
        Conflict: the folder holds another replay, or anything else.
    """
    path = out / _NAME
    if not path.exists():
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise Conflict(f"{out} holds something already.", next_step="Name a new folder for the log.")
        notes = Notes(path, plan=plan, started_at=clock())
        notes.save()
        return notes
    try:
        notes = _read_notes(path)
    except _DAMAGE as error:
        raise Conflict(f"{path} is damaged.", next_step="Name a new folder for the log.") from error
    if notes.plan != plan:
        raise Conflict(
            f"{out} holds a replay of other data, versions or options.", next_step="Name a new folder for the log."
        )
    return notes


def _read_notes(path: Path) -> Notes:
    found = json.loads(path.read_text(encoding="utf-8"))
    notes = Notes(path, plan=found["plan"], started_at=from_text(found["started_at"]))
    notes.chunks = {int(index): dict(counts) for index, counts in found["chunks"].items()}
    notes.outputs = None if found["outputs"] is None else Outputs(found["outputs"])
    notes.is_complete = bool(found["is_complete"])
    return notes
