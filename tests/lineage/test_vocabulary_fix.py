from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from services.audit import AuditLog
from services.changes import Changes, ChangeState
from services.errors import Conflict, Forbidden, GatehouseError, InvalidInput, NotFound
from services.identity import Actor, Identity, Role
from services.lineage.plans import PlanOutcome
from services.lineage.vocabulary import VOCABULARY
from services.lineage.vocabulary_fix import VocabularyFix, VocabularyFixes
from services.lineage.vocabulary_plan import TagStep, VocabularyPlan
from services.registry.fake import FakeRegistry
from services.store import Store
from tests.conftest import FakeClock

RAVI = Actor(name="ravi", roles=frozenset({Role.ML_ENGINEER}), origin="test")
MEERA = Actor(name="meera", roles=frozenset({Role.RELEASE_MANAGER}), origin="test")
MAYA = Actor(name="maya", roles=frozenset({Role.DATA_SCIENTIST}), origin="test")
METRICS = {"fraud_detector": ("roc_auc", "trees"), "churn_v2": ("auc",)}


class Crash(BaseException):
    """The process dies here."""


class World:
    def __init__(self, store: Store, clock: FakeClock, home: Path) -> None:
        self.registry = FakeRegistry(clock=clock)
        self.clock = clock
        self.audit = AuditLog(store, clock=clock, home=home)
        identity = Identity(store, self.audit, clock=clock, home=home)
        self.changes = Changes(store, self.audit, identity, [VocabularyFix(self.registry, self.audit)], clock=clock)
        self.fixes = VocabularyFixes(
            self.registry, self.changes, read_vocabulary=lambda: VOCABULARY, read_metrics=lambda: METRICS
        )
        self.registry.add_model("fraud_detector", tags={"Team": "fraud", "risk": "Tier-1", "pii": "TRUE", "x": "y"})
        self.registry.add_version("fraud_detector", tags={"risk": " tier 2 "})
        self.registry.add_version("fraud_detector", tags={"owner": "@meera"})
        self.registry.add_model("churn_v2", tags={"risk": "quite high"})
        self.registry.add_version("churn_v2")

    def plan_file(self, *names: str, **given: str) -> bytes:
        return json.dumps(self.fixes.plan(names, given=given).to_json()).encode()

    def apply(self, plan: bytes, actor: Actor = RAVI) -> PlanOutcome[VocabularyPlan]:
        return self.fixes.apply(plan, actor=actor, reason="One vocabulary")

    def written(self) -> int:
        return sum(self.registry.faults.calls.count(method) for method in ("set_model_tag", "set_version_tag"))


@pytest.fixture
def world(store: Store, clock: FakeClock, tmp_path: Path) -> World:
    return World(store, clock, tmp_path)


def steps_of(plan: VocabularyPlan) -> list[tuple[str, str, str | None, str]]:
    return [(step.where, step.tag, step.before, step.value) for step in plan.steps]


FRAUD = [
    ("fraud_detector", "pii", "TRUE", "true"),
    ("fraud_detector", "risk", "Tier-1", "tier1"),
    ("fraud_detector", "team", None, "fraud"),
    ("fraud_detector/1", "risk", " tier 2 ", "tier2"),
]


def test_a_plan_respells_what_can_only_mean_one_thing_and_writes_nothing(world: World) -> None:
    plan = world.fixes.plan(given={})
    assert steps_of(plan) == FRAUD
    assert world.written() == 0
    assert plan.digest == world.fixes.plan(given={}).digest


def test_what_no_plan_can_know_is_left_to_people_with_what_mends_it(world: World) -> None:
    left = {(each.name, each.problem.kind, each.problem.name): each.problem for each in world.fixes.plan(given={}).left}
    assert left["fraud_detector", "metric", "roc_auc"].fix == "Log it as auc."
    assert "gatehouse migrate plan churn_v2" in left["churn_v2", "name", "churn_v2"].fix
    assert "none of tier1, tier2, tier3" in left["churn_v2", "tag", "risk"].message
    of_fraud = {tag for name, kind, tag in left if name == "fraud_detector" and kind == "tag"}
    assert of_fraud == {"compliance", "sla", "data_residency"}, "the owner is known from the newest version"


def test_values_that_people_give_go_where_a_tag_is_missing_or_wrong_alone(world: World) -> None:
    plan = world.fixes.plan(given={"risk": "tier3", "owner": "@ravi"})
    assert steps_of(plan) == sorted(
        [*FRAUD, ("churn_v2", "owner", None, "@ravi"), ("churn_v2", "risk", "quite high", "tier3")]
    )


@pytest.mark.parametrize(
    ("names", "given", "error", "message"),
    [
        ((), {"risk": "high"}, InvalidInput, "cannot have the value 'high'"),
        ((), {"owner": " "}, InvalidInput, "cannot have the value"),
        ((), {"gatehouse.operation": "1"}, InvalidInput, "none of the standard tags"),
        (("nobody",), {}, NotFound, "no model 'nobody'"),
    ],
)
def test_what_the_vocabulary_does_not_have_is_no_plan(
    world: World, names: tuple[str, ...], given: Mapping[str, str], error: type[GatehouseError], message: str
) -> None:
    with pytest.raises(error, match=message):
        world.fixes.plan(names, given=given)


def check_fixed(world: World) -> None:
    model = world.registry.get_model("fraud_detector")
    assert model.tags == {"Team": "fraud", "team": "fraud", "risk": "tier1", "pii": "true", "x": "y"}
    assert world.registry.get_version("fraud_detector", 1).tags == {"risk": "tier2"}


