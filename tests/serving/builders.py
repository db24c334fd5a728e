"""Homes that are served from: pins, ramps and policies in a store, models in their folders, and the server itself."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from services.audit import AuditLog
from services.clock import utc_now
from services.deployments import Pins
from services.deployments.routes import Route
from services.documents import Documents
from services.identity import Actor, Identity, Role
from services.policies.document import DECISION_POLICY
from services.serving.lineup import Lineup
from services.serving.process import Invocation, Scored
from services.serving.router import Router
from services.signatures.values import Signature
from services.store import Store, open_store
from tests.deployments.test_routes import ramp as open_ramp
from tests.jobs.models import write_model

MODEL = "fraud_detector"
JSON = "application/json"
ADMIN = Actor(name="root", roles=frozenset({Role.ADMIN}), origin="test")
MEERA = Actor(name="meera", roles=frozenset({Role.RELEASE_MANAGER}), origin="test")

CONSTANT = """
class Model:
    def predict(self, data):
        return [{value}] * len(data)
"""
# What it does shows in `b`: a model that is well only as long as nobody asks for it to be otherwise.
MOODY = """
import os, time
class Model:
    kept = []
    def predict(self, data):
        mood = float(data["b"].iloc[0])
        if mood == 11:
            os._exit(3)
        if mood == 12:
            time.sleep(3600)
        if mood == 13:
            while True:
                self.kept.append(b"x" * (64 << 20))
        if mood == 14:
            raise ValueError("not today")
        if mood == 15:
            time.sleep(1.5)
        return [0.5] * len(data)
"""


def rows(*given: tuple[float, float]) -> Invocation:
    """Return a request with these rows of `a` and `b`."""
    body = {"dataframe_split": {"columns": ["a", "b"], "data": [list(row) for row in given]}}
    return Invocation(body=json.dumps(body).encode(), content_type=JSON)


@dataclass(kw_only=True)
class FakeKept:
    """A version that answers as it is told to, at once."""

    version: int
    answer: Callable[[Invocation], Scored] | Exception
    signature: Signature | None = None
    asked: list[Invocation] = field(default_factory=list)
    is_untried: bool = False
    problem: str | None = None

    @property
    def seat(self) -> FakeKept:
        return self

    async def wait_until_idle(self) -> None:
        pass

    async def score(self, invocation: Invocation, *, wants_values: bool, timeout_s: float) -> Scored:
        self.asked.append(invocation)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer(invocation)


def says(*values: float) -> Callable[[Invocation], Scored]:
    """Return a version's answer that is always the same."""
    body = json.dumps({"predictions": list(values)}).encode()
    return lambda _invocation: Scored(
        status=200, mimetype="application/json", latency_ms=1.5, values=tuple(values), body=body
    )


