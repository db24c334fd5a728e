"""Where the shadow logs of an installation lie: what serving writes a folder a model, replays by what they are of.

Names of models and of files come from outside: neither is ever a path of its own.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from services.shadow.replay_notes import Notes, find_notes

_MAX_NAME = 100
_PLAIN_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{_MAX_NAME - 1}}}")


class Origin(StrEnum):
    """How a log came to be."""

    TRAFFIC = "traffic"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPlace:
    """A log of a model: its name among the model's logs, and, of a replay, how far it got."""

    name: str
    path: Path
    origin: Origin
    notes: Notes | None = None


def list_logs(logs: Path, replays: Path, model: str) -> tuple[LogPlace, ...]:
    """Return the logs of a model that have something in them: what serving wrote, then replays, the newest first."""
    found = []
    traffic = get_log_folder(logs, model)
    if traffic.is_dir():
        found.append(LogPlace(name=Origin.TRAFFIC, path=traffic, origin=Origin.TRAFFIC, notes=find_notes(traffic)))
    folder = replays / _folder_name(model)
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    noted = [(notes, path) for path in paths if (notes := find_notes(path)) is not None and notes.rows]
    for notes, path in sorted(noted, key=lambda one: one[0].started_at, reverse=True):
        found.append(LogPlace(name=path.name, path=path, origin=Origin.REPLAY, notes=notes))
    return tuple(found)


def get_log_folder(logs: Path, model: str) -> Path:
    """Return where the shadow log of a model lies: a folder of its name, where that can be one.

    >>> get_log_folder(Path("shadow"), "risk.cards.fraud"), get_log_folder(Path("shadow"), "../fraud").name
    (PosixPath('shadow/risk.cards.fraud'), '.._fraud-67e4add3')
    """
    return logs / _folder_name(model)


def get_replay_folder(replays: Path, model: str, champion: int, candidate: int, data_digest: str) -> Path:
    """Return where a replay of two versions of a model over some data lies by default."""
    return replays / _folder_name(model) / f"{champion}-{candidate}-{data_digest[:12]}"


def _folder_name(model: str) -> str:
    if _PLAIN_NAME.fullmatch(model):
        return model
    readable = re.sub(r"[^A-Za-z0-9._-]", "_", model)[:_MAX_NAME]
    return f"{readable}-{hashlib.sha256(model.encode()).hexdigest()[:8]}"
