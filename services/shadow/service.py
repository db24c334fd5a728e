"""Shadow logs of an installation: where they lie, and reading and replaying as people ask for it.

Whoever may read metrics may see a comparison; whoever may run gates may replay. A replay is an event. What takes long
is a job; what a page needs at once is only what has been read already.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from services.audit import AuditLog
from services.clock import Clock, utc_now
from services.identity import Actor, Identity
from services.identity.actors import Permission
from services.jobs.jobs import OPEN, Job, JobContext, Jobs
from services.registry.port import RegistryReader
from services.shadow.engines import open_engine
from services.shadow.labels import LabelReport, join_labels, list_days, read_labels
from services.shadow.places import LogPlace, get_replay_folder, list_logs
from services.shadow.reading import LatestState, find_latest_state, read_log
from services.shadow.replay import ReplayedVersion, ReplayOptions, ReplayReport, Scorer, replay
from services.shadow.replay_data import Described, check_suffix, digest_file
from services.shadow.replay_notes import Outputs
from services.shadow.uploads import Uploads
from services.store import Store

_JOBS_LOOKED_AT = 100
_SPARK_CHUNK = 1_000_000

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
        engine: `duckdb` or `spark`; what a replay's scorer runs on has to fit it.
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
        self._logs, self._replays = home / "shadow", home / "replays"
        self._engine = engine
        self._clock = clock
        self._uploads = Uploads(home / "replay-data", clock=clock)
        jobs.register(READ_JOB, self._run_read)
        jobs.register(REPLAY_JOB, self._run_replay)

    def list_logs(self, model: str, *, actor: Actor) -> tuple[LogPlace, ...]:
        """Return the logs of a model: what serving wrote, then replays, the newest first.

        Raises:
            Forbidden: the actor may not read metrics.
        """
        self._identity.demand(actor, Permission.READ_METRICS, subject=model)
        return list_logs(self._logs, self._replays, model)

    def find_state(self, log: Path, *, actor: Actor) -> LatestState | None:
        """Return what was read of a log so far, at once; None where nothing was.

        Raises:
            Forbidden: the actor may not read metrics.
            NotFound: there is no such log.
        """
        self._identity.demand(actor, Permission.READ_METRICS, subject=f"shadow/{log.name}")
        return find_latest_state(log, engine=self._engine, home=self._home)

    def find_reading(self, log: Path, *, actor: Actor) -> Job | None:
        """Return the newest job that read a log, or reads it.

        Raises:
            Forbidden: the actor may not read metrics.
        """
        self._identity.demand(actor, Permission.READ_METRICS, subject=f"shadow/{log.name}")
        jobs = self._jobs.list_jobs(name=READ_JOB, limit=_JOBS_LOOKED_AT)
        return next((job for job in jobs if job.payload["log"] == str(log)), None)

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
        self._check_versions(model, champion, candidate)
        payload = {
            "model": model,
            "champion": champion,
            "candidate": candidate,
            "data": str(data),
            "out": str(out),
            "options": asdict(options or ReplayOptions()),
        }
        return self._jobs.enqueue(REPLAY_JOB, payload, actor, key=f"{REPLAY_JOB}:{out}")

    def replay_upload(
        self,
        model: str,
        champion: int,
        candidate: int,
        upload: bytes,
        *,
        suffix: str,
        actor: Actor,
        options: ReplayOptions | None = None,
    ) -> int:
        """Keep data that somebody brought, have it replayed by the worker, and return the id of the job.

        See `services.shadow.uploads` for how long the data is kept.

        Args:
            suffix: what kind of file it is, such as `.csv`.

        Raises:
            Forbidden: the actor may not run gates.
            InvalidInput: it is no kind of file that can be replayed.
            NotFound: there is no such version.
            Unavailable: the data cannot be kept.
            Unreachable: the registry, the store or the queue does not answer.
        """
        self._identity.demand(actor, Permission.RUN_GATES, subject=model)
        check_suffix(suffix)
        self._check_versions(model, champion, candidate)
        data = self._uploads.keep(upload, suffix=suffix, wanted=self._list_wanted())
        out = get_replay_folder(self._replays, model, champion, candidate, data.stem)
        return self.ask_to_replay(model, champion, candidate, data, out, actor=actor, options=options)

    def join_labels(
        self,
        log: Path,
        data: Path,
        *,
        actor: Actor,
        column: str | None = None,
        since: date = date.min,
        until: date = date.max,
    ) -> LabelReport:
        """Write what turned out to be true into the pairs of a log; see `services.shadow.labels`.

        Args:
            data: a file with the columns request_id and label, or that `column` names; rows without one are left out.
            since: the first day of the log to look at; `until` is the last.

        Raises:
            Forbidden: the actor may not run gates.
            InvalidInput: the data cannot be read, or a request has two labels.
            NotFound: there is no such log or file.
            Unavailable: a file cannot be written.
        """
        self._identity.demand(actor, Permission.RUN_GATES, subject=f"shadow/{log.name}")
        labels, without_label = read_labels(data, column=column)
        digest = digest_file(data)
        report = replace(
            join_labels(log, labels, days=list_days(log, since=since, until=until)), without_label=without_label
        )
        with self._store.write() as unit:
            self._audit.record(
                unit,
                actor=actor,
                action="shadow:labels:joined",
                subject=f"shadow/{log.name}",
                after={"log": str(log), "data": digest, **report.to_json()},
            )
            unit.commit()
        return report

    def list_replays(self, model: str, *, actor: Actor) -> Sequence[Job]:
        """Return the newest jobs that replay data for a model.

        Raises:
            Forbidden: the actor may not read metrics.
        """
        self._identity.demand(actor, Permission.READ_METRICS, subject=model)
        jobs = self._jobs.list_jobs(name=REPLAY_JOB, limit=_JOBS_LOOKED_AT)
        return [job for job in jobs if job.payload["model"] == model]

    def _list_wanted(self, *, besides: int | None = None) -> set[Path]:
        """Return the data of replays that have not ended, but for one job."""
        wanted: set[Path] = set()
        before = None
        while jobs := self._jobs.list_jobs(name=REPLAY_JOB, limit=_JOBS_LOOKED_AT, before_id=before):
            wanted |= {Path(job.payload["data"]) for job in jobs if job.state in OPEN and job.id != besides}
            before = jobs[-1].id
        return wanted

    def _check_versions(self, model: str, *versions: int) -> None:
        for version in versions:
            self._registry.get_version(model, version)

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
        self._uploads.remove(
            Path(payload["data"]), asked_at=context.job.created_at, wanted=self._list_wanted(besides=context.job.id)
        )
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
                options=_in_large_chunks(options, data) if self._engine == "spark" else options,
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


def _in_large_chunks(options: ReplayOptions | None, data: Path) -> ReplayOptions:
    """Return options for a scorer that takes long to start and then goes through much, where it takes the data."""
    chosen = options or ReplayOptions()
    is_taken = data.suffix.lower() == ".parquet" and not chosen.is_timed
    return replace(chosen, chunk_rows=_SPARK_CHUNK) if is_taken and chosen.chunk_rows is None else chosen
