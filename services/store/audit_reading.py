"""Looking into the audit log: pages by key, days and counts. Nothing here reads more than a page has to.

A page goes by number. A time limit becomes limits on the number through the time spans of sealed chunks, so a clock
that was set back costs speed and nothing else. Words are looked up in the index for sealed chunks; the events since the
last seal, at most 255, are compared one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Select, and_, cast, column, func, literal, select, table
from sqlalchemy.dialects.postgresql import TSQUERY

from services.store.audit_log import CHUNK_EVENTS, EVENT, SPAN, TALLY, find_head
from services.store.unit_of_work import UnitOfWork

DAY_US = 86_400_000_000
ALL_DAYS = -1
_SEARCH = table("audit_search", column("rowid"), column("seq"), column("words"), column("audit_search"))


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events are wanted; None or empty is any.

    Args:
        since_us: not before this time.
        until_us: before this time.
        actions: any of these.
        words: beginnings of words that all stand in the event, as `audit_search` has them.
        has_words: whether a leaf holds them, for leaves that are not in the index yet.
    """

    since_us: int | None = None
    until_us: int | None = None
    actor: str | None = None
    actions: tuple[str, ...] | None = None
    subject: str | None = None
    model: str | None = None
    change_id: int | None = None
    words: tuple[str, ...] = ()
    has_words: Callable[[bytes], bool] = lambda _leaf: True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stretch:
    """Numbers [first, end), all of them sealed in chunks or none."""

    first: int
    end: int
    is_sealed: bool


def list_page(
    unit: UnitOfWork,
    wanted: EventFilter,
    *,
    after_seq: int | None = None,
    before_seq: int | None = None,
    newest_first: bool = False,
    limit: int,
) -> list[tuple[int, bytes]]:
    """Return up to `limit` events as (number, leaf), by number in the direction asked for."""
    found: list[tuple[int, bytes]] = []
    stretches = list(_find_stretches(unit, wanted, after_seq=after_seq, before_seq=before_seq))
    for stretch in reversed(stretches) if newest_first else stretches:
        if len(found) < limit:
            found += _read(unit, wanted, stretch, newest_first=newest_first, limit=limit - len(found))
    return found


def count_days(unit: UnitOfWork, wanted: EventFilter) -> dict[int, int]:
    """Return how many of the wanted events each day since the epoch (UTC) has; days without any are left out."""
    tallied = _find_tallied(wanted)
    counted: Counter[int] = Counter()
    for stretch in _find_stretches(unit, wanted):
        if stretch.is_sealed and tallied is not None:
            counted.update(_count_tallied(unit, wanted, tallied))
        else:
            counted.update(_count(unit, wanted, stretch))
    return dict(sorted(counted.items()))


def count_values(unit: UnitOfWork, field: str, *, since_day: int | None, until_day: int | None) -> dict[str, int]:
    """Return how often each value of `actor`, `action` or `model` occurs on days [since, until), most often first."""
    query = select(TALLY.c.value, func.sum(TALLY.c.events)).where(TALLY.c.field == field).group_by(TALLY.c.value)
    recent = select(EVENT.c[field]).where(EVENT.c.seq >= _sealed_size(unit), EVENT.c[field].is_not(None))
    if since_day is None and until_day is None:
        query = query.where(TALLY.c.day == ALL_DAYS)
    if since_day is not None:
        query = query.where(TALLY.c.day >= since_day)
        recent = recent.where(EVENT.c.ts_us >= since_day * DAY_US)
    if until_day is not None:
        query = query.where(TALLY.c.day > ALL_DAYS, TALLY.c.day < until_day)
        recent = recent.where(EVENT.c.ts_us < until_day * DAY_US)
    counted = Counter({value: int(events) for value, events in unit.connection.execute(query)})
    # Counted here: GROUP BY would make SQLite walk the whole index of the field.
    counted.update(unit.connection.execute(recent).scalars())
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def _sealed_size(unit: UnitOfWork) -> int:
    head = find_head(unit)
    return 0 if head is None else head.size // CHUNK_EVENTS * CHUNK_EVENTS


def _find_stretches(
    unit: UnitOfWork, wanted: EventFilter, *, after_seq: int | None = None, before_seq: int | None = None
) -> Iterator[_Stretch]:
    """Yield where wanted events can be, by number: the sealed chunks, then what came after."""
    head = find_head(unit)
    size = 0 if head is None else head.size
    sealed = size // CHUNK_EVENTS * CHUNK_EVENTS
    low = 0 if after_seq is None else after_seq + 1
    high = size if before_seq is None else min(before_seq, size)
    first, end = _sealed_limits(unit, wanted, sealed)
    if max(low, first) < min(high, end):
        yield _Stretch(first=max(low, first), end=min(high, end), is_sealed=True)
    if max(low, sealed) < high:
        yield _Stretch(first=max(low, sealed), end=high, is_sealed=False)


def _sealed_limits(unit: UnitOfWork, wanted: EventFilter, sealed: int) -> tuple[int, int]:
    first, end = 0, sealed
    if wanted.since_us is not None:
        query = select(SPAN.c.chunk).where(SPAN.c.high_us >= wanted.since_us).order_by(SPAN.c.chunk).limit(1)
        chunk = unit.connection.execute(query).scalar_one_or_none()
        first = sealed if chunk is None else chunk * CHUNK_EVENTS
    if wanted.until_us is not None:
        query = select(SPAN.c.chunk).where(SPAN.c.low_us < wanted.until_us).order_by(SPAN.c.chunk.desc()).limit(1)
        chunk = unit.connection.execute(query).scalar_one_or_none()
        end = 0 if chunk is None else min(sealed, (chunk + 1) * CHUNK_EVENTS)
    return first, end


