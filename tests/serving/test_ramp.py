"""A ramp from end to end: a real server is asked, its paired log is what the worker judges by, and shares move."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from services.clock import utc_now
from services.deployments import Ramp, RampState
from services.gates.outcomes import Outcome
from services.serving.router import Router
from tests.changes.builders import MEERA
from tests.conftest import FakeClock
from tests.deployments.ramp_builders import WORKER, RampWorld, build_ramps, open_ramps
from tests.serving.builders import MODEL, ServedHome, Server, await_true, rows

MEMORY = ("--memory-mb", "700")
ALLOWS = """
class Model:
    def predict(self, data):
        if data["b"].iloc[0] == {fails_at}:
            raise ValueError("not today")
        return ["allow"] * len(data)
"""
PLAN = """\
kind: ramp_plan
check_seconds: 1
steps:
  - {traffic_percent: 0, minutes: 0.01}
  - {traffic_percent: 50, minutes: 0.01}
  - {traffic_percent: 100, minutes: 0.01}
guardrails: {max_error_rate: 0.2, max_latency_p99_ms: 60000, min_agreement: 0.8, min_pairs: 500}
"""
ROWS = 150
KEYS = [f"customer-{number}" for number in range(12)]


class PresentClock(FakeClock):
    """The real time: pairs are logged by it."""

    def __call__(self) -> datetime:
        return utc_now()


@pytest.fixture
def ramp(home: ServedHome) -> RampWorld:
    """Version 3 in production, and 4 with an approved promotion."""
    home.place(3, ALLOWS.format(fails_at=-1))
    home.place(4, ALLOWS.format(fails_at=13))
    world = build_ramps(home.store, PresentClock(), home.folder, plan=PLAN)
    world.approve()
    return world


def ask(server: Server, *, b: float = 0.0) -> dict[str, int]:
    """Ask once for each key, some rows at a time, until both answers are on disk, and return who answered."""
    before = server.metric("log_rows_total")
    answered = {}
    for key in KEYS:
        told = server.post(rows(*[(1.0, b)] * ROWS), x_request_key=key)
        assert told.status_code == 200, told.text
        answered[key] = int(told.headers["x-model-version"])
    await_true(lambda: server.metric("log_rows_total") == before + len(KEYS) * ROWS)
    return answered


def serves(server: Server, **wanted: Any) -> bool:
    told = server.health()
    return all(told[name] == value for name, value in wanted.items())


def tick_until(world: RampWorld, **wanted: Any) -> Ramp:
    """Let the worker look until the ramp is as wanted."""

    def look() -> bool:
        world.ticks.tick(actor=WORKER)
        found = world.ramps.find_latest(MODEL)
        assert found is not None
        return all(getattr(found, name) == value for name, value in wanted.items())

    await_true(look)
    found = world.ramps.find_latest(MODEL)
    assert found is not None
    return found


def test_shares_move_as_traffic_shows_across_restarts_of_server_and_worker(home: ServedHome, ramp: RampWorld) -> None:
    with home.serving(*MEMORY) as server:
        ramp.start()
        await_true(lambda: serves(server, candidate=4, loaded=[3, 4]))
        assert set(ask(server).values()) == {3}
        halfway = tick_until(ramp, step=1)
        assert halfway.state is RampState.RUNNING
        await_true(lambda: serves(server, candidate_ratio=0.5))
        router = Router(champion=3, candidate=4, candidate_ratio=0.5, salt=str(halfway.id))
        answered = ask(server)
        assert answered == {key: router.choose(key) for key in KEYS}
        assert set(answered.values()) == {3, 4}
        server.process.kill()
        server.process.wait()
    worker = open_ramps(home.store, PresentClock(), home.folder)
    worker.world.registry.set_alias(MODEL, "production", 3)
    with home.serving(*MEMORY) as server:
        await_true(lambda: serves(server, candidate_ratio=0.5, loaded=[3, 4]))
        # Everybody stays with the version they had.
        assert ask(server) == answered
        tick_until(worker, step=2)
        await_true(lambda: serves(server, candidate_ratio=1.0))
        assert set(ask(server).values()) == {4}
        done = tick_until(worker, state=RampState.COMPLETED)
        assert [guardrail.outcome for guardrail in done.guardrails] == [Outcome.PASSED] * 3
        await_true(lambda: serves(server, champion=4, candidate=None, status="ok"))
        assert server.post(rows((1, 0))).headers["x-model-version"] == "4"
    assert worker.world.registry.find_alias(MODEL, "production") == 4
    happened = [entry.what for entry in worker.ramps.list_entries(done.id)]
    assert happened == ["started", "advanced", "advanced", "promoting", "completed"]


def test_a_broken_guardrail_takes_the_candidate_away_from_callers_who_never_see_it_fail(
    home: ServedHome, ramp: RampWorld
) -> None:
    with home.serving(*MEMORY) as server:
        ramp.start()
        await_true(lambda: serves(server, candidate=4, loaded=[3, 4]))
        ask(server)
        tick_until(ramp, step=1)
        await_true(lambda: serves(server, candidate_ratio=0.5))
        # On these rows the candidate fails; the champion answers in its place.
        assert set(ask(server, b=13).values()) == {3}
        back = tick_until(ramp, state=RampState.ROLLED_BACK)
        assert {each.guardrail: each.outcome for each in back.guardrails}["error_rate"] is Outcome.FAILED
        assert "error_rate: Broken beyond doubt." in back.attention
        await_true(lambda: serves(server, champion=3, candidate=None, candidate_ratio=0.0))
        assert server.post(rows((1, 0))).headers["x-model-version"] == "3"
    assert ramp.world.actions().count("ramp:run:rolled_back") == 1


def test_without_traffic_a_step_that_is_over_pauses_and_asks(home: ServedHome, ramp: RampWorld) -> None:
    with home.serving(*MEMORY) as server:
        ramp.start()
        await_true(lambda: serves(server, candidate=4, loaded=[3, 4]))
        paused = tick_until(ramp, state=RampState.PAUSED)
        assert (paused.step, paused.traffic_ratio) == (0, 0.0)
        assert server.post(rows((1, 0))).headers["x-model-version"] == "3"
        ramp.ramps.abort(MODEL, actor=MEERA, reason="nobody asks it today")
        await_true(lambda: serves(server, candidate=None))
