"""The same faults on a real MLflow server: killed at every step, and the server down, slow or answering 500."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from signal import SIGKILL

import pytest

from services.changes import Change, ChangeState
from services.clock import utc_now
from services.errors import Unreachable
from services.registry.rest import open_rest_registry
from services.registry.values import Stage
from services.store import open_store
from services.store.migrations import upgrade
from tests.promotions.builders import World, build_world
from tests.promotions.interrupted import When
from tests.promotions.servers import Proxy, proxy_to, register_versions

MODEL = "card_theft_checker"
VERSIONS = 40
WRITES = 6
"""Of one promotion over a champion: two marks, alias, stage, mark and stage of the version before."""

# One process that has imported everything forks another for each step, which executes and ends itself there.
FORKING = """
import os, signal, sys
from pathlib import Path
from services.clock import utc_now
from services.registry.rest import open_rest_registry
from services.store import open_store
from tests.promotions.builders import MEERA, build_world
from tests.promotions.interrupted import WRITES, When, interrupted

store_url, folder, mlflow_url = sys.argv[1:]
die = lambda: os.kill(os.getpid(), signal.SIGKILL)
for line in sys.stdin:
    change_id, step, when = line.split()
    child = os.fork()
    if child == 0:
        registry = interrupted(open_rest_registry(mlflow_url), die, only=WRITES)
        reached = (lambda name: die() if name == step else None)
        world = build_world(open_store(store_url), utc_now, Path(folder), registry, reached=reached)
        registry.begin((int(step), When(when)) if step.isdecimal() else None)
        world.changes.execute(int(change_id), actor=MEERA)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def later() -> datetime:
    """Return a time when every lease of a process that died is over."""
    return utc_now() + timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class Installation:
    """Promotions on a real server behind a proxy; version 1 is in production."""

    world: World
    proxy: Proxy
    store_url: str
    folder: Path

    def approve_next(self) -> Change:
        current = self.world.pins.get(MODEL).current
        return self.world.approve(self.world.ask(current + 1, model=MODEL))

    def assert_moved_once(self, change: Change) -> None:
        version, registry = int(change.payload["version"]), self.world.registry
        assert self.world.changes.get(change.id).state is ChangeState.COMPLETED
        assert registry.get_model(MODEL).aliases == {"production": version}
        assert registry.get_version(MODEL, version).stage is Stage.PRODUCTION
        before = registry.get_version(MODEL, version - 1)
        assert (before.stage, before.tags["was_production"]) == (Stage.ARCHIVED, "true")
        assert [pins.current for pins in self.world.pins.list_history(MODEL)] == list(range(version, 0, -1))
        actions = self.world.list_actions(change)
        assert actions.count("promotion:execution:started") == 1
        assert actions.count("promotion:execution:completed") == 1


@pytest.fixture(scope="module")
def installation(mlflow_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("faults")
    store_url = f"sqlite:///{folder / 'store.db'}"
    store = open_store(store_url)
    upgrade(store)
    with proxy_to(mlflow_url) as proxy:
        registry = open_rest_registry(proxy.url)
        register_versions(mlflow_url, registry, MODEL, folder / "model", count=VERSIONS)
        world = build_world(store, later, folder, registry)
        world.promote(1, model=MODEL)
        yield Installation(world=world, proxy=proxy, store_url=store_url, folder=folder)
        registry.close()
    store.close()


@pytest.fixture(scope="module")
def killer(installation: Installation, mlflow_url: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", FORKING, installation.store_url, str(installation.folder), mlflow_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


STEPS = [*((name, "-") for name in ("started", "executed", "finished"))]
STEPS += [(str(place), when.value) for place in range(WRITES) for when in When]


@pytest.mark.parametrize(("step", "when"), STEPS)
def test_a_process_killed_at_any_step_is_gone_on_with(
    installation: Installation, killer: subprocess.Popen[str], step: str, when: str
) -> None:
    assert killer.stdin is not None
    assert killer.stdout is not None
    installation.proxy.begin()
    approved = installation.approve_next()
    killer.stdin.write(f"{approved.id} {step} {when}\n")
    killer.stdin.flush()
    assert killer.stdout.readline().strip() == str(-SIGKILL)
    left = installation.world.changes.get(approved.id).state
    assert left is (ChangeState.COMPLETED if step == "finished" else ChangeState.EXECUTING)
    installation.world.changes.recover()
    installation.assert_moved_once(approved)


@pytest.mark.parametrize("fault", ["down", "500"])
def test_a_server_that_goes_away_or_breaks_at_any_write_is_gone_on_with(installation: Installation, fault: str) -> None:
    requests = requests_of_one(installation)
    writes = [place for place, request in enumerate(requests) if not request.startswith("GET")]
    assert len(writes) == WRITES
    for place in [0, *writes]:
        approved = installation.approve_next()
        installation.proxy.begin(fault, place)
        with pytest.raises(Unreachable):
            installation.world.execute(approved)
        left = installation.world.changes.get(approved.id)
        installation.proxy.begin()
        if left.state is ChangeState.APPROVED:
            installation.world.execute(approved)
        else:
            drive_on(installation, approved)
        installation.assert_moved_once(approved)


@pytest.mark.long
def test_a_server_that_is_slow_at_a_write_moves_nothing_twice(installation: Installation) -> None:
    requests = requests_of_one(installation)
    place = next(place for place, each in enumerate(requests) if each.startswith("POST") and each.endswith("/alias"))
    approved = installation.approve_next()
    installation.proxy.begin("slow", place)
    with pytest.raises(Unreachable, match="did not answer in time"):
        installation.world.execute(approved)
    installation.proxy.begin()
    drive_on(installation, approved)
    installation.assert_moved_once(approved)


def requests_of_one(installation: Installation) -> list[str]:
    """Return the requests that one execution makes, in order."""
    approved = installation.approve_next()
    installation.proxy.begin()
    done = installation.world.execute(approved)
    requests = list(installation.proxy.requests)
    installation.assert_moved_once(done)
    return requests


def drive_on(installation: Installation, change: Change) -> None:
    """Be the worker, once the pause after the failure is over."""
    store = open_store(installation.store_url)
    world = build_world(store, lambda: later() + timedelta(minutes=1), installation.folder, installation.world.registry)
    assert [each.id for each in world.changes.recover()] == [change.id]
    store.close()
