"""The record of a server: what happens to it is an event, written by a thread, as serving never waits for the store.

While the store does not answer, events wait, up to a bound. A file in the home stands while a server runs; one that is
left of a process that is gone tells the next server that its forerunner was killed.
"""

from __future__ import annotations

import fcntl
import json
import os
import queue
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import structlog

from services.audit import AuditLog
from services.clock import to_text, utc_now
from services.errors import GatehouseError
from services.identity.actors import Actor
from services.store import Store

MAX_WAITING = 1000
RETRY_S = 2.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that happened to the server; it keeps its own time, since it may be recorded later."""

    action: str
    subject: str
    reason: str
    after: Mapping[str, Any]
    at: str


class ServingRecord:
    """Writes what happens to the server of a model into the audit log.

    Args:
        actor: who started it.
        folder: where the file lies that says it runs.
    """

    def __init__(self, model: str, *, store: Store, audit: AuditLog, actor: Actor, folder: Path) -> None:
        self._model = model
        self._store = store
        self._audit = audit
        self._actor = actor
        self._folder = folder
        self._waiting: queue.Queue[Happening | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._running_file = folder / f"running-{socket.gethostname()}-{os.getpid()}.json"

    def start(self, **about: Any) -> None:
        """Say that the server runs, and that a forerunner was killed where one left its file."""
        for left in self._folder.glob("running-*.json"):
            self._note_killed(left)
        self._folder.mkdir(parents=True, exist_ok=True)
        said = {"pid": os.getpid(), "host": socket.gethostname(), "since": to_text(utc_now()), **about}
        self._running = self._running_file.open("w", encoding="utf-8")
        _lock(self._running)
        json.dump(said, self._running)
        self._running.flush()
        self._thread.start()
        self.note("serving:server:started", after=about)

    def note(self, action: str, *, version: int | None = None, reason: str = "", after: Mapping[str, Any]) -> None:
        """Take something that happened; it is in the logs at once and in the audit log as soon as that can be."""
        subject = self._model if version is None else f"{self._model}/{version}"
        _log.info(action, subject=subject, reason=reason, **after)
        happening = Happening(action=action, subject=subject, reason=reason[:500], after=after, at=to_text(utc_now()))
        with suppress(queue.Full):
            self._waiting.put_nowait(happening)

    def close(self, *, patience_s: float = 5.0, **about: Any) -> None:
        """Record that the server stopped, for as long as there is patience."""
        self.note("serving:server:stopped", after=about)
        with suppress(queue.Full):
            self._waiting.put_nowait(None)
        self._thread.join(patience_s)
        with suppress(FileNotFoundError):
            self._running_file.unlink()
        self._running.close()

    def _note_killed(self, left: Path) -> None:
        with suppress(FileNotFoundError), left.open("r+", encoding="utf-8") as file:
            if not _lock(file):
                return
            try:
                after = json.loads(file.read())
            except ValueError:
                after = {"file": left.name}
            self.note("serving:server:killed", reason="It ended without saying so.", after=after)
            left.unlink()

    def _run(self) -> None:
        while (happening := self._waiting.get()) is not None:
            while True:
                try:
                    self._write(happening)
                    break
                except GatehouseError as error:
                    _log.warning("the record cannot be written", action=happening.action, error=error.message)
                    time.sleep(RETRY_S)

    def _write(self, happening: Happening) -> None:
        with self._store.write() as unit:
            self._audit.record(
                unit,
                actor=self._actor,
                action=happening.action,
                subject=happening.subject,
                model=self._model,
                reason=happening.reason,
                after={**happening.after, "happened_at": happening.at},
            )
            unit.commit()


def _lock(file: TextIO) -> bool:
    """Hold a file for as long as it is open; the system lets go of it when a process is killed."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
