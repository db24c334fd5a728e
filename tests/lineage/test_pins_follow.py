"""Pins follow a migration, since what serves must not lose its way back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.changes import Change, ChangeState
from services.deployments.migrations import PinsFollowMigrations
from services.deployments.pins import Pins
from services.identity import Actor
from services.store import Store
from tests.conftest import FakeClock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WORKER = Actor(name="system:worker", roles=frozenset(), origin="worker")
CHANGE = Change(
    id=7,
    kind="migration",
    subject="new",
    model="old",
    title="",
    payload={},
    requester="ravi",
    reason="",
    state=ChangeState.EXECUTING,
    blocker="",
    bound={},
    findings={},
    evidence_digest="",
    required_approvals=0,
    barred={},
    policy_revision=None,
    created_at=NOON,
    updated_at=NOON,
    expires_at=NOON,
    epoch=1,
    outcome=None,
)


@pytest.fixture
def pins(store: Store, clock: FakeClock) -> Pins:
    made = Pins(store, clock=clock)
    with store.write() as unit:
        for version in (1, 3, 4):
            made.move(unit, model="old", version=version, change_id=version, actor="meera")
        unit.commit()
    return made


def test_current_previous_and_fallback_keep_their_order_under_the_new_name(store: Store, pins: Pins) -> None:
    with store.write() as unit:
        recorded = PinsFollowMigrations(pins).model_moved(unit, CHANGE, "old", "new", {1: 1, 3: 2, 4: 3}, WORKER)
        unit.commit()
    found = pins.get("new")
    assert (found.current, found.previous, found.fallback) == (3, 2, 1)
    assert recorded["pins"]["current"] == 3
    assert pins.get("old").current == 4


def test_a_deleted_version_is_not_pinned_and_a_model_that_never_served_has_no_pins(store: Store, pins: Pins) -> None:
    follower = PinsFollowMigrations(pins)
    with store.write() as unit:
        follower.model_moved(unit, CHANGE, "old", "new", {1: 1, 4: 2}, WORKER)
        assert follower.model_moved(unit, replace(CHANGE, id=8), "nobody", "other", {1: 1}, WORKER) == {}
        unit.commit()
    assert pins.get("new").versions == (2, 1)
    assert pins.find("other") is None
