"""Plans that write to the registry, as changes: made without a write, applied once, driven on after a crash.

A plan is held against the registry by a digest of what it rests on: one that the registry has moved on from is refused.
What it has written already it does not write again. Where it touches what serves, by an alias of a stage, it takes a
second person's yes.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import rfc8785

from services.audit import AuditLog
from services.changes import Change, Changes, ChangeState, Execution, Proof
from services.changes.records import record_change
from services.changes.values import OPEN
from services.identity.actors import Actor, Permission
from services.store import UnitOfWork


def digest_of(content: Any) -> str:
    """Return `sha256:…` over the canonical JSON of what a plan rests on."""
    return f"sha256:{hashlib.sha256(rfc8785.dumps(content)).hexdigest()}"


class Plan(Protocol):
    """What would be written."""

    @property
    def digest(self) -> str:
        """`sha256:…` of what it rests on."""


class PlanStep(Protocol):
    """One write of a plan."""

    @property
    def where(self) -> str:
        """What it writes to, as people write it."""

    def to_json(self) -> dict[str, Any]:
        """Return the step as it stands in a plan file."""


S = TypeVar("S", bound=PlanStep)
P = TypeVar("P", bound=Plan)


class HeldPlan(Protocol[S]):
    """A plan beside the registry as it is now."""

    @property
    def bound(self) -> Mapping[str, Any]:
        """What an approval rests on, and what differs once the registry has moved on."""

    @property
    def told(self) -> Mapping[str, Any]:
        """What is worth keeping of it once it is done, besides how much was written."""

    def check_unmoved(self) -> None:
        """Let pass only a plan that the registry has not moved on from.

        Raises:
            Conflict: it has.
        """

    def list_pending(self) -> Sequence[S]:
        """Read which steps the registry does not show as done, in their order."""

    def apply(self, step: S) -> None:
        """Write one step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOutcome(Generic[P]):
    """How applying a plan ended; `change` is None where there was nothing left to do."""

    plan: P
    change: Change | None

    @property
    def is_done(self) -> bool:
        """Whether everything of the plan is in the registry."""
        return self.change is None or self.change.state is ChangeState.COMPLETED


class PlannedWrites(ABC, Generic[S]):
    """A kind of change that applies a plan. Payload: digest, serves, and what the plan is found by."""

    name: str
    executes_on_approval = True
    goes_first = False

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit

    @abstractmethod
    def hold(self, payload: Mapping[str, Any]) -> HeldPlan[S]:
        """Return the plan of a change beside the registry as it is now."""

    def permission_to_request(self, payload: Mapping[str, Any]) -> Permission:
        """Return the permission to register models."""
        return Permission.REGISTER_MODEL

    def permission_to_approve(self, payload: Mapping[str, Any]) -> Permission:
        """Return the permission that moving what serves takes, or that of the requester where nothing serves."""
        return Permission.PROMOTE_TO_PRODUCTION if payload["serves"] else Permission.REGISTER_MODEL

    def prove(self, payload: Mapping[str, Any], actor: Actor) -> Proof:
        """Hold the plan against the registry.

        Raises:
            Conflict: the registry has changed since the plan was made.
        """
        held = self.hold(payload)
        held.check_unmoved()
        findings = {"steps": [step.to_json() for step in held.list_pending()]}
        return Proof(bound=held.bound, findings=findings, required_approvals=1 if payload["serves"] else 0)

    def bind(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what the plan rests on, as the registry is now."""
        return self.hold(payload).bound

    def started(self, unit: UnitOfWork, change: Change, actor: Actor) -> None:
        """Record the intent."""
        self.record(unit, change, actor, "execution:started", after=dict(change.payload))

    def execute(self, change: Change) -> Execution:
        """Write what is not there yet; run again, it goes on where it stopped."""
        held = self.hold(change.payload)
        held.check_unmoved()
        pending = held.list_pending()
        for step in pending:
            held.apply(step)
        left = self.hold(change.payload).list_pending() if pending else ()
        if left:
            obstacle = f"{left[0].where} was undone by somebody else{f', and {len(left) - 1} more' * (len(left) > 1)}."
            return Execution(is_done=False, obstacle=obstacle)
        return Execution(is_done=True, detail={"written": len(pending), **held.told})

    def closed(self, unit: UnitOfWork, change: Change, actor: Actor) -> None:
        """Nothing stands in the store that would have to be taken back."""

    def completed(self, unit: UnitOfWork, change: Change, execution: Execution, actor: Actor) -> None:
        """Record that it is done."""
        self.record(unit, change, actor, "execution:completed", after=dict(execution.detail))

    def record(
        self, unit: UnitOfWork, change: Change, actor: Actor, what: str, *, before: Any = None, after: Any
    ) -> None:
        """Append an event of this kind."""
        record_change(self._audit, unit, change, actor, what, before=before, after=after)


def apply_plan(
    changes: Changes,
    kind: str,
    digest: str,
    *,
    find_payload: Callable[[], Mapping[str, Any] | None],
    model: str | None = None,
    actor: Actor,
    reason: str,
) -> Change | None:
    """Ask for a plan, and carry it out where nobody has to approve.

    A plan that was cut short, or that waits, is the change that is open already.

    Args:
        find_payload: returns what is asked, or None where the registry has all of the plan.
        model: the model whose changes of this kind are looked through; of all, unless given.

    Raises:
        InvalidInput: no reason was given.
        Forbidden: the actor may not register models.
        Conflict: the registry has changed since the plan was made, or the change cannot go on now.
        Unreachable: the registry does not answer; the worker drives on what had started.
    """
    found = changes.list_changes(kinds=[kind], states=OPEN, model=model, limit=100)
    change = next((each for each in found if each.payload["digest"] == digest), None)
    if change is None:
        payload = find_payload()
        if payload is None:
            return None
        change = changes.request(kind, payload, actor=actor, reason=reason)
    if change.state is ChangeState.APPROVED:
        return changes.execute(change.id, actor=actor)
    if change.state is ChangeState.EXECUTING:
        recovered = {each.id: each for each in changes.recover()}
        return recovered.get(change.id, change)
    return change
