"""Writing a ramp's way: the row, the entry, the event and the notice of one step stand in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.audit import Acting, AuditLog
from services.changes import Change
from services.clock import Clock, to_micros
from services.deployments.guardrails import GuardrailResult
from services.deployments.ramp_plan import StepText
from services.deployments.ramp_values import OPEN, Ramp, RampState, to_ramp
from services.errors import NotFound
from services.identity.actors import Actor
from services.jobs.outbox import Outbox
from services.registry.values import Stage
from services.store import UnitOfWork
from services.store import ramps as rows


class RampWriter:
    """Writes ramps; follows stages, so that a ramp ends in the transaction that moves the pins.

    Args:
        outbox: where notices go; None tells nobody.
    """

    def __init__(self, audit: AuditLog, clock: Clock, outbox: Outbox | None = None) -> None:
        self._audit = audit
        self._clock = clock
        self._outbox = outbox

    def start(
        self,
        unit: UnitOfWork,
        *,
        model: str,
        champion: int,
        candidate: int,
        plan_revision: str,
        first: StepText,
        change_id: int | None,
        actor: Actor,
        reason: str,
    ) -> Ramp:
        """Open a ramp at its first step."""
        now = self._clock()
        values = {
            "model": model,
            "champion": champion,
            "candidate": candidate,
            "plan_revision": plan_revision,
            "change_id": change_id,
            "actor": actor.name,
            "started_us": to_micros(now),
            "state": RampState.RUNNING.value,
            "is_open": True,
            "checked_us": to_micros(now),
            "attention": "",
            **_step_columns(0, first, now),
        }
        ramp = get_ramp(unit, rows.add_ramp(unit, values))
        self._tell(unit, ramp, "started", actor, reason, before={"champion": champion})
        return ramp

    def enter(self, unit: UnitOfWork, ramp: Ramp, index: int, step: StepText, actor: Acting, reason: str) -> Ramp:
        """Go on to a step; what was measured in the one before is kept with the entry."""
        columns = {**_step_columns(index, step, self._clock()), "state": RampState.RUNNING.value, "attention": ""}
        return self.move(unit, ramp, "advanced", actor, reason, columns)

    def set_state(
        self, unit: UnitOfWork, ramp: Ramp, state: RampState, actor: Acting, reason: str, what: str | None = None
    ) -> Ramp:
        """Move a ramp to a state; what ends it takes the candidate's share away, unless the candidate serves now."""
        columns: dict[str, Any] = {"state": state.value, "attention": reason}
        if state not in OPEN:
            columns |= {"is_open": False, "ended_us": to_micros(self._clock())}
        if state in {RampState.ABORTED, RampState.ROLLED_BACK, RampState.OVERTAKEN}:
            columns["traffic_ratio"] = 0.0
        return self.move(unit, ramp, what or state.value, actor, reason, columns)

    def move(
        self, unit: UnitOfWork, ramp: Ramp, what: str, actor: Acting, reason: str, columns: Mapping[str, Any]
    ) -> Ramp:
        """Change columns of a ramp, and record it."""
        rows.update_ramp(unit, ramp.id, **columns)
        moved = get_ramp(unit, ramp.id)
        before = {"state": ramp.state.value, "traffic_ratio": ramp.traffic_ratio}
        self._tell(unit, moved, what, actor, reason, before=before, measured=ramp.guardrails)
        return moved

    def end_overtaken(self, unit: UnitOfWork, model: str, current: int, actor: Acting) -> Ramp | None:
        """End the open ramp of a model once another version serves than it started from."""
        found = rows.list_ramps(unit, model=model, is_open=True, limit=1)
        if not found or found[0]["champion"] == current:
            return None
        ramp = to_ramp(found[0])
        if ramp.candidate == current:
            return self.set_state(unit, ramp, RampState.COMPLETED, actor, f"Version {current} serves now.")
        return self.set_state(
            unit, ramp, RampState.OVERTAKEN, actor, f"Version {current} serves now, not version {ramp.champion}."
        )

    def stage_moved(self, unit: UnitOfWork, change: Change, stage: Stage, actor: Actor) -> Mapping[str, Any]:
        """End the ramp that a promotion completes or overtakes."""
        if stage is not Stage.PRODUCTION:
            return {}
        ended = self.end_overtaken(unit, str(change.payload["model"]), int(change.payload["version"]), actor)
        return {} if ended is None else {"ramp": {"id": ended.id, "state": ended.state.value}}

    def find_obstacle(self, model: str, version: int) -> str | None:
        """Nothing of a ramp keeps a version from being retired: its promotion is refused then, and the ramp ends."""
        return None

    def _tell(
        self,
        unit: UnitOfWork,
        ramp: Ramp,
        what: str,
        actor: Acting,
        reason: str,
        *,
        before: Mapping[str, Any],
        measured: Sequence[GuardrailResult] = (),
    ) -> None:
        figures = [result.to_json() for result in measured]
        same = {"step": ramp.step, "traffic_ratio": ramp.traffic_ratio}
        rows.add_entry(
            unit,
            {
                **same,
                "ramp_id": ramp.id,
                "model": ramp.model,
                "what": what,
                "actor": actor.name,
                "reason": reason,
                "measured": figures,
                "at_us": to_micros(self._clock()),
            },
        )
        self._audit.record(
            unit,
            actor=actor,
            action=f"ramp:run:{what}",
            subject=ramp.subject,
            model=ramp.model,
            change_id=ramp.change_id,
            reason=reason,
            before=before,
            after={**same, "ramp": ramp.id, "state": ramp.state.value, "guardrails": figures},
            policy_revision=ramp.plan_revision,
        )
        if self._outbox is not None:
            told = f" {reason}" if reason else ""
            self._outbox.put(
                unit,
                event=f"ramp.{what}",
                subject=ramp.subject,
                text=f"Ramp of {ramp.model} from {ramp.champion} to {ramp.candidate} {what.replace('_', ' ')} "
                f"at {ramp.traffic_ratio:.0%}.{told}",
                payload={"ramp": ramp.to_json(), "actor": actor.name},
            )


def get_ramp(unit: UnitOfWork, ramp_id: int, *, for_update: bool = False) -> Ramp:
    """Return a ramp.

    Raises:
        NotFound: there is none with this id.
    """
    row = rows.find_ramp(unit, ramp_id, for_update=for_update)
    if row is None:
        raise NotFound(f"There is no ramp {ramp_id}.", next_step="`gatehouse ramp status` lists them.")
    return to_ramp(row)


def _step_columns(index: int, step: StepText, now: datetime) -> dict[str, Any]:
    return {
        "step": index,
        "traffic_ratio": step.ratio,
        "step_started_us": to_micros(now),
        "due_us": to_micros(now + step.duration),
        "measured": [],
    }
