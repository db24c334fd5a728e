from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from services.audit import AuditLog
from services.changes import Change, Changes, ChangeState
from services.errors import Conflict, Forbidden, InvalidInput, NotFound, Unreachable
from services.identity import Actor, Identity, Role
from services.lineage.migration import Migration, Migrations
from services.lineage.migration_plan import MigrationPlan, make_plan
from services.lineage.plans import PlanOutcome
from services.lineage.records import build_graph, read_records
from services.registry.fake import FakeRegistry
from services.registry.values import Stage
from services.store import Store, UnitOfWork
from tests.conftest import FakeClock

RAVI = Actor(name="ravi", roles=frozenset({Role.ML_ENGINEER}), origin="test")
MEERA = Actor(name="meera", roles=frozenset({Role.RELEASE_MANAGER}), origin="test")
MAYA = Actor(name="maya", roles=frozenset({Role.DATA_SCIENTIST}), origin="test")
SUNSET = date(2026, 6, 1)
WRITES = ("create_model", "create_version", "set_stage", "set_alias", "set_version_tag", "set_version_description")


class Crash(BaseException):
    """The process dies here."""


class Pinboard:
    def __init__(self) -> None:
        self.moves: list[tuple[str, str, Mapping[int, int]]] = []

    def model_moved(
        self, unit: UnitOfWork, change: Change, old: str, new: str, numbers: Mapping[int, int], actor: Actor
    ) -> Mapping[str, Any]:
        self.moves.append((old, new, numbers))
        return {"pins": "moved"}


class World:
    def __init__(self, store: Store, clock: FakeClock, home: Path) -> None:
        self.registry = FakeRegistry(clock=clock)
        self.clock = clock
        self.audit = AuditLog(store, clock=clock, home=home)
        self.pinboard = Pinboard()
        identity = Identity(store, self.audit, clock=clock, home=home)
        kind = Migration(self.registry, self.audit, [self.pinboard])
        self.changes = Changes(store, self.audit, identity, [kind], clock=clock)
        self.migrations = Migrations(self.registry, self.changes)

    def fill(self, *, alias: str = "champion") -> None:
        """Three versions under a name that says a version, the second of them deleted."""
        self.registry.add_model("churn_v2", description="Who leaves", tags={"team": "retention"})
        tags = {"owner": "@lena", "gatehouse.checkpoint": "signed", "gatehouse.operation": "4"}
        self.registry.add_version("churn_v2", description="One", tags=tags, stage=Stage.ARCHIVED)
        self.registry.add_version("churn_v2")
        self.registry.add_version("churn_v2", description="Three", aliases=[alias])
        self.registry.remove_version("churn_v2", 2)

    def plan_file(self, new: str = "churn_predictor") -> bytes:
        return json.dumps(self.migrations.plan("churn_v2", new, sunset=SUNSET).to_json()).encode()

    def apply(self, plan: bytes, actor: Actor = RAVI) -> PlanOutcome[MigrationPlan]:
        return self.migrations.apply(plan, actor=actor, reason="A product's name")

    def written(self) -> int:
        return sum(self.registry.faults.calls.count(method) for method in WRITES)


@pytest.fixture
def world(store: Store, clock: FakeClock, tmp_path: Path) -> World:
    made = World(store, clock, tmp_path)
    made.fill()
    return made


def check_moved(world: World) -> None:
    """Everything is under the new name, once, and the old one says so."""
    registry = world.registry
    model = registry.get_model("churn_predictor")
    assert (model.description, model.tags, model.aliases) == ("Who leaves", {"team": "retention"}, {"champion": 2})
    one, two = registry.list_versions(["churn_predictor"])
    old_one, old_three = registry.list_versions(["churn_v2"])
    assert [one.source, two.source] == [old_one.source, old_three.source]
    assert [one.description, two.description] == ["One", "Three"]
    assert one.stage is Stage.ARCHIVED
    kept = {"owner": "@lena", "gatehouse.checkpoint": "signed"}
    assert one.tags == {**kept, "gatehouse.migrated_from": "churn_v2/1"}
    assert old_three.description == "[DEPRECATED - sunset 2026-06-01] Three"
    assert old_three.tags["replacement_version"] == "churn_predictor/2"
    assert registry.get_model("churn_v2").aliases == {"champion": 3}


