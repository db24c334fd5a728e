"""Promotions over a registry in memory: what they ask for, what approvals are bound to, and what moves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from services.changes import ChangeState
from services.errors import Blocked, Conflict, Forbidden, InvalidInput, NotFound
from services.identity.actors import Actor, Role
from services.lineage.happenings import list_happenings, list_requests
from services.lineage.story import HappeningKind
from services.promotions import parse_stage, to_json
from services.registry.fake import FakeRegistry
from services.registry.stages import stage_of
from services.registry.values import Stage
from services.store import Store
from tests.conftest import FakeClock
from tests.gates.builders import GOOD, TAGS, add_version
from tests.promotions.builders import (
    JUN,
    MAYA,
    MEERA,
    MODEL,
    POLICY,
    RAVI,
    World,
    bring_into_force,
    build_world,
    outcomes_of,
)


@pytest.fixture
def registry(clock: FakeClock) -> FakeRegistry:
    """Four versions, none in production; maya made them."""
    registry = FakeRegistry(clock=clock)
    for _ in range(4):
        add_version(registry)
    return registry


@pytest.fixture
def world(any_store: Store, clock: FakeClock, tmp_path: Path, registry: FakeRegistry) -> World:
    return build_world(any_store, clock, tmp_path, registry)


@pytest.fixture
def small(store: Store, clock: FakeClock, tmp_path: Path, registry: FakeRegistry) -> World:
    """As `world`, on SQLite alone."""
    return build_world(store, clock, tmp_path, registry)


def test_a_promotion_moves_alias_stage_and_pins_and_leaves_an_event_at_each_step(
    world: World, registry: FakeRegistry
) -> None:
    world.promote(1)
    done = world.promote(2)
    assert done.state is ChangeState.COMPLETED
    assert registry.get_model(MODEL).aliases == {"production": 2}
    assert [registry.get_version(MODEL, number).stage for number in (1, 2)] == [Stage.ARCHIVED, Stage.PRODUCTION]
    assert world.pins.get(MODEL).versions == (2, 1)
    assert world.list_actions(done) == [
        "promotion:request:opened",
        "promotion:approval:granted",
        "promotion:execution:started",
        "promotion:execution:completed",
    ]


def test_the_json_is_that_of_the_interface(small: World) -> None:
    document = to_json(small.approve(small.ask(1)))
    assert {"id", "model", "version", "to", "state", "approvals", "required_approvals", "evidence_digest"} <= set(
        document
    )
    assert (document["model"], document["version"], document["to"]) == (MODEL, 1, "production")
    assert document["state"] == "approved"
    assert [set(each) for each in document["approvals"]] == [{"actor", "decision", "reason", "at"}]
    assert document["evidence_digest"].startswith("sha256:")


def test_gates_that_do_not_pass_block_the_request_and_are_named(small: World, registry: FakeRegistry) -> None:
    add_version(registry, metrics=GOOD | {"accuracy": 0.5})
    blocked = small.ask(5)
    assert (blocked.state, blocked.blocker) == (ChangeState.BLOCKED, "The gates failed: accuracy.")
    with pytest.raises(Conflict, match="The gates failed: accuracy"):
        small.approve(blocked)


def test_gates_that_did_not_pass_for_different_reasons_are_told_apart(small: World, registry: FakeRegistry) -> None:
    add_version(registry, metrics={"accuracy": 0.5})
    assert small.ask(5).blocker == "The gates failed: accuracy failed; auc inconclusive."


def test_a_tier_takes_as_many_people_as_the_policy_says(small: World, registry: FakeRegistry) -> None:
    add_version(registry, tags=TAGS | {"risk": "tier1"})
    asked = small.ask(5)
    assert asked.required_approvals == 2
    first = small.approve(asked)
    assert (first.state, first.missing_approvals) == (ChangeState.AWAITING_APPROVAL, 1)
    assert small.approve(asked, JUN).state is ChangeState.APPROVED


@pytest.mark.parametrize(
    ("requester", "approver", "why"),
    [
        (MEERA, MEERA, "asked for this yourself"),
        (MEERA, RAVI, "edited the gate policy in force"),
    ],
)
def test_neither_who_asked_nor_who_wrote_the_policy_approves(
    small: World, requester: object, approver: object, why: str
) -> None:
    asked = small.ask(1, by=requester)  # type: ignore[arg-type]
    with pytest.raises(Forbidden, match=why):
        small.approve(asked, approver)  # type: ignore[arg-type]


def test_who_made_the_version_does_not_approve(small: World) -> None:
    author = Actor(name="maya", roles=frozenset({Role.RELEASE_MANAGER}), origin="test")
    with pytest.raises(Forbidden, match="made this version"):
        small.approve(small.ask(1, by=JUN), author)


def change_bytes(registry: FakeRegistry, _world: World) -> None:
    registry.put_file(registry.get_version(MODEL, 2), "model.pkl", b"other bytes")


def change_tier(registry: FakeRegistry, _world: World) -> None:
    registry.set_model_tag(MODEL, "risk", "tier1")


def change_champion(registry: FakeRegistry, _world: World) -> None:
    registry.set_alias(MODEL, "production", 3)


def change_policy(_registry: FakeRegistry, world: World) -> None:
    bring_into_force(world, POLICY.replace("0.01", "0.02"))


def grant_waiver(registry: FakeRegistry, world: World) -> None:
    version = registry.get_version(MODEL, 2)
    world.gates.waive(JUN, version, Stage.PRODUCTION, "auc", reason="a known dip", days=1)


CHANGES = [
    (change_bytes, "artifact digest was"),
    (change_tier, "tier was tier2 and is tier1"),
    (change_champion, "champion was 1 and is 3"),
    (change_policy, "policy revision was gate_policy/default/2 and is gate_policy/default/3"),
    (grant_waiver, r"waivers was \[\] and is \[1\]"),
]


@pytest.mark.parametrize(("change", "said"), CHANGES)
def test_what_approvals_are_bound_to_voids_them_when_it_changes(
    small: World, registry: FakeRegistry, change: Callable[[FakeRegistry, World], None], said: str
) -> None:
    small.promote(1)
    approved = small.approve(small.ask(2))
    change(registry, small)
    with pytest.raises(Conflict, match=said):
        small.execute(approved)
    assert small.changes.get(approved.id).state is ChangeState.VOID
    assert registry.get_version(MODEL, 2).stage is Stage.NONE
    assert small.pins.get(MODEL).current == 1
    renewed = small.changes.renew(approved.id, actor=MAYA)
    assert renewed.approvals == ()


def test_a_waiver_that_ran_out_before_execution_voids_the_approvals(
    small: World, registry: FakeRegistry, clock: FakeClock
) -> None:
    version = add_version(registry, metrics=GOOD | {"accuracy": 0.5})
    small.gates.waive(JUN, version, Stage.PRODUCTION, "accuracy", reason="a known dip", days=0.5)
    approved = small.approve(small.ask(5))
    clock.advance(hours=13)
    with pytest.raises(Conflict, match="waivers was"):
        small.execute(approved)
    assert small.changes.renew(approved.id, actor=MAYA).state is ChangeState.BLOCKED


def test_a_request_to_staging_rests_on_the_champion_too(small: World) -> None:
    first = small.approve(small.ask(2, Stage.STAGING))
    small.promote(1)
    voided = small.changes.get(first.id)
    assert (voided.state, voided.blocker) == (
        ChangeState.VOID,
        "Since the evidence was gathered, champion was absent and is 1.",
    )


def test_of_two_requests_for_one_model_the_second_learns_that_the_champion_moved(world: World) -> None:
    world.promote(1)
    second, third, waiting = (
        world.approve(world.ask(2)),
        world.approve(world.ask(3)),
        world.ask(4),
    )
    world.execute(second)
    for rival in (third, waiting):
        told = world.changes.get(rival.id)
        assert told.state is ChangeState.VOID
        assert "champion was 1 and is 2" in told.blocker
        assert world.list_actions(rival)[-1] == "promotion:approvals:voided"
    with pytest.raises(Conflict, match="champion was 1 and is 2"):
        world.execute(third)
    assert world.registry.find_alias(MODEL, "production") == 2
    renewed = world.changes.renew(third.id, actor=MAYA)
    assert world.execute(world.approve(renewed)).state is ChangeState.COMPLETED


def test_of_two_that_execute_rivals_at_once_one_moves_the_alias_and_both_agree_with_it(world: World) -> None:
    world.promote(1)
    second, third = world.approve(world.ask(2)), world.approve(world.ask(3))
    outcomes_of([lambda: world.execute(second), lambda: world.execute(third, JUN)])
    states = [world.changes.get(each.id).state for each in (second, third)]
    alias = world.registry.find_alias(MODEL, "production")
    assert ChangeState.COMPLETED in states
    assert world.pins.get(MODEL).current == alias
    assert states[0 if alias == 2 else 1] is ChangeState.COMPLETED


def test_a_version_is_in_one_stage_and_no_alias_says_otherwise(small: World, registry: FakeRegistry) -> None:
    small.promote(1, Stage.STAGING)
    assert registry.get_model(MODEL).aliases == {"staging": 1}
    small.promote(1)
    assert registry.get_model(MODEL).aliases == {"production": 1}
    small.promote(2)
    assert stage_of(registry.get_version(MODEL, 1)) is Stage.ARCHIVED


def test_a_version_is_archived_and_comes_back_through_the_gates(small: World, registry: FakeRegistry) -> None:
    small.promote(2, Stage.STAGING)
    assert small.promote(2, Stage.ARCHIVED).state is ChangeState.COMPLETED
    assert stage_of(registry.get_version(MODEL, 2)) is Stage.ARCHIVED
    assert registry.get_model(MODEL).aliases == {}
    with pytest.raises(Blocked, match="cannot move to Production"):
        small.ask(2)
    assert small.promote(2, Stage.STAGING).state is ChangeState.COMPLETED
    assert stage_of(registry.get_version(MODEL, 2)) is Stage.STAGING
    small.promote(2, Stage.ARCHIVED)
    small.promote(2, Stage.NONE)
    assert stage_of(registry.get_version(MODEL, 2)) is Stage.NONE


def test_what_serves_is_not_archived(small: World, registry: FakeRegistry) -> None:
    small.promote(1)
    blocked = small.ask(1, Stage.ARCHIVED)
    assert (blocked.state, blocked.blocker) == (ChangeState.BLOCKED, "The gates failed: not_serving.")
    registry.delete_alias(MODEL, "production")
    registry.set_stage(MODEL, 1, Stage.STAGING)
    by_the_pins = small.ask(1, Stage.ARCHIVED)
    assert by_the_pins.blocker == f"{MODEL}/1 serves now; promote or go back to another version first."


def sunset(registry: FakeRegistry, version: int, day: str) -> None:
    for key, value in {"deprecated": "true", "sunset_on": day}.items():
        registry.set_version_tag(MODEL, version, key, value)


def test_a_version_past_its_sunset_cannot_be_asked_for(small: World, registry: FakeRegistry) -> None:
    sunset(registry, 2, "2026-03-01")
    with pytest.raises(Blocked, match="past its sunset"):
        small.ask(2)
    assert small.ask(2, Stage.ARCHIVED).state is ChangeState.AWAITING_APPROVAL


def test_a_sunset_between_approval_and_execution_is_seen(
    small: World, registry: FakeRegistry, clock: FakeClock
) -> None:
    sunset(registry, 2, "2026-03-02")
    approved = small.approve(small.ask(2))
    clock.advance(hours=13)
    ended = small.execute(approved)
    assert ended.state is ChangeState.VOID
    assert "past its sunset" in ended.blocker
    assert registry.get_model(MODEL).aliases == {}


def test_the_story_tells_what_was_asked_decided_and_done(small: World, registry: FakeRegistry) -> None:
    small.promote(1)
    small.promote(2)
    version = registry.get_version(MODEL, 2)
    (request,) = list_requests(small.changes, version)
    assert (request.stage, request.state, request.reason) == ("Production", "completed", "it is better")
    assert [text.partition(" ")[0] for text in request.decisions] == ["meera"]
    told = [(each.kind, each.what, each.actor) for each in list_happenings(small.audit, version)]
    assert (HappeningKind.DECISION, "Promotion request opened", "maya") in told
    assert (HappeningKind.DECISION, "Promotion approval granted", "meera") in told
    assert (HappeningKind.DEPLOYMENT, "Promotion execution completed", "meera") in told


def test_a_version_that_is_there_already_has_nothing_to_ask_for(small: World) -> None:
    small.promote(1)
    with pytest.raises(Blocked, match="is in Production already"):
        small.ask(1)


def test_a_version_that_does_not_exist_is_not_found(small: World) -> None:
    with pytest.raises(NotFound):
        small.ask(99)


def test_a_version_deleted_after_approval_is_not_moved(small: World, registry: FakeRegistry) -> None:
    approved = small.approve(small.ask(2))
    registry.remove_version(MODEL, 2)
    with pytest.raises(NotFound):
        small.execute(approved)
    assert registry.find_alias(MODEL, "production") is None
    assert small.changes.get(approved.id).state is ChangeState.APPROVED


@pytest.mark.parametrize(("text", "stage"), [("production", Stage.PRODUCTION), (" Archived ", Stage.ARCHIVED)])
def test_a_stage_is_read_whatever_its_case(text: str, stage: Stage) -> None:
    assert parse_stage(text) is stage


def test_a_stage_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'moon' is no stage"):
        parse_stage("moon")


@pytest.mark.parametrize(("change", "said"), CHANGES)
def test_what_changes_while_the_gates_run_voids_the_request_at_the_first_approval(
    small: World, registry: FakeRegistry, change: Callable[[FakeRegistry, World], None], said: str
) -> None:
    small.promote(1)
    registry.faults.hook("get_metrics", lambda: change(registry, small))
    asked = small.ask(2)
    with pytest.raises(Conflict, match=said):
        small.approve(asked)
    assert small.changes.get(asked.id).state is ChangeState.VOID
