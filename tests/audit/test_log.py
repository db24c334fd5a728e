"""Recording: in the caller's transaction, once per event id, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from services.audit import AuditLog, EventQuery
from services.audit.sealing import MOST_WAITING
from services.audit.verification import verify_log
from services.errors import Conflict, InvalidInput, NotFound, Unreachable, Unverified
from services.identity.actors import Actor
from services.store import Store, audit_log
from tests.audit.builders import ADA, BOB, fill, open_log, record
from tests.conftest import FakeClock


@pytest.fixture
def audit(any_store: Store, clock: FakeClock, tmp_path: Path) -> AuditLog:
    return open_log(any_store, tmp_path / "home", clock)


def test_events_are_numbered_from_zero_without_gap(audit: AuditLog) -> None:
    assert [record(audit) for _ in range(3)] == [0, 1, 2]
    fill(audit, 600)
    page = audit.list_events(limit=1000)
    assert [event.seq for event in page.events] == list(range(603))
    assert page.next_seq is None
    assert verify_log(audit).is_verified


def test_an_event_says_what_it_was_told(audit: AuditLog, clock: FakeClock) -> None:
    seq = record(
        audit,
        actor=BOB,
        action="promotion:approval:granted",
        subject="fraud/7",
        model="fraud",
        change_id=12,
        reason="better on every slice",
        before={"alias": None},
        after={"alias": "production", "checks": ["a", 1, 2.5, True]},
        policy_revision="default/3",
        event_id="approve-12",
    )
    event = audit.get_event(seq)
    assert (event.actor, event.origin, event.action, event.subject) == (
        "bob",
        "test",
        "promotion:approval:granted",
        "fraud/7",
    )
    assert (event.model, event.change, event.reason, event.policy_revision) == (
        "fraud",
        12,
        "better on every slice",
        "default/3",
    )
    assert (event.before, event.after) == ({"alias": None}, {"alias": "production", "checks": ["a", 1, 2.5, True]})
    assert event.at == clock.now
    assert audit.find_event("approve-12") == event
    assert audit.find_event("approve-13") is None
    with pytest.raises(NotFound, match="no event 7"):
        audit.get_event(7)


def test_the_same_event_id_again_is_a_retry(audit: AuditLog) -> None:
    assert [record(audit, event_id="once") for _ in range(3)] == [0, 0, 0]
    with pytest.raises(Conflict, match="'once' already belongs to model:version:noted on fraud/7"):
        record(audit, event_id="once", subject="fraud/8")


def test_an_event_vanishes_with_the_transaction_that_holds_it(audit: AuditLog) -> None:
    with audit.store.write() as unit:
        audit.record(unit, actor=ADA, action="a:b:c", subject="x")
    assert audit.list_events().events == ()
    assert record(audit) == 0


def test_a_transaction_that_fails_takes_its_seal_with_it(audit: AuditLog) -> None:
    fill(audit, MOST_WAITING - 1)
    with audit.store.write() as unit:
        audit.record(unit, actor=ADA, action="a:b:c", subject="lost")
        assert audit_log.count_sealed(unit) == 4
    assert record(audit, subject="kept") == MOST_WAITING - 1
    assert audit.list_events(EventQuery(text="lost")).events == ()
    assert [event.seq for event in audit.list_events(EventQuery(text="kept")).events] == [MOST_WAITING - 1]
    assert verify_log(audit).is_verified


def test_whoever_signs_a_checkpoint_seals_what_is_complete(audit: AuditLog) -> None:
    sealed = []
    for count in (255, 1, 600, MOST_WAITING):
        fill(audit, count)
        audit.checkpoints.write()
        with audit.store.read() as unit:
            sealed.append(audit_log.count_sealed(unit))
        assert verify_log(audit).is_verified
    assert sealed == [0, 1, 3, 7]


def test_values_that_are_nearly_json_are_taken(audit: AuditLog) -> None:
    class Stage(StrEnum):
        PRODUCTION = "Production"

    seq = record(
        audit, after={"stage": Stage.PRODUCTION, "at": datetime(2026, 1, 1, tzinfo=UTC), "versions": (1, 2), 3: "three"}
    )
    assert audit.get_event(seq).after == {
        "stage": "Production",
        "at": "2026-01-01T00:00:00.000000Z",
        "versions": [1, 2],
        "3": "three",
    }


def test_values_that_are_no_json_are_refused_and_leave_nothing(audit: AuditLog) -> None:
    values: list[Any] = [float("nan"), float("inf"), 2**53, -(2**53), "\ud800", b"bytes", {1, 2}, object()]
    for value in values:
        with pytest.raises(InvalidInput, match="canonical JSON"):
            record(audit, after={"value": value})
    assert audit.list_events().events == ()


def test_endless_nesting_is_refused(audit: AuditLog) -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(InvalidInput, match="canonical JSON"):
        record(audit, after=endless)


def test_a_name_with_a_nul_or_without_end_is_refused(audit: AuditLog) -> None:
    for name in ("fraud\0/7", "x" * 1025, "é" * 513):
        with pytest.raises(InvalidInput, match=r"subject .* holds a NUL or is longer than 1024 bytes"):
            record(audit, subject=name)
    longest = "".join(chr(0x100 + number % 5000) for number in range(512))
    record(
        audit, subject=longest, model=longest, action=longest, actor=Actor(name=longest, roles=frozenset(), origin="")
    )


def test_a_nul_elsewhere_is_kept(audit: AuditLog) -> None:
    assert audit.get_event(record(audit, reason="a\0b", after={"c": "\0"})).reason == "a\0b"


def test_a_clock_set_back_is_recorded_as_told_and_changes_no_order(audit: AuditLog, clock: FakeClock) -> None:
    first = record(audit)
    clock.advance(hours=-5)
    second = record(audit)
    events = audit.list_events().events
    assert [event.seq for event in events] == [first, second]
    assert events[1].at < events[0].at
    assert verify_log(audit).is_verified


def test_two_processes_share_one_log(audit: AuditLog, tmp_path: Path) -> None:
    other = open_log(audit.store, tmp_path / "home")
    assert [record(audit), record(other), record(audit), record(other)] == [0, 1, 2, 3]


def test_a_log_without_head_takes_nothing(audit: AuditLog) -> None:
    with audit.store.write() as unit:
        for trigger in ("audit_head_delete",):
            suffix = " ON audit_head" if unit.dialect == "postgresql" else ""
            unit.connection.execute(text(f"DROP TRIGGER {trigger}{suffix}"))
        unit.connection.execute(text("DELETE FROM audit_head"))
        unit.commit()
    with pytest.raises(Unverified, match="lost its head"):
        record(audit)


def test_a_head_that_breaks_while_a_process_runs_stops_it(audit: AuditLog) -> None:
    record(audit)
    with audit.store.write() as unit:
        suffix = " ON audit_head" if unit.dialect == "postgresql" else ""
        unit.connection.execute(text(f"DROP TRIGGER audit_head_update{suffix}"))
        unit.connection.execute(text("UPDATE audit_head SET size = 3"))
        unit.commit()
    with pytest.raises(Unverified, match="head of the audit log is broken"):
        record(audit)


def test_a_head_that_goes_back_while_a_process_runs_stops_it(audit: AuditLog) -> None:
    record(audit)
    record(audit)
    with audit.store.write() as unit:
        suffix = " ON audit_head" if unit.dialect == "postgresql" else ""
        unit.connection.execute(text(f"DROP TRIGGER audit_head_update{suffix}"))
        unit.connection.execute(text("UPDATE audit_head SET size = 1"))
        unit.commit()
    with pytest.raises(Unverified, match="counts 1 events, but its last one is 1"):
        record(audit)


def test_an_event_slipped_in_behind_the_head_stops_a_running_process(audit: AuditLog) -> None:
    record(audit)
    with audit.store.write() as unit:
        suffix = " ON audit_event" if unit.dialect == "postgresql" else ""
        unit.connection.execute(text(f"DROP TRIGGER audit_event_insert{suffix}"))
        unit.connection.execute(
            text(
                "INSERT INTO audit_event (seq, event_id, ts_us, actor, action, subject, leaf, leaf_hash) "
                "SELECT 1, 'slipped', ts_us, actor, action, subject, leaf, leaf_hash FROM audit_event"
            )
        )
        unit.commit()
    with pytest.raises(Unverified, match="does not take event 1: its head and its events disagree"):
        record(audit)


def test_a_guard_that_is_in_the_way_stops_a_running_process(audit: AuditLog) -> None:
    record(audit)
    with audit.store.write() as unit:
        if unit.dialect == "sqlite":
            guard = "CREATE TRIGGER x BEFORE INSERT ON audit_event BEGIN SELECT RAISE(ABORT, 'the audit log is x'); END"
        else:
            guard = "CREATE TRIGGER x BEFORE INSERT ON audit_event FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()"
        unit.connection.exec_driver_sql(guard)
        unit.commit()
    with pytest.raises(Unverified, match="does not take event 1"):
        record(audit)


def test_an_error_of_ours_in_the_database_is_not_called_tampering(audit: AuditLog) -> None:
    expected = ProgrammingError if audit.store.engine.dialect.name == "postgresql" else Unreachable
    with pytest.raises(expected), audit.store.read() as unit:
        audit_log.run(unit, "SELECT nothing FROM nowhere")


def test_a_leaf_that_is_no_event_is_not_shown(store: Store, tmp_path: Path) -> None:
    audit = open_log(store, tmp_path / "home")
    record(audit)
    with store.engine.connect() as connection:
        connection.execute(text("DROP TRIGGER audit_event_update"))
        connection.execute(text("UPDATE audit_event SET leaf = '{}'"))
        connection.commit()
    with pytest.raises(Unverified, match="bytes that are no event"):
        audit.list_events()
    with pytest.raises(Unverified, match="bytes that are no event"):
        audit.get_event(0)
