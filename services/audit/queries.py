"""What can be asked of the audit log: a filter as people give it, and one page of the answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial

from services.audit.events import Event, decode_event, disclose
from services.audit.sealing import TALLIED
from services.audit.words import get_wanted_words, has_words
from services.clock import to_micros
from services.errors import InvalidInput
from services.store import UnitOfWork, audit_log, audit_reading
from services.store.audit_log import DisclosureRow
from services.store.audit_reading import EventFilter

BATCH_EVENTS = 4096
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    """Which events are wanted; None is any.

    Args:
        since: not before this moment.
        until: before this moment.
        action: an action, or the beginning of some: `promotion` and `promotion:approval` both find
            `promotion:approval:granted`.
        text: beginnings of words that must all stand in the event.
    """

    since: datetime | None = None
    until: datetime | None = None
    actor: str | None = None
    action: str | None = None
    subject: str | None = None
    model: str | None = None
    change_id: int | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Events in order, and the number to go on from in the same direction; None at the end."""

    events: tuple[Event, ...]
    next_seq: int | None


def list_page(
    unit: UnitOfWork,
    query: EventQuery,
    *,
    after_seq: int | None,
    before_seq: int | None,
    newest_first: bool,
    limit: int,
    disclosed: bool,
) -> EventPage:
    """Return one page of the events that a query finds.

    Raises:
        InvalidInput: the limit is not positive, or the text holds no word.
    """
    if limit < 1:
        raise InvalidInput(f"A page of {limit} events shows nothing.", next_step="Ask for at least one.")
    rows = audit_reading.list_page(
        unit,
        to_filter(unit, query),
        after_seq=after_seq,
        before_seq=before_seq,
        newest_first=newest_first,
        limit=limit + 1,
    )
    shown = [decode_event(leaf) for _, leaf in rows[:limit]]
    events = disclose_events(unit, shown) if disclosed else shown
    return EventPage(events=tuple(events), next_seq=events[-1].seq if len(rows) > limit else None)


def iterate_leaves(unit: UnitOfWork, query: EventQuery, *, end: int | None = None) -> Iterator[tuple[int, bytes]]:
    """Yield every event that a query finds, before number `end`, as (number, leaf) by number.

    Raises:
        InvalidInput: the text holds no word.
    """
    wanted = to_filter(unit, query)
    rows = audit_reading.list_page(unit, wanted, before_seq=end, limit=BATCH_EVENTS)
    while rows:
        yield from rows
        rows = audit_reading.list_page(unit, wanted, after_seq=rows[-1][0], before_seq=end, limit=BATCH_EVENTS)


def disclose_events(unit: UnitOfWork, events: Iterable[Event]) -> list[Event]:
    """Return events with the personal values that are still known in their places."""
    listed = list(events)
    known: dict[int, list[DisclosureRow]] = {}
    for row in audit_log.list_disclosures_at(unit, [event.seq for event in listed]) if listed else ():
        known.setdefault(row.seq, []).append(row)
    return [disclose(event, known.get(event.seq, ())) for event in listed]


def count_days(unit: UnitOfWork, query: EventQuery) -> dict[date, int]:
    """Return how many of the wanted events each UTC day has; days without any are left out."""
    counted = audit_reading.count_days(unit, to_filter(unit, query))
    return {_EPOCH + timedelta(days=day): events for day, events in counted.items()}


def count_values(unit: UnitOfWork, *, since: date | None, until: date | None) -> dict[str, Mapping[str, int]]:
    """Return how often each actor, action and model occurs on the UTC days [since, until), most often first."""
    days = [None if day is None else (day - _EPOCH).days for day in (since, until)]
    return {field: audit_reading.count_values(unit, field, since_day=days[0], until_day=days[1]) for field in TALLIED}


def to_filter(unit: UnitOfWork, query: EventQuery) -> EventFilter:
    """Return what the store is asked for.

    Raises:
        InvalidInput: the text holds no word.
    """
    words = () if query.text is None else get_wanted_words(query.text)
    return EventFilter(
        since_us=None if query.since is None else to_micros(query.since),
        until_us=None if query.until is None else to_micros(query.until),
        actor=query.actor,
        actions=None if query.action is None else _list_actions(unit, query.action),
        subject=query.subject,
        model=query.model,
        change_id=query.change_id,
        words=words,
        has_words=partial(has_words, wanted=words),
    )


def _list_actions(unit: UnitOfWork, beginning: str) -> tuple[str, ...]:
    known = audit_reading.count_values(unit, "action", since_day=None, until_day=None)
    return tuple(action for action in known if action == beginning or action.startswith(f"{beginning}:"))
