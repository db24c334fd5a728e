"""Asking for a change and deciding on it: one inbox and one protocol over all kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from services.audit import AuditLog
from services.changes.execution import Executor
from services.changes.kinds import ChangeKind
from services.changes.notices import Notices
from services.changes.records import get_change, proof_columns, to_change
from services.changes.values import OPEN, PENDING, Change, ChangeState, Decision
from services.clock import Clock, to_micros, to_text
from services.errors import Conflict, Forbidden, InvalidInput
from services.identity import Identity
from services.identity.actors import Actor, Permission, is_same_person, system_actor
from services.jobs.outbox import Outbox
from services.store import Store, UnitOfWork
from services.store import changes as rows

MAX_REASON = 4000
_VERBS = {
    "request:cancelled": "cancel",
    "request:rejected": "reject",
    "changes:requested": "ask for changes in",
}


class Changes:
    """Everything that waits for somebody else's yes."""

    def __init__(
        self,
        store: Store,
        audit: AuditLog,
        identity: Identity,
        kinds: Iterable[ChangeKind],
        *,
        clock: Clock,
        outbox: Outbox | None = None,
        reached: Callable[[str], None] = lambda _step: None,
    ) -> None:
        self._store = store
        self._audit = audit
        self._identity = identity
        self._kinds = {kind.name: kind for kind in kinds}
        self._clock = clock
        self._notices = Notices(outbox)
        self._executor = Executor(store, audit, self._kinds, self._notices, clock, reached)

    # Reading

    def get(self, change_id: int) -> Change:
        """Return one change.

        Raises:
            NotFound: there is none with this id.
        """
        with self._store.read() as unit:
            return get_change(unit, change_id)

    def list_changes(
        self,
        *,
        states: Sequence[ChangeState] | None = None,
        kinds: Sequence[str] | None = None,
        model: str | None = None,
        requester: str | None = None,
        ids: Sequence[int] | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> Sequence[Change]:
        """Return changes, newest first; the next page begins before the last id."""
        with self._store.read() as unit:
            found = rows.list_changes(
                unit,
                states=None if states is None else [state.value for state in states],
                kinds=kinds,
                model=model,
                requester=requester,
                ids=ids,
                before_id=before_id,
                limit=limit,
            )
            decisions = rows.list_decisions(unit, [row["id"] for row in found])
        return [to_change(row, decisions[row["id"]]) for row in found]

    def list_open(
        self, *, waiting_for: Actor | None = None, after: Change | None = None, limit: int = 50
    ) -> Sequence[Change]:
        """Return open changes, those that expire first before others; the next page begins after the last one.

        Args:
            waiting_for: only what this person can still decide on or carry out. What they are barred from for another
                reason than having asked or approved is left out of a page, which may then be shorter.
        """
        states = OPEN if waiting_for is None else (ChangeState.AWAITING_APPROVAL, ChangeState.APPROVED)
        with self._store.read() as unit:
            found = rows.list_by_deadline(
                unit,
                states=[state.value for state in states],
                not_by=None if waiting_for is None else waiting_for.name,
                after=None if after is None else (to_micros(after.expires_at), after.id),
                limit=limit,
            )
            decisions = rows.list_decisions(unit, [row["id"] for row in found])
        return [to_change(row, decisions[row["id"]]) for row in found]

    def waits_for(self, change: Change, actor: Actor) -> bool:
        """Return whether it is up to `actor` now: to approve it, or to carry it out."""
        if change.state is ChangeState.APPROVED:
            return self.may_execute(change, actor)
        return change.state is ChangeState.AWAITING_APPROVAL and self.find_bar(change, actor) is None

    def may_execute(self, change: Change, actor: Actor) -> bool:
        """Return whether `actor` may carry out what was approved; who asked may as well."""
        return self._kinds[change.kind].permission_to_approve(change.payload) in actor.permissions

    def count_open(self, *, kinds: Sequence[str] | None = None) -> Mapping[ChangeState, int]:
        """Return how many changes stand in each open state."""
        with self._store.read() as unit:
            counts = rows.count_by_state(unit, [state.value for state in OPEN], kinds=kinds)
        return {state: counts.get(state.value, 0) for state in OPEN}

    def find_bar(self, change: Change, actor: Actor) -> str | None:
        """Return why `actor` may not approve `change`, or None if they may."""
        if self._kinds[change.kind].permission_to_approve(change.payload) not in actor.permissions:
            return f"{actor.name} does not hold the permission to approve this."
        if actor.name == change.requester:
            return "You asked for this yourself; somebody else has to approve it."
        for name, why in change.barred.items():
            if is_same_person(actor.name, name):
                return f"You {why}, so somebody else has to approve it."
        if actor.name in {record.actor for record in change.approvals}:
            return "You have approved this already."
        return None

    # Asking

    def request(self, kind: str, payload: Mapping[str, Any], *, actor: Actor, reason: str) -> Change:
        """Ask for a change: gather its evidence and put it before those who may approve it.

        Raises:
            Forbidden: the actor may not ask for this.
            InvalidInput: no reason was given, or it is too long.
        """
        reason = _check_reason(reason)
        asked = self._kinds[kind]
        self._identity.demand(actor, asked.permission_to_request(payload), subject=asked.subject(payload))
        proof = asked.prove(payload, actor)
        now = self._clock()
        with self._store.write() as unit:
            change_id = rows.add_change(
                unit,
                {
                    "kind": kind,
                    "subject": asked.subject(payload),
                    "model": asked.model(payload),
                    "title": asked.title(payload),
                    "payload": dict(payload),
                    "requester": actor.name,
                    "reason": reason,
                    "created_us": to_micros(now),
                    "updated_us": to_micros(now),
                    "expires_us": to_micros(now + proof.expires_after),
                    "epoch": 0,
                    **proof_columns(proof),
                },
            )
            change = get_change(unit, change_id)
            self._record(unit, change, "request:opened", actor, reason, before=None)
            unit.commit()
        return change

    def renew(self, change_id: int, *, actor: Actor) -> Change:
        """Gather the evidence anew; approvals given on other evidence no longer count.

        Raises:
            Conflict: the change is over, or in execution.
        """
        change = self.get(change_id)
        kind = self._kinds[change.kind]
        self._identity.demand(actor, kind.permission_to_request(change.payload), subject=change.subject)
        self._check_state(change, PENDING, "gather evidence for")
        self._check_in_time(change)
        proof = kind.prove(change.payload, actor)
        now = self._clock()
        with self._store.write() as unit:
            current = get_change(unit, change_id, for_update=True)
            self._check_state(current, PENDING, "gather evidence for")
            columns = {**proof_columns(proof), "updated_us": to_micros(now)}
            columns["expires_us"] = to_micros(now + proof.expires_after)
            rows.update_change(unit, change_id, **columns)
            self._decide(unit, current, actor, Decision.EVIDENCE_RENEWED, "")
            renewed = get_change(unit, change_id)
            self._record(unit, renewed, "evidence:renewed", actor, "", before=current)
            unit.commit()
        return renewed

    def cancel(self, change_id: int, *, actor: Actor, reason: str = "") -> Change:
        """Take a request back.

        Raises:
            Forbidden: the actor is neither the requester, who may still ask for such things, nor one who may approve.
            Conflict: the change is over, or in execution.
            InvalidInput: the reason is too long.
        """
        change = self.get(change_id)
        if actor.name != change.requester:
            self._demand_approver(change, actor)
        else:
            asking = self._kinds[change.kind].permission_to_request(change.payload)
            self._identity.demand(actor, asking, subject=change.subject)
        reason = _check_length(reason.strip())
        return self._move(change_id, ChangeState.CANCELLED, PENDING, "request:cancelled", actor, reason)

    def expire_due(self, *, actor: Actor) -> Sequence[Change]:
        """End the pending changes whose time is over."""
        with self._store.read() as unit:
            due = rows.list_due(unit, pending=[state.value for state in PENDING], now_us=to_micros(self._clock()))
        return [expired for each in due if (expired := self._expire(each, actor))]

    # Deciding

    def approve(self, change_id: int, *, actor: Actor, reason: str, seen: str | None = None) -> Change:
        """Say yes to the evidence as it stands; the last approval needed makes the change approved.

        Args:
            seen: the digest of the evidence that the approver looked at; another one by now is not approved.

        Raises:
            Forbidden: the actor may not approve this: no permission, own request, or barred.
            Conflict: the change does not await approval, or its evidence changed and it is void now.
            InvalidInput: no reason was given.
            Unreachable: the bound facts cannot be read live.
        """
        reason = _check_reason(reason)
        change = self.get(change_id)
        self._demand_approver(change, actor)
        self._check_state(change, (ChangeState.AWAITING_APPROVAL,), "approve")
        self._check_in_time(change)
        self._check_not_barred(change, actor)
        if seen not in {None, change.evidence_digest}:
            raise _renewed(change_id)
        self._executor.check_evidence(change, actor)
        with self._store.write() as unit:
            current = get_change(unit, change_id, for_update=True)
            self._check_state(current, (ChangeState.AWAITING_APPROVAL,), "approve")
            if current.evidence_digest != change.evidence_digest:
                raise _renewed(change_id)
            self._check_not_barred(current, actor)
            self._decide(unit, current, actor, Decision.APPROVED, reason)
            approved = get_change(unit, change_id)
            if approved.missing_approvals == 0:
                rows.update_change(
                    unit, change_id, state=ChangeState.APPROVED.value, updated_us=to_micros(self._clock())
                )
                approved = get_change(unit, change_id)
            self._record(unit, approved, "approval:granted", actor, reason, before=current)
            unit.commit()
        if approved.state is ChangeState.APPROVED and self._kinds[change.kind].executes_on_approval:
            return self._executor.start(approved, actor)
        return approved

    def reject(self, change_id: int, *, actor: Actor, reason: str) -> Change:
        """Say no, which ends the request; raises as `approve`."""
        reason = _check_reason(reason)
        self._demand_approver(self.get(change_id), actor)
        states = (ChangeState.BLOCKED, ChangeState.AWAITING_APPROVAL, ChangeState.APPROVED, ChangeState.VOID)
        return self._move(
            change_id, ChangeState.REJECTED, states, "request:rejected", actor, reason, decision=Decision.REJECTED
        )

    def ask_for_changes(self, change_id: int, *, actor: Actor, reason: str) -> Change:
        """Send a request back to its requester: it is blocked until its evidence is renewed; raises as `approve`."""
        reason = _check_reason(reason)
        self._demand_approver(self.get(change_id), actor)
        return self._move(
            change_id,
            ChangeState.BLOCKED,
            (ChangeState.AWAITING_APPROVAL, ChangeState.APPROVED),
            "changes:requested",
            actor,
            reason,
            decision=Decision.CHANGES_REQUESTED,
            blocker=f"{actor.name} asks for changes: {reason}",
        )

    def comment(self, change_id: int, *, actor: Actor, text: str) -> Change:
        """Say something that decides nothing."""
        text = _check_reason(text)
        change = self.get(change_id)
        self._identity.demand(actor, Permission.READ_MODEL, subject=change.subject)
        with self._store.write() as unit:
            self._decide(unit, change, actor, Decision.COMMENTED, text)
            commented = get_change(unit, change_id)
            self._record(unit, commented, "comment:added", actor, text, before=change)
            unit.commit()
        return commented

    # Executing

    def execute(self, change_id: int, *, actor: Actor) -> Change:
        """Make an approved change so; one that is completed already is returned as it is.

        Raises:
            Forbidden: the actor may not.
            Conflict: it is not approved, or its evidence changed and it is void now.
            Unreachable: the registry does not answer; what had started, the worker drives on.
        """
        change = self.get(change_id)
        self._demand_approver(change, actor)
        if change.state is ChangeState.COMPLETED:
            return change
        self._check_state(change, (ChangeState.APPROVED,), "execute")
        self._check_in_time(change)
        return self._executor.start(change, actor)

    def check_evidence(self, change_id: int, *, actor: Actor) -> None:
        """Read live what the approvals of a change rest on.

        Raises:
            Conflict: it changed, and the change is void now.
            Unreachable: the registry does not answer.
        """
        self._executor.check_evidence(self.get(change_id), actor)

    def carry_out(self, change_id: int, *, actor: Actor) -> Change:
        """Execute an approved change in the name of somebody who was allowed to set that going, as a ramp is.

        Raises:
            Conflict: it is not approved, or its evidence changed and it is void now.
            Unreachable: the registry does not answer; what had started, the worker drives on.
        """
        change = self.get(change_id)
        self._check_state(change, (ChangeState.APPROVED,), "execute")
        self._check_in_time(change)
        return self._executor.start(change, actor)

    def recover(self) -> Sequence[Change]:
        """Drive on what was left in execution by a process that died; the worker calls this."""
        return self._executor.recover()

    # Shared

    def _demand_approver(self, change: Change, actor: Actor) -> None:
        needed = self._kinds[change.kind].permission_to_approve(change.payload)
        self._identity.demand(actor, needed, subject=change.subject)

    def _check_not_barred(self, change: Change, actor: Actor) -> None:
        bar = self.find_bar(change, actor)
        if bar is not None:
            self._identity.refuse(
                actor, change.subject, Forbidden(bar, next_step="Ask another release manager to look at it.")
            )

    @staticmethod
    def _check_state(change: Change, allowed: Sequence[ChangeState], verb: str) -> None:
        if change.state not in allowed:
            why = f" {change.blocker}" if change.state in {ChangeState.BLOCKED, ChangeState.VOID} else ""
            raise Conflict(
                f"Change {change.id} is {change.state}, so nobody can {verb} it.{why}",
                next_step=_next_step(change.state),
            )

    def _check_in_time(self, change: Change) -> None:
        # The worker may not have ended it yet, or not be running.
        if self._clock() >= change.expires_at and self._expire(change.id, system_actor("expiry")):
            raise Conflict(
                f"Change {change.id} expired on {to_text(change.expires_at)}.", next_step="Ask anew if it is wanted."
            )

    def _expire(self, change_id: int, actor: Actor) -> Change | None:
        """End a change whose time is over; None where somebody decided on it, or renewed it, a moment before."""
        with self._store.write() as unit:
            current = get_change(unit, change_id, for_update=True)
            if current.state not in PENDING or self._clock() < current.expires_at:
                return None
            expired = self._move_in(unit, current, ChangeState.EXPIRED, "request:expired", actor, "")
            unit.commit()
        return expired

    def _move(
        self,
        change_id: int,
        state: ChangeState,
        allowed: Sequence[ChangeState],
        what: str,
        actor: Actor,
        reason: str,
        *,
        decision: Decision | None = None,
        blocker: str | None = None,
    ) -> Change:
        with self._store.write() as unit:
            current = get_change(unit, change_id, for_update=True)
            self._check_state(current, allowed, _VERBS[what])
            moved = self._move_in(unit, current, state, what, actor, reason, decision=decision, blocker=blocker)
            unit.commit()
        return moved

    def _move_in(
        self,
        unit: UnitOfWork,
        current: Change,
        state: ChangeState,
        what: str,
        actor: Actor,
        reason: str,
        *,
        decision: Decision | None = None,
        blocker: str | None = None,
    ) -> Change:
        columns: dict[str, Any] = {"state": state.value, "updated_us": to_micros(self._clock())}
        if blocker is not None:
            columns["blocker"] = blocker
        rows.update_change(unit, current.id, **columns)
        if decision is not None:
            self._decide(unit, current, actor, decision, reason)
        moved = get_change(unit, current.id)
        self._record(unit, moved, what, actor, reason, before=current)
        if state not in OPEN:
            self._kinds[moved.kind].closed(unit, moved, actor)
        return moved

    def _decide(self, unit: UnitOfWork, change: Change, actor: Actor, decision: Decision, reason: str) -> None:
        rows.add_decision(
            unit,
            {
                "change_id": change.id,
                "actor": actor.name,
                "decision": decision.value,
                "reason": reason,
                "evidence_digest": change.evidence_digest,
                "at_us": to_micros(self._clock()),
            },
        )

    def _record(
        self, unit: UnitOfWork, change: Change, what: str, actor: Actor, reason: str, *, before: Change | None
    ) -> None:
        after: dict[str, Any] = {"state": change.state.value, "evidence_digest": change.evidence_digest}
        if before is None:
            after["asked"] = dict(change.payload)
        if change.blocker:
            after["blocker"] = change.blocker
        self._audit.record(
            unit,
            actor=actor,
            action=f"{change.kind}:{what}",
            subject=change.subject,
            model=change.model,
            change_id=change.id,
            reason=reason,
            before=None if before is None else {"state": before.state.value, "evidence_digest": before.evidence_digest},
            after=after,
            policy_revision=change.policy_revision,
        )
        self._notices.put(unit, change, what, actor)


def _renewed(change_id: int) -> Conflict:
    return Conflict(
        f"The evidence of change {change_id} was renewed while you approved.",
        next_step="Look at the new evidence and approve that.",
    )


def _check_reason(reason: str) -> str:
    reason = reason.strip()
    if not reason:
        raise InvalidInput("A reason is needed.", next_step="Say in a sentence why; it is kept with the decision.")
    return _check_length(reason)


def _check_length(reason: str) -> str:
    if len(reason) > MAX_REASON:
        raise InvalidInput(
            f"The reason has {len(reason)} characters; {MAX_REASON} are kept.", next_step="Shorten it or link to it."
        )
    return reason


def _next_step(state: ChangeState) -> str:
    match state:
        case ChangeState.BLOCKED | ChangeState.VOID:
            return "Run its gates again once what blocks it is mended."
        case ChangeState.AWAITING_APPROVAL:
            return "It has to be approved first."
        case ChangeState.APPROVED:
            return "It can be executed."
        case ChangeState.EXECUTING:
            return "Wait until it has finished; the worker drives it on if need be."
        case _:
            return "Ask anew if it is still wanted."
