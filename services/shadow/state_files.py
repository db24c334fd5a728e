"""Where states are kept: a folder a log and engine, one file a group of log files, and an index that says which.

Everything here can be made again from the log: what is damaged, or made by another layout, is as good as absent.
Writing is atomic, so two processes that build the same states overwrite each other with the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from services.errors import Unavailable
from services.shadow.log_files import Problem
from services.shadow.states import ShadowState, merge, read_state, write_state

_INDEX = "index.json"
_MERGED = "merged"
_YOUNG_S = 3600
_MAKERS = (
    *("bins", "building", "doubts", "engines", "file_statistics", "folding", "log_files", "number_texts"),
    *("relation", "schema", "spark", "sql", "states"),
)


def _layout_digest() -> str:
    """Return a digest of the code that makes states: what other code made is not used."""
    texts = [Path(__file__).with_name(f"{module}.py").read_bytes() for module in _MAKERS]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()


LAYOUT_DIGEST = _layout_digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Some log files of one folder, and where their state is.

    Args:
        files: identity of each file by name.
        key: what the state's file is called; empty where none of the files counts.
        rows: how many rows were read; `surplus` of them repeat another and are not in the state.
        slices: the slices that each counted file has.
    """

    partition: str
    files: Mapping[str, str]
    key: str = ""
    rows: int = 0
    surplus: int = 0
    slices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    problems: Sequence[Problem] = ()


def state_key(identities: Iterable[str], *, is_distinct: bool) -> str:
    """Return the name of the state of log files."""
    told = "\n".join([LAYOUT_DIGEST, str(is_distinct), *sorted(identities)])
    return hashlib.sha256(told.encode()).hexdigest()


class StateFolder:
    """The states of one log, made by one engine, under a home."""

    def __init__(self, home: Path, log: Path, engine: str) -> None:
        name = hashlib.sha256(str(log.resolve()).encode()).hexdigest()[:24]
        self.path = home / "shadow-states" / name / engine

    def read_index(self) -> list[Entry]:
        """Return the entries of the index that this layout can use."""
        try:
            document = json.loads((self.path / _INDEX).read_text(encoding="utf-8"))
            if document["layout"] != LAYOUT_DIGEST:
                return []
            return [_to_entry(entry) for entry in document["entries"]]
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def find_time(self) -> datetime | None:
        """Return when the index was last written, or None where there is none."""
        try:
            return datetime.fromtimestamp((self.path / _INDEX).stat().st_mtime, UTC)
        except OSError:
            return None

    def write_index(self, entries: Sequence[Entry]) -> None:
        """Replace the index."""
        document = {"layout": LAYOUT_DIGEST, "entries": [asdict(entry) for entry in entries]}
        self._write(_INDEX, lambda file: file.write(json.dumps(document).encode()))

    def prune(self, entries: Sequence[Entry]) -> None:
        """Remove what the entries do not name, unless it is new: another process may be about to name it."""
        wanted = {_INDEX, _file_name(_MERGED), *(_file_name(entry.key) for entry in entries)}
        for path in self.path.iterdir():
            with suppress(FileNotFoundError):
                if path.name not in wanted and time.time() - path.stat().st_mtime > _YOUNG_S:
                    path.unlink()

    def find(self, key: str) -> ShadowState | None:
        """Return a state, or None where it is gone or damaged."""
        return self._read(key, lambda _header: True)

    def save(self, key: str, state: ShadowState) -> None:
        """Keep a state."""
        self._write(_file_name(key), lambda file: write_state(file, state, {}))

    def merged(self, entries: Sequence[Entry]) -> ShadowState | None:
        """Return the states of entries merged into one, or None where one of them is gone."""
        keys = sorted(entry.key for entry in entries if entry.key)
        found = self._read(_MERGED, lambda header: header.get("keys") == keys)
        if found is not None:
            return found
        states = [self.find(key) for key in keys]
        present = [state for state in states if state is not None]
        if len(present) < len(keys):
            return None
        state = merge(present)
        self._write(_file_name(_MERGED), lambda file: write_state(file, state, {"keys": keys}))
        return state

    def _read(self, key: str, is_wanted: Callable[[Mapping[str, Any]], bool]) -> ShadowState | None:
        try:
            with (self.path / _file_name(key)).open("rb") as file:
                state, header = read_state(file)
        except (OSError, ValueError):
            return None
        return state if is_wanted(header) else None

    def _write(self, name: str, write: Callable[[BinaryIO], object]) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=self.path, prefix=".")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    write(file)
                Path(temporary).replace(self.path / name)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise Unavailable(
                f"Shadow states cannot be kept in {self.path}: {error.strerror}.",
                next_step="Give GATEHOUSE_HOME a folder that can be written and has space.",
            ) from error


def _file_name(key: str) -> str:
    return f"{key}.state"


def _to_entry(raw: Mapping[str, Any]) -> Entry:
    return Entry(**{**raw, "problems": tuple(Problem(**problem) for problem in raw["problems"])})
