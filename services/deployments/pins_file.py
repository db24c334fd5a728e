"""The pins file in the home: written whole, read back, and looked at for what others did to it.

The store holds the pins; platforms that follow the file follow what others write into it too. So an edit by hand is
drift, shown until somebody reverts it, and a file that is cut short, unreadable or gone is written anew and told of.
What was last written is remembered beside it, so that a file that is merely behind is not taken for an edit.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from services.audit import Acting, AuditLog
from services.deployments.files import to_yaml
from services.deployments.pins import PinSet
from services.errors import Conflict, Unavailable
from services.registry.drift import Drifts
from services.store import Store
from services.untrusted.yaml_reader import YamlInvalid, read_yaml

MAX_BYTES = 16 * 1024 * 1024


class FileState(StrEnum):
    """How the file was found."""

    IN_STEP = "in_step"
    BEHIND = "behind"
    EDITED = "edited"
    MISSING = "missing"
    CUT_SHORT = "cut_short"
    UNREADABLE = "unreadable"


class _Pinned(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    current: int
    previous: int | None = None
    fallback: int | None = None

    def __str__(self) -> str:
        return _said(self.current, self.previous, self.fallback)


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    models: dict[str, _Pinned]


_DOCUMENT = TypeAdapter(_Document)


class PinsFile:
    """The `models:` document of one installation."""

    def __init__(self, path: Path, store: Store, audit: AuditLog, drifts: Drifts) -> None:
        self.path = path
        self._store = store
        self._audit = audit
        self._drifts = drifts

    def write(self, pins: Mapping[str, PinSet]) -> None:
        """Put the document in place and read it back.

        Raises:
            Conflict: what was read back is not what was written.
            Unavailable: it cannot be written.
        """
        text = to_yaml(pins)
        replace_file(self.path, text)
        replace_file(self._mark, _digest(text))

    def keep(self, pins: Mapping[str, PinSet], *, actor: Acting) -> FileState:
        """Bring the file in step unless somebody edited it, and record what was found.

        Raises:
            Conflict: what was read back is not what was written.
            Unavailable: it cannot be written.
        """
        expected, found = to_yaml(pins), self._read()
        state = self._judge(expected, found)
        said = None if found is None or state is not FileState.EDITED else _read_document(found)
        self._drifts.file_pins({} if said is None else _differences(pins, said), actor=actor)
        if state in {FileState.MISSING, FileState.CUT_SHORT, FileState.UNREADABLE}:
            self._record(state, found, actor)
        if state not in {FileState.IN_STEP, FileState.EDITED}:
            self.write(pins)
        return state

    def _judge(self, expected: str, found: str | None) -> FileState:
        written = self._read_mark()
        if found is None:
            return FileState.BEHIND if written is None else FileState.MISSING
        if found == expected:
            return FileState.IN_STEP
        if written is None or _digest(found) == written:
            return FileState.BEHIND
        if expected.startswith(found):
            return FileState.CUT_SHORT
        return FileState.UNREADABLE if _read_document(found) is None else FileState.EDITED

    def _record(self, state: FileState, found: str | None, actor: Acting) -> None:
        with self._store.write() as unit:
            self._audit.record(
                unit,
                actor=actor,
                action="pins:file:restored",
                subject="pins",
                reason=f"The pins file was {state.value.replace('_', ' ')}.",
                before={"digest": None if found is None else _digest(found)},
                after={"state": state.value},
            )
            unit.commit()

    @property
    def _mark(self) -> Path:
        return self.path.with_name(f".{self.path.name}.written")

    def _read_mark(self) -> str | None:
        try:
            return self._mark.read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            return None

    def _read(self) -> str | None:
        """Return the text; bytes that are none are replaced, which makes it differ."""
        try:
            with self.path.open("rb") as file:
                return file.read(MAX_BYTES).decode(errors="replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(
                f"The pins file {self.path} cannot be read ({error.strerror}).", next_step="Check its permissions."
            ) from error


def replace_file(path: Path, text: str) -> None:
    """Put a text in place of `path`, whole or not at all, and read it back.

    Raises:
        Conflict: what was read back is not what was written.
        Unavailable: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        is_there = path.read_text(encoding="utf-8") == text
    except OSError as error:
        raise Unavailable(
            f"{path} cannot be written ({error.strerror}).", next_step="Check its permissions and the space left."
        ) from error
    if not is_there:
        raise Conflict(f"{path} does not hold what was written to it.", next_step="Check who else writes to it.")


def _read_document(text: str) -> Mapping[str, _Pinned] | None:
    try:
        return _DOCUMENT.validate_python(read_yaml(text).data, strict=True).models
    except (YamlInvalid, ValidationError):
        return None


def _differences(
    pins: Mapping[str, PinSet], said: Mapping[str, _Pinned]
) -> Mapping[str, tuple[str | None, str | None]]:
    pairs: dict[str, tuple[str | None, str | None]] = {}
    for model in pins.keys() | said.keys():
        pinned = pins.get(model)
        expected = None if pinned is None else _said(pinned.current, pinned.previous, pinned.fallback)
        found = str(said[model]) if model in said else None
        if expected != found:
            pairs[model] = (expected, found)
    return pairs


def _said(current: int, previous: int | None, fallback: int | None) -> str:
    return " / ".join("none" if version is None else str(version) for version in (current, previous, fallback))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
