"""Pages, days and counts: on both databases what filtering by hand gives, at every depth and after a clock jump."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, event, make_url

from services.audit import AuditLog, Event, EventQuery
from services.errors import InvalidInput
from services.store import Store, audit_reading, open_store
from services.store.migrations import upgrade
from tests.audit.builders import ADA, BOB, fill, open_log, record
from tests.conftest import FakeClock

WORDS = ("alpha", "beta", "gamma", "delta")
ACTIONS = ("promotion:approval:granted", "promotion:request:made", "gate:run:finished", "promotions:x:y")


@pytest.fixture(params=["sqlite", "postgresql"], scope="module")
def history_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('history') / 'gatehouse.db'}"
    else:
        server = request.getfixturevalue("postgres_server_url")
        engine = create_engine(server, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql("CREATE DATABASE history")
        engine.dispose()
        url = make_url(server).set(database="history").render_as_string(hide_password=False)
    opened = open_store(url)
    upgrade(opened)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def history(history_store: Store, tmp_path_factory: pytest.TempPathFactory) -> AuditLog:
    """Three sealed chunks and a rest; time goes on by hours, and is set back by days four times."""
    clock = FakeClock()
    audit = open_log(history_store, tmp_path_factory.mktemp("home"), clock)
    with history_store.write() as unit:
        for number in range(900):
            clock.advance(hours=1)
            if number % 200 == 150:
                clock.advance(days=-9)
            audit.record(
                unit,
                actor=(ADA, BOB)[number % 3 == 0],
                action=ACTIONS[number * number % 4],
                subject=f"model_{number % 5}/{number % 2}",
                model=f"model_{number % 5}" if number % 4 else None,
                change_id=number // 10 if number % 2 else None,
                reason=f"{WORDS[number % 4]} and {WORDS[number % 3]} {number}",
            )
        unit.commit()
    audit.checkpoints.write()
    return audit


def by_hand(audit: AuditLog, wanted: Callable[[Event], bool]) -> list[int]:
    return [event.seq for event in everything(audit) if wanted(event)]


def everything(audit: AuditLog) -> list[Event]:
    return list(audit.list_events(limit=10_000).events)


def walk(audit: AuditLog, query: EventQuery, *, newest_first: bool, limit: int) -> list[int]:
    """Go through all pages."""
    found: list[int] = []
    cursor: int | None = None
    while True:
        if newest_first:
            page = audit.list_events(query, before_seq=cursor, newest_first=True, limit=limit)
        else:
            page = audit.list_events(query, after_seq=cursor, limit=limit)
        assert len(page.events) <= limit
        found += [event.seq for event in page.events]
        cursor = page.next_seq
        if cursor is None:
            return found


EXAMPLES: dict[str, tuple[EventQuery, Callable[[Event], bool]]] = {
    "all": (EventQuery(), lambda _event: True),
    "actor": (EventQuery(actor="bob"), lambda event: event.actor == "bob"),
    "action": (EventQuery(action="gate:run:finished"), lambda event: event.action == "gate:run:finished"),
    "actions": (EventQuery(action="promotion"), lambda event: event.action.startswith("promotion:")),
    "no action": (EventQuery(action="promo"), lambda _event: False),
    "subject": (EventQuery(subject="model_3/1"), lambda event: event.subject == "model_3/1"),
    "model": (EventQuery(model="model_2"), lambda event: event.model == "model_2"),
    "change": (EventQuery(change_id=51), lambda event: event.change == 51),
    "word": (EventQuery(text="GAMMA"), lambda event: "gamma" in event.reason),
    "beginnings": (EventQuery(text="alp del"), lambda event: "alpha" in event.reason and "delta" in event.reason),
    "number": (EventQuery(text="reason 87"), lambda _event: False),
    "digits": (EventQuery(text="87"), lambda event: any(word.startswith("87") for word in event.reason.split())),
    "no word": (EventQuery(text="alphabet beta"), lambda _event: False),
    "many words": (
        EventQuery(text="8 alpha"),
        lambda event: "alpha" in event.reason and any(word.startswith("8") for word in event.reason.split()),
    ),
    "words and more": (
        EventQuery(text="beta", actor="ada", action="promotion"),
        lambda event: "beta" in event.reason and event.actor == "ada" and event.action.startswith("promotion:"),
    ),
    "actor and actions": (
        EventQuery(actor="bob", action="promotion"),
        lambda event: event.actor == "bob" and event.action.startswith("promotion:"),
    ),
    "actor and model": (
        EventQuery(actor="ada", model="model_1"),
        lambda event: event.actor == "ada" and event.model == "model_1",
    ),
    "model and actions": (
        EventQuery(model="model_1", action="promotion"),
        lambda event: event.model == "model_1" and event.action.startswith("promotion:"),
    ),
    "two": (
        EventQuery(actor="ada", model="model_1", action="gate"),
        lambda event: event.actor == "ada" and event.model == "model_1" and event.action.startswith("gate:"),
    ),
}


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("limit", [1000, 7])
@pytest.mark.parametrize("name", EXAMPLES)
def test_pages_hold_what_the_filter_asks_for(history: AuditLog, name: str, limit: int, newest_first: bool) -> None:
    query, wanted = EXAMPLES[name]
    expected = by_hand(history, wanted)
    assert walk(history, query, newest_first=newest_first, limit=limit) == (
        expected[::-1] if newest_first else expected
    )


@pytest.mark.parametrize("limit", [1, 110, 111])
def test_a_beginning_of_too_many_words_finds_the_same(
    history: AuditLog, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_reading, "MAX_ALTERNATIVES", limit)
    query, wanted = EXAMPLES["many words"]
    assert walk(history, query, newest_first=True, limit=7) == by_hand(history, wanted)[::-1]


@pytest.mark.parametrize("history_store", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", EXAMPLES)
def test_no_page_of_sqlite_sorts_or_walks_the_whole_log(history: AuditLog, name: str) -> None:
    """An index has the order of the page, so a page is as fast at any depth of any log."""
    read: list[str] = []

    def trace(connection: Any, _record: object, _proxy: object) -> None:
        connection.set_trace_callback(read.append)

    event.listen(history.store.engine, "checkout", trace)
    try:
        history.list_events(EXAMPLES[name][0], before_seq=700, newest_first=True)
    finally:
        event.remove(history.store.engine, "checkout", trace)
    queries = [statement for statement in read if "FROM audit_event" in statement or "JOIN audit_event" in statement]
    assert queries
    with history.store.read() as unit:
        for query in queries:
            steps = [row[3] for row in unit.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}")]
            assert not any("TEMP B-TREE" in step or step.startswith("SCAN audit_event") for step in steps), query


@pytest.mark.parametrize("name", EXAMPLES)
def test_days_count_what_the_filter_asks_for(history: AuditLog, name: str) -> None:
    query, wanted = EXAMPLES[name]
    expected = Counter(event.at.date() for event in everything(history) if wanted(event))
    assert history.count_days(query) == expected
    assert list(history.count_days(query)) == sorted(expected)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.integers(-48, 1000),
    hours=st.integers(0, 400),
    whole_days=st.booleans(),
    name=st.sampled_from(["all", "actor", "actions", "word"]),
)
def test_times_limit_pages_and_days_even_where_the_clock_was_set_back(
    history: AuditLog, start: int, hours: int, whole_days: bool, name: str
) -> None:
    since = FakeClock().now + timedelta(hours=start)
    until = since + timedelta(hours=hours)
    if whole_days:
        since, until = (moment.replace(hour=0) for moment in (since, until))
    query, wanted = EXAMPLES[name]
    limited = EventQuery(since=since, until=until, actor=query.actor, action=query.action, text=query.text)
    expected = [event for event in everything(history) if wanted(event) and since <= event.at < until]
    assert walk(history, limited, newest_first=False, limit=100) == [event.seq for event in expected]
    assert history.count_days(limited) == Counter(event.at.date() for event in expected)


def test_values_are_counted_most_often_first(history: AuditLog) -> None:
    events = everything(history)
    counted = history.count_values()
    assert counted["actor"] == Counter(event.actor for event in events)
    assert counted["action"] == Counter(event.action for event in events)
    assert counted["model"] == Counter(event.model for event in events if event.model)
    assert list(counted["actor"]) == ["ada", "bob"]


def test_values_are_counted_within_days(history: AuditLog) -> None:
    since = (FakeClock().now + timedelta(days=8)).date()
    until = since + timedelta(days=6)
    events = [event for event in everything(history) if since <= event.at.date() < until]
    assert history.count_values(since=since, until=until)["action"] == Counter(event.action for event in events)


def test_an_accent_and_an_underscore_do_not_hide_a_word(any_store: Store, tmp_path: Path) -> None:
    audit = open_log(any_store, tmp_path / "home")
    wanted = record(
        audit, subject="fraud_détector/7", reason="Genehmigt von Jürgen, 模型 通过", after={"list": [{"x": "deep"}]}
    )
    fill(audit, 300)
    for _ in range(2):
        for text in ("fraud détec", "DETECTOR", "detec", "jurgen", "Jürgen genehm", "模型", "deep", "detector 7"):
            assert [event.seq for event in audit.list_events(EventQuery(text=text)).events] == [wanted], text
        audit.checkpoints.write()


def test_a_word_before_and_after_sealing_is_found_alike(any_store: Store, tmp_path: Path) -> None:
    audit = open_log(any_store, tmp_path / "home")
    for number in range(256):
        record(audit, reason="'quoted\" & | ! :* WORDS" if number == 100 else "plain", after={"number": -number})
    for _ in range(2):
        assert [event.seq for event in audit.list_events(EventQuery(text='"quot:* & !words')).events] == [100]
        assert [event.seq for event in audit.list_events(EventQuery(text="-77")).events] == [77]
        assert not audit.list_events(EventQuery(text="uoted")).events
        assert len(audit.list_events(EventQuery(text="plain"), newest_first=True).events) == 50
        audit.checkpoints.write()


def test_a_long_event_keeps_its_first_words(any_store: Store, tmp_path: Path) -> None:
    audit = open_log(any_store, tmp_path / "home")
    record(audit, subject="needle", after={"text": " ".join(f"word{number}" for number in range(20_000)) + "x" * 5000})
    fill(audit, 255)
    audit.checkpoints.write()
    assert [event.seq for event in audit.list_events(EventQuery(text="needle word9")).events] == [0]


@pytest.mark.parametrize("text", ["", "---", "_"])
def test_a_search_without_a_word_is_refused(store: Store, tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidInput, match="no word to search for"):
        open_log(store, tmp_path).list_events(EventQuery(text=text))


def test_a_page_of_nothing_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="A page of 0 events"):
        open_log(store, tmp_path).list_events(limit=0)


def test_an_empty_log_has_nothing_to_show(any_store: Store, tmp_path: Path) -> None:
    audit = open_log(any_store, tmp_path)
    assert audit.list_events(EventQuery(text="x", since=FakeClock().now)).events == ()
    assert audit.count_days() == {}
    assert audit.count_values() == {"actor": {}, "action": {}, "model": {}}
