"""Warm standbys: what is pinned lies ready in the home, byte for byte as in the registry, and proven to load and score.

So that going back needs nothing that might be away at two in the morning (practice 4, N-2 warm). The candidate of a
ramp is kept the same way. Models run in the sandbox alone; files are looked at again by digest, and proven again daily.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import structlog

from services.audit import Acting, AuditLog
from services.clock import Clock, from_micros, to_micros, to_text
from services.errors import Blocked, GatehouseError, NotFound, Unavailable, Unreachable
from services.jobs.probe import Probe, ProbeSpec, RunFailure
from services.registry.digest import digest_path
from services.registry.port import RegistryReader
from services.store import Store
from services.store import standbys as rows

PROVEN_FOR = timedelta(days=1)
SPEC = ProbeSpec(rows=5, calls=5, warm_up=1)
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

log = structlog.get_logger(__name__)


class StandbyState(StrEnum):
    """How ready a version is; `unproven` lies there whole and could not be tried, `cold` is not there."""

    WARM = "warm"
    UNPROVEN = "unproven"
    FAILED = "failed"
    COLD = "cold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standby:
    """The state of one version; `problem` says why it is not warm."""

    model: str
    version: int
    state: StandbyState
    digest: str | None = None
    size_bytes: int | None = None
    problem: str = ""
    proven_at: datetime | None = None
    checked_at: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the state as commands print it."""
        return {
            "model": self.model,
            "version": self.version,
            "state": self.state.value,
            "digest": self.digest,
            "bytes": self.size_bytes,
            "problem": self.problem,
            "proven_at": None if self.proven_at is None else to_text(self.proven_at),
        }


class Runner(Protocol):
    """What tries a model: `services.jobs.model_runner.ModelRunner`."""

    def probe(self, model_folder: Path, data: Path | None, spec: ProbeSpec | None = None) -> Probe | RunFailure:
        """Measure a model in the sandbox."""


