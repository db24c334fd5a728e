"""Where the shadow logs of an installation lie: what serving writes a folder a model, replays by what they are of."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

_MAX_NAME = 100
_PLAIN_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{_MAX_NAME - 1}}}")


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
