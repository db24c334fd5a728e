"""A worker that is killed in the middle of a ramp leaves it where it was, and the next one goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.deployments import RampState, Routes
from services.store import Store
from tests.conftest import FakeClock
from tests.deployments.builders import MODEL
from tests.deployments.ramp_builders import RampWorld, build_ramps


@pytest.fixture
def ramp(store: Store, clock: FakeClock, tmp_path: Path) -> RampWorld:
    return build_ramps(store, clock, tmp_path)


def kill_worker(ramp: RampWorld, point: str) -> None:
    """Let a worker of its own process tick now and be killed at a point."""
    url = ramp.world.store.engine.url.render_as_string(hide_password=False)
    arguments = [url, str(ramp.logs.parent), ramp.clock().isoformat(), point]
    command = [sys.executable, "-m", "tests.deployments.killing", *arguments]
    killed = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr


def test_killed_within_a_step_it_has_not_stepped(ramp: RampWorld) -> None:
    ramp.approve()
    ramp.start()
    ramp.serve()
    ramp.clock.advance(minutes=60)
    before = ramp.world.actions()
    kill_worker(ramp, "stepping")
    assert ramp.world.actions() == before
    assert ramp.ramps.get_open(MODEL).traffic_ratio == 0.0
    ramp.tick(minutes=1)
    assert ramp.ramps.get_open(MODEL).traffic_ratio == 0.1


@pytest.mark.parametrize("point", ["before_promoting", "promoting"])
def test_killed_at_the_end_the_next_worker_completes_it_once(ramp: RampWorld, point: str) -> None:
    promotion = ramp.to_traffic()
    ramp.serve()
    ramp.tick(minutes=30)
    ramp.serve()
    ramp.clock.advance(minutes=30)
    kill_worker(ramp, point)
    assert ramp.ramps.get_open(MODEL).state is RampState.PROMOTING
    route = Routes(ramp.world.store).find_route(MODEL)
    assert route is not None
    assert (route.champion, route.candidate, route.candidate_ratio) == (3, 4, 1.0)
    # The dead worker's lease on the promotion runs out; then both of the worker's intervals come by.
    ramp.tick(minutes=3)
    ramp.world.changes.recover()
    ramp.tick(seconds=5)
    found = ramp.ramps.find_latest(MODEL)
    assert found is not None
    assert found.state is RampState.COMPLETED
    assert ramp.world.pins.get(MODEL).versions == (4, 3, 2)
    assert ramp.world.changes.get(promotion.id).epoch == (2 if point == "promoting" else 1)
    assert ramp.world.actions().count("ramp:run:completed") == 1
