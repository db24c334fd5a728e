"""Jobs on a temporary store and queue, with a worker in threads that the test stops."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.audit import AuditLog
from services.clock import Clock, utc_now
from services.identity import Actor, Identity, Role
from services.jobs.jobs import Job, Jobs, JobState
from services.jobs.queue import Queue, open_queue
from services.jobs.worker import Worker
from services.store import Store

ADA = Actor(name="ada", roles=frozenset({Role.DATA_SCIENTIST}), origin="test 1")
ADMIN = Actor(name="root", roles=frozenset({Role.ADMIN}), origin="test 2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    store: Store
    audit: AuditLog
    queue: Queue
    jobs: Jobs
    clock: Clock

    def worker(self, threads: int = 2) -> Worker:
        return Worker(self.store, self.jobs, self.queue, clock=self.clock, threads=threads)

    @contextmanager
    def working(self, threads: int = 2) -> Iterator[threading.Event]:
        stop = threading.Event()
        runner = threading.Thread(target=self.worker(threads).run, args=(stop,))
        runner.start()
        try:
            yield stop
        finally:
            stop.set()
            runner.join(20)
            assert not runner.is_alive()

    def ended(self, job_id: int) -> Job:
        """Wait for a job's end and return it."""
        await_true(lambda: self.jobs.get(job_id).state not in {JobState.QUEUED, JobState.RUNNING})
        return self.jobs.get(job_id)


def build_plant(store: Store, home: Path, *, queue_url: str = "", clock: Clock = utc_now) -> Plant:
    audit = AuditLog(store, clock=clock, home=home)
    identity = Identity(store, audit, clock=clock, home=home)
    queue = open_queue(queue_url or f"sqlite:///{home / 'jobs.db'}")
    return Plant(
        store=store, audit=audit, queue=queue, jobs=Jobs(store, audit, identity, queue, clock=clock), clock=clock
    )


def await_true(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
