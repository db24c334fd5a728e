"""Looking into the audit log: pages by key, days and counts. Nothing here reads more than a page has to.

A page goes by number. A time limit becomes limits on the number through the time spans of sealed chunks, so a clock
that was set back costs speed and nothing else. Words are looked up in the index for sealed chunks; the events since the
last seal, a few thousand at most, are compared one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from sqlalchemy import func, select

from services.store.audit_log import CHUNK_EVENTS, SPAN, TALLY, count_sealed, find_head, run
from services.store.unit_of_work import UnitOfWork

DAY_US = 86_400_000_000
ALL_DAYS = -1
_BEYOND = 2**62
_EQUAL = ("change_id", "subject", "actor", "model")
"""The columns that a filter gives one value, the ones that fewest events share first."""
MAX_ALTERNATIVES = 200
"""How many words a beginning may stand for and still be looked up word by word: 6 ms, where merging takes 100 ms."""
# From one word to the next, without walking along the events of either. No word holds a control character.
_LIST_WORDS = """
    WITH RECURSIVE found (word) AS (
        SELECT (SELECT term FROM audit_search_vocabulary WHERE term >= ?1 ORDER BY term LIMIT 1)
        UNION ALL
        SELECT (SELECT term FROM audit_search_vocabulary WHERE term >= word || char(1) ORDER BY term LIMIT 1)
        FROM found WHERE substr(word, 1, length(?1)) = ?1
    )
    SELECT word FROM found WHERE substr(word, 1, length(?1)) = ?1 LIMIT ?2"""


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
    query = select(TALLY.c.value, func.sum(TALLY.c.events)).where(TALLY.c.field == field, TALLY.c.day > ALL_DAYS)
    if since_day is not None:
        query = query.where(TALLY.c.day >= since_day)
    if until_day is not None:
        query = query.where(TALLY.c.day < until_day)
    is_limited = since_day is not None or until_day is not None
    kept = unit.connection.execute(query.group_by(TALLY.c.value)) if is_limited else _list_totals(unit, field)
    counted = Counter({value: int(events) for value, events in kept})
    # Counted here: GROUP BY would make SQLite walk the whole index of the field, as `+` keeps it from that of times.
    recent = f"SELECT {field} FROM audit_event WHERE seq >= ? AND +ts_us >= ? AND +ts_us < ? AND {field} IS NOT NULL"  # noqa: S608
    since_us = -_BEYOND if since_day is None else since_day * DAY_US
    until_us = _BEYOND if until_day is None else until_day * DAY_US
    counted.update(row[0] for row in run(unit, recent, _sealed_size(unit), since_us, until_us))
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def _list_totals(unit: UnitOfWork, field: str) -> list[Any]:
    """Return (value, sealed events) over all days."""
    # Left to itself, SQLite takes the primary key, and walks along every day of every value.
    index = "INDEXED BY ix_audit_tally_day_field" if unit.dialect == "sqlite" else ""
    statement = f"SELECT value, events FROM audit_tally {index} WHERE day = ? AND field = ?"  # noqa: S608
    return run(unit, statement, ALL_DAYS, field)


def _sealed_size(unit: UnitOfWork) -> int:
    return count_sealed(unit) * CHUNK_EVENTS


def _find_stretches(
    unit: UnitOfWork, wanted: EventFilter, *, after_seq: int | None = None, before_seq: int | None = None
) -> Iterator[_Stretch]:
    """Yield where wanted events can be, by number: the sealed chunks, then what came after."""
    head = find_head(unit)
    size = 0 if head is None else head.size
    sealed = _sealed_size(unit)
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
        order = "DESC" if newest_first else "ASC"
        rows = _run_where(unit, wanted, stretch, "SELECT audit_event.seq, leaf", f"ORDER BY audit_event.seq {order}")
        return list(islice(((number, leaf) for number, leaf in rows if wanted.has_words(leaf)), limit))
    found = _find_numbers(unit, wanted, stretch, newest_first=newest_first, limit=limit)
    marks = ", ".join("?" * len(found)) or "NULL"
    leaves = run(unit, f"SELECT seq, leaf FROM audit_event WHERE seq IN ({marks})", *found)  # noqa: S608 - marks alone
    return sorted(((number, leaf) for number, leaf in leaves), reverse=newest_first)


def _find_numbers(
    unit: UnitOfWork, wanted: EventFilter, stretch: _Stretch, *, newest_first: bool, limit: int
) -> list[int]:
    """Return the first numbers, from indexes alone where there is one filter: leaves are read for one page only."""
    seq = "audit_search.rowid" if wanted.words and unit.dialect == "sqlite" else "audit_event.seq"
    order = f"ORDER BY {seq} {'DESC' if newest_first else 'ASC'} LIMIT {limit:d}"
    found: list[int] = []
    for part in _by_action(unit, wanted, stretch):
        found += (row[0] for row in _run_where(unit, part, stretch, "SELECT audit_event.seq", order))
    return sorted(found, reverse=newest_first)[:limit]


def _count(unit: UnitOfWork, wanted: EventFilter, stretch: _Stretch) -> Counter[int]:
    day = f"ts_us / {DAY_US}"
    if wanted.words and not stretch.is_sealed:
        rows = _run_where(unit, wanted, stretch, f"SELECT {day}, leaf", "")
        return Counter(row[0] for row in rows if wanted.has_words(row[1]))
    return Counter(dict(_run_where(unit, wanted, stretch, f"SELECT {day}, count(*)", f"GROUP BY {day}")))


def _by_action(unit: UnitOfWork, wanted: EventFilter, stretch: _Stretch) -> Iterator[EventFilter]:
    """Yield the filter once an action where the index to go by has the order of a page for a single action only."""
    if not stretch.is_sealed or wanted.words or _find_driving(wanted) not in {"model", "action"}:
        yield wanted
        return
    actions = wanted.actions
    if actions is None:
        actions = tuple(value for value, _ in _list_totals(unit, "action"))
    yield from (replace(wanted, actions=(action,)) for action in actions)


def _find_driving(wanted: EventFilter) -> str | None:
    """Return the column whose index has the events of a filter in the order of a page, and few beside them."""
    found = next((name for name in _EQUAL if getattr(wanted, name) is not None), None)
    return found or (None if wanted.actions is None else "action")


def _run_where(unit: UnitOfWork, wanted: EventFilter, stretch: _Stretch, head: str, tail: str) -> list[Any]:
    """Run a query over the wanted events of a stretch."""
    is_searched = bool(wanted.words) and stretch.is_sealed
    source, seq = "audit_event", "audit_event.seq"
    clauses: list[str] = []
    values: list[Any] = []
    if is_searched and unit.dialect == "sqlite":
        source, seq = "audit_search CROSS JOIN audit_event", "audit_search.rowid"  # the left side is read first
        clauses += ["audit_event.seq = audit_search.rowid", "audit_search MATCH ?"]
        values.append(_to_match(unit, wanted.words))
    elif is_searched:
        source = "audit_search CROSS JOIN audit_event"
        clauses += ["audit_event.seq = audit_search.seq", "audit_search.words @@ CAST(? AS tsquery)"]
        values.append(" & ".join(f"'{beginning}':*" for beginning in wanted.words))
    clauses += [f"{seq} >= ?", f"{seq} < ?"]
    values += [stretch.first, stretch.end]
    driving = None if is_searched else _find_driving(wanted)
    for column, condition, wanted_values in _list_demands(wanted):
        # SQLite knows nothing about how often a value occurs: `+` keeps it from the index of a column.
        is_free = unit.dialect != "sqlite" or column == driving or (driving == "model" and column == "action")
        clauses.append(f"{'' if is_free else '+'}{column} {condition}")
        values += wanted_values
    return run(unit, f"{head} FROM {source} WHERE {' AND '.join(clauses)} {tail}", *values)


def _list_demands(wanted: EventFilter) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    """Yield what a filter asks of single columns: the column, the condition, and its values."""
    for name in _EQUAL:
        if (value := getattr(wanted, name)) is not None:
            yield name, "= ?", (value,)
    if wanted.actions is not None:
        yield "action", f"IN ({', '.join('?' * len(wanted.actions)) or 'NULL'})", wanted.actions
    if wanted.since_us is not None:
        yield "ts_us", ">= ?", (wanted.since_us,)
    if wanted.until_us is not None:
        yield "ts_us", "< ?", (wanted.until_us,)


def _to_match(unit: UnitOfWork, beginnings: tuple[str, ...]) -> str:
    """Return what FTS5 finds the events with: each beginning as the words that begin so.

    FTS5 merges every event of every such word before it gives out the first one of a beginning, which takes longer the
    longer the log is; the words themselves it walks along, from where a page starts.
    """
    found = []
    for beginning in beginnings:
        words = [row[0] for row in run(unit, _LIST_WORDS, beginning, MAX_ALTERNATIVES + 1)]
        is_listed = 0 < len(words) <= MAX_ALTERNATIVES
        found.append(" OR ".join(f'"{word}"' for word in words) if is_listed else f'"{beginning}"*')
    return " AND ".join(f"({alternatives})" for alternatives in found)


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
