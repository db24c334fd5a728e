"""Where evidence that comes as a file is read from: the run of the version, or a folder that CI has filled."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from services.errors import InvalidInput, NotFound
from services.gates.evidence import Subject
from services.registry.port import RegistryReader
from services.untrusted.paths import open_under

MAX_BYTES = 64 * 1024 * 1024


class FileSource(Protocol):
    """A place of files by name."""

    def find(self, subject: Subject, name: str) -> bytes | None:
        """Return a file, or None where it is not there.

        Raises:
            InvalidInput: it is too large.
        """


class RunFiles:
    """The artifacts of the candidate's run."""

    def __init__(self, registry: RegistryReader) -> None:
        self._registry = registry

    def find(self, subject: Subject, name: str) -> bytes | None:
        if subject.candidate.run_id is None:
            return None
        try:
            return self._registry.read_run_file(subject.candidate.run_id, name, max_bytes=MAX_BYTES)
        except NotFound:
            return None


class FolderFiles:
    """A folder on this machine; what it lacks is looked for elsewhere, if anywhere."""

    def __init__(self, folder: Path, otherwise: FileSource | None = None) -> None:
        self._folder = folder
        self._otherwise = otherwise

    def find(self, subject: Subject, name: str) -> bytes | None:
        try:
            with open_under(self._folder, name) as opened:
                content = opened.read(MAX_BYTES + 1)
        except (NotFound, FileNotFoundError):
            return None if self._otherwise is None else self._otherwise.find(subject, name)
        if len(content) > MAX_BYTES:
            raise InvalidInput(
                f"{name!r} is larger than the {MAX_BYTES} bytes that are read.", next_step="Give a smaller sample."
            )
        return content
