"""Logs for tests: who acts, one event, many events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from services.audit import AuditLog
from services.identity.actors import Actor, Role
from services.store import Store
from tests.conftest import FakeClock

ADA = Actor(name="ada", roles=frozenset({Role.ML_ENGINEER}), origin="test")
BOB = Actor(name="bob", roles=frozenset({Role.RELEASE_MANAGER}), origin="test")


def open_log(store: Store, home: Path, clock: FakeClock | None = None) -> AuditLog:
    """Return the log of a store, as another process would open it."""
    return AuditLog(store, clock=clock or FakeClock(), home=home)


def record(audit: AuditLog, **changes: Any) -> int:
    """Record one event in a transaction of its own."""
    event = {"actor": ADA, "action": "model:version:noted", "subject": "fraud/7", **changes}
    with audit.store.write() as unit:
        seq = audit.record(unit, **event)
        unit.commit()
    return seq


def fill(audit: AuditLog, count: int) -> None:
    """Record many different events in one transaction."""
    actions = ("promotion:approval:granted", "promotion:request:made", "gate:run:finished", "pin:version:moved")
    models = ("fraud", "credit", "churn")
    with audit.store.write() as unit:
        for number in range(count):
            model = models[number % 3] if number % 5 else None
            audit.record(
                unit,
                actor=(ADA, BOB)[number % 7 > 2],
                action=actions[number % 4],
                subject=f"{model}/{number % 11}" if model else f"person/{number % 4}",
                model=model,
                change_id=number // 3 if number % 2 else None,
                reason=f"reason number {number}",
                before={"version": number},
                after={"version": number + 1, "note": "Überprüft"},
                policy_revision="default/3",
            )
        unit.commit()
