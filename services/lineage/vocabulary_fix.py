"""Applying a plan of the vocabulary, as a kind of change; the risk tier, for one, decides which gates a model meets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.audit import AuditLog
from services.changes import Changes
from services.errors import Conflict
from services.identity.actors import Actor
from services.lineage.plans import PlannedWrites, PlanOutcome, apply_plan
from services.lineage.tagged import Tagged, read_tags
from services.lineage.vocabulary import Vocabulary
from services.lineage.vocabulary_mending import ReadMetrics, make_plan
from services.lineage.vocabulary_plan import (
    TagStep,
    VocabularyPlan,
    apply_step,
    find_moved,
    list_pending,
    read_plan,
)
from services.registry.port import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class _HeldFix:
    """A plan beside the tags that the registry has now."""

    registry: Registry
    plan: VocabularyPlan
    found: Tagged

    @property
    def bound(self) -> Mapping[str, Any]:
        return {"plan": self.plan.digest, "moved": ", ".join(find_moved(self.plan, self.found))}

    @property
    def told(self) -> Mapping[str, Any]:
        return {}

    def check_unmoved(self) -> None:
        moved = find_moved(self.plan, self.found)
        if moved:
            raise Conflict(
                f"The registry has changed since the plan was made: {moved[0]} has other tags now"
                f"{f', and {len(moved) - 1} more' if len(moved) > 1 else ''}.",
                next_step=f"Plan again with `gatehouse names plan {' '.join(self.plan.names[:3])}`.",
            )

    def list_pending(self) -> Sequence[TagStep]:
        return list_pending(self.plan, self.found)

    def apply(self, step: TagStep) -> None:
        apply_step(self.registry, step)


class VocabularyFix(PlannedWrites[TagStep]):
    """The kind of change that writes standard tags in bulk. Payload: digest, steps, serves."""

    name = "vocabulary_fix"

    def __init__(self, registry: Registry, audit: AuditLog) -> None:
        super().__init__(audit)
        self._registry = registry

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

    def hold(self, payload: Mapping[str, Any]) -> _HeldFix:
        """Read the tags that the plan is about."""
        return _hold(self._registry, _plan(payload))


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

    def apply(self, plan_file: bytes, *, actor: Actor, reason: str) -> PlanOutcome[VocabularyPlan]:
        """Apply the plan of a file; one that is applied already writes nothing.

        Raises:
            InvalidInput: the file is no plan, or no reason was given.
            NotFound: a model of the plan is gone.
            GatehouseError: as `apply_plan`.
        """
        plan = read_plan(plan_file, self._read_vocabulary())
        change = apply_plan(
            self._changes,
            VocabularyFix.name,
            plan.digest,
            find_payload=lambda: self._find_payload(plan),
            actor=actor,
            reason=reason,
        )
        return PlanOutcome(plan=plan, change=change)

    def _find_payload(self, plan: VocabularyPlan) -> Mapping[str, Any] | None:
        if not plan.steps:
            return None
        held = _hold(self._registry, plan)
        if not held.list_pending():
            return None
        steps = [step.to_json() for step in plan.steps]
        return {"digest": plan.digest, "steps": steps, "serves": bool(held.found.find_serving())}


def _plan(payload: Mapping[str, Any]) -> VocabularyPlan:
    steps = ({**step, "version": step["version"] or 0} for step in payload["steps"])
    return VocabularyPlan(steps=tuple(TagStep(**step) for step in steps))


def _hold(registry: Registry, plan: VocabularyPlan) -> _HeldFix:
    return _HeldFix(registry=registry, plan=plan, found=read_tags(registry, plan.names))
