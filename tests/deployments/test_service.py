from pathlib import Path

import pytest
import yaml

from services.changes import ChangeState
from services.errors import Blocked, Conflict, Forbidden, InvalidInput, NotFound, Unreachable
from services.registry.values import Stage
from services.signatures.verdicts import Verdict
from services.store import Store
from tests.changes.builders import ADA, MAYA, MEERA, WORKER
from tests.conftest import FakeClock
from tests.deployments.builders import MLMODEL, MODEL, build_world


def test_going_back_moves_pins_alias_stage_and_file(any_store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(any_store, clock, tmp_path)
    world.pin(1, 2, 3)
    outcome = world.deployments.roll_back("fraud_detector", "previous", actor=MEERA, reason="3 blocks everybody")
    assert outcome.to_json() == {
        "model": "fraud_detector", "from": 3, "to": 2, "state": "completed", "remaining": [], "servers": [],
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
    assert world.bench.tried == [], "nothing is loaded for who may not go back"
    assert not [action for action in world.actions() if action.startswith("standby:")]


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


# Health before, smoke check after


def test_a_warm_target_is_tried_after_the_pins_have_moved_only(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path)
    world.pin(1, 2)
    world.standbys.keep([(MODEL, 2), (MODEL, 1)], actor=WORKER)
    world.bench.tried.clear()
    current_when_tried = []
    world.bench.on_try = lambda: current_when_tried.append(world.pins.get(MODEL).current)
    outcome = world.deployments.roll_back(MODEL, "previous", actor=MEERA, reason="2 AM")
    assert (outcome.change.state, outcome.change.findings["was_warm"]) == (ChangeState.COMPLETED, True)
    assert (world.bench.tried, current_when_tried) == ([1], [1])


def test_a_cold_target_is_fetched_and_tried_before(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path)
    world.pin(1, 2)
    current_when_tried = []
    world.bench.on_try = lambda: current_when_tried.append(world.pins.get(MODEL).current)
    outcome = world.deployments.roll_back(MODEL, "previous", actor=MEERA, reason="2 AM")
    assert (outcome.change.findings["was_warm"], outcome.change.findings["health"]) == (False, "warm")
    assert current_when_tried == [2, 1]


def test_a_target_that_does_not_load_is_refused_and_nothing_moves(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(store, clock, tmp_path)
    world.pin(1, 2)
    world.bench.broken[1] = "The model failed while loading: no module named lightgbm"
    with pytest.raises(Blocked, match=r"does not load and score in the sandbox: .* lightgbm"):
        world.deployments.roll_back(MODEL, "previous", actor=MEERA, reason="2 AM")
    assert world.pins.get(MODEL).current == 2
    assert world.registry.find_alias(MODEL, "production") == 2


def test_a_target_that_fails_after_the_move_is_moved_back_from(
    any_store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(any_store, clock, tmp_path)
    world.pin(1, 2, 3)
    world.standbys.keep([(MODEL, 2)], actor=WORKER)
    world.bench.broken[2] = "The model failed while predicting: numpy has moved on"
    outcome = world.deployments.roll_back(MODEL, "previous", actor=MEERA, reason="2 AM")
    assert (outcome.is_back, outcome.change.state) == (False, ChangeState.FAILED)
    assert "fraud_detector/3 serves again" in outcome.remaining[-1]
    assert world.pins.get(MODEL).versions == (3, 2, 1)
    assert world.registry.find_alias(MODEL, "production") == 3
    written = yaml.safe_load((tmp_path / "pins.yaml").read_text())
    assert written["models"][MODEL]["current"] == 3
    assert [action for action in world.actions() if action.startswith("rollback:")] == [
        "rollback:request:opened", "rollback:pins:moved", "rollback:pins:reverted", "rollback:execution:aborted",
    ]  # fmt: skip


def test_a_smoke_check_that_fails_when_the_worker_goes_on_moves_the_alias_back_too(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(store, clock, tmp_path)
    world.pin(1, 2)
    world.standbys.keep([(MODEL, 1)], actor=WORKER)
    # The alias is set, and then the registry goes away.
    world.registry.faults.fail("set_stage")
    world.deployments.roll_back(MODEL, "previous", actor=MEERA, reason="2 AM")
    assert world.registry.find_alias(MODEL, "production") == 1
    world.registry.faults.heal()
    world.bench.broken[1] = "The model failed while loading"
    clock.advance(minutes=1)
    assert [change.state for change in world.changes.recover()] == [ChangeState.FAILED]
    assert world.pins.get(MODEL).current == 2
    assert world.registry.find_alias(MODEL, "production") == 2


def test_a_registry_that_is_away_leaves_a_cold_target_untried_and_says_so(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(store, clock, tmp_path)
    world.pin(1, 2)
    world.registry.faults.fail()
    outcome = world.deployments.roll_back(MODEL, "previous", actor=MEERA, reason="2 AM")
    assert outcome.is_back
    assert "could not be tried before" in outcome.remaining[0]
    assert world.bench.tried == []


def test_a_registry_that_is_away_keeps_nobody_from_trying_a_warm_target(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(store, clock, tmp_path)
    world.pin(1, 2)
    world.standbys.keep([(MODEL, 1)], actor=WORKER)
    world.registry.faults.fail()
    world.bench.broken[1] = "The model failed while loading"
    outcome = world.deployments.roll_back(MODEL, "previous", actor=MEERA, reason="2 AM")
    assert not outcome.is_back
    assert world.pins.get(MODEL).current == 2


# What is shown first


def test_going_back_is_previewed_without_the_registry(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path)
    world.pin(1, 2)
    world.standbys.keep([(MODEL, 1)], actor=WORKER)
    world.registry.faults.fail()
    preview = world.deployments.preview(MODEL, "previous")
    assert (preview.current, preview.target, preview.warnings) == (2, 1, ())
    assert preview.to_json() == {
        "forward": "identical", "forward_json": "identical", "standby": "warm", "warnings": [],
    }  # fmt: skip


def test_a_target_that_does_not_take_todays_requests_or_is_cold_gives_pause(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    renamed = MLMODEL.replace(b"amount", b"sum")
    world = build_world(
        store, clock, tmp_path, find_mlmodel=lambda _model, version: renamed if version == 1 else MLMODEL
    )
    world.pin(1, 2)
    preview = world.deployments.preview(MODEL, "1")
    assert preview.signature.verdict is Verdict.BREAKING
    assert [warning.split(":")[0] for warning in preview.warnings] == [
        "Version 1 may not take the requests that version 2 is sent",
        "Version 1 is cold, not warm",
    ]