def test_a_plan_is_applied_and_recorded_and_a_second_apply_writes_nothing(world: World) -> None:
    plan = world.plan_file()
    outcome = world.apply(plan)
    assert outcome.is_done
    check_fixed(world)
    actions = [event.action for event in world.audit.list_events().events]
    assert actions == [
        "vocabulary_fix:request:opened",
        "vocabulary_fix:execution:started",
        "vocabulary_fix:execution:completed",
    ]
    before = world.written()
    assert world.apply(plan).change is None
    assert world.written() == before == len(FRAUD)
    assert world.fixes.plan(given={}).steps == ()
    assert world.apply(world.plan_file()).is_done, "a plan without steps has nothing to do"


@pytest.mark.parametrize(("method", "times"), [("set_model_tag", 1), ("set_model_tag", 3), ("set_version_tag", 1)])
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
    with pytest.raises(Crash):
        world.apply(plan)
    world.registry.faults.heal()
    assert not world.apply(plan).is_done
    world.clock.advance(minutes=3)
    assert world.apply(plan).is_done
    check_fixed(world)


def test_what_changed_while_a_plan_was_cut_short_is_not_written_over(world: World) -> None:
    plan = world.plan_file()

    def crash() -> None:
        raise Crash

    world.registry.faults.hook("set_model_tag", crash)
    with pytest.raises(Crash):
        world.apply(plan)
    world.registry.faults.heal()
    world.registry.set_version_tag("fraud_detector", 1, "risk", "tier3")
    world.clock.advance(minutes=3)
    world.changes.recover()
    assert world.registry.get_version("fraud_detector", 1).tags["risk"] == "tier3"
    (change,) = world.changes.list_changes()
    assert change.state is not ChangeState.COMPLETED


@pytest.mark.parametrize("change", ["model", "version", "gone"])
def test_a_plan_is_refused_if_the_registry_changed_since(world: World, change: str) -> None:
    plan = world.plan_file()
    meddle: Mapping[str, Callable[[], object]] = {
        "model": lambda: world.registry.set_model_tag("fraud_detector", "risk", "tier3"),
        "version": lambda: world.registry.set_version_tag("fraud_detector", 1, "risk", "tier3"),
        "gone": lambda: world.registry.remove_version("fraud_detector", 1),
    }
    meddle[change]()
    before = world.written()
    with pytest.raises(Conflict, match="has changed since the plan was made: fraud_detector"):
        world.apply(plan)
    assert world.written() == before
    assert len(world.audit.list_events().events) == 0


def test_other_tags_and_models_may_change_meanwhile(world: World) -> None:
    plan = world.plan_file("fraud_detector")
    world.registry.set_model_tag("churn_v2", "risk", "tier3")
    world.registry.set_model_tag("fraud_detector", "note", "hello")
    assert world.apply(plan).is_done


def test_a_model_that_serves_takes_somebody_elses_yes(world: World) -> None:
    world.registry.set_alias("fraud_detector", "production", 2)
    plan = world.plan_file()
    asked = world.apply(plan).change
    assert asked is not None
    assert asked.state is ChangeState.AWAITING_APPROVAL
    assert world.apply(plan).change == asked
    assert world.written() == 0
    world.changes.approve(asked.id, actor=MEERA, reason="Spelling alone.")
    check_fixed(world)


def test_a_plan_that_waits_is_not_taken_for_another_one(world: World) -> None:
    world.registry.set_alias("fraud_detector", "production", 2)
    waiting = world.apply(world.plan_file("fraud_detector")).change
    other = world.apply(world.plan_file("fraud_detector", owner="@ravi", sla="p99_50ms")).change
    assert waiting is not None
    assert other is not None
    assert other.id != waiting.id


def test_an_approval_does_not_cover_what_changed_before_it(world: World) -> None:
    world.registry.set_alias("fraud_detector", "production", 2)
    asked = world.apply(world.plan_file()).change
    assert asked is not None
    world.registry.set_model_tag("fraud_detector", "risk", "tier3")
    with pytest.raises(Conflict, match="moved was"):
        world.changes.approve(asked.id, actor=MEERA, reason="Spelling alone.")
    assert world.changes.get(asked.id).state is ChangeState.VOID


def test_only_who_registers_models_may_apply_a_plan(world: World) -> None:
    with pytest.raises(Forbidden):
        world.apply(world.plan_file(), MAYA)


def edited(plan: bytes, **values: Any) -> bytes:
    document = json.loads(plan)
    document["steps"][0] |= values
    return json.dumps(document).encode()


def test_an_edited_plan_is_refused_and_a_forged_one_writes_no_tag_outside_the_vocabulary(world: World) -> None:
    with pytest.raises(InvalidInput, match="edited since it was made"):
        world.apply(edited(world.plan_file(), value="false"))
    step = TagStep(name="fraud_detector", tag="gatehouse.operation", before=None, value="1")
    with pytest.raises(InvalidInput, match="none of the standard tags"):
        world.apply(json.dumps(VocabularyPlan(steps=(step,)).to_json()).encode())


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"kind": "migration_plan", "steps": [], "digest": ""}', b"[" * 100_000, b"\xff"]
)
def test_a_file_that_is_no_plan_is_refused(world: World, content: bytes) -> None:
    with pytest.raises(InvalidInput, match="not a plan of the vocabulary"):
        world.apply(content)
