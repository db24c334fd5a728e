"""Jobs: what takes too long to wait for, done by a worker, visible while it lasts.

The job's row is the truth. It is claimed by one worker at a time, under a lease that the worker extends; when the
worker dies the lease runs out and the job is done again, so every job must bear being done twice. One that has outlived
three workers is given up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from services.audit import AuditLog
from services.clock import Clock, from_micros, to_micros
from services.errors import Conflict, NotFound, Unreachable
from services.identity import Identity
from services.identity.actors import Actor, Permission
from services.jobs.queue import Queue
from services.store import Store
from services.store import jobs as rows
from services.store.jobs import JobRow, NewJob

OVERLOOKED_AFTER = timedelta(seconds=30)
MAX_ATTEMPTS = 3
MAX_PUSHED = 1000


class JobState(StrEnum):
    """Where a job is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN = (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is; `total` None is not known."""

    done: int = 0
    total: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobError:
    """Why a job failed, in the form of every error: a kind, a sentence and a next step."""

    kind: str
    message: str
    next_step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job that somebody asked for."""

    id: int
    name: str
    payload: Mapping[str, Any]
    state: JobState
    requested_by: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    attempts: int
    progress: Progress
    result: Any
    error: JobError | None


class JobContext(Protocol):
    """What a job's function may do besides its work."""

    @property
    def job(self) -> Job:
        """The job as it was claimed."""

    def report(self, done: int, total: int | None = None, note: str = "") -> None:
        """Say how far it is; often is fine, it is written twice a second."""

    def is_stopping(self) -> bool:
        """Return whether the job should end: it was cancelled, its lease is lost, or the worker stops."""

    def check(self) -> None:
        """Raise `JobStopped` if the job should end; to be called between steps."""


class JobStopped(Exception):
    """The job was told to end; raised through its function."""


JobFunction = Callable[[Mapping[str, Any], JobContext], Any]


class Jobs:
    """The jobs of an installation, as asked for and as seen."""

    def __init__(self, store: Store, audit: AuditLog, identity: Identity, queue: Queue, *, clock: Clock) -> None:
        self._store = store
        self._audit = audit
        self._identity = identity
        self._queue = queue
        self._clock = clock
        self._functions: dict[str, JobFunction] = {}

    def register(self, name: str, function: JobFunction) -> None:
        """Say what a job of a name does: `function(payload, context)` returns JSON and bears being run again."""
        self._functions[name] = function

    def get_function(self, name: str) -> JobFunction:
        """Return what a job of a name does.

        Raises:
            NotFound: nothing is registered under it.
        """
        if name not in self._functions:
            raise NotFound(f"There is no job {name!r} here.", next_step="Run workers of the same version as the app.")
        return self._functions[name]

    def enqueue(self, name: str, payload: Mapping[str, Any], actor: Actor, *, key: str | None = None) -> int:
        """Ask for a job and return its id; the permission for what it does is the caller's to demand.

        Args:
            name: as registered.
            payload: JSON, given to the function.
            actor: who asks.
            key: while a job of this key is open, its id is returned instead of a second one.

        Raises:
            NotFound: no job has this name.
            Unreachable: the store or the queue does not answer; there is no job then.
        """
        self.get_function(name)
        now_us = to_micros(self._clock())
        with self._store.write() as unit:
            rows.lock_jobs(unit)
            found = rows.find_job_by_key(unit, key, states=OPEN) if key is not None else None
            if found is not None:
                return found.id
            row = NewJob(
                name=name,
                payload=payload,
                key=key,
                state=JobState.QUEUED,
                requested_by=actor.name,
                origin=actor.origin,
                created_us=now_us,
                pushed_us=now_us,
                progress={},
            )
            job_id = rows.add_job(unit, row)
            unit.commit()
        try:
            self._queue.push(job_id)
        except Unreachable as error:
            self._give_up(job_id, JobState.QUEUED, error.kind, error.message, error.next_step)
            raise
        return job_id

    def get(self, job_id: int) -> Job:
        """Return a job.

        Raises:
            NotFound: there is none of this id.
        """
        with self._store.read() as unit:
            row = rows.find_job(unit, job_id)
        if row is None:
            raise NotFound(f"There is no job {job_id}.", next_step="Look at the list of jobs.")
        return to_job(row)

    def list_jobs(
        self,
        *,
        before_id: int | None = None,
        limit: int = 50,
        name: str | None = None,
        requested_by: str | None = None,
    ) -> Sequence[Job]:
        """Return jobs, newest first, from the first below `before_id`."""
        with self._store.read() as unit:
            found = rows.list_jobs(unit, before_id=before_id, limit=limit, name=name, requested_by=requested_by)
        return [to_job(row) for row in found]

    def cancel(self, job_id: int, actor: Actor, *, reason: str = "") -> Job:
        """Cancel a job: at once when it waits, at its next step when it runs.

        Raises:
            NotFound: there is none of this id.
            Forbidden: somebody else asked for it, and the actor manages no settings.
            Conflict: it has ended.
        """
        job = self.get(job_id)
        if actor.name != job.requested_by:
            self._identity.demand(actor, Permission.MANAGE_SETTINGS, subject=f"job/{job_id}")
        now_us = to_micros(self._clock())
        with self._store.write() as unit:
            ended = {"state": JobState.CANCELLED.value, "ended_us": now_us}
            was_open = rows.update_job(unit, job_id, state=JobState.QUEUED, changes=ended) or rows.update_job(
                unit, job_id, state=JobState.RUNNING, changes={"is_cancel_wanted": True}
            )
            if not was_open:
                raise Conflict(f"Job {job_id} has ended already.", next_step="Look at its result.")
            self._audit.record(unit, actor=actor, action="job:run:cancelled", subject=f"job/{job_id}", reason=reason)
            unit.commit()
        return self.get(job_id)

    def recover(self) -> Sequence[int]:
        """Queue again what died with its worker or was overlooked, and give up what has outlived three; returns ids."""
        now = self._clock()
        again = []
        with self._store.read() as unit:
            abandoned = rows.list_abandoned(unit, now_us=to_micros(now))
        for row in abandoned:
            if row.attempts >= MAX_ATTEMPTS:
                self._give_up(
                    row.id,
                    JobState.RUNNING,
                    "abandoned",
                    f"Job {row.id} has outlived {row.attempts} workers.",
                    "Look at the worker's log for what ended it.",
                )
            elif self._requeue(row, now):
                again.append(row.id)
        with self._store.write() as unit:
            overlooked = rows.list_overlooked(
                unit, pushed_before_us=to_micros(now - OVERLOOKED_AFTER), limit=MAX_PUSHED
            )
            for job_id in overlooked:
                rows.update_job(unit, job_id, state=JobState.QUEUED, changes={"pushed_us": to_micros(now)})
            unit.commit()
        for job_id in (*again, *overlooked):
            self._queue.push(job_id)
        return [*again, *overlooked]

    def _requeue(self, row: JobRow, now: datetime) -> bool:
        changes = {"state": JobState.QUEUED.value, "worker": None, "pushed_us": to_micros(now)}
        with self._store.write() as unit:
            is_held = rows.update_claimed(unit, row.id, row.worker or "", row.attempts, changes=changes)
            unit.commit()
        return is_held

    def _give_up(self, job_id: int, state: JobState, kind: str, message: str, next_step: str) -> None:
        changes = {
            "state": JobState.FAILED.value,
            "ended_us": to_micros(self._clock()),
            "error": {"kind": kind, "message": message, "next_step": next_step},
        }
        with self._store.write() as unit:
            rows.update_job(unit, job_id, state=state, changes=changes)
            unit.commit()


def to_job(row: JobRow) -> Job:
    """Return the value of a row."""
    return Job(
        id=row.id,
        name=row.name,
        payload=row.payload,
        state=JobState(row.state),
        requested_by=row.requested_by,
        created_at=from_micros(row.created_us),
        started_at=None if row.started_us is None else from_micros(row.started_us),
        ended_at=None if row.ended_us is None else from_micros(row.ended_us),
        attempts=row.attempts,
        progress=Progress(**row.progress),
        result=row.result,
        error=None if row.error is None else JobError(**row.error),
    )
