"""The audit log: every action is an event, recorded in the transaction of the change it is about."""

from __future__ import annotations

import secrets
from pathlib import Path

from services.audit.events import JSON, Acting, Event, encode_event
from services.audit.merkle import CompactRange, leaf_hash
from services.clock import Clock, to_micros
from services.errors import Conflict, Unverified
from services.store import Store, UnitOfWork, audit_log

NODE_LEVELS = frozenset({8, 16, 24})
"""The levels whose subtree hashes are kept: one row per 256 events, so that any proof reads a few hundred hashes."""


class AuditLog:
    """The log of one installation."""

    def __init__(self, store: Store, *, clock: Clock, home: Path) -> None:
        self._store = store
        self._clock = clock
        self._home = home

    def record(
        self,
        unit: UnitOfWork,
        *,
        actor: Acting,
        action: str,
        subject: str,
        model: str | None = None,
        change_id: int | None = None,
        reason: str = "",
        before: JSON = None,
        after: JSON = None,
        policy_revision: str | None = None,
        event_id: str | None = None,
    ) -> int:
        """Append an event in the caller's transaction and return its number; the same `event_id` again is a retry.

        Raises:
            InvalidInput: a value is not JSON.
            Conflict: `event_id` names another event.
            Unverified: the log has been tampered with.
        """
        head = audit_log.lock_head(unit)
        if head is None:
            raise Unverified("The audit log has lost its head.", next_step="Restore the store from a backup.")
        if event_id is not None and (known := audit_log.find_event(unit, event_id)) is not None:
            if (known.actor, known.action, known.subject) != (actor.name, action, subject):
                raise Conflict(
                    f"The event id {event_id!r} already belongs to {known.action} on {known.subject}.",
                    next_step="Use a new event id for a new event.",
                )
            return known.seq
        event = Event(
            seq=head.size,
            event_id=event_id or secrets.token_urlsafe(16),
            at=self._clock(),
            actor=actor.name,
            action=action,
            subject=subject,
            model=model,
            change=change_id,
            reason=reason,
            before=before,
            after=after,
            policy_revision=policy_revision,
            origin=actor.origin,
        )
        _append(unit, CompactRange.unpack(head.size, head.frontier), event)
        return event.seq


def _append(unit: UnitOfWork, tree: CompactRange, event: Event) -> None:
    leaf = encode_event(event)
    hashed = leaf_hash(leaf)
    audit_log.insert_event(
        unit,
        audit_log.EventRow(
            seq=event.seq,
            event_id=event.event_id,
            ts_us=to_micros(event.at),
            actor=event.actor,
            action=event.action,
            subject=event.subject,
            model=event.model,
            change_id=event.change,
            leaf=leaf,
            leaf_hash=hashed,
        ),
    )
    tree, completed = tree.append(hashed)
    kept = [(node.level, node.index, node.hash) for node in completed if node.level in NODE_LEVELS]
    if kept:
        audit_log.insert_nodes(unit, kept)
    audit_log.move_head(unit, audit_log.HeadRow(size=tree.size, root=tree.root, frontier=tree.frontier))
