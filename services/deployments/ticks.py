"""What becomes of ramps without anybody asking; the worker calls this every few seconds.

Every tick starts from the store and every step is one transaction there, so a worker that dies leaves a ramp where it
was, and the next one goes on. No data never advances: only guardrails that are all kept beyond doubt do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import structlog

from services.audit import Acting
from services.changes import Changes, ChangeState
from services.clock import Clock, to_micros
from services.deployments.guardrails import GuardrailResult, hold, hold_number
from services.deployments.pins import Pins
from services.deployments.ramp_plan import QueryText, RampPlanText
from services.deployments.ramp_records import RampWriter, get_ramp
from services.deployments.ramp_values import Ramp, RampState
from services.deployments.ramps import Ramps, allows
from services.errors import Blocked, Conflict, GatehouseError, Unreachable
from services.gates.collectors.prometheus import Answer, name_in_query
from services.gates.evidence import Broken
from services.gates.outcomes import Outcome
from services.identity.actors import Actor
from services.shadow.places import get_log_folder
from services.shadow.window import Window
from services.store import Store, UnitOfWork
from services.store import ramps as rows

MAX_OPEN = 1000
_KEPT = "Every guardrail was kept."

log = structlog.get_logger(__name__)


class Verdict(StrEnum):
    """What the figures of a step say to do."""

    HOLD = "hold"
    ADVANCE = "advance"
    PAUSE = "pause"
    ROLL_BACK = "roll_back"


class WindowSource(Protocol):
    """What happened since a moment: `services.shadow.window.WindowReader`."""

    def read(self, log: Path, *, since: datetime, champion: int, candidate: int) -> Window:
        """Return what two versions did."""


Ask = Callable[[str], Answer]


def decide(results: Sequence[GuardrailResult], *, is_due: bool) -> Verdict:
    """Return what to do: back at once if anything is broken, on only if everything is kept when the time is over.

    >>> decide([], is_due=True)
    <Verdict.PAUSE: 'pause'>
    """
    if any(result.outcome is Outcome.FAILED for result in results):
        return Verdict.ROLL_BACK
    if not is_due:
        return Verdict.HOLD
    is_kept = bool(results) and all(result.outcome is Outcome.PASSED for result in results)
    return Verdict.ADVANCE if is_kept else Verdict.PAUSE


class RampTicks:
    """Drives every open ramp.

    Args:
        ask: puts a query to Prometheus.
        logs: where serving writes its paired logs.
    """

    def __init__(
        self,
        store: Store,
        changes: Changes,
        pins: Pins,
        ramps: Ramps,
        writer: RampWriter,
        windows: WindowSource,
        *,
        ask: Ask,
        logs: Path,
        clock: Clock,
    ) -> None:
        self._store = store
        self._changes = changes
        self._pins = pins
        self._ramps = ramps
        self._writer = writer
        self._windows = windows
        self._ask = ask
        self._logs = logs
        self._clock = clock

    def tick(self, *, actor: Actor) -> None:
        """Look at every open ramp; one that cannot be looked at does not hold up the others."""
        for ramp in self._ramps.list_ramps(is_open=True, limit=MAX_OPEN):
            try:
                self._tick(ramp, actor)
            except Conflict as error:
                log.info("ramp moved meanwhile", ramp=ramp.id, error=error.message)
            except GatehouseError as error:
                log.warning("ramp not driven on", ramp=ramp.id, model=ramp.model, error=error.message)
                self._tell(ramp, f"It is tried again: {error.message}")

    def _tick(self, ramp: Ramp, actor: Actor) -> None:
        pinned = self._pins.find(ramp.model)
        if pinned is not None and pinned.current != ramp.champion:
            with self._store.write() as unit:
                self._writer.end_overtaken(unit, ramp.model, pinned.current, actor)
                unit.commit()
            return
        refusal = self._find_refusal(ramp)
        if refusal is not None:
            self._set_state(ramp, RampState.ROLLED_BACK, actor, refusal)
            return
        plan = self._ramps.get_plan(ramp)
        if (self._clock() - ramp.checked_at).total_seconds() >= plan.check_seconds:
            results = self._measure(ramp, plan)
            ramp = self._note(ramp, results)
            self._follow(ramp, plan, decide(results, is_due=self._clock() >= ramp.due_at), actor)
        elif ramp.state is RampState.PROMOTING:
            self._promote(ramp, actor)

    def _find_refusal(self, ramp: Ramp) -> str | None:
        """Return why the candidate may no longer answer callers, or None."""
        if not ramp.traffic_ratio:
            return None
        if ramp.change_id is None:
            return "No promotion lets the candidate answer callers."
        change = self._changes.get(ramp.change_id)
        if allows(change, ramp.model, ramp.candidate):
            return None
        return f"Promotion {change.id} is {change.state}, so the candidate may no longer answer callers."

    def _measure(self, ramp: Ramp, plan: RampPlanText) -> Sequence[GuardrailResult]:
        window = self._windows.read(
            get_log_folder(self._logs, ramp.model),
            since=ramp.step_started_at,
            champion=ramp.champion,
            candidate=ramp.candidate,
        )
        return (*hold(window, plan.guardrails), *(self._query(ramp, query) for query in plan.queries))

    def _query(self, ramp: Ramp, query: QueryText) -> GuardrailResult:
        is_upper = query.at_most is not None
        limit = query.at_most if query.at_most is not None else query.at_least
        assert limit is not None
        try:
            answer = self._ask(name_in_query(query.query, ramp.model, ramp.candidate))
        except Unreachable as error:
            answer = Broken(reason=error.message)
        return hold_number(query.guardrail, answer, limit=limit, is_upper=is_upper, unit=query.unit)

    def _follow(self, ramp: Ramp, plan: RampPlanText, verdict: Verdict, actor: Actor) -> None:
        if verdict is Verdict.ROLL_BACK and not self._is_executing(ramp):
            self._set_state(ramp, RampState.ROLLED_BACK, actor, _told(ramp, Outcome.FAILED))
        elif ramp.state is RampState.PROMOTING:
            self._promote(ramp, actor)
        elif ramp.state is RampState.RUNNING and verdict is Verdict.PAUSE:
            self._set_state(ramp, RampState.PAUSED, actor, _told(ramp, Outcome.INCONCLUSIVE, Outcome.ERROR))
        elif ramp.state is RampState.RUNNING and verdict is Verdict.ADVANCE:
            self._advance(ramp, plan, actor)

    def _advance(self, ramp: Ramp, plan: RampPlanText, actor: Actor) -> None:
        promotion = self._ramps.find_promotion(ramp.model, ramp.candidate)
        try:
            self._ramps.check_allowed(plan, promotion, ramp.model, ramp.candidate, after=ramp.step)
            assert promotion is not None
            self._changes.check_evidence(promotion.id, actor=actor)
        except (Blocked, Conflict) as error:
            self._set_state(ramp, RampState.PAUSED, actor, f"{error.message} {error.next_step}")
            return
        is_last = ramp.step == len(plan.steps) - 1
        with self._store.write() as unit:
            current = self._unmoved(unit, ramp)
            self._ramps.bind(unit, current, promotion)
            if is_last:
                current = self._writer.set_state(unit, current, RampState.PROMOTING, actor, _KEPT)
            else:
                current = self._writer.enter(unit, current, ramp.step + 1, plan.steps[ramp.step + 1], actor, _KEPT)
            unit.commit()
        if is_last:
            self._promote(current, actor)

    def _promote(self, ramp: Ramp, actor: Actor) -> None:
        """Execute the promotion; the ramp is completed in the transaction that moves the pins."""
        if ramp.change_id is not None and not self._is_executing(ramp):
            self._changes.carry_out(ramp.change_id, actor=actor)

    def _is_executing(self, ramp: Ramp) -> bool:
        return ramp.change_id is not None and self._changes.get(ramp.change_id).state is ChangeState.EXECUTING

    def _note(self, ramp: Ramp, results: Sequence[GuardrailResult]) -> Ramp:
        with self._store.write() as unit:
            self._unmoved(unit, ramp)
            attention = ramp.attention if ramp.state is RampState.PAUSED else ""
            rows.update_ramp(
                unit,
                ramp.id,
                measured=[result.to_json() for result in results],
                checked_us=to_micros(self._clock()),
                attention=attention,
            )
            noted = get_ramp(unit, ramp.id)
            unit.commit()
        return noted

    def _set_state(self, ramp: Ramp, state: RampState, actor: Acting, reason: str) -> None:
        with self._store.write() as unit:
            self._writer.set_state(unit, self._unmoved(unit, ramp), state, actor, reason)
            unit.commit()

    def _tell(self, ramp: Ramp, attention: str) -> None:
        with self._store.write() as unit:
            current = get_ramp(unit, ramp.id, for_update=True)
            if current.state in {RampState.RUNNING, RampState.PROMOTING}:
                rows.update_ramp(unit, ramp.id, attention=attention)
                unit.commit()

    @staticmethod
    def _unmoved(unit: UnitOfWork, ramp: Ramp) -> Ramp:
        current = get_ramp(unit, ramp.id, for_update=True)
        if (current.state, current.step) != (ramp.state, ramp.step):
            raise Conflict(
                f"Ramp {ramp.id} has moved meanwhile: it is {current.state}.", next_step="The next tick goes on."
            )
        return current


def _told(ramp: Ramp, *outcomes: Outcome) -> str:
    """Return which guardrails had these outcomes and what they say."""
    told = [f"{each.guardrail}: {each.message}" for each in ramp.guardrails if each.outcome in outcomes]
    return " ".join(told) or "Nothing was measured."