def _read(
    unit: UnitOfWork, wanted: EventFilter, stretch: _Stretch, *, newest_first: bool, limit: int
) -> list[tuple[int, bytes]]:
    if wanted.words and not stretch.is_sealed:
        query, seq = _select(unit, wanted, stretch, EVENT.c.seq, EVENT.c.leaf)
        rows = unit.connection.execute(query.order_by(seq.desc() if newest_first else seq))
        return [(number, leaf) for number, leaf in rows if wanted.has_words(leaf)][:limit]
    found = _find_numbers(unit, wanted, stretch, newest_first=newest_first, limit=limit)
    leaves = unit.connection.execute(select(EVENT.c.seq, EVENT.c.leaf).where(EVENT.c.seq.in_(found)))
    return sorted(((number, leaf) for number, leaf in leaves), reverse=newest_first)


def _find_numbers(
    unit: UnitOfWork, wanted: EventFilter, stretch: _Stretch, *, newest_first: bool, limit: int
) -> list[int]:
    """Return the first numbers, from indexes alone where there is one filter: leaves are read for one page only."""
    found: list[int] = []
    for part in _by_action(wanted, stretch):
        query, seq = _select(unit, part, stretch, EVENT.c.seq)
        query = query.order_by(seq.desc() if newest_first else seq).limit(limit)
        found += unit.connection.execute(query).scalars()
    return sorted(found, reverse=newest_first)[:limit]


def _count(unit: UnitOfWork, wanted: EventFilter, stretch: _Stretch) -> Counter[int]:
    day = (EVENT.c.ts_us // DAY_US).label("day")
    if wanted.words and not stretch.is_sealed:
        query, _ = _select(unit, wanted, stretch, day, EVENT.c.leaf)
        return Counter(row[0] for row in unit.connection.execute(query) if wanted.has_words(row[1]))
    query, _ = _select(unit, wanted, stretch, day, func.count())
    return Counter({row[0]: row[1] for row in unit.connection.execute(query.group_by(day))})


def _by_action(wanted: EventFilter, stretch: _Stretch) -> Iterator[EventFilter]:
    """Yield the filter once an action: an index on (action, seq) has the order of a page for a single action only."""
    if wanted.actions is None or wanted.words or not stretch.is_sealed:
        yield wanted
    else:
        yield from (replace(wanted, actions=(action,)) for action in wanted.actions)


def _select(unit: UnitOfWork, wanted: EventFilter, stretch: _Stretch, *columns: Any) -> tuple[Select[Any], Any]:
    """Return the query for a filter, and the column of the event's number to order it by."""
    seq: Any = EVENT.c.seq
    query: Select[Any] = select(*columns)
    if wanted.words and stretch.is_sealed:
        seq = _SEARCH.c.rowid if unit.dialect == "sqlite" else EVENT.c.seq
        query = query.select_from(_SEARCH).join(EVENT, EVENT.c.seq == _search_seq(unit)).where(_has_words(unit, wanted))
    equal = {"actor": wanted.actor, "subject": wanted.subject, "model": wanted.model, "change_id": wanted.change_id}
    clauses = [seq >= stretch.first, seq < stretch.end]
    clauses += [EVENT.c[name] == value for name, value in equal.items() if value is not None]
    if wanted.actions is not None:
        clauses.append(EVENT.c.action.in_(wanted.actions))
    if wanted.since_us is not None:
        clauses.append(EVENT.c.ts_us >= wanted.since_us)
    if wanted.until_us is not None:
        clauses.append(EVENT.c.ts_us < wanted.until_us)
    return query.where(and_(*clauses)), seq


def _search_seq(unit: UnitOfWork) -> Any:
    return _SEARCH.c.rowid if unit.dialect == "sqlite" else _SEARCH.c.seq


def _has_words(unit: UnitOfWork, wanted: EventFilter) -> Any:
    if unit.dialect == "sqlite":
        return _SEARCH.c.audit_search.op("MATCH")(" AND ".join(f'"{word}"*' for word in wanted.words))
    return _SEARCH.c.words.op("@@")(cast(literal(" & ".join(f"'{word}':*" for word in wanted.words)), TSQUERY))


_Tallied = tuple[str, tuple[str, ...]]


def _find_tallied(wanted: EventFilter) -> _Tallied | None:
    """Return the field and values whose kept counts answer the filter, if they do."""
    limits = (wanted.since_us or 0, wanted.until_us or 0)
    if wanted.words or wanted.subject or wanted.change_id is not None or any(limit % DAY_US for limit in limits):
        return None
    asked: list[_Tallied] = []
    if wanted.actor is not None:
        asked.append(("actor", (wanted.actor,)))
    if wanted.model is not None:
        asked.append(("model", (wanted.model,)))
    if wanted.actions is not None:
        asked.append(("action", wanted.actions))
    if not asked:
        return ("all", ("",))
    return asked[0] if len(asked) == 1 else None


def _count_tallied(unit: UnitOfWork, wanted: EventFilter, tallied: _Tallied) -> Counter[int]:
    field, values = tallied
    query = (
        select(TALLY.c.day, func.sum(TALLY.c.events))
        .where(TALLY.c.field == field, TALLY.c.value.in_(values), TALLY.c.day > ALL_DAYS)
        .group_by(TALLY.c.day)
    )
    if wanted.since_us is not None:
        query = query.where(TALLY.c.day >= wanted.since_us // DAY_US)
    if wanted.until_us is not None:
        query = query.where(TALLY.c.day < wanted.until_us // DAY_US)
    return Counter({day: int(events) for day, events in unit.connection.execute(query)})
