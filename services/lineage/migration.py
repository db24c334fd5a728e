"""Moving a model to a new name, as a kind of change: planned without a write, applied once, driven on after a crash.

The old name stays as it is, deprecated with the new one as its replacement, so that callers can run beside each other
until its sunset. A model that serves, by an alias of a stage, moves only with somebody else's yes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.audit import AuditLog
from services.changes import Change, Changes, ChangeState, Execution, Proof
from services.changes.values import OPEN
from services.errors import Conflict, InvalidInput
from services.identity.actors import Actor, Permission
from services.lineage.migration_plan import MigrationPlan, apply_step, list_pending, make_plan
from services.registry.port import Registry
from services.registry.stages import PROTECTED_ALIASES
from services.store import UnitOfWork

_MAX_PLAN_BYTES = 64 * 1024 * 1024


class MigrationFollower(Protocol):
    """What has to follow a model to its new name, in the transaction that records it; pins and policies are such."""

    def model_moved(
        self, unit: UnitOfWork, change: Change, old: str, new: str, numbers: Mapping[int, int], actor: Actor
    ) -> Mapping[str, Any]:
        """Follow, given the new number of each old version, and return what is worth recording."""


class _PlanFile(BaseModel):
    model_config = ConfigDict(frozen=True)

    kind: str = Field(pattern="^migration_plan$")
    old: str = Field(alias="from")
    new: str = Field(alias="to")
    sunset: date
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationOutcome:
    """How applying a plan ended; `change` is None where there was nothing left to do."""

    plan: MigrationPlan
    change: Change | None

    @property
    def is_done(self) -> bool:
        """Whether everything of the plan is in the registry."""
        return self.change is None or self.change.state is ChangeState.COMPLETED


class Migration:
    """The kind of change that moves a model to a new name. Payload: from, to, sunset, digest."""

    name = "migration"
    executes_on_approval = True
    goes_first = False

    def __init__(self, registry: Registry, audit: AuditLog, followers: Sequence[MigrationFollower] = ()) -> None:
        self._registry = registry
        self._audit = audit
        self._followers = followers

    def subject(self, payload: Mapping[str, Any]) -> str:
        """Return the new name."""
        return str(payload["to"])

    def model(self, payload: Mapping[str, Any]) -> str | None:
        """Return the old name."""
        return str(payload["from"])

    def title(self, payload: Mapping[str, Any]) -> str:
        """Return what is asked, in a few words."""
        return f"Move {payload['from']} to the name {payload['to']}"

    def permission_to_request(self, payload: Mapping[str, Any]) -> Permission:
        """Return the permission to register models."""
        return Permission.REGISTER_MODEL

    def permission_to_approve(self, payload: Mapping[str, Any]) -> Permission:
        """Return the permission that moving what serves takes, or that of the requester where nothing serves."""
        return Permission.PROMOTE_TO_PRODUCTION if payload["serves"] else Permission.REGISTER_MODEL

    def prove(self, payload: Mapping[str, Any], actor: Actor) -> Proof:
        """Make the plan anew and hold it against the one that was asked for.

        Raises:
            Conflict: the registry has changed since the plan was made.
        """
        plan = self._plan(payload)
        _check_digest(plan, str(payload["digest"]))
        findings = {"steps": [step.to_json() for step in list_pending(self._registry, plan)]}
        return Proof(bound={"plan": plan.digest}, findings=findings, required_approvals=1 if payload["serves"] else 0)

    def bind(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the digest of the plan as the registry is now."""
        return {"plan": self._plan(payload).digest}

    def started(self, unit: UnitOfWork, change: Change, actor: Actor) -> None:
        """Record the intent."""
        self._record(unit, change, actor, "execution:started", after=dict(change.payload))

    def execute(self, change: Change) -> Execution:
        """Write what is not there yet; run again, it goes on where it stopped."""
        plan = self._plan(change.payload)
        _check_digest(plan, str(change.payload["digest"]))
        pending = list_pending(self._registry, plan)
        for step in pending:
            apply_step(self._registry, plan, step)
        left = list_pending(self._registry, plan)
        if left:
            obstacle = f"{len(left)} steps are undone by somebody else, such as {left[0].kind} of {left[0].value}."
            return Execution(is_done=False, obstacle=obstacle)
        numbers = {str(old): new for old, new in plan.numbers.items()}
        return Execution(is_done=True, detail={"written": len(pending), "numbers": numbers})

    def closed(self, unit: UnitOfWork, change: Change, actor: Actor) -> None:
        """Nothing stands in the store that would have to be taken back."""

    def completed(self, unit: UnitOfWork, change: Change, execution: Execution, actor: Actor) -> None:
        """Let pins and policies follow, and record that it is done."""
        old, new = str(change.payload["from"]), str(change.payload["to"])
        numbers = {int(number): int(to) for number, to in execution.detail["numbers"].items()}
        after: dict[str, Any] = {"name": new, "numbers": execution.detail["numbers"]}
        for follower in self._followers:
            after.update(follower.model_moved(unit, change, old, new, numbers, actor))
        self._record(unit, change, actor, "execution:completed", before={"name": old}, after=after)

    def _plan(self, payload: Mapping[str, Any]) -> MigrationPlan:
        sunset = date.fromisoformat(str(payload["sunset"]))
        return make_plan(self._registry, str(payload["from"]), str(payload["to"]), sunset=sunset)

    def _record(
        self, unit: UnitOfWork, change: Change, actor: Actor, what: str, *, before: Any = None, after: Any
    ) -> None:
        self._audit.record(
            unit,
            actor=actor,
            action=f"{self.name}:{what}",
            subject=change.subject,
            model=change.model,
            change_id=change.id,
            reason=change.reason,
            before=before,
            after=after,
        )


