from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from services.clock import to_micros
from services.deployments.servers import SILENT_AFTER, Servers, describe_following
from services.store import Store
from services.store import servers as rows
from tests.changes.builders import MEERA
from tests.conftest import FakeClock
from tests.deployments.builders import MODEL, build_world, speak


def test_servers_are_told_as_they_last_spoke(any_store: Store, clock: FakeClock) -> None:
    speak(any_store, clock, "a", 2)
    speak(any_store, clock, "a", 3, candidate=4, candidate_ratio=0.25)
    (server,) = Servers(any_store, clock=clock).list_servers(MODEL)
    assert (server.version, server.candidate, server.candidate_ratio, server.loaded) == (3, 4, 0.25, (3,))
    assert (server.requests, server.paired, server.dropped, server.lost_rows) == (7, 5, 2, 1)
    assert server.to_json()["status"] == "ok"
    assert Servers(any_store, clock=clock).list_servers("another") == []


def test_a_server_that_no_longer_speaks_is_silent_whatever_it_said(store: Store, clock: FakeClock) -> None:
    speak(store, clock, "a", 3)
    clock.advance(seconds=SILENT_AFTER.total_seconds())
    servers = Servers(store, clock=clock)
    assert not servers.list_servers()[0].is_silent
    clock.advance(seconds=1)
    assert servers.list_servers()[0].to_json()["status"] == "silent"


def test_servers_are_forgotten_when_they_end_or_have_been_silent_for_long(store: Store, clock: FakeClock) -> None:
    for server_id in "abc":
        speak(store, clock, server_id, 3)
        clock.advance(hours=1)
    with store.write() as unit:
        rows.delete_server(unit, "c")
        rows.delete_silent(unit, before_us=to_micros(clock() - timedelta(hours=2)))
        unit.commit()
    assert [server.id for server in Servers(store, clock=clock).list_servers()] == ["b"]


def test_going_back_waits_until_the_servers_follow(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    waited: list[float] = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            speak(store, clock, "a", 2)

    world = build_world(store, clock, tmp_path, pause=pause)
    world.pin(1, 2, 3)
    speak(store, clock, "a", 3)
    outcome = world.deployments.roll_back(MODEL, "previous", actor=MEERA, reason="3 blocks everybody")
    assert len(waited) == 3
    assert outcome.to_json()["servers"] == [{"address": "http://127.0.0.1/a", "version": 2, "follows": True}]
    assert outcome.following == ("http://127.0.0.1/a answers with version 2.",)


def test_going_back_says_which_server_does_not_follow_and_why(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    waited: list[float] = []
    world = build_world(store, clock, tmp_path, pause=waited.append)
    world.pin(1, 2, 3)
    speak(store, clock, "silent", 3)
    clock.advance(minutes=1)
    speak(store, clock, "stuck", 3, problems=["fraud_detector/2 cannot be loaded: no such table."])
    outcome = world.deployments.roll_back(MODEL, "previous", actor=MEERA, reason="3 blocks everybody")
    assert 4 < sum(waited) <= 5
    assert [server["follows"] for server in outcome.to_json()["servers"]] == [False, False]
    silent, stuck = outcome.following
    assert "has said nothing since 2026" in silent
    assert stuck == (
        "http://127.0.0.1/stuck still answers with version 3: fraud_detector/2 cannot be loaded: no such table."
    )


def test_where_no_server_reports_that_is_said_and_nothing_is_waited_for(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    waited: list[float] = []
    world = build_world(store, clock, tmp_path, pause=waited.append)
    world.pin(1, 2)
    outcome = world.deployments.roll_back(MODEL, "previous", actor=MEERA, reason="2 AM")
    assert waited == []
    assert outcome.following == describe_following([], MODEL, 1)
    assert "No `gatehouse serve fraud_detector` reports here" in outcome.following[0]
