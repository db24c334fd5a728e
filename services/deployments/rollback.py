"""Going back: a change that needs no approval, because what it goes back to was approved before (practice 4).

The target is tried before: a warm standby counts, since it was tried within a day and its bytes are held again; another
is fetched and tried now. Then the pins move in one transaction, since serving follows them; the target is tried once
more, and if it fails the pins move back. Last, the alias in the registry follows, at once or as soon as the registry
answers the worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.audit import AuditLog
from services.changes import Change, Execution, Proof
from services.changes.records import record_change
from services.deployments.pins import Pins
from services.deployments.ramp_records import RampWriter
from services.deployments.standbys import Standbys, StandbyState
from services.errors import Blocked, NotFound, Unreachable
from services.identity.actors import Actor, Permission, system_actor
from services.promotions.moves import StageMover
from services.registry.port import Registry
from services.registry.values import Stage
from services.store import Store, UnitOfWork


class Rollback:
    """The kind of change that goes back. Payload: model, from, to."""

    name = "rollback"
    executes_on_approval = False
    goes_first = True

    def __init__(
        self,
        registry: Registry,
        pins: Pins,
        mover: StageMover,
        audit: AuditLog,
        store: Store,
        standbys: Standbys,
        ramps: RampWriter,
    ) -> None:
        self._registry = registry
        self._pins = pins
        self._mover = mover
        self._audit = audit
        self._store = store
        self._standbys = standbys
        self._ramps = ramps

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
        """Hold the target against what was in production before and against the registry, and try it.

        Raises:
            Blocked: the version never was in production through an approval, it has been deleted, it is past its
                sunset, or it does not load and score.
        """
        model, version = str(payload["model"]), int(payload["to"])
        if not self._pins.was_current(model, version):
            raise Blocked(
                f"{model}/{version} was never approved for production, so nobody can go back to it.",
                next_step="Choose a version that was; `gatehouse pins show` lists them. A new one has to be promoted.",
            )
        findings = {"registry_answered": self._is_there(model, version), **self._check_health(model, version, actor)}
        return Proof(bound=self.bind(payload), findings=findings, required_approvals=0)

    def bind(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what serves now: from the pins alone, so that going back works while the registry is away."""
        return {"current": self._pins.get(str(payload["model"])).current}

    def started(self, unit: UnitOfWork, change: Change, actor: Actor) -> None:
        """Move the pins; a ramp from what served ends with that."""
        model, version = str(change.payload["model"]), int(change.payload["to"])
        self._move_pins(unit, change, version, actor, "pins:moved")
        self._ramps.end_overtaken(unit, model, version, actor)

    def execute(self, change: Change) -> Execution:
        """Try the target, and point the registry at it, wherever that points now: the pins already say so.

        Raises:
            Blocked: the target failed, and the pins are back where they were.
        """
        model, version, replaces = (change.payload[name] for name in ("model", "to", "from"))
        pinned = self._pins.get(model)
        is_reverted = pinned.change_id == change.id and pinned.current == replaces
        problem = "" if is_reverted else self._find_problem(model, version, is_ours=pinned.change_id == change.id)
        if is_reverted or problem:
            self._revert(change, problem)
        found = self._mover.point(model, version, Stage.PRODUCTION, change.operation_id, replaces=replaces)
        return Execution(is_done=True, detail={"alias_was": found, "alias_is": version})

    def closed(self, unit: UnitOfWork, change: Change, actor: Actor) -> None:
        """Nothing stands in the store that would have to be taken back."""

    def completed(self, unit: UnitOfWork, change: Change, execution: Execution, actor: Actor) -> None:
        """Record that registry and pins agree."""
        before = {"version": change.payload["from"], "alias": execution.detail["alias_was"]}
        self._record(unit, change, actor, "execution:completed", before=before, after={"version": change.payload["to"]})

    def _is_there(self, model: str, version: int) -> bool:
        try:
            self._mover.check_may_serve(self._registry.get_version(model, version))
        except NotFound as error:
            raise Blocked(
                f"{model}/{version} has been deleted from the registry.", next_step="Choose another version."
            ) from error
        except Unreachable:
            return False
        return True

    def _check_health(self, model: str, version: int, actor: Actor) -> Mapping[str, Any]:
        """Return how ready the target is, trying it now unless that was done within a day.

        Raises:
            Blocked: it does not load and score.
        """
        before = self._standbys.find(model, version)
        try:
            standby = self._standbys.warm(model, version, actor=actor)
        except Unreachable as error:
            return {"was_warm": False, "health": StandbyState.COLD.value, "health_problem": error.message}
        if standby.state is StandbyState.FAILED:
            raise Blocked(
                f"{model}/{version} does not load and score in the sandbox: {standby.problem}",
                next_step="Choose another version, such as the fallback.",
            )
        return {
            "was_warm": before.state is StandbyState.WARM and before.digest == standby.digest,
            "health": standby.state.value,
            "health_problem": standby.problem,
        }

    def _find_problem(self, model: str, version: int, *, is_ours: bool) -> str:
        """Return what is wrong with the version that serves now; what is not here, or cannot be tried, is not known."""
        if not is_ours:
            return ""  # other pins came after ours: theirs to try
        standby = self._standbys.try_again(model, version, actor=system_actor("rollback"))
        return standby.problem if standby.state is StandbyState.FAILED else ""

    def _revert(self, change: Change, problem: str) -> None:
        """Put pins and alias back.

        Raises:
            Blocked: always, once that is done.
            Unreachable: the alias may have to move back, and the registry does not answer; run it again.
        """
        model, version, former = (change.payload[name] for name in ("model", "to", "from"))
        with self._store.write() as unit:
            if self._pins.get_in(unit, model).current != former:
                self._move_pins(unit, change, former, system_actor("rollback"), "pins:reverted", reason=problem)
                unit.commit()
        # The alias moves last, so it points at the target only if an earlier run got that far.
        is_first_run = change.epoch == 1
        if not is_first_run and self._mover.is_moved(model, version, Stage.PRODUCTION, change.operation_id):
            self._mover.point(model, former, Stage.PRODUCTION, change.operation_id, replaces=version)
        raise Blocked(
            f"{model}/{version} failed its smoke check, so {model}/{former} serves again: {problem}",
            next_step="Go back to another version, such as the fallback.",
        )

    def _move_pins(
        self, unit: UnitOfWork, change: Change, version: int, actor: Actor, what: str, *, reason: str = ""
    ) -> None:
        model = str(change.payload["model"])
        before = {"current": self._pins.get_in(unit, model).current}
        moved = self._pins.move(unit, model=model, version=version, change_id=change.id, actor=actor.name)
        self._record(unit, change, actor, what, before=before, after=moved.to_json(), reason=reason)

    def _record(
        self,
        unit: UnitOfWork,
        change: Change,
        actor: Actor,
        what: str,
        *,
        before: Mapping[str, Any],
        after: Mapping[str, Any],
        reason: str = "",
    ) -> None:
        record_change(self._audit, unit, change, actor, what, before=before, after=after, reason=reason)
