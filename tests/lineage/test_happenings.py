from pathlib import Path
from typing import Any

from services.audit import AuditLog
from services.identity import Actor, Role
from services.lineage.happenings import list_happenings
from services.lineage.story import HappeningKind
from services.registry.fake import FakeRegistry
from services.store import Store
from tests.conftest import FakeClock

MEERA = Actor(name="meera", roles=frozenset({Role.RELEASE_MANAGER}), origin="test")


def record(audit: AuditLog, action: str, subject: str, **values: Any) -> None:
    with audit.store.write() as unit:
        audit.record(unit, actor=MEERA, action=action, subject=subject, model="fraud", **values)
        unit.commit()


def test_what_happened_is_told_in_order_by_what_it_means(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    audit = AuditLog(store, clock=clock, home=tmp_path)
    version = FakeRegistry(clock=clock).add_version("fraud")
    record(audit, "version:registry:registered", "fraud/1", reason="first")
    record(audit, "promotion:approval:granted", "fraud/1", reason="measured")
    record(audit, "promotion:execution:completed", "fraud/1")
    record(audit, "ramp:candidate:aborted", "fraud/1")
    record(audit, "drift:alias:detected", "fraud/1")
    record(audit, "rollback:execution:completed", "fraud/2", before={"version": 1}, after={"version": 2}, reason="2 AM")
    record(audit, "rollback:execution:completed", "fraud/3", before={"version": 2}, after={"version": 3})
    told = [(each.kind, each.what, each.reason) for each in list_happenings(audit, version)]
    assert told == [
        (HappeningKind.RECORD, "Version registry registered", "first"),
        (HappeningKind.DECISION, "Promotion approval granted", "measured"),
        (HappeningKind.DEPLOYMENT, "Promotion execution completed", ""),
        (HappeningKind.INCIDENT, "Ramp candidate aborted", ""),
        (HappeningKind.INCIDENT, "Drift alias detected", ""),
        (HappeningKind.INCIDENT, "Rolled back to version 2", "2 AM"),
    ]


def test_what_happened_to_an_earlier_version_of_the_same_name_is_not_told(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    audit = AuditLog(store, clock=clock, home=tmp_path)
    record(audit, "promotion:approval:granted", "fraud/1")
    clock.advance(hours=1)
    version = FakeRegistry(clock=clock).add_version("fraud")
    record(audit, "version:registry:registered", "fraud/1")
    assert [each.what for each in list_happenings(audit, version)] == ["Version registry registered"]
