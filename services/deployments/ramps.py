"""Ramps as people reach them: start, pause, go on, abort. What happens without people is `services.deployments.ticks`.

Shadow needs nobody's yes, since callers get nothing of the candidate. Each share above that rests on an approved
promotion of exactly this version to production, and the promotion is executed when the last step has passed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from services.changes import Change, Changes, ChangeState
from services.clock import Clock, to_micros, to_text
from services.deployments.pins import Pins
from services.deployments.ramp_plan import RAMP_PLAN, RampPlanText
from services.deployments.ramp_records import RampWriter, get_ramp
from services.deployments.ramp_values import Ramp, RampEntry, RampState, to_entry, to_ramp
from services.deployments.standbys import Standby, StandbyState
from services.documents import Documents
from services.documents.library import DEFAULT_NAME
from services.errors import Blocked, Conflict, InvalidInput, NotFound
from services.gates.outcomes import Outcome
from services.identity import Identity
from services.identity.actors import Actor, Permission
from services.lineage.sunset import check_may_serve
from services.promotions import Promotion
from services.registry.port import RegistryReader
from services.registry.values import Stage
from services.store import Store, UnitOfWork
from services.store import ramps as rows

MAX_REASON = 4000


class Ramps:
    """The ramps of an installation.

    Args:
        prove: loads a version and lets it score in the sandbox.
    """

    def __init__(
        self,
        store: Store,
        identity: Identity,
        documents: Documents,
        changes: Changes,
        pins: Pins,
        registry: RegistryReader,
        writer: RampWriter,
        *,
        prove: Callable[[str, int, Actor], Standby],
        clock: Clock,
    ) -> None:
        self._store = store
        self._identity = identity
        self._documents = documents
        self._changes = changes
        self._pins = pins
        self._registry = registry
        self._writer = writer
        self._prove = prove
        self._clock = clock

    # Reading

    def get(self, ramp_id: int) -> Ramp:
        """Return a ramp.

        Raises:
            NotFound: there is none with this id.
        """
        with self._store.read() as unit:
            return get_ramp(unit, ramp_id)

    def find_latest(self, model: str) -> Ramp | None:
        """Return the open ramp of a model, or else the last one it had."""
        found = self.list_ramps(model=model, limit=1)
        return found[0] if found else None

    def get_open(self, model: str) -> Ramp:
        """Return the open ramp of a model.

        Raises:
            NotFound: it has none.
        """
        found = self.list_ramps(model=model, is_open=True, limit=1)
        if not found:
            raise NotFound(
                f"{model} has no ramp that goes on.",
                next_step="Start one with `gatehouse ramp start NAME --candidate VERSION --reason TEXT`.",
            )
        return found[0]

    def list_ramps(
        self, *, model: str | None = None, is_open: bool | None = None, before_id: int | None = None, limit: int = 50
    ) -> Sequence[Ramp]:
        """Return ramps, newest first; the next page begins before the last id."""
        with self._store.read() as unit:
            found = rows.list_ramps(unit, model=model, is_open=is_open, before_id=before_id, limit=limit)
        return [to_ramp(row) for row in found]

    def list_entries(self, ramp_id: int) -> Sequence[RampEntry]:
        """Return what happened to a ramp, oldest first."""
        with self._store.read() as unit:
            return [to_entry(row) for row in rows.list_entries(unit, ramp_id)]

    def get_plan(self, ramp: Ramp) -> RampPlanText:
        """Return the plan that a ramp began with: a later revision is for later ramps."""
        _kind, name, number = ramp.plan_revision.split("/")
        revision = self._documents.get_revision(RAMP_PLAN.name, name, int(number))
        plan: RampPlanText = self._documents.parse(revision).value
        return plan

    def find_promotion(self, model: str, version: int) -> Change | None:
        """Return the approved promotion of a version to production, if there is one."""
        approved = self._changes.list_changes(states=[ChangeState.APPROVED], kinds=[Promotion.name], model=model)
        return next((each for each in approved if allows(each, model, version)), None)

    # Acting

    def start(self, model: str, *, candidate: int | None, actor: Actor, reason: str) -> Ramp:
        """Let a candidate run beside what serves, at the first step of the plan in force.

        Args:
            candidate: a version; None for the one whose promotion to production is approved.

        Raises:
            Forbidden: the actor may not.
            NotFound: the model has no pins, or there is no such version.
            InvalidInput: no reason was given, or no candidate is named and none is approved.
            Conflict: a ramp of the model goes on already, or the candidate serves.
            Blocked: the candidate is past its sunset, does not load or score, or the plan begins with traffic and no
                promotion allows it.
            Unreachable: the registry does not answer.
        """
        self._identity.demand(actor, Permission.PROMOTE_TO_PRODUCTION, subject=model)
        reason = check_reason(reason)
        pinned = self._pins.get(model)
        version = self._choose(model, candidate)
        if version == pinned.current:
            raise Conflict(f"{model}/{version} serves already.", next_step="Choose another version as candidate.")
        check_may_serve(self._registry.get_version(model, version), self._clock().date())
        revision = self._documents.find_in_force(RAMP_PLAN.name, model) or self._documents.get_in_force(
            RAMP_PLAN.name, DEFAULT_NAME
        )
        plan: RampPlanText = self._documents.parse(revision).value
        promotion = self.find_promotion(model, version)
        if plan.steps[0].ratio:
            self.check_allowed(plan, promotion, model, version)
        self._check_health(model, version, actor)
        with self._store.write() as unit:
            if rows.list_ramps(unit, model=model, is_open=True, limit=1):
                raise Conflict(
                    f"A ramp of {model} goes on already.",
                    next_step="Look at it with `gatehouse ramp status`, or abort it.",
                )
            ramp = self._writer.start(
                unit,
                model=model,
                champion=pinned.current,
                candidate=version,
                plan_revision=revision.reference,
                first=plan.steps[0],
                change_id=None if promotion is None else promotion.id,
                actor=actor,
                reason=reason,
            )
            unit.commit()
        return ramp

    def advance(self, model: str, *, actor: Actor, reason: str) -> Ramp:
        """Go on to the next step before its time, or although a guardrail was left open.

        Raises:
            Forbidden: the actor may not.
            NotFound: no ramp of the model goes on.
            Blocked: a guardrail is broken, or no promotion allows the candidate to answer callers.
            Conflict: it is at its last step, which ends by itself, or has moved meanwhile.
        """
        self._identity.demand(actor, Permission.PROMOTE_TO_PRODUCTION, subject=model)
        reason = check_reason(reason)
        ramp = self.get_open(model)
        plan = self.get_plan(ramp)
        broken = [result.guardrail for result in ramp.guardrails if result.outcome is Outcome.FAILED]
        if broken:
            raise Blocked(
                f"The ramp of {model} breaks {', '.join(broken)}.",
                next_step="Abort it; a broken guardrail is no matter of patience.",
            )
        if ramp.step == len(plan.steps) - 1 or ramp.state is RampState.PROMOTING:
            raise Conflict(
                f"The ramp of {model} is at its last step, which ends by itself.",
                next_step="Wait, or execute its promotion with `gatehouse promotions execute`.",
            )
        promotion = self.find_promotion(model, ramp.candidate)
        self.check_allowed(plan, promotion, model, ramp.candidate, after=ramp.step)
        assert promotion is not None
        with self._store.write() as unit:
            current = self._unmoved(unit, ramp)
            self.bind(unit, current, promotion)
            moved = self._writer.enter(unit, current, ramp.step + 1, plan.steps[ramp.step + 1], actor, reason)
            unit.commit()
        return moved

    def pause(self, model: str, *, actor: Actor, reason: str) -> Ramp:
        """Stay at a step until somebody goes on; guardrails are watched all the same."""
        self._identity.demand(actor, Permission.ROLL_BACK, subject=model)
        return self._set_state(model, RampState.PAUSED, (RampState.RUNNING,), actor, check_reason(reason))

    def resume(self, model: str, *, actor: Actor, reason: str) -> Ramp:
        """Go on with a paused step, for as long as it lasts if its time is over."""
        self._identity.demand(actor, Permission.PROMOTE_TO_PRODUCTION, subject=model)
        reason = check_reason(reason)
        ramp = self.get_open(model)
        if ramp.state is not RampState.PAUSED:
            raise Conflict(f"The ramp of {model} is {ramp.state}, not paused.", next_step="There is nothing to resume.")
        now = self._clock()
        step = self.get_plan(ramp).steps[ramp.step]
        due_at = ramp.due_at if ramp.due_at > now else now + step.duration
        columns = {"state": RampState.RUNNING.value, "attention": "", "due_us": to_micros(due_at)}
        with self._store.write() as unit:
            moved = self._writer.move(unit, self._unmoved(unit, ramp), "resumed", actor, reason, columns)
            unit.commit()
        return moved

    def abort(self, model: str, *, actor: Actor, reason: str) -> Ramp:
        """End a ramp: the champion answers every request again, at once."""
        self._identity.demand(actor, Permission.ROLL_BACK, subject=model)
        allowed = (RampState.RUNNING, RampState.PAUSED)
        return self._set_state(model, RampState.ABORTED, allowed, actor, check_reason(reason))

    # Shared with the worker

    def check_allowed(
        self, plan: RampPlanText, promotion: Change | None, model: str, version: int, *, after: int = -1
    ) -> None:
        """Accept that a candidate answers callers in the steps after one.

        Raises:
            Blocked: no approved promotion says so, or it ends before the ramp does.
        """
        if promotion is None:
            raise Blocked(
                f"No approved promotion of {model}/{version} to production lets it answer callers.",
                next_step=f"Ask with `gatehouse promotions request {model}/{version} --to production`; once it is "
                "approved, the ramp goes on with `gatehouse ramp advance`.",
            )
        if self._clock() + plan.time_under_traffic(after=after) > promotion.expires_at:
            raise Blocked(
                f"Promotion {promotion.id} expires at {to_text(promotion.expires_at)[:16]}, before the ramp would end.",
                next_step=f"Renew it with `gatehouse promotions renew {promotion.id}`, or ramp by a shorter plan.",
            )

    @staticmethod
    def bind(unit: UnitOfWork, ramp: Ramp, promotion: Change) -> None:
        """Note in the caller's transaction which promotion a ramp rests on from now on."""
        if ramp.change_id != promotion.id:
            rows.update_ramp(unit, ramp.id, change_id=promotion.id)

    def _choose(self, model: str, candidate: int | None) -> int:
        if candidate is not None:
            return candidate
        approved = self._changes.list_changes(states=[ChangeState.APPROVED], kinds=[Promotion.name], model=model)
        versions = [int(each.payload["version"]) for each in approved if each.payload["to"] == Stage.PRODUCTION.value]
        if len(set(versions)) != 1:
            told = f"several are: {', '.join(map(str, sorted(set(versions))))}" if versions else "none is"
            raise InvalidInput(
                f"No candidate was named, and of approved promotions of {model} to production {told}.",
                next_step="Name one with --candidate VERSION.",
            )
        return versions[0]

    def _check_health(self, model: str, version: int, actor: Actor) -> None:
        standby = self._prove(model, version, actor)
        if standby.state is StandbyState.FAILED:
            raise Blocked(
                f"{model}/{version} does not load and score in the sandbox: {standby.problem}",
                next_step="Mend the model and register it as a new version.",
            )

    def _set_state(self, model: str, state: RampState, allowed: Sequence[RampState], actor: Actor, reason: str) -> Ramp:
        ramp = self.get_open(model)
        if ramp.state not in allowed:
            raise Conflict(
                f"The ramp of {model} is {ramp.state}, so it cannot be {state}.",
                next_step="Look at it with `gatehouse ramp status`.",
            )
        with self._store.write() as unit:
            moved = self._writer.set_state(unit, self._unmoved(unit, ramp), state, actor, reason)
            unit.commit()
        return moved

    @staticmethod
    def _unmoved(unit: UnitOfWork, ramp: Ramp) -> Ramp:
        current = get_ramp(unit, ramp.id, for_update=True)
        if (current.state, current.step) != (ramp.state, ramp.step):
            raise Conflict(
                f"The ramp of {ramp.model} has moved meanwhile: it is {current.state} at step {current.step + 1}.",
                next_step="Look at it again before going on.",
            )
        return current


def allows(change: Change, model: str, version: int) -> bool:
    """Return whether a change is an approved promotion of a version to production."""
    payload = change.payload
    is_of_it = payload.get("model") == model and payload.get("version") == version
    is_approved = change.state in {ChangeState.APPROVED, ChangeState.EXECUTING}
    return change.kind == Promotion.name and is_approved and is_of_it and payload["to"] == Stage.PRODUCTION.value


def check_reason(reason: str) -> str:
    """Return a reason as it is kept.

    Raises:
        InvalidInput: there is none, or it is too long.
    """
    reason = reason.strip()
    if not reason or len(reason) > MAX_REASON:
        raise InvalidInput(
            "A reason is needed." if not reason else f"The reason is longer than {MAX_REASON} characters.",
            next_step="Say in a sentence why; it is kept.",
        )
    return reason
