"""Deployments over a registry in memory, with a runner that says of each model what tests make it say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.audit import AuditLog
from services.changes import Change, Changes, Execution, Proof
from services.clock import Clock, to_micros
from services.deployments import Deployments, Pins, PinsFollowPromotions, Rollback, Servers
from services.deployments.pins_file import PinsFile
from services.deployments.ramp_records import RampWriter
from services.deployments.standbys import Standbys
from services.identity import Identity
from services.identity.actors import Actor, Permission
from services.jobs.confinement import Ending
from services.jobs.probe import Invariance, Probe, ProbeSpec, RunFailure
from services.promotions import StageMover
from services.promotions.promotion import StageFollower
from services.registry.approved import Approved
from services.registry.drift import Drifts
from services.registry.fake import FakeRegistry
from services.registry.values import Stage
from services.store import Store, UnitOfWork
from services.store import servers as server_rows
from tests.conftest import FakeClock

MODEL = "fraud_detector"
MLMODEL = b"""flavors: {python_function: {loader_module: gatehouse_test_model}}
signature:
  inputs: '[{"type": "double", "name": "amount", "required": true}]'
  outputs: '[{"type": "double", "required": true}]'
saved_input_example_info: {artifact_path: input_example.json, type: dataframe, pandas_orient: split}
"""


@dataclass(kw_only=True)
class Bench:
    """Stands for the sandbox: tells of each model folder what tests planned, by the version written in it."""

    broken: dict[int, str] = field(default_factory=dict)
    tried: list[int] = field(default_factory=list)
    on_try: Callable[[], object] = lambda: None

    def probe(self, model_folder: Path, data: Path | None, spec: ProbeSpec | None = None) -> Probe | RunFailure:
        version = int((model_folder / "version").read_text())
        self.tried.append(version)
        self.on_try()
        if version in self.broken:
            return RunFailure(ending=Ending.EXITED, reason=self.broken[version], stderr="")
        return Probe(
            rows=5, start_s=1, load_s=1, cold_start_s=1, memory_bytes=1, baseline_bytes=1, calls=5, failed_calls=0,
            errors=(), p50_ms=1, p95_ms=1, p99_ms=1, expectations=(),
            column_order=Invariance(is_invariant=True, detail=""),
        )  # fmt: skip


@dataclass(kw_only=True)
class SimplePromotion:
    """Promotions without gates: what they bind to is the production alias, and followers follow."""

    registry: FakeRegistry
    audit: AuditLog
    followers: Sequence[StageFollower]
    mover: StageMover
    name: str = "promotion"
    executes_on_approval: bool = False
    goes_first: bool = False

    def subject(self, payload: Mapping[str, Any]) -> str:
        return f"{payload['model']}/{payload['version']}"

    def model(self, payload: Mapping[str, Any]) -> str | None:
        return str(payload["model"])

    def title(self, payload: Mapping[str, Any]) -> str:
        return f"{self.subject(payload)} to {payload['to']}"

    def permission_to_request(self, payload: Mapping[str, Any]) -> Permission:
        return Permission.REQUEST_CHANGE

    def permission_to_approve(self, payload: Mapping[str, Any]) -> Permission:
        return Permission.PROMOTE_TO_PRODUCTION

    def prove(self, payload: Mapping[str, Any], actor: Actor) -> Proof:
        return Proof(bound=self.bind(payload), findings={}, required_approvals=1)

    def bind(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"alias_points_at": self.registry.find_alias(payload["model"], "production")}

    def started(self, unit: UnitOfWork, change: Change, actor: Actor) -> None:
        self.audit.record(unit, actor=actor, action="promotion:execution:started", subject=change.subject)

    def execute(self, change: Change) -> Execution:
        replaces = change.bound["alias_points_at"]
        model, version = change.payload["model"], change.payload["version"]
        self.mover.point(model, version, Stage.PRODUCTION, change.operation_id, replaces=replaces)
        return Execution(is_done=True)

    def closed(self, unit: UnitOfWork, change: Change, actor: Actor) -> None:
        pass

    def completed(self, unit: UnitOfWork, change: Change, execution: Execution, actor: Actor) -> None:
        for follower in self.followers:
            follower.stage_moved(unit, change, Stage(change.payload["to"]), actor)


@dataclass(kw_only=True)
class World:
    """Four versions of one model, and pins that tests set."""

    store: Store
    clock: FakeClock
    registry: FakeRegistry
    audit: AuditLog
    identity: Identity
    pins: Pins
    changes: Changes
    bench: Bench
    standbys: Standbys
    drifts: Drifts
    writer: RampWriter
    deployments: Deployments

    def pin(self, *versions: int, model: str = MODEL) -> None:
        """Put versions into production one after the other, as promotions do."""
        for number, version in enumerate(versions, 1):
            with self.store.write() as unit:
                self.pins.move(unit, model=model, version=version, change_id=-number, actor="meera")
                unit.commit()
            self.registry.set_alias(model, "production", version)

    def actions(self) -> list[str]:
        """Return the actions of every event, oldest first."""
        return [event.action for event in self.audit.list_events(limit=1000).events]


def speak(store: Store, clock: Clock, server_id: str, version: int | None, **state: Any) -> None:
    """Say in the store what a server says of itself."""
    values = {
        "model": MODEL, "address": f"http://127.0.0.1/{server_id}", "host": "there", "actor": "meera",
        "started_us": to_micros(clock()), "seen_us": to_micros(clock()),
        "state": {
            "status": "ok", "champion": version, "loaded": [version], "problems": [], "requests": 7, "paired": 5,
            "dropped": 2, "lost_rows": 1, **state,
        },
    }  # fmt: skip
    with store.write() as unit:
        server_rows.put_server(unit, server_id, values)
        unit.commit()


def registry_with_files(versions: int) -> FakeRegistry:
    registry = FakeRegistry()
    registry.add_model(MODEL)
    for number in range(1, versions + 1):
        registry.add_version(MODEL, files={"MLmodel": MLMODEL, "version": str(number).encode()})
    return registry


def build_world(
    store: Store,
    clock: FakeClock,
    folder: Path,
    *,
    find_mlmodel: Callable[[str, int], bytes | None] = lambda _model, _version: MLMODEL,
    pause: Callable[[float], object] = lambda _seconds: None,
) -> World:
    registry = registry_with_files(4)
    audit = AuditLog(store, clock=clock, home=folder)
    identity = Identity(store, audit, clock=clock, home=folder)
    pins, bench, writer = Pins(store, clock=clock), Bench(), RampWriter(audit, clock)
    standbys = Standbys(store, registry, audit, bench, home=folder, clock=clock)
    mover = StageMover(registry, legacy_stages=True, clock=clock, sign=lambda: audit.checkpoints.write().note)
    rollback = Rollback(registry, pins, mover, audit, store, standbys, writer)
    promotion = SimplePromotion(
        registry=registry, audit=audit, mover=mover, followers=[PinsFollowPromotions(pins), writer]
    )
    changes = Changes(store, audit, identity, [rollback, promotion], clock=clock)
    drifts = Drifts(
        store,
        registry,
        Approved(store, clock=clock),
        audit,
        clock=clock,
        write_pins=lambda: deployments.write_file(),  # noqa: PLW0108 - made below
    )
    deployments = Deployments(
        pins,
        changes,
        standbys,
        PinsFile(folder / "pins.yaml", store, audit, drifts),
        Servers(store, clock=clock, pause=pause),
        find_mlmodel=find_mlmodel,
    )
    return World(
        store=store,
        clock=clock,
        registry=registry,
        audit=audit,
        identity=identity,
        pins=pins,
        changes=changes,
        bench=bench,
        standbys=standbys,
        drifts=drifts,
        writer=writer,
        deployments=deployments,
    )
