"""The worker: takes jobs from the queue, does them, and runs what happens at intervals.

Killed at any moment it leaves nothing but leases that run out. Told to stop, it lets its jobs end at their next step
and gives those that do back to the queue.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog

from services.clock import Clock, to_micros
from services.errors import GatehouseError, Unreachable
from services.jobs.jobs import Job, Jobs, JobState, JobStopped, to_job
from services.jobs.queue import Queue
from services.store import Store
from services.store import jobs as rows

LEASE = timedelta(seconds=30)
BEAT_SECONDS = 1.0
BEATS_A_LEASE = 10
RECOVER_SECONDS = 5.0
IDLE_SECONDS = 0.2
AWAY_SECONDS = 2.0
REPORT_SECONDS = 0.5
GRACE_SECONDS = 10.0

log = structlog.get_logger(__name__)


class Worker:
    """Does the jobs of one process, some at a time."""

    def __init__(self, store: Store, jobs: Jobs, queue: Queue, *, clock: Clock, threads: int = 2) -> None:
        self._store = store
        self._jobs = jobs
        self._queue = queue
        self._clock = clock
        self._threads = threads
        self._name = f"worker-{secrets.token_hex(6)}"
        self._running: dict[int, _Context] = {}
        self._intervals: list[tuple[str, float, Callable[[], object]]] = [
            ("jobs:recover", RECOVER_SECONDS, jobs.recover)
        ]

    def every(self, seconds: float, name: str, function: Callable[[], object]) -> None:
        """Run a function at intervals, each in a thread of its own, while the worker runs; the first time at once."""
        self._intervals.append((name, seconds, function))

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, then end within ten seconds."""
        loops = [threading.Thread(target=self._work, args=(stop,), daemon=True) for _ in range(self._threads)]
        loops += [
            threading.Thread(target=self._repeat, args=(stop, *interval), daemon=True) for interval in self._intervals
        ]
        loops.append(threading.Thread(target=self._beat, args=(stop,), daemon=True))
        for loop in loops:
            loop.start()
        stop.wait()
        deadline = time.monotonic() + GRACE_SECONDS
        for loop in loops:
            loop.join(max(0.0, deadline - time.monotonic()))

    def _work(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                job_id = self._queue.pop()
                if job_id is None:
                    stop.wait(IDLE_SECONDS)
                else:
                    self._do(job_id, stop)
            except GatehouseError as error:
                log.warning("work interrupted", error=error.message)
                stop.wait(AWAY_SECONDS)
            except Exception:
                # A fault of ours ends neither this thread nor the jobs that wait for it.
                log.exception("work broke")
                stop.wait(AWAY_SECONDS)

    def _do(self, job_id: int, stop: threading.Event) -> None:
        now = self._clock()
        with self._store.write() as unit:
            is_mine = rows.claim_job(
                unit, job_id, worker=self._name, now_us=to_micros(now), lease_until_us=to_micros(now + LEASE)
            )
            row = rows.find_job(unit, job_id) if is_mine else None
            unit.commit()
        if row is None:
            return
        context = _Context(to_job(row), lambda changes: self._change(context, changes), stop)
        self._running[job_id] = context
        try:
            with structlog.contextvars.bound_contextvars(job=job_id, job_name=row.name):
                changes = self._outcome(context)
            self._change(context, {"ended_us": to_micros(self._clock()), **changes})
        finally:
            del self._running[job_id]
        if changes["state"] == JobState.QUEUED:
            self._queue.push(job_id)

    def _outcome(self, context: _Context) -> dict[str, Any]:
        job = context.job
        try:
            result = self._jobs.get_function(job.name)(job.payload, context)
            json.dumps(result, allow_nan=False)
        except JobStopped:
            if context.is_cancelled:
                return {"state": JobState.CANCELLED.value}
            # The worker stops: that was no attempt of the job's own.
            return {"state": JobState.QUEUED.value, "worker": None, "ended_us": None, "attempts": job.attempts - 1}
        except GatehouseError as error:
            return _failed(error.kind, error.message, error.next_step)
        except Exception:
            reference = secrets.token_hex(4)
            log.exception("job broke", reference=reference)
            return _failed(
                "internal",
                f"Something broke inside Gatehouse (reference {reference}).",
                "Look it up in the worker's log.",
            )
        return {"state": JobState.DONE.value, "result": result}

    def _change(self, context: _Context, changes: dict[str, Any]) -> None:
        with self._store.write() as unit:
            is_held = rows.update_claimed(unit, context.job.id, self._name, context.job.attempts, changes=changes)
            unit.commit()
        if not is_held:
            context.is_lost = True

    def _beat(self, stop: threading.Event) -> None:
        beats = 0
        while not stop.wait(BEAT_SECONDS):
            beats += 1
            running = dict(self._running)
            if running:
                try:
                    self._look_after(running, extend=beats % BEATS_A_LEASE == 0)
                except Unreachable as error:
                    log.warning("leases not looked after", error=error.message)
                except Exception:
                    log.exception("leases broke")

    def _look_after(self, running: dict[int, _Context], *, extend: bool) -> None:
        with self._store.read() as unit:
            held = {row.id: row for row in rows.list_of_worker(unit, self._name)}
        for job_id, context in running.items():
            context.is_lost = job_id not in held
            context.is_cancelled = job_id in held and held[job_id].is_cancel_wanted
        if extend:
            with self._store.write() as unit:
                rows.extend_leases(unit, self._name, lease_until_us=to_micros(self._clock() + LEASE))
                unit.commit()

    def _repeat(self, stop: threading.Event, name: str, seconds: float, function: Callable[[], object]) -> None:
        with structlog.contextvars.bound_contextvars(interval=name):
            while True:
                try:
                    function()
                except GatehouseError as error:
                    log.warning("interval failed", error=error.message)
                except Exception:
                    log.exception("interval broke")
                if stop.wait(seconds):
                    return


class _Context:
    """What a job's function is given."""

    def __init__(self, job: Job, write: Callable[[dict[str, Any]], None], stop: threading.Event) -> None:
        self.job = job
        self.is_cancelled = False
        self.is_lost = False
        self._write = write
        self._stop = stop
        self._reported = 0.0

    def report(self, done: int, total: int | None = None, note: str = "") -> None:
        now = time.monotonic()
        if now - self._reported >= REPORT_SECONDS or done == total:
            self._reported = now
            self._write({"progress": {"done": done, "total": total, "note": note}})

    def is_stopping(self) -> bool:
        return self.is_cancelled or self.is_lost or self._stop.is_set()

    def check(self) -> None:
        if self.is_stopping():
            raise JobStopped


def _failed(kind: str, message: str, next_step: str) -> dict[str, Any]:
    error = {"kind": kind, "message": message, "next_step": next_step}
    return {"state": JobState.FAILED.value, "error": error}
