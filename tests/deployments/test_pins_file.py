from pathlib import Path

import pytest
import yaml

from services.deployments.pins_file import FileState, replace_file
from services.errors import Blocked, Unavailable
from services.promotions import DriftDecisions
from services.store import Store
from tests.changes.builders import MEERA, WORKER
from tests.conftest import FakeClock
from tests.deployments.builders import MODEL, World, build_world


@pytest.fixture
def world(store: Store, clock: FakeClock, tmp_path: Path) -> World:
    world = build_world(store, clock, tmp_path)
    world.pin(1, 2, 3)
    assert keep(world) is FileState.BEHIND
    return world


def keep(world: World) -> FileState:
    return world.deployments.keep_file(actor=WORKER)


def pinned_in(path: Path) -> dict[str, int]:
    found: dict[str, int] = yaml.safe_load(path.read_text())["models"][MODEL]
    return found


def test_a_file_in_step_is_left_as_it_is(world: World, tmp_path: Path) -> None:
    before = (tmp_path / "pins.yaml").stat().st_ino
    assert keep(world) is FileState.IN_STEP
    assert (tmp_path / "pins.yaml").stat().st_ino == before
    assert world.actions() == []


def test_a_file_that_is_behind_is_brought_in_step_and_no_drift(world: World, tmp_path: Path) -> None:
    world.pin(4)
    assert keep(world) is FileState.BEHIND
    assert pinned_in(tmp_path / "pins.yaml") == {"current": 4, "previous": 3, "fallback": 2}
    assert world.actions() == []


@pytest.mark.parametrize(
    ("damage", "state"),
    [
        (lambda text: text[: len(text) // 2], FileState.CUT_SHORT),
        (lambda _text: "", FileState.CUT_SHORT),
        (lambda text: text.replace("current: 3", "current: !!python/name:os.system"), FileState.UNREADABLE),
        (lambda text: text.replace("current: 3", "current: three"), FileState.UNREADABLE),
        (lambda _text: "- 3\n", FileState.UNREADABLE),
        (lambda _text: "\x00\xff", FileState.UNREADABLE),
    ],
)
def test_a_damaged_file_is_written_anew_and_told_of(
    world: World, tmp_path: Path, damage: object, state: FileState
) -> None:
    path = tmp_path / "pins.yaml"
    path.write_text(damage(path.read_text()))  # type: ignore[operator]
    assert keep(world) is state
    assert pinned_in(path)["current"] == 3
    (event,) = world.audit.list_events(limit=10).events
    assert (event.action, event.subject) == ("pins:file:restored", "pins")
    assert keep(world) is FileState.IN_STEP
    assert world.drifts.list_drifts() == []


def test_a_file_that_was_taken_away_is_written_anew_and_told_of(world: World, tmp_path: Path) -> None:
    (tmp_path / "pins.yaml").unlink()
    assert keep(world) is FileState.MISSING
    assert pinned_in(tmp_path / "pins.yaml")["current"] == 3
    assert world.actions() == ["pins:file:restored"]


def test_an_edit_by_hand_is_drift_until_it_is_reverted(world: World, tmp_path: Path) -> None:
    path = tmp_path / "pins.yaml"
    path.write_text(path.read_text().replace("current: 3", "current: 2") + "  someone_else: {current: 1}\n")
    assert keep(world) is FileState.EDITED
    assert keep(world) is FileState.EDITED
    assert pinned_in(path)["current"] == 2
    ours, other = sorted(world.drifts.list_drifts(), key=lambda drift: drift.model)
    assert ours.describe() == "The pins file says 2 / 2 / 1 for fraud_detector; 3 / 2 / 1 is pinned."
    assert other.describe() == "The pins file says 1 / none / none for someone_else; nothing is pinned."
    assert world.actions() == ["drift:pins:detected"] * 2
    world.drifts.revert(ours.id, actor=MEERA, reason="nobody approved that")
    assert pinned_in(path)["current"] == 3
    assert keep(world) is FileState.IN_STEP
    assert world.drifts.list_drifts() == []


def test_an_edit_by_hand_cannot_be_adopted(world: World, tmp_path: Path) -> None:
    path = tmp_path / "pins.yaml"
    path.write_text(path.read_text().replace("current: 3", "current: 2"))
    keep(world)
    (drift,) = world.drifts.list_drifts()
    with pytest.raises(Blocked, match="cannot be adopted"):
        DriftDecisions(world.drifts, world.changes, world.identity).adopt(drift.id, actor=MEERA, reason="it is fine")


def test_going_back_writes_the_file_over_an_edit(world: World, tmp_path: Path) -> None:
    path = tmp_path / "pins.yaml"
    path.write_text(path.read_text().replace("current: 3", "current: 1"))
    world.deployments.roll_back(MODEL, "previous", actor=MEERA, reason="2 AM")
    assert pinned_in(path) == {"current": 2, "previous": 3, "fallback": 1}


def test_a_folder_that_cannot_be_written_is_told_and_does_not_hold_up_going_back(world: World, tmp_path: Path) -> None:
    (tmp_path / "pins.yaml").unlink()
    (tmp_path / "pins.yaml").mkdir()
    with pytest.raises(Unavailable, match="cannot be"):
        keep(world)
    outcome = world.deployments.roll_back(MODEL, "previous", actor=MEERA, reason="2 AM")
    assert outcome.is_back
    assert "cannot be written" in outcome.remaining[-1]


def test_the_file_is_replaced_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "config" / "pins.yaml"
    replace_file(path, "models: {}\n")
    replace_file(path, "models: {a: {current: 1}}\n")
    assert path.read_text() == "models: {a: {current: 1}}\n"
    assert [each.name for each in path.parent.iterdir()] == ["pins.yaml"]
    assert path.stat().st_mode & 0o777 == 0o644
