"""Shadow logs of an installation: where they lie, and reading and replaying as people ask for it.

Whoever may read metrics may see a comparison; whoever may run gates may replay. A replay is an event. What takes long
is a job; what a page needs at once is only what has been read already.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from services.audit import AuditLog
from services.clock import Clock, utc_now
from services.identity import Actor, Identity
from services.identity.actors import Permission
from services.jobs.jobs import JobContext, Jobs
from services.registry.port import RegistryReader
from services.shadow.engines import open_engine
from services.shadow.reading import LogState, find_log_state, read_log
from services.shadow.replay import ReplayedVersion, ReplayOptions, ReplayReport, Scorer, replay
from services.shadow.replay_data import Described
from services.shadow.replay_notes import Outputs
from services.store import Store

READ_JOB, REPLAY_JOB = "shadow:read", "shadow:replay"


@dataclass(frozen=True, slots=True)
class _Requester:
    """Who asked for a job, as the audit log names them."""

    name: str
    origin: str


class ShadowLogs:
    """The shadow logs of an installation.

    Args:
        scorer: runs models in the sandbox.
        home: keeps logs and states.
        engine: `duckdb` or `spark`.
    """

    def __init__(
        self,
        registry: RegistryReader,
        store: Store,
        audit: AuditLog,
        identity: Identity,
        jobs: Jobs,
        scorer: Scorer,
        *,
        home: Path,
        engine: str = "duckdb",
        clock: Clock = utc_now,
    ) -> None:
        self._registry = registry
        self._store = store
        self._audit = audit
        self._identity = identity
        self._jobs = jobs
        self._scorer = scorer
        self._home = home
        self._engine = engine
        self._clock = clock
        jobs.register(READ_JOB, self._run_read)
        jobs.register(REPLAY_JOB, self._run_replay)

    def find_state(self, log: Path, *, actor: Actor) -> LogState | None:
        """Return the state of a log if nothing of it is still to be read, else None.

        Raises:
            Forbidden: the actor may not read metrics.
            NotFound: there is no such log.
        """
        self._identity.demand(actor, Permission.READ_METRICS, subject=f"shadow/{log.name}")
        return find_log_state(log, engine=self._engine, home=self._home)

    def ask_to_read(self, log: Path, *, actor: Actor) -> int:
        """Have a log read by the worker, and return the id of the job; asking again while it is read asks for nothing.

        Raises:
            Forbidden: the actor may not read metrics.
            Unreachable: the store or the queue does not answer.
        """
        self._identity.demand(actor, Permission.READ_METRICS, subject=f"shadow/{log.name}")
        return self._jobs.enqueue(READ_JOB, {"log": str(log)}, actor, key=f"{READ_JOB}:{log}")

    def replay(
        self,
        model: str,
        champion: int,
        candidate: int,
        data: Path,
        out: Path,
        *,
        actor: Actor,
        options: ReplayOptions | None = None,
        progress: Callable[[int, int | None], object] = lambda _done, _total: None,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> ReplayReport:
        """Score a data file with two versions and write the pairs into `out`; see `services.shadow.replay.replay`.

        Raises:
            Forbidden: the actor may not run gates.
            NotFound: there is no such version or data file, or the model's files are gone.
            Unreachable: the registry does not answer.
        """
        self._identity.demand(actor, Permission.RUN_GATES, subject=model)
        requester = _Requester(actor.name, actor.origin)
        return self._replay(requester, model, champion, candidate, data, out, options, progress, is_cancelled)

    def ask_to_replay(
        self,
        model: str,
        champion: int,
        candidate: int,
        data: Path,
        out: Path,
        *,
        actor: Actor,
        options: ReplayOptions | None = None,
    ) -> int:
        """Have a data file replayed by the worker, and return the id of the job.

        Raises:
            Forbidden: the actor may not run gates.
            NotFound: there is no such version.
            Unreachable: the registry, the store or the queue does not answer.
        """
        self._identity.demand(actor, Permission.RUN_GATES, subject=model)
        for version in (champion, candidate):
            self._registry.get_version(model, version)
        payload = {
            "model": model,
            "champion": champion,
            "candidate": candidate,
            "data": str(data),
            "out": str(out),
            "options": asdict(options or ReplayOptions()),
        }
        return self._jobs.enqueue(REPLAY_JOB, payload, actor, key=f"{REPLAY_JOB}:{out}")

    def _run_read(self, payload: Mapping[str, Any], context: JobContext) -> Any:
        log = Path(payload["log"])

        def report(done: int, total: int) -> None:
            context.check()
            context.report(done, total, "rows read")

        found = read_log(log, engine=open_engine(self._engine), home=self._home, progress=report)
        return {"rows": found.coverage.rows_read}

    def _run_replay(self, payload: Mapping[str, Any], context: JobContext) -> Any:
        options = dict(payload["options"])
        described = Described(
            **{**options.pop("described"), "slices": tuple(payload["options"]["described"]["slices"])}
        )
        outputs = options.pop("outputs")
        report = self._replay(
            _Requester(context.job.requested_by, f"job {context.job.id}"),
            payload["model"],
            payload["champion"],
            payload["candidate"],
            Path(payload["data"]),
            Path(payload["out"]),
            ReplayOptions(**options, described=described, outputs=None if outputs is None else Outputs(outputs)),
            lambda done, total: context.report(done, total, "rows replayed"),
            context.is_stopping,
        )
        context.check()
        return asdict(report)

    def _replay(
        self,
        requester: _Requester,
        model: str,
        champion: int,
        candidate: int,
        data: Path,
        out: Path,
        options: ReplayOptions | None,
        progress: Callable[[int, int | None], object],
        is_cancelled: Callable[[], bool],
    ) -> ReplayReport:
        with tempfile.TemporaryDirectory(prefix="gatehouse-replayed-") as folder:
            versions = [
                self._fetch(model, number, Path(folder, side))
                for side, number in (("champion", champion), ("candidate", candidate))
            ]
            report = replay(
                versions[0],
                versions[1],
                data,
                out,
                scorer=self._scorer,
                options=options,
                clock=self._clock,
                progress=progress,
                is_cancelled=is_cancelled,
            )
        if report.is_complete:
            self._record(requester, model, champion, candidate, report)
        return report

    def _fetch(self, model: str, number: int, folder: Path) -> ReplayedVersion:
        folder.mkdir()
        version = self._registry.get_version(model, number)
        return ReplayedVersion(version=number, folder=self._registry.download(version, folder))

    def _record(self, requester: _Requester, model: str, champion: int, candidate: int, report: ReplayReport) -> None:
        with self._store.write() as unit:
            self._audit.record(
                unit,
                actor=requester,
                action="shadow:replay:completed",
                subject=f"{model}/{candidate}",
                model=model,
                after={"champion": champion, "candidate": candidate, **asdict(report)},
            )
            unit.commit()