def line_up_fakes(champion: FakeKept, candidate: FakeKept | None = None, *, ratio: float = 0.0) -> Lineup:
    """Return a line-up of versions that are not real."""
    number = None if candidate is None else candidate.version
    route = Route(
        model=MODEL,
        champion=champion.version,
        candidate=number,
        candidate_ratio=ratio,
        plan_id=None if candidate is None else 1,
        revision=1,
    )
    router = Router(champion=champion.version, candidate=number, candidate_ratio=ratio, salt="1")
    return Lineup(route=route, router=router, champion=champion, candidate=candidate)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that runs."""

    process: subprocess.Popen[str]
    started: Mapping[str, Any]
    log: Path

    @property
    def url(self) -> str:
        return str(self.started["address"])

    def post(self, invocation: Invocation, **headers: str) -> httpx.Response:
        """Send a request; the names of headers are written with `_`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.post(
            f"{self.url}/invocations",
            content=invocation.body,
            headers={"content-type": invocation.content_type, **named},
            timeout=60,
        )

    def health(self) -> Any:
        return httpx.get(f"{self.url}/health", timeout=60).json()

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric over the labels that are not given."""
        total = 0.0
        for line in httpx.get(f"{self.url}/metrics", timeout=60).text.splitlines():
            if line.startswith(f"gatehouse_serve_{name}{{") and all(f'{k}="{v}"' in line for k, v in labels.items()):
                total += float(line.rpartition(" ")[2])
        return total


@dataclass(kw_only=True)
class ServedHome:
    """One installation whose models are served."""

    folder: Path
    store: Store
    changes: int = 0

    @property
    def audit(self) -> AuditLog:
        return AuditLog(self.store, clock=utc_now, home=self.folder)

    @property
    def identity(self) -> Identity:
        return Identity(self.store, self.audit, clock=utc_now, home=self.folder)

    def place(self, version: int, source: str | None = None, **model: Any) -> Path:
        """Put a version's model where a server keeps it once it has been downloaded."""
        folder = self.folder / "models" / f"{hashlib.sha256(MODEL.encode()).hexdigest()[:16]}-{version}"
        return write_model(folder, source or CONSTANT.format(value=f"{version / 100}"), **model)

    def pin(self, *versions: int) -> None:
        """Put versions into production one after the other."""
        pins = Pins(self.store, clock=utc_now)
        for version in versions:
            self.changes += 1
            with self.store.write() as unit:
                pins.move(unit, model=MODEL, version=version, change_id=self.changes, actor="meera")
                unit.commit()

    def ramp(self, champion: int, candidate: int, ratio: float = 0.0) -> None:
        """Open a ramp."""
        open_ramp(self.store, champion=champion, candidate=candidate, traffic_ratio=ratio)

    def decide_by(self, text: str) -> str:
        """Put a decision policy into force and return its reference."""
        documents = Documents(self.store, self.audit, self.identity, [DECISION_POLICY], clock=utc_now)
        base = documents.find_head(DECISION_POLICY.name, MODEL)
        revision = documents.propose(MEERA, DECISION_POLICY.name, MODEL, text, reason="agreed", base=base)
        with self.store.write() as unit:
            documents.approve(unit, revision, actor=MEERA, change_id=None, reason="agreed")
            documents.activate(unit, revision, actor=MEERA, change_id=None, reason="agreed", expected=base)
            unit.commit()
        return revision.reference

    def actions(self) -> list[str]:
        """Return what the audit log says happened to servers."""
        events = self.audit.list_events(limit=1000).events
        return [event.action for event in events if event.action.startswith("serving:")]

    def command(self, *options: str) -> list[str]:
        return [sys.executable, "-m", "app.cli", "serve", MODEL, "--port", "0", "--json", *options]

    @contextmanager
    def serving(
        self, *options: str, standbys: int = 0, has_spare: bool = False, prefix: Sequence[str] = ()
    ) -> Iterator[Server]:
        """Run `gatehouse serve` until the block ends."""
        # A spare costs every test the imports of one more process.
        spare = "--spare" if has_spare else "--no-spare"
        given = ("--standbys", str(standbys), spare, "--log-seconds", "0.5", *options)
        command = [*prefix, *self.command(*given)]
        log = self.folder / "serve.log"
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("GATEHOUSE_", "MLFLOW_"))}
        with log.open("ab") as errors:
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**environ, "GATEHOUSE_HOME": str(self.folder)},
                start_new_session=True,
            )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"the server did not start:\n{log.read_text(errors='replace')[-3000:]}")
            yield Server(process=process, started=json.loads(line), log=log)
        finally:
            stop(process)
            if process.stdout is not None:
                process.stdout.close()


def make_served_home(folder: Path, migrated_file: Path) -> ServedHome:
    """Return an installation without pins or models below `folder`."""
    home = folder / "home"
    home.mkdir()
    shutil.copy(migrated_file, home / "gatehouse.db")
    return ServedHome(folder=home, store=open_store(f"sqlite:///{home / 'gatehouse.db'}"))


def stop(process: subprocess.Popen[str]) -> int:
    """End a server as its operator would, and return its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


def await_true(condition: Callable[[], bool], seconds: float = 90) -> None:
    """Wait until something is the case."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)
