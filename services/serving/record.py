"""The record of a server: what happens to it is an event, written by a thread, as serving never waits for the store.

While the store does not answer, events wait, up to a bound. Between events the same thread says in the store every few
seconds how the server is. Files in the home stand while a server runs; those that are left of a process that is gone
tell the next server that it was killed, and what its paired log lost by that.
"""

from __future__ import annotations

import fcntl
import json
import os
import queue
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import structlog

from services.audit import AuditLog
from services.clock import to_micros, to_text, utc_now
from services.deployments.servers import FORGOTTEN_AFTER, SPEAKS_EVERY_S
from services.errors import GatehouseError, Unavailable
from services.identity.actors import Actor
from services.serving.tally import Loss, Tally, read_loss
from services.store import Store, UnitOfWork
from services.store import servers as rows

MAX_WAITING = 1000
RETRY_S = 2.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that happened to a server; it keeps its own time, since it may be recorded later.

    Args:
        ended: the id of the server whose end it is.
    """

    action: str
    model: str
    version: int | None
    reason: str
    after: Mapping[str, Any]
    at: str
    ended: str | None

    @property
    def subject(self) -> str:
        """What it happened to."""
        return self.model if self.version is None else f"{self.model}/{self.version}"


class ServingRecord:
    """Writes what happens to the server of a model into the audit log, and how it is beside it.

    Args:
        actor: who started it.
        folder: where the files lie that say it runs.
        tell: says how the server is now, as JSON; asked by the record's own thread.
    """

    def __init__(
        self,
        model: str,
        *,
        store: Store,
        audit: AuditLog,
        actor: Actor,
        folder: Path,
        tell: Callable[[], Mapping[str, Any]],
    ) -> None:
        self.id = secrets.token_hex(8)
        self._model = model
        self._store = store
        self._audit = audit
        self._actor = actor
        self._folder = folder
        self._tell = tell
        self._address = ""
        self._since: datetime = utc_now()
        self._waiting: queue.Queue[Happening | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._running_file = folder / f"running-{self.id}.json"

    @property
    def slots(self) -> Path:
        """The folder for what only this process needs; it goes with the process, if need be by the next one's hand."""
        return _slots_of(self._running_file)

    @contextmanager
    def opened(self) -> Iterator[Tally]:
        """Have it put down in the home, for as long as the block runs, that this process does; yields its tally.

        Raises:
            Unavailable: the home cannot be written.
        """
        said = {"model": self._model, "pid": os.getpid(), "host": socket.gethostname(), "since": to_text(self._since)}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._running = self._running_file.open("w", encoding="utf-8")
            _lock(self._running)
            json.dump(said, self._running)
            self._running.flush()
            tally = Tally(_tally_of(self._running_file))
        except OSError as error:
            raise Unavailable(
                f"The server cannot write to {self._folder}: {error.strerror or error}.",
                next_step="Check that the home can be written and that the disk has space.",
            ) from error
        with self._running:
            try:
                yield tally
            finally:
                _remove(self._running_file)

    def start(self, *, address: str, version: int) -> Loss:
        """Say that the server answers, and which others were killed; return what those of its model lost."""
        self._address = address
        requests = lost = 0
        for left in self._folder.glob("running-*.json"):
            loss = self._note_killed(left)
            requests, lost = requests + loss.requests, lost + loss.rows
        self._thread.start()
        self.note("serving:server:started", after={"address": address, "version": version})
        return Loss(requests=requests, rows=lost)

    def note(
        self,
        action: str,
        *,
        version: int | None = None,
        reason: str = "",
        after: Mapping[str, Any],
        model: str | None = None,
        ended: str | None = None,
    ) -> None:
        """Take something that happened; it is in the logs at once and in the audit log as soon as that can be."""
        happening = Happening(
            action=action,
            model=model or self._model,
            version=version,
            reason=reason[:500],
            after=after,
            at=to_text(utc_now()),
            ended=ended,
        )
        _log.info(action, subject=happening.subject, reason=reason, **after)
        with suppress(queue.Full):
            self._waiting.put_nowait(happening)

    def stop(self, *, patience_s: float = 5.0, **about: Any) -> None:
        """Record that the server stopped, for as long as there is patience."""
        self.note("serving:server:stopped", after=about, ended=self.id)
        with suppress(queue.Full):
            self._waiting.put_nowait(None)
        self._thread.join(patience_s)

    def _note_killed(self, left: Path) -> Loss:
        """Record the end of a server whose file is left, and return what this server's model lost by it."""
        nothing = Loss(requests=0, rows=0)
        try:
            file = left.open("r+", encoding="utf-8")
        except FileNotFoundError:
            return nothing
        with file:
            if not _lock(file):
                return nothing
            try:
                about = dict(json.loads(file.read()))
            except (ValueError, TypeError):
                about = {"file": left.name}
            model = str(about.get("model", self._model))
            loss = read_loss(_tally_of(left)) or nothing
            self.note(
                "serving:server:killed",
                model=model,
                reason=_describe_loss(loss),
                after={**about, "lost_requests": loss.requests, "lost_log_rows": loss.rows},
                ended=left.stem.removeprefix("running-"),
            )
            _remove(left)
        return loss if model == self._model else nothing

    def _run(self) -> None:
        while True:
            try:
                happening = self._waiting.get(timeout=SPEAKS_EVERY_S)
            except queue.Empty:
                self._try_to_write(None)
                continue
            if happening is None:
                return
            while not self._try_to_write(happening):
                time.sleep(RETRY_S)

    def _try_to_write(self, happening: Happening | None) -> bool:
        try:
            with self._store.write() as unit:
                if happening is not None:
                    self._put_event(unit, happening)
                if happening is None or happening.ended != self.id:
                    self._put_state(unit)
                unit.commit()
        except GatehouseError as error:
            action = None if happening is None else happening.action
            _log.warning("the record cannot be written", action=action, error=error.message)
            return False
        return True

    def _put_event(self, unit: UnitOfWork, happening: Happening) -> None:
        if happening.ended is not None:
            rows.delete_server(unit, happening.ended)
        self._audit.record(
            unit,
            actor=self._actor,
            action=happening.action,
            subject=happening.subject,
            model=happening.model,
            reason=happening.reason,
            after={**happening.after, "happened_at": happening.at},
        )

    def _put_state(self, unit: UnitOfWork) -> None:
        now = utc_now()
        values = {
            "model": self._model,
            "address": self._address,
            "host": socket.gethostname(),
            "actor": self._actor.name,
            "started_us": to_micros(self._since),
            "seen_us": to_micros(now),
            "state": dict(self._tell()),
        }
        rows.put_server(unit, self.id, values)
        rows.delete_silent(unit, before_us=to_micros(now - FORGOTTEN_AFTER))


def _describe_loss(loss: Loss) -> str:
    ended = "It ended without saying so."
    if not loss.requests and not loss.rows:
        return ended
    return f"{ended} The paired log lost up to {loss.rows} rows, and {loss.requests} requests that were not paired yet."


def _tally_of(running_file: Path) -> Path:
    return running_file.with_suffix(".tally")


def _slots_of(running_file: Path) -> Path:
    return running_file.with_suffix("")


def _remove(running_file: Path) -> None:
    shutil.rmtree(_slots_of(running_file), ignore_errors=True)
    for path in (_tally_of(running_file), running_file):
        path.unlink(missing_ok=True)


def _lock(file: TextIO) -> bool:
    """Hold a file for as long as it is open; the system lets go of it when a process is killed."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
