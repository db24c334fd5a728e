"""Going back: a change that needs no approval, because what it goes back to was approved before (practice 4).

The pins move first and in one transaction, since serving follows them; the alias in the registry follows, at once or,
when the registry is away, as soon as the worker reaches it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.audit import AuditLog
from services.changes import Change, Execution, Proof
from services.deployments.pins import Pins
from services.errors import Blocked, NotFound, Unreachable
from services.identity.actors import Actor, Permission
from services.promotions.moves import StageMover
from services.registry.port import Registry
from services.registry.values import Stage
from services.store import UnitOfWork


class Rollback:
    """The kind of change that goes back. Payload: model, from, to."""

    name = "rollback"
    executes_on_approval = False

    def __init__(self, registry: Registry, pins: Pins, mover: StageMover, audit: AuditLog) -> None:
        self._registry = registry
        self._pins = pins
        self._mover = mover
        self._audit = audit

    def subject(self, payload: Mapping[str, Any]) -> str:
        """Return `NAME/VERSION` of the version gone back to."""
        return f"{payload['model']}/{payload['to']}"

    def model(self, payload: Mapping[str, Any]) -> str | None:
        """Return the model."""
        return str(payload["model"])

    def title(self, payload: Mapping[str, Any]) -> str:
        """Return what is asked, in a few words."""
        return f"Roll {payload['model']} back from version {payload['from']} to {payload['to']}"

    def permission_to_request(self, payload: Mapping[str, Any]) -> Permission:
        """Return the permission to go back."""
        return Permission.ROLL_BACK

    def permission_to_approve(self, payload: Mapping[str, Any]) -> Permission:
        """Return the same: whoever asks also executes."""
        return Permission.ROLL_BACK

    def prove(self, payload: Mapping[str, Any], actor: Actor) -> Proof:
        """Hold the target against what was in production before, and against the registry where it answers.

        Raises:
            Blocked: the version never was in production through an approval, or it has been deleted.
        """
        model, version = str(payload["model"]), int(payload["to"])
        if not self._pins.was_current(model, version):
            raise Blocked(
                f"{model}/{version} was never approved for production, so nobody can go back to it.",
                next_step="Choose a version that was; `gatehouse pins show` lists them. A new one has to be promoted.",
            )
        try:
            self._registry.get_version(model, version)
        except NotFound as error:
            raise Blocked(
                f"{model}/{version} has been deleted from the registry.", next_step="Choose another version."
            ) from error
        except Unreachable:
            is_seen = False
        else:
            is_seen = True
        return Proof(bound=self.bind(payload), findings={"registry_answered": is_seen}, required_approvals=0)

    def bind(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what serves now: from the pins alone, so that going back works while the registry is away."""
        return {"current": self._pins.get(str(payload["model"])).current}

    def started(self, unit: UnitOfWork, change: Change, actor: Actor) -> None:
        """Move the pins."""
        model, version = str(change.payload["model"]), int(change.payload["to"])
        moved = self._pins.move(unit, model=model, version=version, change_id=change.id, actor=actor.name)
        self._record(
            unit, change, actor, "pins:moved", before={"current": change.payload["from"]}, after=moved.to_json()
        )

    def execute(self, change: Change) -> Execution:
        """Point the registry at the version, wherever it points now: the pins already say so."""
        model, version = str(change.payload["model"]), int(change.payload["to"])
        replaces = int(change.payload["from"])
        found = self._mover.point(model, version, Stage.PRODUCTION, change.operation_id, replaces=replaces)
        return Execution(is_done=True, detail={"alias_was": found, "alias_is": version})

    def closed(self, unit: UnitOfWork, change: Change, actor: Actor) -> None:
        """Nothing stands in the store that would have to be taken back."""

    def completed(self, unit: UnitOfWork, change: Change, execution: Execution, actor: Actor) -> None:
        """Record that registry and pins agree."""
        before = {"version": change.payload["from"], "alias": execution.detail["alias_was"]}
        self._record(unit, change, actor, "execution:completed", before=before, after={"version": change.payload["to"]})

    def _record(
        self,
        unit: UnitOfWork,
        change: Change,
        actor: Actor,
        what: str,
        *,
        before: Mapping[str, Any],
        after: Mapping[str, Any],
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
