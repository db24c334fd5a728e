"""Where the models that serve lie: downloaded once into the home, and held against the digest that was approved.

A folder is put in place whole. One whose bytes are not those that were approved is refused, whoever changed them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from services.deployments.standbys import Standbys
from services.errors import Blocked, InvalidInput, Unavailable
from services.registry.digest import digest_path, list_model_files
from services.registry.port import Registry
from services.registry.writes import Watched
from services.store import Store
from services.store import registry_drift as facts


class Folders(Protocol):
    """Gives the folder of a version."""

    def get(self, model: str, version: int) -> Path:
        """Return the folder of a version's model, ready to be loaded."""


class KeptFolders:
    """Models in the home.

    Args:
        root: the folder that holds them, one a model and version.
        open_registry: gives the registry, asked only for what is not here yet.
        standbys: what the worker keeps ready; it spares the download, and the registry may be away.
    """

    def __init__(
        self, root: Path, *, open_registry: Callable[[], Registry], standbys: Callable[[], Standbys], store: Store
    ) -> None:
        self._root = root
        self._open_registry = open_registry
        self._standbys = standbys
        self._store = store

    def get(self, model: str, version: int) -> Path:
        """Return the folder of a version's model, downloading it if it is not here.

        Raises:
            Blocked: its bytes are not those that were approved, or hold a link.
            NotFound: the registry has no such version, or no files of it.
            Unreachable: it is not here, and the registry or the store does not answer.
            Unavailable: it cannot be written.
        """
        kept = self._root / f"{hashlib.sha256(model.encode()).hexdigest()[:16]}-{version}"
        approved = self._find_approved(model, version)
        if kept.exists():
            if _is_as_approved(kept, approved):
                return kept
            shutil.rmtree(kept)
        try:
            self._download(model, version, kept, approved)
        except OSError as error:
            raise Unavailable(
                f"{model}/{version} cannot be kept at {kept}: {error.strerror or error}.",
                next_step="Check that the home can be written and that the disk has space.",
            ) from error
        return kept

    def _download(self, model: str, version: int, kept: Path, approved: str | None) -> None:
        self._root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._root, prefix=".fetching-") as folder:
            fetched = self._fetch(model, version, Path(folder), approved)
            found = digest_path(fetched)
            if approved is not None and found != approved:
                raise Blocked(
                    f"The files of {model}/{version} are not those that were approved ({found[:19]}…).",
                    next_step="See `gatehouse drift list`; put the approved files back, or promote the version anew.",
                )
            _open_to_readers(fetched)
            fetched.replace(kept)

    def _fetch(self, model: str, version: int, folder: Path, approved: str | None) -> Path:
        standby = self._find_standby(model, version)
        if standby is not None:
            copied = shutil.copytree(standby, folder / "standby", symlinks=True)
            if _is_as_approved(copied, approved):
                return copied
        registry = self._open_registry()
        return registry.download(registry.get_version(model, version), folder)

    def _find_standby(self, model: str, version: int) -> Path | None:
        # The worker's own, which needs a registry to be made at all.
        try:
            return self._standbys().find_folder(model, version)
        except InvalidInput:
            return None

    def _find_approved(self, model: str, version: int) -> str | None:
        key = {"model": model, "kind": Watched.ARTIFACTS.value, "version": version, "key": ""}
        with self._store.read() as unit:
            fact = facts.find_fact(unit, key)
        return None if fact is None else fact.value


def fill(slot: Path, folder: Path) -> None:
    """Put the files of a model into an empty folder: the same files where the file system lets it, copies elsewhere.

    Raises:
        Blocked: the model's folder holds a link.
        Unavailable: the files cannot be put there.
    """
    try:
        for file in list_model_files(folder):
            place = slot / file.relative_to(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(file, place)
            except OSError:
                shutil.copyfile(file, place)
        _open_to_readers(slot)
    except OSError as error:
        raise Unavailable(
            f"The files of the model cannot be put at {slot}: {error.strerror or error}.",
            next_step="Check that the home can be written and that the disk has space.",
        ) from error


def _is_as_approved(folder: Path, approved: str | None) -> bool:
    """Return whether a folder is what was approved; where nothing was, any that holds no link."""
    try:
        if approved is None:
            return bool(list_model_files(folder))
        return digest_path(folder) == approved
    except Blocked:
        return False


def _open_to_readers(folder: Path) -> None:
    # The sandbox reads as nobody in particular; without this it would copy the folder at every start.
    for place, _folders, files in os.walk(folder):
        Path(place).chmod(0o755)
        for name in files:
            Path(place, name).chmod(0o644)
