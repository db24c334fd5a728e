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
from services.changes import Change, Changes, Execution
from services.errors import Conflict, InvalidInput
from services.identity.actors import Actor
from services.lineage.migration_plan import MigrationPlan, Step, apply_step, list_pending, make_plan
from services.lineage.plans import PlannedWrites, PlanOutcome, apply_plan
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
class _HeldMigration:
    """A plan made anew, beside the digest of the one that was asked for."""

    registry: Registry
    plan: MigrationPlan
    asked: str

    @property
    def bound(self) -> Mapping[str, Any]:
        return {"plan": self.plan.digest}

    @property
    def told(self) -> Mapping[str, Any]:
        return {"numbers": {str(old): new for old, new in self.plan.numbers.items()}}

    def check_unmoved(self) -> None:
        old, new = self.plan.old, self.plan.new
        if self.plan.digest != self.asked:
            raise Conflict(
                f"{old} has changed in the registry since the plan was made: {self.asked[:19]} is "
                f"{self.plan.digest[:19]} now.",
                next_step=f"Look at the changes and plan again with `gatehouse migrate plan {old} {new}`.",
            )

    def list_pending(self) -> Sequence[Step]:
        return list_pending(self.registry, self.plan)

    def apply(self, step: Step) -> None:
        apply_step(self.registry, self.plan, step)


class Migration(PlannedWrites[Step]):
    """The kind of change that moves a model to a new name. Payload: from, to, sunset, digest, serves."""

    name = "migration"

    def __init__(self, registry: Registry, audit: AuditLog, followers: Sequence[MigrationFollower] = ()) -> None:
        super().__init__(audit)
        self._registry = registry
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

    def hold(self, payload: Mapping[str, Any]) -> _HeldMigration:
        """Make the plan anew."""
        return _hold(self._registry, payload)

    def completed(self, unit: UnitOfWork, change: Change, execution: Execution, actor: Actor) -> None:
        """Let pins and policies follow, and record that it is done."""
        old, new = str(change.payload["from"]), str(change.payload["to"])
        numbers = {int(number): int(to) for number, to in execution.detail["numbers"].items()}
        after: dict[str, Any] = {"name": new, "numbers": execution.detail["numbers"]}
        for follower in self._followers:
            after.update(follower.model_moved(unit, change, old, new, numbers, actor))
        self.record(unit, change, actor, "execution:completed", before={"name": old}, after=after)


class Migrations:
    """Planning and applying, as people do it."""

    def __init__(self, registry: Registry, changes: Changes) -> None:
        self._registry = registry
        self._changes = changes

    def plan(self, old: str, new: str, *, sunset: date) -> MigrationPlan:
        """Say what would be written; raises as `make_plan`."""
        return make_plan(self._registry, old, new, sunset=sunset)

    def apply(self, plan_file: bytes, *, actor: Actor, reason: str) -> PlanOutcome[MigrationPlan]:
        """Apply the plan of a file; one that is applied already writes nothing.

        Raises:
            InvalidInput: the file is no plan, or no reason was given.
            GatehouseError: as `apply_plan`.
        """
        held = _hold(self._registry, _read_plan(plan_file))
        held.check_unmoved()
        plan = held.plan
        change = apply_plan(
            self._changes,
            Migration.name,
            plan.digest,
            find_payload=lambda: _payload(plan) if held.list_pending() else None,
            model=plan.old,
            actor=actor,
            reason=reason,
        )
        return PlanOutcome(plan=plan, change=change)


def _hold(registry: Registry, asked: Mapping[str, Any]) -> _HeldMigration:
    sunset = date.fromisoformat(str(asked["sunset"]))
    plan = make_plan(registry, str(asked["from"]), str(asked["to"]), sunset=sunset)
    return _HeldMigration(registry=registry, plan=plan, asked=str(asked["digest"]))


def _payload(plan: MigrationPlan) -> dict[str, Any]:
    return {
        "from": plan.old,
        "to": plan.new,
        "sunset": plan.sunset.isoformat(),
        "digest": plan.digest,
        "serves": bool(PROTECTED_ALIASES & plan.aliases.keys()),
    }


def _read_plan(content: bytes) -> Mapping[str, Any]:
    try:
        found = _PlanFile.model_validate(json.loads(content[:_MAX_PLAN_BYTES]))
    except (ValueError, RecursionError, ValidationError) as error:
        raise InvalidInput(
            "The file is not a migration plan.", next_step="Make one with `gatehouse migrate plan OLD NEW`."
        ) from error
    return found.model_dump(mode="json", by_alias=True)
