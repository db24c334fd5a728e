"""The scoring server of one model: follows pins and traffic plan, answers, and ends when it is told to.

Nothing here waits for the store: what is to serve is read by a thread, what happens is recorded by another.
"""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import math
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

from services.audit import AuditLog
from services.deployments.pins import Pins
from services.deployments.routes import Routes
from services.documents.reading import DocumentReader
from services.errors import InvalidInput, Unavailable
from services.identity import Identity
from services.identity.actors import Actor, Permission
from services.jobs.confinement import MIB, Limits
from services.jobs.model_runner import ModelRunner
from services.policies.guardrails import MemoryOfStore
from services.serving.access import RateLimit, TokenGate
from services.serving.deciding import Decisions
from services.serving.engine import Engine, Patience, Serving
from services.serving.folders import Folders
from services.serving.http import Door, build_app
from services.serving.kept import Seat
from services.serving.lineup import Fleet, line_up
from services.serving.metrics import Metrics
from services.serving.pair_log import PairLog
from services.serving.record import ServingRecord
from services.serving.shadowing import Shadow
from services.serving.spares import Spares
from services.serving.tally import Tally
from services.serving.watching import Wanted, Watch
from services.store import Store

STALE_S = 10.0
# Longer than balancers in front keep a connection, which is a minute as a rule: else one of their requests meets the
# end of a connection that both were about to let go.
KEEP_ALIVE_S = 75
RETRY_S = 5.0
REPEAT_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """How a model is served.

    Args:
        demands_token: let in only who holds a token that may read production models.
        max_body_bytes: longer requests are refused.
        per_second: how many requests of each caller are answered; None is all.
        is_strict: refuse values that would reach the model as something else than was sent.
        slices: columns of requests that the paired log keeps.
        standbys: how many of previous and fallback are kept loaded, so that going back takes no loading.
        has_spare: whether a process waits with its libraries imported, so that a new version is loaded in a moment.
        memory_mib: what each version may hold.
        log_seconds: how old a row of the paired log may become before it is on disk.
    """

    host: str = "127.0.0.1"
    port: int = 5001
    demands_token: bool = False
    max_body_bytes: int = 16 * MIB
    per_second: float | None = None
    patience: Patience = field(default_factory=Patience)
    is_strict: bool = False
    slices: tuple[str, ...] = ()
    standbys: int = 2
    has_spare: bool = True
    memory_mib: int = 2048
    log_seconds: float = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What of an installation a server leans on."""

    store: Store
    audit: AuditLog
    identity: Identity
    routes: Routes
    pins: Pins
    documents: DocumentReader
    folders: Folders
    log_folder: Path
    home: Path


class ScoringServer:
    """Serves one model until it is told to stop."""

    def __init__(self, model: str, parts: Parts, options: ServeOptions, *, actor: Actor) -> None:
        self._model = model
        self._parts = parts
        self._options = options
        self._metrics = Metrics(model)
        self._record = ServingRecord(
            model,
            store=parts.store,
            audit=parts.audit,
            actor=actor,
            folder=parts.home / "serving",
            tell=self._tell_state,
        )
        self._watch = Watch(
            model,
            routes=parts.routes,
            pins=parts.pins,
            documents=parts.documents,
            standbys=options.standbys,
            on_change=self._want,
        )
        self._wanted: Wanted | None = None
        self._trouble: str | None = None
        self._noted: dict[Seat, tuple[str, float]] = {}
        parts.identity.demand(actor, Permission.READ_PRODUCTION_MODEL, subject=model)
        if not options.demands_token and not is_loopback(options.host):
            raise InvalidInput(
                f"{options.host} can be reached from elsewhere, and no token is demanded.",
                next_step="Add --require-token, or serve on 127.0.0.1.",
            )

    def run(self, on_ready: Callable[[str, int], object]) -> None:
        """Serve until SIGTERM or SIGINT.

        Args:
            on_ready: told the address and the version when requests are answered.

        Raises:
            NotFound: nothing of the model is in production.
            Unavailable: the version that is pinned cannot be loaded, or the port is taken.
            Unreachable: the store does not answer.
        """
        with bound_socket(self._options.host, self._options.port) as listening, self._record.opened() as tally:
            asyncio.run(self._run(listening, tally, on_ready))

    async def _run(self, listening: socket.socket, tally: Tally, on_ready: Callable[[str, int], object]) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._settled = asyncio.Event()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, stop.set)
        options = self._options
        self._log = PairLog(
            self._parts.log_folder,
            self._metrics,
            tally,
            seconds=options.log_seconds,
            on_trouble=self._note_log_trouble,
        )
        self._shadow = Shadow(
            self._log, self._metrics, tally, slices=options.slices, timeout_s=options.patience.candidate_s
        )
        self._engine = Engine(
            self._model, self._metrics, self._shadow, patience=options.patience, is_strict=options.is_strict
        )
        self._fleet = Fleet(
            fetch=lambda version: asyncio.to_thread(self._parts.folders.get, self._model, version),
            spares=Spares(
                self._record.slots,
                runner=ModelRunner(Limits(is_endless=True, memory_bytes=options.memory_mib * MIB)),
                is_kept=options.has_spare,
            ),
            on_failure=self._note_failure,
        )
        self._watch.start()
        following = asyncio.create_task(self._follow())
        try:
            if await self._wait_for_first(stop):
                await self._answer(listening, stop, on_ready)
        finally:
            self._watch.close()
            following.cancel()
            await asyncio.wait([following])
            await self._fleet.close()

    async def _wait_for_first(self, stop: asyncio.Event) -> bool:
        """Wait until something serves; return False if the server was stopped before."""
        waiting = [asyncio.create_task(event.wait()) for event in (self._settled, stop)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        if self._engine.serving is None and self._trouble is not None:
            raise Unavailable(self._trouble, next_step="Go back to another version, or mend what is named.")
        return self._engine.serving is not None

    async def _answer(
        self, listening: socket.socket, stop: asyncio.Event, on_ready: Callable[[str, int], object]
    ) -> None:
        options, serving, address = self._options, self._engine.serving, _address_of(listening)
        assert serving is not None
        gate = TokenGate(self._parts.identity, self._model) if options.demands_token else None
        door = Door(gate=gate, rate=RateLimit(options.per_second), max_body_bytes=options.max_body_bytes)
        app = build_app(self._engine, self._metrics, door, health=self._tell_health, refresh=self._refresh)
        server = _Server(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=math.ceil(options.patience.request_s),
            ),
            lambda: on_ready(address, serving.lineup.route.champion),
        )
        self._log.start()
        self._shadow.start()
        before = self._record.start(address=address, version=serving.lineup.route.champion)
        self._metrics.count(self._metrics.lost, by=before.rows)
        self._metrics.count(self._metrics.dropped, "the server was killed", by=before.requests)
        # What is loaded by now stays: the collector need not walk through it in the middle of a request.
        gc.freeze()
        answering = asyncio.create_task(server.serve(sockets=[listening]))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([answering, stopping], return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await answering
        await self._shadow.close()
        await asyncio.to_thread(self._log.close)
        lost = int(self._metrics.read(self._metrics.lost))
        await asyncio.to_thread(self._record.stop, lost_log_rows=lost)

    # What is to serve

    def _want(self, wanted: Wanted) -> None:
        self._wanted = wanted
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._changed.set)

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            assert self._wanted is not None
            # A version that takes long to load must not hold up going back to another.
            applying = asyncio.create_task(self._apply(self._wanted))
            changing = asyncio.create_task(self._changed.wait())
            await asyncio.wait([applying, changing], return_when=asyncio.FIRST_COMPLETED)
            for task in (applying, changing):
                task.cancel()
            await asyncio.wait([applying, changing])

    async def _apply(self, wanted: Wanted) -> None:
        before = self._engine.serving
        lineup = await line_up(self._fleet, wanted.route, None if before is None else before.lineup)
        if lineup.champion.problem is not None:
            self._refuse_route(wanted, lineup.champion.problem)
            self._settled.set()
            self._loop.call_later(RETRY_S, self._changed.set)
            return
        self._trouble = None
        self._engine.serving = Serving(lineup=lineup, decisions=self._choose_decisions(wanted, before))
        route = wanted.route
        self._settled.set()
        self._metrics.show_route(route.revision, route.champion, lineup.candidate_version)
        if before is not None:
            self._record.note(
                "serving:route:taken",
                version=route.champion,
                after={**_told(self._engine.serving), "instead_of": _told(before)},
            )
        seats = {kept.seat for kept in (lineup.champion, lineup.candidate) if kept is not None}
        seats |= {Seat(version=version, is_live=True) for version in wanted.standbys}
        self._fleet.let_go_of_others(seats)
        for seat in seats:
            self._fleet.keep(seat)

    def _choose_decisions(self, wanted: Wanted, before: Serving | None) -> Decisions | None:
        if wanted.policy is None:
            return None
        if before is not None and before.decisions is not None and before.decisions.policy == wanted.policy:
            return before.decisions
        return Decisions(wanted.policy, MemoryOfStore(self._parts.store, self._model))

    def _refuse_route(self, wanted: Wanted, why: str) -> None:
        told = f"{self._model}/{wanted.route.champion} cannot be loaded: {why.rstrip('.')}."
        serving = self._engine.serving
        if serving is not None and self._trouble != told:
            goes_on = serving.lineup.route.champion
            self._record.note(
                "serving:route:refused", version=wanted.route.champion, reason=told, after={"goes_on": goes_on}
            )
        self._trouble = told

    # What is told

    def _note_failure(self, seat: Seat, why: str) -> None:
        self._metrics.count(self._metrics.failures, seat.version)
        last, at_s = self._noted.get(seat, ("", -math.inf))
        if why != last or time.monotonic() - at_s >= REPEAT_S:
            self._noted[seat] = (why, time.monotonic())
            self._record.note(
                "serving:version:failed", version=seat.version, reason=why, after={"answers_callers": seat.is_live}
            )

    def _note_log_trouble(self, why: str | None) -> None:
        lost = int(self._metrics.read(self._metrics.lost))
        action = "serving:log:resumed" if why is None else "serving:log:failed"
        self._record.note(action, reason=why or "", after={"lost_rows": lost})

    def _tell_health(self) -> Mapping[str, Any]:
        serving = self._engine.serving
        champion_problem = "nothing is loaded" if serving is None else serving.lineup.champion.problem
        problems = [self._trouble] if self._trouble else []
        if self._watch.age_s > STALE_S:
            why = self._watch.problem or "it does not answer."
            problems.append(f"Pins and plan were last read {self._watch.age_s:.0f} s ago: {why}")
        if champion_problem is not None:
            problems.append(f"The champion does not answer: {champion_problem}")
        if serving is not None and serving.lineup.candidate is not None and serving.lineup.candidate.problem:
            problems.append(f"The candidate does not answer: {serving.lineup.candidate.problem}")
        if self._log.trouble:
            problems.append(self._log.trouble)
        status = "down" if champion_problem is not None else "degraded" if problems else "ok"
        about = {} if serving is None else _told(serving)
        return {
            "status": status,
            "model": self._model,
            **about,
            "loaded": sorted({kept.seat.version for kept in self._fleet.list_kept() if kept.problem is None}),
            "route_age_s": round(self._watch.age_s, 1),
            "problems": problems,
        }

    def _tell_state(self) -> Mapping[str, Any]:
        metrics = self._metrics
        return {
            **self._tell_health(),
            "requests": metrics.total(metrics.requests),
            "paired": metrics.total(metrics.pairs),
            "dropped": metrics.total(metrics.dropped),
            "lost_rows": metrics.total(metrics.lost),
        }

    def _refresh(self) -> None:
        self._metrics.set(self._metrics.route_age, to=self._watch.age_s)


class _Server(uvicorn.Server):
    """uvicorn, with the signals left to whoever runs it, who is told when it listens."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], object]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a host.

    >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
    (True, False)
    """
    try:
        found = socket.getaddrinfo(host, None)
    except OSError:
        return False
    return all(ipaddress.ip_address(place[4][0]).is_loopback for place in found)


@contextmanager
def bound_socket(host: str, port: int) -> Iterator[socket.socket]:
    """Hold a port without listening on it yet: whoever comes before there is an answer is refused, not kept waiting.

    Raises:
        Unavailable: it is taken, or is none of this machine's.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # With its protocol named, or asyncio would leave Nagle's algorithm on, and each answer would wait 40 ms for an
        # acknowledgement between its head and its body.
        held = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _no_port(host, port, error) from error
    with held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind(place)
        except OSError as error:
            raise _no_port(host, port, error) from error
        yield held


def _no_port(host: str, port: int, error: OSError) -> Unavailable:
    return Unavailable(
        f"The server cannot have port {port} of {host}: {error.strerror or error}.", next_step="Choose another --port."
    )


def _address_of(held: socket.socket) -> str:
    host, port, *_ = held.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _told(serving: Serving) -> dict[str, Any]:
    route = serving.lineup.route
    return {
        "champion": route.champion,
        "candidate": serving.lineup.candidate_version,
        "candidate_ratio": route.candidate_ratio,
        "policy_revision": None if serving.decisions is None else serving.decisions.policy.revision,
        "route_revision": route.revision,
    }