class Migrations:
    """Planning and applying, as people do it."""

    def __init__(self, registry: Registry, changes: Changes) -> None:
        self._registry = registry
        self._changes = changes

    def plan(self, old: str, new: str, *, sunset: date) -> MigrationPlan:
        """Say what would be written; raises as `make_plan`."""
        return make_plan(self._registry, old, new, sunset=sunset)

    def apply(self, plan_file: bytes, *, actor: Actor, reason: str) -> MigrationOutcome:
        """Apply a plan: ask for it, and carry it out where nobody has to approve.

        A plan that is applied already writes nothing. One that was cut short, or that waits, is the same change.

        Raises:
            InvalidInput: the file is no plan, or no reason was given.
            Forbidden: the actor may not register models.
            Conflict: the registry has changed since the plan was made, or the change cannot go on now.
            Unreachable: the registry does not answer; the worker drives on what had started.
        """
        given = _read_plan(plan_file)
        plan = self.plan(given.old, given.new, sunset=given.sunset)
        _check_digest(plan, given.digest)
        open_change = self._find_open(plan)
        if open_change is None and not list_pending(self._registry, plan):
            return MigrationOutcome(plan=plan, change=None)
        change = open_change or self._changes.request(Migration.name, _payload(plan), actor=actor, reason=reason)
        if change.state is ChangeState.APPROVED:
            change = self._changes.execute(change.id, actor=actor)
        elif change.state is ChangeState.EXECUTING:
            recovered = {each.id: each for each in self._changes.recover()}
            change = recovered.get(change.id, change)
        return MigrationOutcome(plan=plan, change=change)

    def _find_open(self, plan: MigrationPlan) -> Change | None:
        found = self._changes.list_changes(kinds=[Migration.name], states=OPEN, model=plan.old, limit=100)
        return next((each for each in found if each.payload["digest"] == plan.digest), None)


def _payload(plan: MigrationPlan) -> dict[str, Any]:
    return {
        "from": plan.old,
        "to": plan.new,
        "sunset": plan.sunset.isoformat(),
        "digest": plan.digest,
        "serves": bool(PROTECTED_ALIASES & plan.aliases.keys()),
    }


def _read_plan(content: bytes) -> _PlanFile:
    try:
        return _PlanFile.model_validate(json.loads(content[:_MAX_PLAN_BYTES]))
    except (ValueError, RecursionError, ValidationError) as error:
        raise InvalidInput(
            "The file is not a migration plan.", next_step="Make one with `gatehouse migrate plan OLD NEW`."
        ) from error


def _check_digest(plan: MigrationPlan, digest: str) -> None:
    if plan.digest != digest:
        raise Conflict(
            f"{plan.old} has changed in the registry since the plan was made: {digest[:19]} is {plan.digest[:19]} now.",
            next_step=f"Look at the changes and plan again with `gatehouse migrate plan {plan.old} {plan.new}`.",
        )
