"""Ramps with everything real but the registry, the sandbox and the clock; paired logs are written as serving does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pyarrow as pa

from services.changes import Change
from services.deployments.ramp_plan import RAMP_PLAN
from services.deployments.ramps import Ramps
from services.deployments.ticks import RampTicks
from services.documents import Documents
from services.gates.collectors.prometheus import Answer
from services.gates.evidence import Absent
from services.identity.actors import system_actor
from services.shadow.places import get_log_folder
from services.shadow.window import WindowReader
from services.shadow.writer import PairedLogWriter
from services.store import Store
from tests.changes.builders import JUN, MAYA, MEERA
from tests.conftest import FakeClock
from tests.deployments.builders import MODEL, World, build_world

PLAN = """\
kind: ramp_plan
check_seconds: 30
steps:
  - {traffic_percent: 0, minutes: 60}
  - {traffic_percent: 10, minutes: 30}
  - {traffic_percent: 100, minutes: 30}
guardrails:
  max_error_rate: 0.01
  max_latency_p99_ms: 100
  min_agreement: 0.85
  min_pairs: 500
"""
WORKER = system_actor("worker")


@dataclass(kw_only=True)
class RampWorld:
    """One model with version 3 in production and 4 to come."""

    world: World
    ramps: Ramps
    ticks: RampTicks
    documents: Documents
    logs: Path
    written: int = 0

    @property
    def clock(self) -> FakeClock:
        return self.world.clock

    def tick(self, **later: float) -> None:
        """Let time pass and the worker look."""
        self.clock.advance(**later)
        self.ticks.tick(actor=WORKER)

    def serve(self, pairs: int = 1000, *, errors: int = 0, slow: int = 0, unlike: int = 0, candidate: int = 4) -> None:
        """Answer requests now, some of them badly: the first with errors, the next slowly, the next unlike."""
        now = self.clock()
        kinds = ["error"] * errors + ["slow"] * slow + ["unlike"] * unlike
        kinds += ["fine"] * (pairs - len(kinds))
        rows = {
            "request_id": [f"r{self.written + index}" for index in range(pairs)],
            "ts": pa.array([now + timedelta(microseconds=index) for index in range(pairs)], pa.timestamp("us", "UTC")),
            "champion_version": [3] * pairs,
            "candidate_version": [candidate] * pairs,
            "champion_decision": ["allow"] * pairs,
            "candidate_decision": [{"error": None, "unlike": "block"}.get(kind, "allow") for kind in kinds],
            "champion_latency_ms": [5.0] * pairs,
            "candidate_latency_ms": [400.0 if kind == "slow" else 6.0 for kind in kinds],
            "candidate_error": ["boom" if kind == "error" else None for kind in kinds],
        }
        self.written += pairs
        with PairedLogWriter(get_log_folder(self.logs, MODEL)) as writer:
            writer.append(pa.table(rows))

    def approve(self, version: int = 4) -> Change:
        """Have a promotion of a version approved."""
        payload = {"model": MODEL, "version": version, "to": "Production"}
        asked = self.world.changes.request("promotion", payload, actor=MAYA, reason="it is better")
        return self.world.changes.approve(asked.id, actor=JUN, reason="looks right")

    def start(self, candidate: int | None = 4) -> None:
        self.ramps.start(MODEL, candidate=candidate, actor=MEERA, reason="see how it does")

    def to_traffic(self) -> Change:
        """Start with an approved promotion and pass the shadow step."""
        promotion = self.approve()
        self.start()
        self.serve()
        self.tick(minutes=60)
        return promotion


def build_ramps(
    store: Store,
    clock: FakeClock,
    folder: Path,
    *,
    plan: str = PLAN,
    ask: Callable[[str], Answer] = lambda _query: Absent(reason="No Prometheus server is set."),
) -> RampWorld:
    """Return ramps with version 3 pinned and a plan in force."""
    ramp = open_ramps(store, clock, folder, ask=ask)
    ramp.world.pin(1, 2, 3)
    revision = ramp.documents.propose(MAYA, "ramp_plan", "default", plan, reason="short", base=None)
    with store.write() as unit:
        ramp.documents.activate(unit, revision, actor=JUN, change_id=None, reason="short", expected=None)
        unit.commit()
    return ramp


def open_ramps(
    store: Store,
    clock: FakeClock,
    folder: Path,
    *,
    ask: Callable[[str], Answer] = lambda _query: Absent(reason="No Prometheus server is set."),
) -> RampWorld:
    """Return ramps over whatever is in the store."""
    world = build_world(store, clock, folder)
    documents = Documents(store, world.audit, world.identity, [RAMP_PLAN], clock=clock)
    ramps = Ramps(
        store,
        world.identity,
        documents,
        world.changes,
        world.pins,
        world.registry,
        world.writer,
        prove=lambda model, version, actor: world.standbys.warm(model, version, actor=actor, anew=True),
        clock=clock,
    )
    logs = folder / "shadow"
    ticks = RampTicks(
        store, world.changes, world.pins, ramps, world.writer, WindowReader(), ask=ask, logs=logs, clock=clock
    )
    return RampWorld(world=world, ramps=ramps, ticks=ticks, documents=documents, logs=logs)
