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
from tests.promotions.builders import JUN, MAYA, MEERA, MODEL
from tests.registry.test_drift import Guarded, with_models


@dataclass(kw_only=True)
class World:
    guarded: Guarded
    changes: Changes
    decisions: DriftDecisions
    pins: Pins

    def moved_past_us(self, version: int = 3) -> Drift:
        """Let somebody move the production alias past Gatehouse."""
        self.guarded.theirs.set_alias(MODEL, "production", version)
        return next(drift for drift in self.guarded.look() if drift.key == "production")


@pytest.fixture
def world(store: Store, clock: FakeClock, tmp_path: Path) -> World:
    guarded = with_models(Guarded(store, clock, tmp_path))
    identity = Identity(store, guarded.audit, clock=clock, home=tmp_path)
    pins = Pins(store, clock=clock)
    mover = StageMover(guarded.ours, legacy_stages=True, clock=clock, sign=lambda: "")
    adoption = Adoption(guarded.ours, guarded.drifts, mover, [PinsFollowPromotions(pins)])
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
