"""Faults between the two systems: whichever call fails, the registry and our record agree in the end, once."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.changes import Change, ChangeState
from services.errors import GatehouseError, Unreachable
from services.registry.fake import FakeRegistry
from services.registry.values import Stage
from services.store import Store
from tests.conftest import FakeClock
from tests.gates.builders import add_version
from tests.promotions.builders import JUN, MEERA, MODEL, World, build_world, outcomes_of
from tests.promotions.interrupted import Interrupted, When, interrupted

# As many as an execution makes; `test_the_faults_cover_every_call` holds it.
CALLS = 15


def be_away() -> None:
    raise Unreachable("The registry does not answer.", next_step="Wait.")


class Flaky:
    """A world whose registry fails at one call of execution."""

    def __init__(self, store: Store, clock: FakeClock, folder: Path) -> None:
        self.real = FakeRegistry(clock=clock)
        for _ in range(3):
            add_version(self.real)
        registry = interrupted(self.real, be_away)
        assert isinstance(registry, Interrupted)
        self.registry = registry
        self.world: World = build_world(store, clock, folder, registry)
        self.world.promote(1)

    def assert_moved_once(self, change: Change) -> None:
        assert self.world.changes.get(change.id).state is ChangeState.COMPLETED
        assert self.real.get_model(MODEL).aliases == {"production": 2}
        assert [self.real.get_version(MODEL, number).stage for number in (1, 2)] == [Stage.ARCHIVED, Stage.PRODUCTION]
        assert self.real.get_version(MODEL, 1).tags["was_production"] == "true"
        assert [pins.current for pins in self.world.pins.list_history(MODEL)] == [2, 1]
        actions = self.world.list_actions(change)
        assert actions.count("promotion:execution:started") == 1
        assert actions.count("promotion:execution:completed") == 1


@pytest.fixture
def flaky(store: Store, clock: FakeClock, tmp_path: Path) -> Flaky:
    return Flaky(store, clock, tmp_path)


@pytest.mark.parametrize("when", When)
@pytest.mark.parametrize("place", range(CALLS))
def test_a_registry_that_fails_at_any_call_of_execution_is_gone_on_with(
    flaky: Flaky, clock: FakeClock, place: int, when: When
) -> None:
    approved = flaky.world.approve(flaky.world.ask(2))
    flaky.registry.begin((place, when))
    with pytest.raises(Unreachable) as told:
        flaky.world.execute(approved)
    assert told.value.next_step
    left = flaky.world.changes.get(approved.id)
    flaky.registry.begin(None)
    if left.state is ChangeState.APPROVED:
        assert flaky.real.find_alias(MODEL, "production") == 1, "nothing was written before it had started"
        flaky.world.execute(approved)
    else:
        assert left.state is ChangeState.EXECUTING
        clock.advance(seconds=20)
        assert [change.state for change in flaky.world.changes.recover()] == [ChangeState.COMPLETED]
    flaky.assert_moved_once(approved)


def test_the_faults_cover_every_call(flaky: Flaky) -> None:
    approved = flaky.world.approve(flaky.world.ask(2))
    flaky.registry.begin(None)
    flaky.world.execute(approved)
    assert len(flaky.registry.calls) == CALLS
    flaky.assert_moved_once(approved)


def test_a_registry_that_fails_at_any_call_of_a_request_leaves_nothing_behind(flaky: Flaky) -> None:
    flaky.registry.begin(None)
    flaky.world.ask(3)
    for place in range(len(flaky.registry.calls)):
        before = [change.id for change in flaky.world.changes.list_changes()]
        flaky.registry.begin((place, When.BEFORE))
        try:
            asked = flaky.world.ask(2)
        except Unreachable:
            assert [change.id for change in flaky.world.changes.list_changes()] == before
        else:
            # A collector that fails is an outcome: the request is blocked by an error, and never let through.
            assert asked.state is ChangeState.BLOCKED
            assert "error" in asked.blocker
            flaky.world.changes.cancel(asked.id, actor=JUN)


def test_while_execution_waits_for_the_registry_others_learn_that_it_goes_on(flaky: Flaky, clock: FakeClock) -> None:
    approved = flaky.world.approve(flaky.world.ask(2))
    flaky.registry.begin((CALLS - 1, When.AFTER))
    with pytest.raises(Unreachable, match="has started and is not finished"):
        flaky.world.execute(approved)
    with pytest.raises(GatehouseError, match="is executing, so nobody can execute it"):
        flaky.world.execute(approved)
    with pytest.raises(GatehouseError, match="is executing, so nobody can cancel it"):
        flaky.world.changes.cancel(approved.id, actor=MEERA)


def test_an_alias_that_others_move_while_execution_waits_is_left_to_them(flaky: Flaky, clock: FakeClock) -> None:
    approved = flaky.world.approve(flaky.world.ask(2))
    flaky.registry.begin((CALLS - 1, When.AFTER))
    with pytest.raises(Unreachable):
        flaky.world.execute(approved)
    flaky.registry.begin(None)
    flaky.real.set_alias(MODEL, "production", 3)
    clock.advance(seconds=20)
    (ended,) = flaky.world.changes.recover()
    assert ended.state is ChangeState.VOID
    assert ended.blocker == (
        "The alias production pointed at version 1 when this was approved and points at version 3 now."
    )
    assert flaky.real.find_alias(MODEL, "production") == 3
    assert flaky.world.pins.get(MODEL).current == 1


def test_of_two_that_execute_at_once_one_does(any_store: Store, clock: FakeClock, tmp_path: Path) -> None:
    flaky = Flaky(any_store, clock, tmp_path)
    approved = flaky.world.approve(flaky.world.ask(2))
    outcomes_of([lambda: flaky.world.execute(approved), lambda: flaky.world.execute(approved, JUN)])
    flaky.assert_moved_once(approved)


def test_of_two_that_approve_and_reject_at_once_one_is_told_that_it_is_over(
    any_store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    flaky = Flaky(any_store, clock, tmp_path)
    asked = flaky.world.ask(2)
    outcomes_of(
        [
            lambda: flaky.world.approve(asked),
            lambda: flaky.world.changes.reject(asked.id, actor=JUN, reason="not yet"),
        ]
    )
    decided = flaky.world.changes.get(asked.id)
    assert decided.state is ChangeState.REJECTED
    with pytest.raises(GatehouseError, match="is rejected"):
        flaky.world.execute(asked)


def test_a_clock_set_back_moves_nothing_twice(flaky: Flaky, clock: FakeClock) -> None:
    approved = flaky.world.approve(flaky.world.ask(2))
    flaky.registry.begin((CALLS - 2, When.AFTER))
    with pytest.raises(Unreachable):
        flaky.world.execute(approved)
    flaky.registry.begin(None)
    clock.advance(days=-30)
    assert [change.state for change in flaky.world.changes.recover()] == [ChangeState.COMPLETED]
    flaky.assert_moved_once(approved)
    assert flaky.world.execute(flaky.world.approve(flaky.world.ask(3))).state is ChangeState.COMPLETED
