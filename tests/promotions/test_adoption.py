"""Drift that is adopted: a change that somebody else approves, on what the registry holds at that moment."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from services.changes import Changes, ChangeState
from services.deployments import Pins, PinsFollowPromotions
from services.errors import Conflict, Forbidden
from services.identity import Identity
from services.promotions import Adoption, DriftDecisions, StageMover
from services.registry.drift_values import Drift, DriftState
from services.store import Store
from tests.conftest import FakeClock
from tests.gates.builders import GOOD, TAGS, add_version
from tests.promotions.builders import JUN, MAYA, MEERA, MODEL, RAVI, build_world
from tests.registry.test_drift import Guarded


@dataclass(kw_only=True)
class World:
    guarded: Guarded
    changes: Changes
    decisions: DriftDecisions
    pins: Pins

    def moved_past_us(self, version: int = 3, alias: str = "production") -> Drift:
        """Let somebody move an alias past Gatehouse."""
        self.guarded.theirs.set_alias(MODEL, alias, version)
        return next(drift for drift in self.guarded.look() if drift.key == alias)


@pytest.fixture
def world(store: Store, clock: FakeClock, tmp_path: Path) -> World:
    """Version 1 of 5 is in production; 4 is not accurate enough, 5 is of tier 1."""
    guarded = Guarded(store, clock, tmp_path)
    for metrics in (GOOD, GOOD, GOOD, GOOD | {"accuracy": 0.5}):
        add_version(guarded.ours, metrics=metrics)
    add_version(guarded.ours, tags=TAGS | {"risk": "tier1"})
    guarded.look()
    guarded.ours.set_alias(MODEL, "production", 1)
    guarded.look()
    promotions = build_world(store, clock, tmp_path, guarded.ours)
    identity = Identity(store, guarded.audit, clock=clock, home=tmp_path)
    pins = Pins(store, clock=clock)
    mover = StageMover(guarded.ours, legacy_stages=True, clock=clock, sign=lambda: "")
    adoption = Adoption(guarded.ours, guarded.drifts, promotions.gates, mover, [PinsFollowPromotions(pins)])
    changes = Changes(store, guarded.audit, identity, [adoption], clock=clock)
    return World(
        guarded=guarded,
        changes=changes,
        decisions=DriftDecisions(guarded.drifts, changes, identity),
        pins=pins,
    )


def test_what_somebody_else_approves_is_held_as_approved_and_pins_follow(world: World) -> None:
    drift = world.moved_past_us()
    asked = world.decisions.adopt(drift.id, actor=JUN, reason="it was an emergency")
    with pytest.raises(Forbidden):
        world.changes.approve(asked.id, actor=JUN, reason="mine")
    done = world.changes.approve(asked.id, actor=MEERA, reason="I was there")
    assert done.state is ChangeState.COMPLETED
    assert world.guarded.drifts.get_drift(drift.id).state is DriftState.ADOPTED
    assert world.pins.get(MODEL).current == 3
    assert world.guarded.look() == []


def test_what_would_be_in_production_passes_the_gates_of_production(world: World) -> None:
    asked = world.decisions.adopt(world.moved_past_us(4).id, actor=MAYA, reason="it was an emergency")
    assert asked.state is ChangeState.BLOCKED
    assert asked.blocker == "The gates failed: accuracy."
    assert {gate["gate"] for gate in asked.findings["gates"]} == {"auc", "accuracy"}
    with pytest.raises(Conflict):
        world.changes.approve(asked.id, actor=MEERA, reason="never mind")


def test_it_is_compared_with_what_it_replaced_not_with_itself(world: World) -> None:
    worse = add_version(world.guarded.ours, metrics=GOOD | {"auc": GOOD["auc"] - 0.2})
    asked = world.decisions.adopt(world.moved_past_us(worse.version).id, actor=MAYA, reason="it was an emergency")
    assert asked.blocker == "The gates failed: auc."


def test_as_many_approve_as_of_a_promotion_and_none_who_may_not(world: World) -> None:
    asked = world.decisions.adopt(world.moved_past_us(5).id, actor=MAYA, reason="it was an emergency")
    assert asked.required_approvals == 2
    with pytest.raises(Forbidden, match="edited the gate policy"):
        world.changes.approve(asked.id, actor=RAVI, reason="fine")
    assert world.changes.approve(asked.id, actor=MEERA, reason="fine").state is ChangeState.AWAITING_APPROVAL
    assert world.changes.approve(asked.id, actor=JUN, reason="fine").state is ChangeState.COMPLETED
    assert world.pins.get(MODEL).current == 5


def test_an_alias_that_serves_nothing_needs_no_gates(world: World) -> None:
    asked = world.decisions.adopt(world.moved_past_us(4, alias="staging").id, actor=MAYA, reason="for a test")
    assert (asked.state, dict(asked.findings)) == (ChangeState.AWAITING_APPROVAL, {})


def test_an_alias_that_has_moved_on_since_it_was_found_is_not_adopted(world: World) -> None:
    asked = world.decisions.adopt(world.moved_past_us().id, actor=MAYA, reason="it was an emergency")
    world.guarded.theirs.set_alias(MODEL, "production", 2)
    with pytest.raises(Conflict, match="points at was 3 and is 2"):
        world.changes.approve(asked.id, actor=MEERA, reason="I was there")
    assert world.changes.get(asked.id).state is ChangeState.VOID


def test_drift_that_is_reverted_while_its_adoption_is_carried_out_ends_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    drift = world.moved_past_us()
    asked = world.decisions.adopt(drift.id, actor=MAYA, reason="it was an emergency")
    execute = Adoption.execute

    def revert_first(adoption: Adoption, change: object) -> object:
        world.decisions.revert(drift.id, actor=JUN, reason="not agreed")
        return execute(adoption, change)  # type: ignore[arg-type]

    monkeypatch.setattr(Adoption, "execute", revert_first)
    ended = world.changes.approve(asked.id, actor=MEERA, reason="I was there")
    assert ended.state is ChangeState.FAILED
    assert "is closed: it was reverted" in ended.blocker
    assert world.guarded.ours.find_alias(MODEL, "production") == 1


def test_who_reverts_is_on_record_before_the_registry_is_written_to(world: World) -> None:
    drift = world.moved_past_us()
    seen: list[str] = []
    world.guarded.ours.faults.hook("set_alias", lambda: seen.append(world.guarded.actions()[-1]))
    world.decisions.revert(drift.id, actor=JUN, reason="not agreed")
    assert seen == ["drift:alias:revert_started"]
    assert world.guarded.actions()[-1] == "drift:alias:reverted"
    with pytest.raises(Conflict):
        world.decisions.revert(drift.id, actor=JUN, reason="again")