class Standbys:
    """The standbys of an installation.

    Nobody asks for one by itself: whoever goes back or starts a ramp was let to before a version is tried for it; the
    worker keeps what is pinned.

    Args:
        home: keeps the files.
    """

    def __init__(
        self, store: Store, registry: RegistryReader, audit: AuditLog, runner: Runner, *, home: Path, clock: Clock
    ) -> None:
        self._store = store
        self._registry = registry
        self._audit = audit
        self._runner = runner
        self._root = home / "standby"
        self._clock = clock

    def find(self, model: str, version: int) -> Standby:
        """Return the state of a version as it was last seen; `cold` where nothing is known of it."""
        known = self.list_standbys([model])
        return known.get((model, version), Standby(model=model, version=version, state=StandbyState.COLD))

    def list_standbys(self, models: Sequence[str] | None = None) -> Mapping[tuple[str, int], Standby]:
        """Return what is known, by model and version."""
        with self._store.read() as unit:
            found = rows.list_standbys(unit, models=models)
        return {(row["model"], row["version"]): _to_standby(row) for row in found}

    def find_folder(self, model: str, version: int) -> Path | None:
        """Return the model folder of a standby that lies here, or None; its digest is the caller's to hold."""
        folder = self._place(model, version) / "model"
        return folder if folder.is_dir() else None

    def keep(self, wanted: Sequence[tuple[str, int]], *, actor: Acting) -> None:
        """Make the wanted versions warm and let go of the others; one that fails does not hold up the next."""
        for model, version in wanted:
            try:
                self.warm(model, version, actor=actor)
            except Unreachable as error:
                log.warning("standby not refreshed", model=model, version=version, error=error.message)
        known = self.list_standbys()
        for model, version in known.keys() - set(wanted):
            shutil.rmtree(self._place(model, version), ignore_errors=True)
            with self._store.write() as unit:
                rows.delete_standby(unit, model, version)
                unit.commit()

    def warm(self, model: str, version: int, *, actor: Acting, anew: bool = False) -> Standby:
        """Bring a version here unless it is, hold its bytes, and try it unless it was tried within a day.

        Args:
            anew: try it even so.

        Raises:
            Unreachable: the registry does not answer, and the version is not here.
        """
        before = self.find(model, version)
        found = self._look(model, version, before)
        if found.state is StandbyState.COLD:
            found = self._fetch(model, version)
        if found.digest is not None and (anew or not self._is_proven(found)):
            found = self._prove(found)
        self._note(before, found, actor)
        return found

    def try_again(self, model: str, version: int, *, actor: Acting) -> Standby:
        """Try a version that lies here; nothing of the registry is needed."""
        before = self.find(model, version)
        found = self._look(model, version, before)
        if found.digest is not None:
            found = self._prove(found)
        self._note(before, found, actor)
        return found

    def _look(self, model: str, version: int, before: Standby) -> Standby:
        """Return the standby as its files are now; files that are not those that were fetched count for nothing."""
        folder = self.find_folder(model, version)
        if folder is None or before.digest is None or not _is_whole(folder, before.digest):
            return Standby(model=model, version=version, state=StandbyState.COLD, problem="Its files are not here.")
        return before

    def _is_proven(self, standby: Standby) -> bool:
        is_fresh = standby.proven_at is not None and self._clock() - standby.proven_at < PROVEN_FOR
        return is_fresh and standby.state is StandbyState.WARM

    def _fetch(self, model: str, version: int) -> Standby:
        place = self._place(model, version)
        try:
            record = self._registry.get_version(model, version)
            expected = self._registry.get_artifact_digest(record)
            place.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=place.parent, prefix=".fetching-") as folder:
                files = self._registry.download(record, Path(folder))
                digest = digest_path(files)
                if digest != expected:
                    return _failed(model, version, "The files that arrived are not those of the registry.")
                size = sum(file.stat().st_size for file in files.rglob("*") if file.is_file())
                shutil.rmtree(place, ignore_errors=True)
                place.mkdir()
                files.replace(place / "model")
        except (NotFound, Blocked) as error:
            return _failed(model, version, error.message)
        except OSError as error:
            return _failed(model, version, f"Its files cannot be kept here ({error.strerror}).")
        return Standby(model=model, version=version, state=StandbyState.UNPROVEN, digest=digest, size_bytes=size)

    def _prove(self, standby: Standby) -> Standby:
        folder = self.find_folder(standby.model, standby.version)
        assert folder is not None
        try:
            answer = _probe(self._runner, folder)
        except Unavailable as error:
            return replace(standby, state=StandbyState.UNPROVEN, problem=error.message, proven_at=None)
        except GatehouseError as error:
            return replace(standby, state=StandbyState.FAILED, problem=error.message, proven_at=None)
        problem = _find_problem(answer)
        if problem:
            return replace(standby, state=StandbyState.FAILED, problem=problem, proven_at=None)
        return replace(standby, state=StandbyState.WARM, problem="", proven_at=self._clock())

    def _note(self, before: Standby, found: Standby, actor: Acting) -> None:
        """Write the state down; a change of it is an event."""
        now_us = to_micros(self._clock())
        with self._store.write() as unit:
            rows.put_standby(
                unit,
                found.model,
                found.version,
                {
                    "state": found.state.value,
                    "digest": found.digest,
                    "bytes": found.size_bytes,
                    "problem": found.problem,
                    "proven_us": None if found.proven_at is None else to_micros(found.proven_at),
                    "checked_us": now_us,
                },
            )
            if (before.state, before.digest) != (found.state, found.digest):
                self._audit.record(
                    unit,
                    actor=actor,
                    action=f"standby:version:{'warmed' if found.state is StandbyState.WARM else 'failed'}",
                    subject=f"{found.model}/{found.version}",
                    model=found.model,
                    reason=found.problem,
                    before={"state": before.state.value, "digest": before.digest},
                    after={"state": found.state.value, "digest": found.digest},
                )
            unit.commit()

    def _place(self, model: str, version: int) -> Path:
        plain = model if _PLAIN_NAME.fullmatch(model) else hashlib.sha256(model.encode()).hexdigest()
        return self._root / plain / str(version)


def _failed(model: str, version: int, problem: str) -> Standby:
    return Standby(model=model, version=version, state=StandbyState.FAILED, problem=problem)


def _is_whole(folder: Path, digest: str) -> bool:
    try:
        return digest_path(folder) == digest
    except Blocked:
        return False


def _find_problem(answer: Probe | RunFailure) -> str:
    if isinstance(answer, RunFailure):
        return answer.reason
    if answer.failed_calls:
        return f"{answer.failed_calls} of {answer.calls} predictions failed: {'; '.join(answer.errors)}"
    return ""


def _probe(runner: Runner, folder: Path) -> Probe | RunFailure:
    """Try a model on its input example, or where it has none on a row that its signature describes."""
    from services.signatures.examples import example_frame
    from services.signatures.reader import read_reference_path
    from services.signatures.values import Columns

    reading = read_reference_path(folder)
    if reading.has_input_example:
        return runner.probe(folder, None, SPEC)
    inputs = None if reading.signature is None else reading.signature.inputs
    if not isinstance(inputs, Columns):
        raise Unavailable(
            "It has neither an input example nor columns to make one of, so it cannot be tried.",
            next_step="Log the model with an input example.",
        )
    with tempfile.TemporaryDirectory(prefix="gatehouse-example-") as place:
        data = Path(place, "example.json")
        data.write_text(example_frame(inputs).to_json(orient="split", index=False, date_format="iso"))
        return runner.probe(folder, data, SPEC)


def _to_standby(row: Mapping[str, Any]) -> Standby:
    return Standby(
        model=row["model"],
        version=row["version"],
        state=StandbyState(row["state"]),
        digest=row["digest"],
        size_bytes=row["bytes"],
        problem=row["problem"],
        proven_at=None if row["proven_us"] is None else from_micros(row["proven_us"]),
        checked_at=from_micros(row["checked_us"]),
    )
