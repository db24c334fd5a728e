"""Recording: in the caller's transaction, once per event id, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.audit import AuditLog
from services.errors import Conflict
from services.identity.actors import Actor, Role
from services.store import Store, audit_log
from tests.conftest import FakeClock

ADA = Actor(name="ada", roles=frozenset({Role.ML_ENGINEER}), origin="test")


@pytest.fixture
def audit(any_store: Store, clock: FakeClock, tmp_path: Path) -> AuditLog:
    return AuditLog(any_store, clock=clock, home=tmp_path)


def record(audit: AuditLog, store: Store, **changes: str) -> int:
    with store.write() as unit:
        seq = audit.record(unit, **{"actor": ADA, "action": "model:version:noted", "subject": "fraud/7", **changes})  # type: ignore[arg-type]
        unit.commit()
    return seq


def test_events_are_numbered_from_zero_without_gap(audit: AuditLog, any_store: Store) -> None:
    assert [record(audit, any_store) for _ in range(300)] == list(range(300))


def test_the_same_event_id_again_is_a_retry(audit: AuditLog, any_store: Store) -> None:
    assert [record(audit, any_store, event_id="once") for _ in range(3)] == [0, 0, 0]
    with pytest.raises(Conflict, match="once"):
        record(audit, any_store, event_id="once", subject="fraud/8")


def test_an_event_vanishes_with_the_transaction_that_holds_it(audit: AuditLog, any_store: Store) -> None:
    with any_store.write() as unit:
        audit.record(unit, actor=ADA, action="a:b:c", subject="x")
    assert record(audit, any_store) == 0
    with any_store.read() as unit:
        head = audit_log.find_head(unit)
    assert head is not None
    assert head.size == 1
