"""Gates: twenty metric gates on one version beyond fetching, and every model on records in one call."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from services.gates.collectors.records import MetricsCollector
from services.identity.actors import Actor, Role
from services.registry.fake import FakeRegistry
from services.registry.values import Stage
from services.store import open_store
from services.store.migrations import upgrade
from tests.conftest import FakeClock
from tests.gates.builders import GOOD, add_version, build_world

ACTOR = Actor(name="ci", roles=frozenset({Role.ML_ENGINEER}), origin="bench")
MODELS = 500
GATES = 20
REPEATS = 20

POLICY = (
    "kind: gate_policy\nexpires_after_hours: 24\nwaiver_days: 3\n"
    "stages:\n  staging:\n    approvals: {default: 1}\n    gates:\n"
)


def main() -> None:
    """Print one line a figure."""
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/gatehouse.db")
        upgrade(store)
        world = build_world(store, FakeClock(), Path(folder))
        candidate = add_version(world.registry, metrics=GOOD | {f"own_{place}": 1.0 for place in range(GATES)})
        gates = "".join(f"    - {{gate: g{n}, kind: metric, metric: own_{n}, at_least: 0.5}}\n" for n in range(GATES))
        chosen = [MetricsCollector(world.registry)]

        def run() -> None:
            report = world.gates.run(
                candidate, Stage.STAGING, actor=ACTOR, policy_text=POLICY + gates, collectors=chosen
            )
            assert report.is_passed

        milliseconds = best(run) * 1000
        print(f"20 metric gates, judged, stored and recorded: measured {milliseconds:.1f} ms (reach 30 ms)")
        few, many = (
            sweep_of(world.registry, world.gates.run_records, 50),
            sweep_of(world.registry, world.gates.run_records, MODELS),
        )
        print(f"{MODELS} models on records: measured {many[0] * 1000:.0f} ms")
        print(f"calls to the registry for {MODELS} models against 50: measured {many[1] / few[1]:.2f} (reach 1)")


def sweep_of(registry: FakeRegistry, run: Callable[..., object], count: int) -> tuple[float, int]:
    """Return the time and the number of calls that judging `count` models takes."""
    present = len(list(registry.list_models()))
    for place in range(count - present):
        add_version(registry, f"m{place}_{count}", aliases=["production"])
        add_version(registry, f"m{place}_{count}")
    registry.faults.calls.clear()
    started = time.perf_counter()
    run(Stage.STAGING, actor=ACTOR)
    return time.perf_counter() - started, len(registry.faults.calls)


def best(run: Callable[[], None]) -> float:
    """Return the best of several times in seconds."""
    found = float("inf")
    for _ in range(REPEATS):
        started = time.perf_counter()
        run()
        found = min(found, time.perf_counter() - started)
    return found


if __name__ == "__main__":
    main()
