"""The migration plan of a breaking change."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest

from services.errors import InvalidInput
from services.signatures.compare import compare
from services.signatures.migration import MigrationPlan, OwnerRole, StepName, draft_plan, list_plan_problems, read_plan
from tests.signatures.builders import columns, reading

START = date(2026, 3, 2)
OWNERS = {role: f"person of {role}" for role in OwnerRole}


def plan(owners: dict[OwnerRole, str] | None = None) -> MigrationPlan:
    found = compare(reading(columns(a="long", b="string")), reading(columns(a="string", c_="long")))
    return draft_plan(found, model="fraud_detector", old_version=3, new_version=4, start=START, owners=owners)


def test_a_plan_has_six_steps_in_order_with_dates() -> None:
    drafted = plan(OWNERS)
    assert [step.name for step in drafted.steps] == list(StepName)
    assert [(step.due - START).days for step in drafted.steps] == [0, 14, 16, 16, 17, 17]
    assert drafted.breaking == ("inputs a: retyped",)
    assert list_plan_problems(drafted, today=START) == []


def test_a_plan_without_owners_is_not_yet_one() -> None:
    problems = list_plan_problems(plan(), today=START)
    assert len(problems) == 6
    assert problems[0] == "Step deploy_beside has no owner."


def test_owners_and_dates_are_set_step_by_step() -> None:
    drafted = plan(OWNERS).with_step(StepName.SWITCH, owner="ada", due=START)
    assert drafted.steps[3].owner == "ada"
    assert list_plan_problems(drafted, today=START) == [
        "Step switch is due on 2026-03-02, before shadow on 2026-03-18."
    ]


def test_a_plan_whose_time_is_over_is_told() -> None:
    assert "ended on 2026-03-19" in list_plan_problems(plan(OWNERS), today=START + timedelta(days=30))[0]


def test_a_plan_that_lost_a_step_is_told() -> None:
    import dataclasses

    shortened = dataclasses.replace(plan(OWNERS), steps=plan(OWNERS).steps[1:])
    assert "in this order" in list_plan_problems(shortened, today=START)[0]


def test_a_plan_is_read_back_as_it_was_written() -> None:
    drafted = plan(OWNERS)
    assert read_plan(json.dumps(drafted.to_json())) == drafted


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"steps": [{"name": "odd"}]}', "[" * 100_000])
def test_another_text_is_no_plan(text: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_plan(text)