def test_a_plan_says_what_it_would_write_and_writes_nothing(world: World) -> None:
    plan = world.migrations.plan("churn_v2", "churn_predictor", sunset=SUNSET)
    assert [(step.kind.value, step.version, step.value) for step in plan.list_steps()] == [
        ("create_model", 0, "churn_predictor"),
        ("copy_version", 1, "churn_v2/1"),
        ("copy_version", 2, "churn_v2/3"),
        ("set_stage", 1, "Archived"),
        ("set_alias", 2, "champion"),
        ("deprecate", 1, "churn_predictor/1"),
        ("deprecate", 3, "churn_predictor/2"),
    ]
    assert world.written() == 0
    assert plan.digest == make_plan(world.registry, "churn_v2", "churn_predictor", sunset=SUNSET).digest


def test_a_plan_is_applied_and_recorded_and_pins_follow(world: World) -> None:
    outcome = world.apply(world.plan_file())
    assert outcome.is_done
    check_moved(world)
    assert world.pinboard.moves == [("churn_v2", "churn_predictor", {1: 1, 3: 2})]
    actions = [event.action for event in world.audit.list_events().events]
    assert actions == ["migration:request:opened", "migration:execution:started", "migration:execution:completed"]


def test_a_second_apply_writes_nothing(world: World) -> None:
    plan = world.plan_file()
    world.apply(plan)
    before, events = world.written(), len(world.audit.list_events().events)
    outcome = world.apply(plan)
    assert outcome.is_done
    assert outcome.change is None
    assert world.written() == before
    assert len(world.audit.list_events().events) == events


@pytest.mark.parametrize(("method", "times"), [(method, times) for method in WRITES for times in (1, 2)])
def test_after_a_crash_at_any_write_the_same_plan_is_finished(world: World, method: str, times: int) -> None:
    plan = world.plan_file()
    seen = 0

    def count() -> None:
        nonlocal seen
        seen += 1
        if seen == times:
            raise Crash
        world.registry.faults.hook(method, count)

    world.registry.faults.hook(method, count)
    try:
        world.apply(plan)
    except Crash:
        world.registry.faults.heal()
        held = world.apply(plan)
        assert not held.is_done
        world.clock.advance(minutes=3)
        assert world.apply(plan).is_done
    world.registry.faults.heal()
    check_moved(world)
    assert len(world.pinboard.moves) == 1


def test_a_registry_that_goes_away_is_waited_for(world: World) -> None:
    plan = world.plan_file()
    away = Unreachable("The registry does not answer.", next_step="Start it.")
    world.registry.faults.fail_once("set_alias", away)
    with pytest.raises(Unreachable, match="has started and is not finished"):
        world.apply(plan)
    world.clock.advance(minutes=1)
    assert [change.state for change in world.changes.recover()] == [ChangeState.COMPLETED]
    check_moved(world)


@pytest.mark.parametrize("change", ["tag", "alias", "version", "description"])
def test_a_plan_is_refused_if_the_registry_changed_since(world: World, change: str) -> None:
    plan = world.plan_file()
    registry = world.registry
    meddle: Mapping[str, Callable[[], object]] = {
        "tag": lambda: registry.set_version_tag("churn_v2", 1, "owner", "@ravi"),
        "alias": lambda: registry.set_alias("churn_v2", "champion", 1),
        "version": lambda: registry.add_version("churn_v2"),
        "description": lambda: registry.set_version_description("churn_v2", 1, "Uno"),
    }
    meddle[change]()
    before = world.written()
    with pytest.raises(Conflict, match="has changed in the registry since the plan was made"):
        world.apply(plan)
    assert world.written() == before
    assert len(world.audit.list_events().events) == 0


