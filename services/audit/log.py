"""The audit log: every action is an event, recorded in the transaction of the change it is about."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import date
from operator import attrgetter
from pathlib import Path

from services.audit import queries
from services.audit.checkpoints import Checkpoints
from services.audit.events import JSON, Acting, Event, decode_event, encode_event
from services.audit.merkle import CompactRange, leaf_hash
from services.audit.queries import EventPage, EventQuery
from services.audit.sealing import MOST_WAITING, seal
from services.audit.tree import KEPT_LEVELS
from services.clock import Clock, to_micros
from services.errors import Conflict, InvalidInput, NotFound, Unverified
from services.store import Store, UnitOfWork, audit_log
from services.store.audit_log import CHUNK_EVENTS, DisclosureRow, EventRow, HeadRow

MAX_NAME_BYTES = 1024
"""What fits twice into an entry of an index of PostgreSQL, which is a third of a page."""

_NAMES = ("event_id", "actor", "action", "subject", "model")
_TO_NAMES = attrgetter(*_NAMES)
_NUL = rb"\u0000"
_EVERYTHING = EventQuery()


class AuditLog:
    """The log of one installation.

    Args:
        home: the folder that keeps the signing key and the last checkpoint, apart from the database.
    """

    def __init__(self, store: Store, *, clock: Clock, home: Path) -> None:
        self.store = store
        self.home = home
        self.checkpoints = Checkpoints(store, home)
        self._clock = clock
        self._checked_size = 0
        self._checked_marks: tuple[int, ...] | None = None

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
        """Append an event in the caller's transaction and return its number.

        Args:
            unit: a unit of work that writes; the event exists once it is committed.
            actor: who acts.
            action: what happened, as `subject:what:happened`.
            subject: the reference of what it happened to, such as `fraud_detector/7`.
            model: the registered model it concerns.
            change_id: the change request it belongs to.
            reason: why, in the actor's words.
            before: what was, as JSON; texts about a person as `Personal`.
            after: what is now, as JSON.
            policy_revision: the policy it was decided under.
            event_id: names the event across retries: recorded before, it is not recorded again.

        Raises:
            InvalidInput: a value is not JSON, or a name holds a NUL.
            Conflict: `event_id` names another event.
            Unverified: the log disagrees with itself or with its last checkpoint outside the database.
        """
        head = self._get_head(unit)
        if event_id is not None and (known := audit_log.find_event(unit, event_id)) is not None:
            _check_same(known, actor.name, action, subject)
            return known.seq
        seq, at, actor_name = head.size, self._clock(), actor.name
        event_id = event_id or secrets.token_urlsafe(16)
        leaf, disclosures = encode_event(
            seq=seq,
            event_id=event_id,
            at=at,
            actor=actor_name,
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
        row = EventRow(
            seq=seq,
            event_id=event_id,
            ts_us=to_micros(at),
            actor=actor_name,
            action=action,
            subject=subject,
            model=model,
            change_id=change_id,
            leaf=leaf,
            leaf_hash=leaf_hash(leaf),
        )
        _append(unit, head, row, disclosures)
        self._checked_size = seq + 1
        return seq

    def list_events(
        self,
        query: EventQuery = _EVERYTHING,
        *,
        after_seq: int | None = None,
        before_seq: int | None = None,
        newest_first: bool = False,
        limit: int = 50,
        disclosed: bool = False,
    ) -> EventPage:
        """Return one page of events, by number.

        Args:
            query: which events are wanted.
            after_seq: only events after this number; the `next_seq` of a page goes here.
            before_seq: only events before this number; with `newest_first`, the `next_seq` of a page goes here.
            newest_first: begin at the end.
            limit: how many at most.
            disclosed: put personal values in the places of their salted hashes, where they are still known.

        Raises:
            InvalidInput: the limit is not positive, or the text holds no word.
        """
        with self.store.read() as unit:
            return queries.list_page(
                unit,
                query,
                after_seq=after_seq,
                before_seq=before_seq,
                newest_first=newest_first,
                limit=limit,
                disclosed=disclosed,
            )

    def count_days(self, query: EventQuery = _EVERYTHING) -> Mapping[date, int]:
        """Return how many of the wanted events each UTC day has, by day; days without any are left out."""
        with self.store.read() as unit:
            return queries.count_days(unit, query)

    def count_values(self, *, since: date | None = None, until: date | None = None) -> Mapping[str, Mapping[str, int]]:
        """Return how often each `actor`, `action` and `model` occurs on UTC days [since, until), most often first."""
        with self.store.read() as unit:
            return queries.count_values(unit, since=since, until=until)

    def get_event(self, seq: int, *, disclosed: bool = False) -> Event:
        """Return the event with a number.

        Raises:
            NotFound: there is none.
        """
        with self.store.read() as unit:
            row = audit_log.find_event_at(unit, seq)
            if row is None:
                raise NotFound(f"The audit log has no event {seq}.", next_step="List the events to see their numbers.")
            event = decode_event(row.leaf)
            return queries.disclose_events(unit, [event])[0] if disclosed else event

    def find_event(self, event_id: str) -> Event | None:
        """Return the event with an id."""
        with self.store.read() as unit:
            row = audit_log.find_event(unit, event_id)
        return None if row is None else decode_event(row.leaf)

    def _get_head(self, unit: UnitOfWork) -> HeadRow:
        """Return the head, having checked the log: at first, whenever it is shorter, and against a new checkpoint."""
        head = audit_log.find_head(unit, lock=True)
        marks = self.checkpoints.get_marks()
        if head is None or head.size < self._checked_size or marks != self._checked_marks:
            self.checkpoints.check(unit)
            self._checked_marks = marks
        assert head is not None, "the check would have missed it"
        return head


def _append(unit: UnitOfWork, head: HeadRow, row: EventRow, disclosures: Sequence[DisclosureRow]) -> None:
    _check_names(row)
    tree, completed = _get_tree(head).append(row.leaf_hash)
    audit_log.append_event(unit, row, HeadRow(size=tree.size, root=tree.root, frontier=tree.frontier))
    if disclosures:
        audit_log.insert_disclosures(unit, disclosures)
    if tree.size % CHUNK_EVENTS == 0:
        audit_log.insert_nodes(unit, (node for node in completed if node[0] in KEPT_LEVELS))
    if tree.size % MOST_WAITING == 0:
        seal(unit, tree.size)


def _get_tree(head: HeadRow) -> CompactRange:
    try:
        return CompactRange.read(head.size, head.frontier)
    except ValueError as error:
        raise Unverified(
            f"The head of the audit log is broken: {error}.",
            next_step="Run `gatehouse audit verify` to see where, and restore the store from a backup.",
        ) from error


def _check_names(row: EventRow) -> None:
    if len(row.leaf) <= MAX_NAME_BYTES and _NUL not in row.leaf:
        return  # no name is longer than the leaf that holds it
    for field, name in zip(_NAMES, _TO_NAMES(row), strict=True):
        if name and ("\0" in name or len(name.encode()) > MAX_NAME_BYTES):
            raise InvalidInput(
                f"The {field} {name[:100]!r} of an event holds a NUL or is longer than {MAX_NAME_BYTES} bytes.",
                next_step="Give a shorter name without it.",
            )


def _check_same(known: EventRow, actor: str, action: str, subject: str) -> None:
    if (known.actor, known.action, known.subject) != (actor, action, subject):
        raise Conflict(
            f"The event id {known.event_id!r} already belongs to {known.action} on {known.subject}.",
            next_step="Use a new event id for a new event.",
        )
