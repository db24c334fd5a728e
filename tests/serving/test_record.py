from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from services.audit import Event
from services.clock import utc_now
from services.deployments import Servers
from services.errors import Unavailable
from services.serving.record import ServingRecord
from services.serving.tally import Counted, Loss, Tally
from tests.deployments.builders import speak
from tests.serving.builders import MEERA, MODEL, ServedHome, await_true

STATE = {
    "status": "ok", "champion": 1, "loaded": [1], "problems": [], "requests": 0, "paired": 0, "dropped": 0,
    "lost_rows": 0,
}  # fmt: skip


def record(home: ServedHome, model: str = MODEL) -> ServingRecord:
    return ServingRecord(
        model, store=home.store, audit=home.audit, actor=MEERA, folder=home.folder / "serving", tell=lambda: STATE
    )


@contextmanager
def running(home: ServedHome, model: str = MODEL) -> Iterator[tuple[ServingRecord, Loss]]:
    made = record(home, model)
    with made.opened():
        yield made, made.start(address=f"http://127.0.0.1/{model}", version=1)
        made.stop()


def leave_behind(home: ServedHome, server_id: str, about: str, **counts: int) -> None:
    """Leave the files of a server that was killed."""
    folder = home.folder / "serving"
    (folder / f"running-{server_id}" / "slot").mkdir(parents=True)
    (folder / f"running-{server_id}.json").write_text(about)
    tally = Tally(folder / f"running-{server_id}.tally")
    for name, count in counts.items():
        tally.count(Counted[name.upper()], by=count)


def killed(home: ServedHome) -> list[Event]:
    return [event for event in home.audit.list_events(limit=100).events if event.action == "serving:server:killed"]


def test_a_killed_server_is_told_of_as_of_its_own_model_and_cleaned_up_after(home: ServedHome) -> None:
    speak(home.store, utc_now, "abc", 3)
    leave_behind(home, "abc", json.dumps({"model": "churn", "pid": 7}), rows_taken=5, rows_settled=2, requests_taken=1)
    with running(home) as (_, loss):
        # Not this model's loss.
        assert loss == Loss(requests=0, rows=0)
        await_true(lambda: [server.model for server in Servers(home.store, clock=utc_now).list_servers()] == [MODEL])
    (event,) = killed(home)
    assert (event.model, event.subject) == ("churn", "churn")
    assert event.after is not None
    assert {name: event.after[name] for name in ("pid", "lost_log_rows", "lost_requests")} == {
        "pid": 7, "lost_log_rows": 3, "lost_requests": 1,
    }  # fmt: skip
    assert list((home.folder / "serving").iterdir()) == []


@pytest.mark.parametrize("about", ["", "[", "7", '{"pid": 7}'])
def test_a_file_that_says_nothing_is_told_of_all_the_same(home: ServedHome, about: str) -> None:
    leave_behind(home, "abc", about, rows_taken=2)
    with running(home) as (_, loss):
        assert loss == Loss(requests=0, rows=2)
    (event,) = killed(home)
    assert event.model == MODEL


def test_servers_that_run_beside_each_other_leave_each_other_alone(home: ServedHome) -> None:
    with running(home, "churn"), running(home):
        servers = Servers(home.store, clock=utc_now)
        await_true(lambda: [server.model for server in servers.list_servers()] == ["churn", MODEL])
    assert killed(home) == []
    assert servers.list_servers() == []


def test_a_server_that_never_came_to_answer_leaves_nothing(home: ServedHome) -> None:
    def fail() -> Any:
        raise Unavailable("The port is taken.", next_step="Choose another.")

    with pytest.raises(Unavailable, match="port"), record(home).opened():
        fail()
    assert list((home.folder / "serving").iterdir()) == []
    assert home.actions() == []


def test_a_home_that_cannot_be_written_is_told(home: ServedHome) -> None:
    (home.folder / "serving").write_text("a file")
    with pytest.raises(Unavailable, match="cannot write to"), record(home).opened():
        pass
