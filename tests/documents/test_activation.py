"""A document comes into force through somebody else's yes, with the real gate policy as the document."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from services.audit import AuditLog
from services.changes import Changes, ChangeState
from services.documents import Documents, RevisionState
from services.documents.activation import Activation, propose
from services.errors import Conflict, Forbidden
from services.gates.policy import GATE_POLICY
from services.identity import Identity
from services.store import Store
from tests.changes.builders import JUN, MAYA, MEERA, WORKER
from tests.conftest import FakeClock


@dataclass(kw_only=True)
class World:
    documents: Documents
    changes: Changes
    audit: AuditLog

    def propose(self, base: int | None = 1, hours: int = 48) -> int:
        text = self.documents.get_revision("gate_policy", "default", 1).text
        assert "expires_after_hours: 168" in text
        text = text.replace("expires_after_hours: 168", f"expires_after_hours: {hours}")
        return propose(
            self.documents, self.changes, MEERA, "gate_policy", "default", text, reason="decide faster", base=base
        ).id

    def in_force(self) -> int | None:
        found = self.documents.find_in_force("gate_policy", "default")
        return None if found is None else found.number


def build_world(store: Store, clock: FakeClock, folder: Path) -> World:
    audit = AuditLog(store, clock=clock, home=folder)
    identity = Identity(store, audit, clock=clock, home=folder)
    documents = Documents(store, audit, identity, [GATE_POLICY], clock=clock)
    documents.install_defaults(WORKER)
    changes = Changes(store, audit, identity, [Activation(documents)], clock=clock)
    return World(documents=documents, changes=changes, audit=audit)


def test_an_approved_revision_is_in_force_at_once_and_supersedes_the_one_before(
    any_store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(any_store, clock, tmp_path)
    change_id = world.propose()
    assert world.in_force() == 1
    assert world.changes.approve(change_id, actor=JUN, reason="agreed").state is ChangeState.COMPLETED
    assert world.in_force() == 2
    assert world.documents.get_revision("gate_policy", "default", 1).state is RevisionState.SUPERSEDED
    actions = [event.action for event in world.audit.list_events(limit=100).events]
    assert actions[-3:] == [
        "document:revision:approved",
        "document:revision:activated",
        "document:revision:superseded",
    ]


def test_its_author_cannot_approve_it(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path)
    change_id = world.propose()
    with pytest.raises(Forbidden):
        world.changes.approve(change_id, actor=MEERA, reason="mine")
    with pytest.raises(Forbidden):
        world.changes.approve(change_id, actor=MAYA, reason="no permission")
    assert world.in_force() == 1


def test_a_rejected_revision_stands_in_nobodys_way(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path)
    world.changes.reject(world.propose(), actor=JUN, reason="too fast")
    assert world.documents.get_revision("gate_policy", "default", 2).state is RevisionState.REJECTED
    assert world.changes.get(world.propose(hours=72)).state is ChangeState.AWAITING_APPROVAL


def test_a_second_editor_learns_of_the_first(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path)
    world.propose()
    with pytest.raises(Conflict, match="meera proposed revision"):
        world.propose(hours=24)
