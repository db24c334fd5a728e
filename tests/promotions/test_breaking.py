"""A version that breaks callers of the one in production is promoted with a plan for them, or not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from services.changes import Change, Changes, ChangeState
from services.errors import InvalidInput
from services.promotions import Promotion, Promotions, StageMover
from services.promotions.breaking import judge_migration
from services.registry.fake import FakeRegistry
from services.registry.references import parse_reference
from services.registry.values import Stage
from services.signatures.compare import compare
from services.signatures.migration import MigrationPlan, OwnerRole, draft_plan
from services.signatures.reader import read_signature
from services.store import Store
from tests.conftest import FakeClock
from tests.gates.builders import INPUTS, MAYA, MEERA, World, add_version, build_world, mlmodel

JUN = replace(MEERA, name="jun")
TODAY = date(2026, 3, 1)
BREAKING = mlmodel([*INPUTS, {"type": "double", "name": "age", "required": True}])
POLICY = """kind: gate_policy
expires_after_hours: 168
waiver_days: 14
protected: {aliases: [], tags: []}
stages:
  staging: {approvals: {default: 1}, gates: [{gate: name, kind: name}]}
  production: {approvals: {default: 1}, gates: [{gate: name, kind: name}]}
  archived: {approvals: {default: 1}, gates: [{gate: name, kind: name}]}
"""


def filled(signature: str | None = BREAKING) -> FakeRegistry:
    registry = FakeRegistry()
    add_version(registry, aliases=["production"])
    add_version(registry, signature=signature)
    return registry


def plan(new: int = 2, **changes: object) -> MigrationPlan:
    comparison = compare(read_signature(mlmodel().encode()), read_signature(BREAKING.encode()))
    owners = {role: f"person of {role}" for role in OwnerRole}
    drawn = draft_plan(comparison, model="fraud_detector", old_version=1, new_version=new, start=TODAY, owners=owners)
    return replace(drawn, **changes)  # type: ignore[arg-type]


def problems(given: MigrationPlan | None, *, replaced: int | None = 1, signature: str | None = BREAKING) -> list[str]:
    registry = filled(signature)
    version = registry.get_version("fraud_detector", 2)
    document = None if given is None else given.to_json()
    return list(judge_migration(registry, version, replaced, document, TODAY).problems)


def test_a_break_needs_a_plan_and_a_whole_plan_suffices() -> None:
    assert problems(None) == [
        "Version 2 breaks callers of version 1 (inputs age: added), and no plan is linked.",
    ]
    assert problems(plan()) == []


def test_nothing_is_owed_where_nothing_breaks_or_nothing_is_replaced() -> None:
    assert problems(None, signature=None) == []
    assert problems(None, replaced=None) == []
    assert problems(None, replaced=2) == []


def test_a_plan_for_something_else_or_without_owners_or_of_the_past_does_not_count() -> None:
    assert problems(plan(new=7)) == [
        "The plan is for fraud_detector from version 1 to 7, not for fraud_detector from version 1 to 2."
    ]
    assert problems(plan(breaking=())) == ["The plan says nothing of inputs age: added; draw it up again."]
    nobody = replace(plan().steps[0], owner=" ")
    assert problems(plan(steps=(nobody, *plan().steps[1:]))) == ["Step deploy_beside has no owner."]
    past = tuple(replace(step, due=TODAY - timedelta(days=1)) for step in plan().steps)
    assert "set new dates" in problems(plan(steps=past))[0]


def test_what_is_no_plan_is_refused() -> None:
    registry = filled()
    with pytest.raises(InvalidInput, match="cannot be read"):
        judge_migration(registry, registry.get_version("fraud_detector", 2), 1, {"steps": 7}, TODAY)


class Desk:
    """Promotions over the real gates and a policy that judges names alone."""

    def __init__(self, store: Store, clock: FakeClock, folder: Path) -> None:
        self.world: World = build_world(store, clock, folder)
        registry = self.world.registry
        add_version(registry, aliases=["production"])
        add_version(registry, signature=BREAKING)
        mover = StageMover(registry, legacy_stages=False, sign=lambda: "")
        promotion = Promotion(registry, self.world.gates, mover, self.world.audit, [], clock=clock)
        self.changes = Changes(store, self.world.audit, self.world.gates._identity, [promotion], clock=clock)
        self.promotions = Promotions(registry, self.changes)

    def ask(self, stage: Stage = Stage.PRODUCTION, linked: MigrationPlan | None = None) -> Change:
        return self.promotions.request(
            parse_reference("fraud_detector/2"), stage, actor=MAYA, reason="it knows the age", migration_plan=linked
        )


def put_in_force(world: World, store: Store) -> None:
    proposed = world.documents.propose(JUN, "gate_policy", "default", POLICY, reason="names alone", base=1)
    with store.write() as unit:
        world.documents.activate(unit, proposed, actor=MAYA, change_id=None, reason="", expected=1)
        unit.commit()


def test_a_promotion_that_breaks_callers_is_blocked_until_a_plan_is_linked(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    desk = Desk(store, clock, tmp_path)
    put_in_force(desk.world, store)
    blocked = desk.ask()
    assert blocked.state is ChangeState.BLOCKED
    assert blocked.blocker == (
        "A breaking change needs a migration plan. Version 2 breaks callers of version 1 (inputs age: added), "
        "and no plan is linked."
    )
    assert blocked.findings["migration"] == {
        "breaking": ["inputs age: added"],
        "plan": None,
        "problems": ["Version 2 breaks callers of version 1 (inputs age: added), and no plan is linked."],
    }
    desk.changes.cancel(blocked.id, actor=MAYA)
    linked = desk.ask(linked=plan())
    assert linked.state is ChangeState.AWAITING_APPROVAL
    assert linked.findings["migration"]["plan"] == plan().to_json()
    assert linked.evidence_digest != blocked.evidence_digest
    approved = desk.changes.approve(linked.id, actor=MEERA, reason="the callers are ready")
    assert desk.changes.execute(approved.id, actor=MEERA).state is ChangeState.COMPLETED


def test_staging_breaks_nobody(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    desk = Desk(store, clock, tmp_path)
    put_in_force(desk.world, store)
    change = desk.ask(Stage.STAGING)
    assert change.state is ChangeState.AWAITING_APPROVAL
    assert "migration" not in change.findings
