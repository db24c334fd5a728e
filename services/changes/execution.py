"""Executing a change once, across two systems that share no transaction.

1. Commit that execution started, with a lease and an epoch. 2. Let the kind make it so; every step is idempotent.
3. Commit the outcome, fenced by the epoch. Whoever finds a change in execution without a lease runs it again from 2,
so that after a crash at any point it is driven on or marked failed, never half done in silence.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from services.audit import AuditLog
from services.changes.kinds import ChangeKind
from services.changes.notices import Notices
from services.changes.records import digest_evidence, get_change
from services.changes.values import Change, ChangeState, Execution
from services.clock import Clock, to_micros
from services.errors import Conflict, GatehouseError, Unreachable
from services.identity.actors import Actor, system_actor
from services.store import Store, UnitOfWork
from services.store import changes as rows

LEASE = timedelta(seconds=120)
# A lease beyond this was taken before the clock was set back; twice, since clocks of two machines differ.
LONGEST_LEASE = 2 * LEASE
MAX_RIVALS = 50
RETRY_AFTER = timedelta(seconds=15)

_log = logging.getLogger(__name__)


class Executor:
    """Drives approved changes to their end.

    Args:
        reached: called with the name of each step as it is reached; tests end the process there.
    """

    def __init__(
        self,
        store: Store,
        audit: AuditLog,
        kinds: Mapping[str, ChangeKind],
        notices: Notices,
        clock: Clock,
        reached: Callable[[str], None] = lambda _step: None,
    ) -> None:
        self._store = store
        self._audit = audit
        self._kinds = kinds
        self._notices = notices
        self._clock = clock
        self._reached = reached

    def start(self, change: Change, actor: Actor) -> Change:
        """Run an approved change, or void it when what its approvals covered is no longer so.

        Raises:
            Conflict: the evidence changed, somebody else started it, or another change of the model is in execution.
            Unreachable: the registry does not answer; if it had started, the worker drives it on.
        """
        self.check_evidence(change, actor)
        with self._store.write() as unit:
            others = rows.lock_executions(unit, change.model) if change.model else []
            current = get_change(unit, change.id, for_update=True)
            if current.state is not ChangeState.APPROVED or current.evidence_digest != change.evidence_digest:
                raise Conflict(
                    f"Change {change.id} is {current.state} by now.", next_step="Look at it again before going on."
                )
            self._make_way(unit, current, others, actor)
            self._lease(unit, current)
            leased = get_change(unit, change.id)
            self._kinds[change.kind].started(unit, leased, actor)
            unit.commit()
        self._reached("started")
        return self._run(leased, actor)

    def _make_way(self, unit: UnitOfWork, change: Change, others: Sequence[int], actor: Actor) -> None:
        """Let one change of a model be executed at a time, or two could leave pins and registry at odds."""
        for other_id in others:
            other = get_change(unit, other_id)
            if not self._kinds[change.kind].goes_first:
                raise Conflict(
                    f"Change {other_id} of {change.model} is being executed, so change {change.id} has to wait.",
                    next_step="Look at it again when that one has finished; the worker drives it on if need be.",
                )
            # The new epoch keeps whoever runs it from recording an outcome.
            columns = {"state": ChangeState.VOID.value, "epoch": other.epoch + 1, "lease_until_us": None}
            why = f"{change.title} went first, as change {change.id}."
            rows.update_change(unit, other_id, **columns, blocker=why, updated_us=to_micros(self._clock()))
            self._record(unit, other, "execution:aborted", actor, why, ChangeState.VOID)

    def recover(self) -> list[Change]:
        """Run again what a process that died, or a registry that was away, left in execution."""
        with self._store.read() as unit:
            abandoned = self._list_abandoned(unit)
        driven = []
        for change_id in abandoned:
            try:
                change = self._resume(change_id)
            except Unreachable:
                raise
            except Exception:  # noqa: BLE001 - a fault of ours, or of a kind, keeps no other change from being driven on
                _log.exception("the execution of change %d broke", change_id)
                continue
            if change is not None:
                driven.append(change)
        return driven

    def check_evidence(self, change: Change, actor: Actor) -> None:
        """Read the bound facts live and void the change if they differ from what approvals cover.

        Raises:
            Conflict: they differ; the change is void now.
        """
        bound = self._kinds[change.kind].bind(change.payload)
        if digest_evidence(bound, change.findings, change.policy_revision) == change.evidence_digest:
            return
        moved = sorted(key for key in {*bound, *change.bound} if bound.get(key) != change.bound.get(key))
        told = ", ".join(
            f"{key.replace('_', ' ')} was {_told(change.bound.get(key))} and is {_told(bound.get(key))}"
            for key in moved
        )
        self._void(change, actor, f"Since the evidence was gathered, {told}.")
        raise Conflict(
            f"Change {change.id} is void: since its evidence was gathered, {told}.",
            next_step="Run its gates again and ask for approval anew.",
        )

    def _resume(self, change_id: int) -> Change | None:
        with self._store.write() as unit:
            current = get_change(unit, change_id, for_update=True)
            if change_id not in self._list_abandoned(unit):
                return None
            self._lease(unit, current)
            leased = get_change(unit, change_id)
            unit.commit()
        worker = system_actor("worker")
        try:
            return self._run(leased, worker)
        except Unreachable:
            return None
        except Exception:
            if self._clock() < leased.expires_at:
                raise
            broken = Execution(is_done=False, obstacle="It broke inside Gatehouse; the worker's log says how.")
            return self._finish(leased, broken, ChangeState.FAILED, worker)

    def _list_abandoned(self, unit: UnitOfWork) -> Sequence[int]:
        longest_us = LONGEST_LEASE // timedelta(microseconds=1)
        return rows.list_abandoned(unit, now_us=to_micros(self._clock()), longest_us=longest_us)

    def _lease(self, unit: UnitOfWork, change: Change) -> None:
        now = self._clock()
        rows.update_change(
            unit,
            change.id,
            state=ChangeState.EXECUTING.value,
            epoch=change.epoch + 1,
            lease_until_us=to_micros(now + LEASE),
            updated_us=to_micros(now),
        )

    def _run(self, change: Change, actor: Actor) -> Change:
        try:
            execution = self._kinds[change.kind].execute(change)
        except Unreachable as error:
            if self._clock() < change.expires_at:
                self._release(change)
                raise Unreachable(
                    f"Change {change.id} has started and is not finished: {error.message}",
                    next_step="The worker goes on with it as soon as the registry answers.",
                ) from error
            execution = Execution(is_done=False, obstacle=error.message)
            return self._finish(change, execution, ChangeState.FAILED, actor)
        except GatehouseError as error:
            execution = Execution(is_done=False, obstacle=error.message)
            return self._finish(change, execution, ChangeState.FAILED, actor)
        self._reached("executed")
        return self._finish(change, execution, ChangeState.COMPLETED if execution.is_done else ChangeState.VOID, actor)

    def _finish(self, change: Change, execution: Execution, state: ChangeState, actor: Actor) -> Change:
        try:
            finished = self._record_end(change, execution, state, actor)
        except Unreachable:
            raise
        except GatehouseError as error:
            # What the kind writes at the end is refused, as where a drift was closed meanwhile: so it never will be.
            refused = Execution(is_done=False, detail=execution.detail, obstacle=error.message)
            finished = self._record_end(change, refused, ChangeState.FAILED, actor)
        self._reached("finished")
        if finished.state is ChangeState.COMPLETED:
            self._tell_rivals(finished, actor)
        return finished

    def _record_end(self, change: Change, execution: Execution, state: ChangeState, actor: Actor) -> Change:
        with self._store.write() as unit:
            current = get_change(unit, change.id, for_update=True)
            if current.epoch != change.epoch:
                # Somebody took the lease over when ours was up; what we did was idempotent, theirs is the record.
                return current
            rows.update_change(
                unit,
                change.id,
                state=state.value,
                lease_until_us=None,
                blocker=execution.obstacle,
                outcome={"detail": dict(execution.detail), "obstacle": execution.obstacle},
                updated_us=to_micros(self._clock()),
            )
            finished = get_change(unit, change.id)
            if state is ChangeState.COMPLETED:
                self._kinds[change.kind].completed(unit, finished, execution, actor)
                self._notices.put(unit, finished, "execution:completed", actor)
            else:
                self._record(unit, change, "execution:aborted", actor, execution.obstacle, state)
            if state is ChangeState.FAILED:
                self._kinds[change.kind].closed(unit, finished, actor)
            unit.commit()
        return finished

    def _tell_rivals(self, done: Change, actor: Actor) -> None:
        """Void what else is asked of the same model and rests on what has just moved, so that its people hear of it."""
        with self._store.read() as unit:
            open_states = [ChangeState.AWAITING_APPROVAL.value, ChangeState.APPROVED.value]
            found = (
                rows.list_changes(unit, states=open_states, model=done.model, limit=MAX_RIVALS) if done.model else []
            )
            rivals = [get_change(unit, row["id"]) for row in found]
        for rival in rivals:
            try:
                self.check_evidence(rival, actor)
            except Conflict:
                continue
            except GatehouseError as error:
                # Nothing is lost: its evidence is read again before it is approved and before it is executed.
                _log.warning("the evidence of change %d cannot be read: %s", rival.id, error.message)

    def _release(self, change: Change) -> None:
        with self._store.write() as unit:
            current = get_change(unit, change.id, for_update=True)
            if current.epoch == change.epoch:
                rows.update_change(unit, change.id, lease_until_us=to_micros(self._clock() + RETRY_AFTER))
                unit.commit()

    def _void(self, change: Change, actor: Actor, why: str) -> None:
        with self._store.write() as unit:
            current = get_change(unit, change.id, for_update=True)
            if current.evidence_digest == change.evidence_digest and current.state is change.state:
                rows.update_change(
                    unit,
                    change.id,
                    state=ChangeState.VOID.value,
                    blocker=why,
                    updated_us=to_micros(self._clock()),
                )
                self._record(unit, change, "approvals:voided", actor, why, ChangeState.VOID)
                unit.commit()

    def _record(
        self, unit: UnitOfWork, change: Change, what: str, actor: Actor, reason: str, state: ChangeState
    ) -> None:
        self._audit.record(
            unit,
            actor=actor,
            action=f"{change.kind}:{what}",
            subject=change.subject,
            model=change.model,
            change_id=change.id,
            reason=reason,
            before={"state": change.state.value},
            after={"state": state.value},
            policy_revision=change.policy_revision,
        )
        self._notices.put(unit, change, what, actor)


def _told(value: object) -> str:
    return "absent" if value in (None, "") else str(value)
