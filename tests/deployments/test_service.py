from pathlib import Path

import pytest
import yaml

from services.changes import ChangeState
from services.errors import Blocked, Conflict, Forbidden, InvalidInput, NotFound, Unreachable
from services.registry.values import Stage
from services.store import Store
from tests.changes.builders import ADA, MAYA, MEERA
from tests.conftest import FakeClock
from tests.deployments.builders import build_world


def test_going_back_moves_pins_alias_stage_and_file(any_store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(any_store, clock, tmp_path)
    world.pin(1, 2, 3)
    outcome = world.deployments.roll_back("fraud_detector", "previous", actor=MEERA, reason="3 blocks everybody")
    assert outcome.to_json() == {
        "model": "fraud_detector", "from": 3, "to": 2, "state": "completed", "remaining": [],
    }  # fmt: skip
    assert world.pins.get("fraud_detector").versions == (2, 3, 1)
    assert world.registry.find_alias("fraud_detector", "production") == 2
    assert world.registry.get_version("fraud_detector", 3).stage is Stage.ARCHIVED
    written = yaml.safe_load((tmp_path / "pins.yaml").read_text())
    assert written == {"models": {"fraud_detector": {"current": 2, "previous": 3, "fallback": 1}}}


def test_going_back_reaches_the_fallback_and_any_former_version(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path)
    world.pin(1, 2, 3, 4)
    world.deployments.roll_back("fraud_detector", "fallback", actor=MEERA, reason="back two")
    assert world.pins.get("fraud_detector").versions == (2, 4, 3)
    world.deployments.roll_back("fraud_detector", "1", actor=MEERA, reason="back to the first")
    assert world.pins.get("fraud_detector").versions == (1, 2, 4)


def test_while_the_registry_is_away_the_pins_move_and_the_alias_follows_later(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(store, clock, tmp_path)
    world.pin(1, 2)
    world.registry.faults.fail()
    outcome = world.deployments.roll_back("fraud_detector", "previous", actor=MEERA, reason="2 AM")
    assert outcome.change.state is ChangeState.EXECUTING
    assert any("alias follows" in told for told in outcome.remaining)
    assert world.pins.get("fraud_detector").current == 1
    world.registry.faults.heal()
    assert world.registry.find_alias("fraud_detector", "production") == 2
    clock.advance(minutes=1)
    assert [change.state for change in world.changes.recover()] == [ChangeState.COMPLETED]
    assert world.registry.find_alias("fraud_detector", "production") == 1
    assert world.pins.get("fraud_detector").versions == (1, 2)


def test_an_alias_that_somebody_moved_does_not_hold_up_going_back(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(store, clock, tmp_path)
    world.pin(1, 2)
    world.registry.set_alias("fraud_detector", "production", 4)
    outcome = world.deployments.roll_back("fraud_detector", "previous", actor=MEERA, reason="2 AM")
    assert outcome.change.outcome == {"detail": {"alias_was": 4, "alias_is": 1}, "obstacle": ""}


def test_a_version_that_never_was_in_production_is_refused(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path)
    world.pin(1, 2)
    with pytest.raises(Blocked, match="fraud_detector/3 was never approved"):
        world.deployments.roll_back("fraud_detector", "3", actor=MEERA, reason="why not")
    assert world.pins.get("fraud_detector").current == 2


def test_a_version_that_was_deleted_is_refused(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path)
    world.pin(1, 2)
    world.registry.remove_version("fraud_detector", 1)
    with pytest.raises(Blocked, match="has been deleted"):
        world.deployments.roll_back("fraud_detector", "previous", actor=MEERA, reason="2 AM")


@pytest.mark.parametrize("actor", [MAYA, ADA])
def test_who_may_not_go_back_is_refused(store: Store, clock: FakeClock, tmp_path: Path, actor: object) -> None:
    world = build_world(store, clock, tmp_path)
    world.pin(1, 2)
    with pytest.raises(Forbidden):
        world.deployments.roll_back("fraud_detector", "previous", actor=actor, reason="2 AM")  # type: ignore[arg-type]


def test_what_cannot_be_meant_is_told(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path)
    with pytest.raises(NotFound, match="has no pins"):
        world.deployments.roll_back("fraud_detector", "previous", actor=MEERA, reason="2 AM")
    world.pin(1)
    with pytest.raises(InvalidInput, match="no previous version"):
        world.deployments.roll_back("fraud_detector", "previous", actor=MEERA, reason="2 AM")
    with pytest.raises(InvalidInput, match="is no version"):
        world.deployments.roll_back("fraud_detector", "yesterday", actor=MEERA, reason="2 AM")
    with pytest.raises(Conflict, match="serves already"):
        world.deployments.roll_back("fraud_detector", "1", actor=MEERA, reason="2 AM")


def test_the_registry_going_away_before_anything_started_changes_nothing(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(store, clock, tmp_path)
    world.pin(1, 2)
    world.pins.get = lambda model: (_ for _ in ()).throw(Unreachable("store", next_step="wait"))  # type: ignore[method-assign]
    with pytest.raises(Unreachable):
        world.deployments.roll_back("fraud_detector", "previous", actor=MEERA, reason="2 AM")


def test_nobody_goes_back_to_a_version_past_its_sunset(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path)
    world.pin(1, 2)
    for key, value in {"deprecated": "true", "sunset_on": "2026-02-01", "replacement_version": "3"}.items():
        world.registry.set_version_tag("fraud_detector", 1, key, value)
    with pytest.raises(Blocked, match="past its sunset") as refused:
        world.deployments.roll_back("fraud_detector", "previous", actor=MEERA, reason="2 AM")
    assert "fraud_detector/3" in refused.value.next_step
    assert world.pins.get("fraud_detector").current == 2