def test_what_somebody_undoes_while_it_is_applied_is_told(world: World) -> None:
    plan = world.plan_file()
    registry = world.registry
    registry.faults.hook("set_version_tag", lambda: registry.delete_alias("churn_predictor", "champion"))
    outcome = world.apply(plan)
    assert outcome.change is not None
    assert outcome.change.state is ChangeState.VOID
    assert "set_alias of champion was undone by somebody else" in outcome.change.blocker


def test_a_model_that_serves_moves_with_somebody_elses_yes(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = World(store, clock, tmp_path)
    world.fill(alias="production")
    plan = world.plan_file()
    outcome = world.apply(plan)
    assert outcome.change is not None
    assert outcome.change.state is ChangeState.AWAITING_APPROVAL
    assert not outcome.is_done
    assert world.apply(plan).change == outcome.change
    assert world.written() == 0
    world.changes.approve(outcome.change.id, actor=MEERA, reason="Both names serve until June.")
    assert world.apply(plan).is_done
    assert world.registry.get_model("churn_predictor").aliases == {"production": 2}


def test_only_who_registers_models_may_apply_a_plan(world: World) -> None:
    with pytest.raises(Forbidden):
        world.apply(world.plan_file(), MAYA)


@pytest.mark.parametrize(
    ("new", "error", "message"),
    [
        ("churn_v2", InvalidInput, "is the name that it has"),
        ("churn_v3", InvalidInput, "version"),
        ("a/b", InvalidInput, "separates parts"),
        ("taken_scorer", Conflict, "'taken_scorer' has versions of its own, such as taken_scorer/1"),
    ],
)
def test_a_name_that_cannot_be_moved_to_is_refused(
    world: World, new: str, error: type[Exception], message: str
) -> None:
    world.registry.add_version("taken_scorer")
    with pytest.raises(error, match=message):
        world.migrations.plan("churn_v2", new, sunset=SUNSET)


def test_a_model_without_versions_or_none_at_all_is_refused(world: World) -> None:
    world.registry.add_model("empty_v1")
    with pytest.raises(InvalidInput, match="has no versions to move"):
        world.migrations.plan("empty_v1", "full_scorer", sunset=SUNSET)
    with pytest.raises(NotFound):
        world.migrations.plan("nobody", "full_scorer", sunset=SUNSET)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"kind": "migration_plan"}', b"[" * 100_000, b"\xff"])
def test_a_file_that_is_no_plan_is_refused(world: World, content: bytes) -> None:
    with pytest.raises(InvalidInput, match="not a migration plan"):
        world.apply(content)


def test_a_plan_with_another_digest_is_refused(world: World) -> None:
    plan = {**json.loads(world.plan_file()), "digest": "sha256:0"}
    with pytest.raises(Conflict):
        world.apply(json.dumps(plan).encode())


def test_a_name_that_counted_on_before_is_refused_by_number(world: World) -> None:
    world.registry.add_version("churn_predictor")
    world.registry.remove_version("churn_predictor", 1)
    outcome = world.apply(world.plan_file())
    assert outcome.change is not None
    assert outcome.change.state is ChangeState.FAILED
    assert "where the plan expects number 1" in outcome.change.blocker


def test_the_graph_shows_where_a_moved_version_is_from(world: World) -> None:
    world.apply(world.plan_file())
    graph = build_graph(read_records(world.registry, ["churn_v2", "churn_predictor"]))
    moved = {(edge.source, edge.target) for edge in graph.edges if edge.kind.value == "copied_to"}
    pairs = ((1, 1), (3, 2))
    assert moved == {(f"version:churn_v2/{old}", f"version:churn_predictor/{new}") for old, new in pairs}
