"""Execution across two systems: killed at every step, raced, and with the other system away."""

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from services.changes import Change, ChangeState, Execution
from services.clock import utc_now
from services.errors import Conflict, Unreachable
from services.identity.actors import Actor
from services.store import Store, UnitOfWork, open_store
from services.store import changes as rows
from services.store.migrations import upgrade
from tests.changes.builders import JUN, MEERA, World, build_world
from tests.conftest import FakeClock

DYING = """
import os, signal, sys
from pathlib import Path
from services.clock import utc_now
from services.store import open_store
from tests.changes.builders import MEERA, build_world

url, folder, change_id, step = sys.argv[1:]
die = lambda: os.kill(os.getpid(), signal.SIGKILL)
world = build_world(
    open_store(url), utc_now, Path(folder), reached=lambda reached: die() if reached == step else None,
    between_writes=die if step == "between writes" else lambda: None,
)
world.changes.execute(int(change_id), actor=MEERA)
"""


@pytest.mark.parametrize("step", ["started", "between writes", "executed", "finished"])
def test_execution_killed_at_any_step_is_driven_on_once(tmp_path: Path, clock: FakeClock, step: str) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    store = open_store(url)
    upgrade(store)
    clock.now = utc_now()
    world = build_world(store, clock, tmp_path / "w")
    approved = world.approved()
    died = subprocess.run(
        [sys.executable, "-c", DYING, url, str(tmp_path / "w"), str(approved.id), step],
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert died.returncode == -signal.SIGKILL
    assert world.changes.recover() == [], "the lease of the process that died still runs"
    clock.now = utc_now()
    clock.advance(minutes=5)
    world.changes.recover()
    done = world.changes.get(approved.id)
    assert done.state is ChangeState.COMPLETED
    assert world.dial.writes == ["7"]
    assert world.actions().count("dial:execution:completed") == 1
    store.close()


def test_when_the_other_system_goes_away_midway_the_worker_drives_it_on(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(store, clock, tmp_path / "w")
    approved = world.approved()
    go_away_after_start(world)
    with pytest.raises(Unreachable, match="has started and is not finished"):
        world.changes.execute(approved.id, actor=MEERA)
    clock.advance(seconds=20)
    assert world.changes.recover() == []
    assert world.changes.get(approved.id).state is ChangeState.EXECUTING
    world.dial.is_away = False
    clock.advance(seconds=20)
    assert [change.state for change in world.changes.recover()] == [ChangeState.COMPLETED]


@pytest.mark.parametrize("days", [1, 400])
def test_a_clock_set_back_does_not_leave_execution_hanging(
    store: Store, clock: FakeClock, tmp_path: Path, days: int
) -> None:
    world = build_world(store, clock, tmp_path / "w")
    approved = world.approved()
    go_away_after_start(world)
    with pytest.raises(Unreachable):
        world.changes.execute(approved.id, actor=MEERA)
    world.dial.is_away = False
    clock.advance(days=-days)
    assert [change.state for change in world.changes.recover()] == [ChangeState.COMPLETED]
    assert world.dial.writes == ["7"]


def test_a_lease_of_a_machine_whose_clock_is_ahead_is_respected(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    seen: list[object] = []
    world = build_world(store, clock, tmp_path / "w", between_writes=lambda: seen.append(look()))

    def look() -> object:
        clock.advance(seconds=-90)
        return build_world(store, clock, tmp_path / "w").changes.recover()

    world.changes.execute(world.approved().id, actor=MEERA)
    assert seen == [[]]


def test_what_can_never_be_finished_is_marked_failed(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path / "w")
    approved = world.approved()
    go_away_after_start(world)
    with pytest.raises(Unreachable):
        world.changes.execute(approved.id, actor=MEERA)
    clock.advance(days=8)
    assert [change.state for change in world.changes.recover()] == [ChangeState.FAILED]
    assert world.actions()[-2:] == ["dial:execution:aborted", "dial:request:closed"]


def test_a_world_that_moved_while_execution_was_down_is_left_alone(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(store, clock, tmp_path / "w")
    approved = world.approved()
    go_away_after_start(world)
    with pytest.raises(Unreachable):
        world.changes.execute(approved.id, actor=MEERA)
    world.dial.is_away = False
    world.dial.value = 5
    clock.advance(minutes=1)
    (aborted,) = world.changes.recover()
    assert (aborted.state, aborted.blocker) == (ChangeState.VOID, "The dial stands at 5.")
    assert world.dial.value == 5


def test_one_change_of_a_model_is_executed_at_a_time(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path / "w")
    first, second = world.approved(7), world.approved(9)
    go_away_after_start(world)
    with pytest.raises(Unreachable):
        world.changes.execute(first.id, actor=MEERA)
    world.dial.is_away = False
    with pytest.raises(Conflict, match=f"Change {first.id} of dial is being executed, so change {second.id} has to"):
        world.changes.execute(second.id, actor=MEERA)
    assert world.changes.get(second.id).state is ChangeState.APPROVED
    clock.advance(seconds=20)
    assert [change.id for change in world.changes.recover()] == [first.id]
    assert world.changes.get(second.id).state is ChangeState.VOID


def test_what_goes_first_ends_what_is_being_executed_and_is_not_undone_by_it(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(store, clock, tmp_path / "w")
    slow, urgent = world.approved(7), world.approved(3)

    def go_first() -> None:
        world.dial.between_writes = lambda: None
        world.dial.goes_first = True
        world.changes.execute(urgent.id, actor=JUN)
        world.dial.value = 0  # as it was approved: the slow one would find nothing amiss

    world.dial.between_writes = go_first
    ended = world.changes.execute(slow.id, actor=MEERA)
    assert (ended.state, ended.blocker) == (ChangeState.VOID, f"Turn to 3 went first, as change {urgent.id}.")
    clock.advance(minutes=5)
    assert world.changes.recover() == []
    assert world.actions().count("dial:execution:completed") == 1


def test_of_two_executors_at_once_one_executes(any_store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(any_store, clock, tmp_path / "w")
    approved = world.approved()
    outcomes: list[object] = []

    def execute() -> None:
        try:
            outcomes.append(world.changes.execute(approved.id, actor=MEERA).state)
        except Conflict as error:
            outcomes.append(error.kind)

    threads = [threading.Thread(target=execute) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.dial.writes == ["7"]
    assert ChangeState.COMPLETED in outcomes
    assert world.actions().count("dial:execution:started") == 1


def test_of_two_workers_that_recover_at_once_one_drives_it_on(
    any_store: Store, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = build_world(any_store, clock, tmp_path / "w")
    approved = world.approved()
    go_away_after_start(world)
    with pytest.raises(Unreachable):
        world.changes.execute(approved.id, actor=MEERA)
    world.dial.is_away = False
    clock.advance(minutes=5)
    both_have_seen_it = threading.Barrier(2, timeout=60)
    looked = threading.local()
    list_abandoned = rows.list_abandoned

    def look(*args: Any, **named: Any) -> Sequence[int]:
        found = list_abandoned(*args, **named)
        if not hasattr(looked, "once"):
            looked.once = True
            both_have_seen_it.wait()
        return found

    monkeypatch.setattr(rows, "list_abandoned", look)
    driven: list[int] = []
    threads = [threading.Thread(target=lambda: driven.append(len(world.changes.recover()))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(driven) == [0, 1]
    assert world.dial.writes == ["7"]
    assert world.actions().count("dial:execution:completed") == 1


def test_whoever_outlives_its_lease_records_nothing_over_who_took_it(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(store, clock, tmp_path / "w")
    approved = world.approved()
    recovered: list[Change] = []

    def outlive_the_lease() -> None:
        world.dial.between_writes = lambda: None
        clock.advance(minutes=5)
        recovered.extend(world.changes.recover())

    world.dial.between_writes = outlive_the_lease
    late = world.changes.execute(approved.id, actor=MEERA)
    assert [change.state for change in recovered] == [ChangeState.COMPLETED]
    assert late.epoch == recovered[0].epoch > approved.epoch + 1
    assert world.actions().count("dial:execution:completed") == 1


def test_of_two_approvers_at_once_both_count_once(any_store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(any_store, clock, tmp_path / "w", required_approvals=2)
    asked = world.ask()
    threads = [
        threading.Thread(target=lambda actor=actor: world.changes.approve(asked.id, actor=actor, reason="fine"))
        for actor in (MEERA, JUN)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    approved = world.changes.get(asked.id)
    assert (approved.state, len(approved.approvals)) == (ChangeState.APPROVED, 2)


def go_away_after_start(world: World) -> None:
    started = world.dial.started

    def start_and_go(unit: UnitOfWork, change: Change, actor: Actor) -> None:
        started(unit, change, actor)
        world.dial.is_away = True

    world.dial.started = start_and_go  # type: ignore[method-assign]


def test_what_is_refused_at_the_end_is_marked_failed_and_closed(
    store: Store, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = build_world(store, clock, tmp_path / "w")

    def refuse(*_arguments: object) -> None:
        raise Conflict("The dial was sold meanwhile.", next_step="Look for another.")

    monkeypatch.setattr(world.dial, "completed", refuse)
    done = world.changes.execute(world.approved().id, actor=MEERA)
    assert (done.state, done.blocker) == (ChangeState.FAILED, "The dial was sold meanwhile.")
    assert world.actions()[-2:] == ["dial:execution:aborted", "dial:request:closed"]
    clock.advance(minutes=5)
    assert world.changes.recover() == []


def test_what_breaks_keeps_no_other_change_from_being_driven_on_and_does_not_last_for_ever(
    store: Store, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = build_world(store, clock, tmp_path / "w")
    changes = [world.approved(), world.approved()]
    monkeypatch.setattr(world.dial, "model", lambda _payload: None)
    with store.write() as unit:
        for change in changes:
            rows.update_change(unit, change.id, state="executing", model=None)
        unit.commit()
    execute = world.dial.execute

    def break_on_the_first(change: Change) -> Execution:
        if change.id == changes[0].id:
            raise RuntimeError("a bug")
        return execute(change)

    monkeypatch.setattr(world.dial, "execute", break_on_the_first)
    assert [(each.id, each.state) for each in world.changes.recover()] == [(changes[1].id, ChangeState.COMPLETED)]
    assert "a bug" in caplog.text
    clock.advance(days=8)
    assert [(each.id, each.state) for each in world.changes.recover()] == [(changes[0].id, ChangeState.FAILED)]
