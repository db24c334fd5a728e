"""Applying a plan of the vocabulary, as a kind of change: once, and driven on after a crash.

Where it touches what serves it takes a second person's yes: the risk tier decides which gates a model has to pass.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from services.audit import AuditLog
from services.changes import Change, Changes, ChangeState, Execution, Proof
from services.changes.values import OPEN
from services.errors import Conflict
from services.identity.actors import Actor, Permission
from services.lineage.vocabulary import Vocabulary
from services.lineage.vocabulary_plan import (
    ReadMetrics,
    TagStep,
    VocabularyPlan,
    apply_step,
    find_moved,
    list_pending,
    make_plan,
    read_plan,
    read_tags,
)
from services.registry.port import Registry
from services.store import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class FixOutcome:
    """How applying a plan ended; `change` is None where there was nothing left to do."""

    plan: VocabularyPlan
    change: Change | None

    @property
    def is_done(self) -> bool:
        """Whether every tag of the plan is in the registry."""
        return self.change is None or self.change.state is ChangeState.COMPLETED


class VocabularyFix:
    """The kind of change that writes standard tags in bulk. Payload: digest, steps, serves."""

    name = "vocabulary_fix"
    executes_on_approval = True
    goes_first = False

    def __init__(self, registry: Registry, audit: AuditLog) -> None:
        self._registry = registry
        self._audit = audit

    def subject(self, payload: Mapping[str, Any]) -> str:
        """Return the model, or how many they are."""
        names = _plan(payload).names
        return names[0] if len(names) == 1 else f"{len(names)} models"

    def model(self, payload: Mapping[str, Any]) -> str | None:
        """Return the model, where it is one."""
        names = _plan(payload).names
        return names[0] if len(names) == 1 else None

    def title(self, payload: Mapping[str, Any]) -> str:
        """Return what is asked, in a few words."""
        return f"Write {len(payload['steps'])} standard tags of {self.subject(payload)}"

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
        plan = _plan(payload)
        found = read_tags(self._registry, plan.names)
        _check_unmoved(plan, find_moved(plan, found))
        pending = [step.to_json() for step in list_pending(plan, found)]
        return Proof(
            bound=_bound(plan, []), findings={"steps": pending}, required_approvals=1 if payload["serves"] else 0
        )

    def bind(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the plan's digest, and where the registry has moved on from it."""
        plan = _plan(payload)
        return _bound(plan, find_moved(plan, read_tags(self._registry, plan.names)))

    def started(self, unit: UnitOfWork, change: Change, actor: Actor) -> None:
        """Record the intent."""
        self._record(unit, change, actor, "execution:started", after={"steps": change.payload["steps"]})

    def execute(self, change: Change) -> Execution:
        """Write what is not there yet; run again, it goes on where it stopped."""
        plan = _plan(change.payload)
        found = read_tags(self._registry, plan.names)
        _check_unmoved(plan, find_moved(plan, found))
        pending = list_pending(plan, found)
        for step in pending:
            apply_step(self._registry, step)
        left = list_pending(plan, read_tags(self._registry, plan.names)) if pending else []
        if left:
            return Execution(is_done=False, obstacle=f"{left[0].tag} of {left[0].where} was undone by somebody else.")
        return Execution(is_done=True, detail={"written": len(pending)})

    def closed(self, unit: UnitOfWork, change: Change, actor: Actor) -> None:
        """Nothing stands in the store that would have to be taken back."""

    def completed(self, unit: UnitOfWork, change: Change, execution: Execution, actor: Actor) -> None:
        """Record that it is done."""
        self._record(unit, change, actor, "execution:completed", after=dict(execution.detail))

    def _record(self, unit: UnitOfWork, change: Change, actor: Actor, what: str, *, after: Any) -> None:
        self._audit.record(
            unit,
            actor=actor,
            action=f"{self.name}:{what}",
            subject=change.subject,
            model=change.model,
            change_id=change.id,
            reason=change.reason,
            after=after,
        )


class VocabularyFixes:
    """Planning and applying, as people do it.

    Args:
        read_vocabulary: returns the vocabulary in force.
    """

    def __init__(
        self,
        registry: Registry,
        changes: Changes,
        *,
        read_vocabulary: Callable[[], Vocabulary],
        read_metrics: ReadMetrics,
    ) -> None:
        self._registry = registry
        self._changes = changes
        self._read_vocabulary = read_vocabulary
        self._read_metrics = read_metrics

    def plan(self, names: Collection[str] = (), *, given: Mapping[str, str]) -> VocabularyPlan:
        """Say what would be written to the named models, or to all; raises as `read_tags` and `make_plan`."""
        found = read_tags(self._registry, names)
        return make_plan(found, self._read_vocabulary(), given=given, read_metrics=self._read_metrics)

    def apply(self, plan_file: bytes, *, actor: Actor, reason: str) -> FixOutcome:
        """Apply a plan: ask for it, and carry it out where nobody has to approve.

        A plan that is applied already writes nothing. One that was cut short, or that waits, is the same change.

        Raises:
            InvalidInput: the file is no plan, or no reason was given.
            Forbidden: the actor may not register models.
            Conflict: the registry has changed since the plan was made, or the change cannot go on now.
            NotFound: a model of the plan is gone.
            Unreachable: the registry does not answer; the worker drives on what had started.
        """
        plan = read_plan(plan_file, self._read_vocabulary())
        change = self._find_open(plan)
        if change is None:
            found = read_tags(self._registry, plan.names) if plan.steps else None
            if found is None or not list_pending(plan, found):
                return FixOutcome(plan=plan, change=None)
            payload = {
                "digest": plan.digest,
                "steps": [step.to_json() for step in plan.steps],
                "serves": bool(found.find_serving()),
            }
            change = self._changes.request(VocabularyFix.name, payload, actor=actor, reason=reason)
        if change.state is ChangeState.APPROVED:
            change = self._changes.execute(change.id, actor=actor)
        elif change.state is ChangeState.EXECUTING:
            recovered = {each.id: each for each in self._changes.recover()}
            change = recovered.get(change.id, change)
        return FixOutcome(plan=plan, change=change)

    def _find_open(self, plan: VocabularyPlan) -> Change | None:
        found = self._changes.list_changes(kinds=[VocabularyFix.name], states=OPEN, limit=100)
        return next((each for each in found if each.payload["digest"] == plan.digest), None)


def _plan(payload: Mapping[str, Any]) -> VocabularyPlan:
    steps = ({**step, "version": step["version"] or 0} for step in payload["steps"])
    return VocabularyPlan(steps=tuple(TagStep(**step) for step in steps))


def _bound(plan: VocabularyPlan, moved: list[str]) -> Mapping[str, Any]:
    return {"plan": plan.digest, "moved": ", ".join(moved)}


def _check_unmoved(plan: VocabularyPlan, moved: list[str]) -> None:
    if moved:
        raise Conflict(
            f"The registry has changed since the plan was made: {moved[0]} has other tags now"
            f"{f', and {len(moved) - 1} more' if len(moved) > 1 else ''}.",
            next_step=f"Plan again with `gatehouse names plan {' '.join(plan.names[:3])}`.",
        )
