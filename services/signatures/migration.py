"""The plan that a breaking change of signature needs: six steps in order, each with an owner and a date (seed 000).

The new version is put beside the old one, the callers move, both are watched, and only then is the old one put away.
A promotion of a breaking version links such a plan; `list_plan_problems` says what it still lacks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from services.errors import InvalidInput
from services.signatures.verdicts import Comparison, Effect

SHADOW_DAYS = 2
WATCH_DAYS = 1
CLIENT_DAYS = 14


class StepName(StrEnum):
    """The steps, in order."""

    DEPLOY_BESIDE = "deploy_beside"
    MOVE_CALLERS = "move_callers"
    SHADOW = "shadow"
    SWITCH = "switch"
    WATCH = "watch"
    ARCHIVE = "archive"


class OwnerRole(StrEnum):
    """Who usually does a step; a person is named for each when the plan is drawn up."""

    SERVING = "serving"
    CALLERS = "callers"
    DATA_SCIENCE = "data_science"
    RELEASE = "release"


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationStep:
    """One step: what, who, and until when."""

    name: StepName
    what: str
    owner: str
    due: date


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationPlan:
    """The way from one version to another that takes other requests."""

    model: str
    old_version: int
    new_version: int
    breaking: tuple[str, ...]
    steps: tuple[MigrationStep, ...]

    def with_step(self, name: StepName, *, owner: str, due: date) -> MigrationPlan:
        """Return the plan with the owner and date of one step set."""
        steps = tuple(replace(step, owner=owner, due=due) if step.name is name else step for step in self.steps)
        return replace(self, steps=steps)

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON, such as a promotion keeps it."""
        return {
            "model": self.model,
            "old_version": self.old_version,
            "new_version": self.new_version,
            "breaking": list(self.breaking),
            "steps": [
                {"name": step.name.value, "what": step.what, "owner": step.owner, "due": step.due.isoformat()}
                for step in self.steps
            ],
        }


def draft_plan(
    comparison: Comparison,
    *,
    model: str,
    old_version: int,
    new_version: int,
    start: date,
    owners: Mapping[OwnerRole, str] | None = None,
) -> MigrationPlan:
    """Return the plan for a change, dates counted from `start`; owners that are not given are left open.

    Two weeks are proposed for the callers, two days of shadow and one day of watching as the practice has them.
    """
    ends = _dates(start)
    steps = tuple(
        MigrationStep(name=name, what=what, owner=(owners or {}).get(role, ""), due=ends[name])
        for name, role, what in _steps(old_version, new_version)
    )
    return MigrationPlan(
        model=model,
        old_version=old_version,
        new_version=new_version,
        breaking=list_breaking(comparison),
        steps=steps,
    )


def list_plan_problems(plan: MigrationPlan, *, today: date) -> Sequence[str]:
    """Return what stands against relying on the plan, one sentence each; empty if nothing does."""
    problems = [f"Step {step.name} has no owner." for step in plan.steps if not step.owner.strip()]
    if tuple(step.name for step in plan.steps) != tuple(StepName):
        problems.append(f"The steps are not {', '.join(StepName)}, in this order.")
    for before, after in zip(plan.steps, plan.steps[1:], strict=False):
        if after.due < before.due:
            problems.append(f"Step {after.name} is due on {after.due}, before {before.name} on {before.due}.")
    if plan.steps and plan.steps[-1].due < today:
        problems.append(f"The plan ended on {plan.steps[-1].due}; set new dates.")
    return problems


def list_link_problems(
    plan: MigrationPlan | None,
    comparison: Comparison,
    *,
    model: str,
    old_version: int,
    new_version: int,
    today: date,
) -> Sequence[str]:
    """Return what stands against replacing one version by another with this plan; nothing where nothing breaks."""
    breaking = list_breaking(comparison)
    if not breaking:
        return []
    if plan is None:
        changes = f"{breaking[0]}{f' and {len(breaking) - 1} more' if len(breaking) > 1 else ''}"
        return [f"Version {new_version} breaks callers of version {old_version} ({changes}), and no plan is linked."]
    problems = list(list_plan_problems(plan, today=today))
    if (plan.model, plan.old_version, plan.new_version) != (model, old_version, new_version):
        drawn = f"{plan.model} from version {plan.old_version} to {plan.new_version}"
        problems.insert(0, f"The plan is for {drawn}, not for {model} from version {old_version} to {new_version}.")
    elif missing := sorted(set(breaking) - set(plan.breaking)):
        problems.append(f"The plan says nothing of {missing[0]}; draw it up again.")
    return problems


def read_plan(text: str) -> MigrationPlan:
    """Read a plan that `to_json` wrote.

    Raises:
        InvalidInput: the text is no such plan.
    """
    try:
        return plan_of(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise _unreadable(error) from error


def plan_of(document: Any) -> MigrationPlan:
    """Return the plan that `to_json` gave as a document.

    Raises:
        InvalidInput: the document is no such plan.
    """
    try:
        steps = tuple(
            MigrationStep(
                name=StepName(step["name"]),
                what=str(step["what"]),
                owner=str(step["owner"]),
                due=date.fromisoformat(step["due"]),
            )
            for step in document["steps"]
        )
        return MigrationPlan(
            model=str(document["model"]),
            old_version=int(document["old_version"]),
            new_version=int(document["new_version"]),
            breaking=tuple(str(path) for path in document["breaking"]),
            steps=steps,
        )
    except (ValueError, TypeError, KeyError) as error:
        raise _unreadable(error) from error


def list_breaking(comparison: Comparison) -> tuple[str, ...]:
    """Return what breaks callers of either kind, one phrase each."""
    return tuple(
        dict.fromkeys(
            f"{change.side} {change.path}: {change.kind.replace('_', ' ')}"
            for change in comparison.changes
            if Effect.BREAKING in {change.effect, change.json_effect}
        )
    )


def _unreadable(error: Exception) -> InvalidInput:
    return InvalidInput(
        f"The migration plan cannot be read: {str(error)[:100] or type(error).__name__}.",
        next_step="Draw it up again from the comparison of the two versions.",
    )


def _dates(start: date) -> dict[StepName, date]:
    moved = start + timedelta(days=CLIENT_DAYS)
    compared = moved + timedelta(days=SHADOW_DAYS)
    watched = compared + timedelta(days=WATCH_DAYS)
    return {
        StepName.DEPLOY_BESIDE: start,
        StepName.MOVE_CALLERS: moved,
        StepName.SHADOW: compared,
        StepName.SWITCH: compared,
        StepName.WATCH: watched,
        StepName.ARCHIVE: watched,
    }


def _steps(old: int, new: int) -> tuple[tuple[StepName, OwnerRole, str], ...]:
    return (
        (
            StepName.DEPLOY_BESIDE,
            OwnerRole.SERVING,
            f"Serve version {new} at an endpoint of its own, beside version {old}.",
        ),
        (StepName.MOVE_CALLERS, OwnerRole.CALLERS, f"Let every caller send what version {new} declares."),
        (StepName.SHADOW, OwnerRole.DATA_SCIENCE, f"Compare version {new} in shadow for {SHADOW_DAYS} days."),
        (StepName.SWITCH, OwnerRole.RELEASE, f"Point production at version {new}."),
        (StepName.WATCH, OwnerRole.SERVING, f"Watch version {new} for {WATCH_DAYS} day, ready to go back to {old}."),
        (StepName.ARCHIVE, OwnerRole.RELEASE, f"Archive version {old} once nobody calls it."),
    )
