"""The worker: what happens without anybody asking.

Each duty has a thread of its own, so that a slow one holds up no other; a duty that fails is told to the log and tried
again at its next turn.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread

import structlog

from app.facade import Gatehouse
from app.up import HEARTBEAT_SECONDS
from services.errors import GatehouseError
from services.identity.actors import system_actor
from services.logs import report_bug

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """Something to do again and again."""

    name: str
    every_seconds: float
    act: Callable[[], object]


def run(gatehouse: Gatehouse, stop: Event) -> None:
    """Do every duty until told to stop."""
    _ = gatehouse.store, gatehouse.audit, gatehouse.changes  # made here, before threads share them
    threads = [Thread(target=_repeat, args=(duty, stop), name=duty.name) for duty in list_duties(gatehouse)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def list_duties(gatehouse: Gatehouse) -> list[Duty]:
    """Return what the worker does, and how often."""
    actor = system_actor("worker")
    heartbeat = gatehouse.home / "worker.heartbeat"
    return [
        Duty(name="sync", every_seconds=gatehouse.settings.sync_seconds, act=gatehouse.sync.run),
        Duty(name="recover", every_seconds=5, act=gatehouse.changes.recover),
        Duty(name="expire", every_seconds=60, act=lambda: gatehouse.changes.expire_due(actor=actor)),
        Duty(name="pins file", every_seconds=30, act=gatehouse.deployments.write_file),
        Duty(name="heartbeat", every_seconds=HEARTBEAT_SECONDS, act=lambda: heartbeat.write_text(str(os.getpid()))),
    ]


def _repeat(duty: Duty, stop: Event) -> None:
    while True:
        try:
            duty.act()
        except GatehouseError as error:
            _log.warning("duty failed", duty=duty.name, kind=error.kind, message=error.message)
        except Exception as error:  # noqa: BLE001 - one duty's bug must not end the others
            report_bug(error)
        if stop.wait(duty.every_seconds):
            return
