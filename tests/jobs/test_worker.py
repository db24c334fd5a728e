from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from services.errors import Blocked
from services.jobs import worker as worker_module
from services.jobs.jobs import JobContext, JobState, Progress
from services.store import Store
from services.store import jobs as rows
from tests.jobs.builders import ADA, Plant, await_true, build_plant
from tests.servers import free_port, redis_server

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["sqlite", "redis"])
def queue_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return (
        f"sqlite:///{tmp_path / 'jobs.db'}" if request.param == "sqlite" else str(request.getfixturevalue("redis_url"))
    )


@pytest.fixture
def plant(store: Store, tmp_path: Path) -> Plant:
    return build_plant(store, tmp_path)


def test_a_job_is_done_and_its_result_kept(any_store: Store, tmp_path: Path, queue_url: str) -> None:
    plant = build_plant(any_store, tmp_path, queue_url=queue_url)

    def double(payload: Any, context: JobContext) -> Any:
        context.report(1, 2, "half")
        context.report(2, 2, "all")
        return {"doubled": payload["number"] * 2, "for": context.job.requested_by}

    plant.jobs.register("double", double)
    with plant.working():
        job = plant.ended(plant.jobs.enqueue("double", {"number": 21}, ADA))
    assert (job.state, job.result, job.error) == (JobState.DONE, {"doubled": 42, "for": "ada"}, None)
    assert job.progress == Progress(done=2, total=2, note="all")
    assert job.ended_at is not None


def test_many_jobs_are_each_done_once(store: Store, tmp_path: Path, queue_url: str) -> None:
    plant = build_plant(store, tmp_path, queue_url=queue_url)
    done: list[int] = []
    plant.jobs.register("note", lambda payload, _context: done.append(payload["n"]))
    ids = [plant.jobs.enqueue("note", {"n": number}, ADA) for number in range(30)]
    with plant.working(threads=3), plant.working(threads=3):
        for job_id in ids:
            assert plant.ended(job_id).state is JobState.DONE
    assert sorted(done) == list(range(30))


def test_an_error_of_ours_is_told_as_it_is(plant: Plant) -> None:
    def refuse(_payload: Any, _context: JobContext) -> None:
        raise Blocked("The gate is shut.", next_step="Wait.")

    plant.jobs.register("refuse", refuse)
    with plant.working():
        job = plant.ended(plant.jobs.enqueue("refuse", {}, ADA))
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert (job.error.kind, job.error.message, job.error.next_step) == ("blocked", "The gate is shut.", "Wait.")


@pytest.mark.parametrize("result", [object(), float("nan"), {1, 2}, ZeroDivisionError("secret detail")])
def test_a_bug_or_a_result_that_is_no_json_is_told_by_reference_only(plant: Plant, result: Any) -> None:
    def break_down(_payload: Any, _context: JobContext) -> Any:
        if isinstance(result, Exception):
            raise result
        return result

    plant.jobs.register("break", break_down)
    with plant.working():
        job = plant.ended(plant.jobs.enqueue("break", {}, ADA))
    assert job.error is not None
    assert job.error.kind == "internal"
    assert "reference" in job.error.message
    assert "secret" not in repr(job.error)


def test_a_job_that_this_worker_does_not_know_fails(plant: Plant) -> None:
    plant.jobs.register("new", lambda _payload, _context: None)
    job_id = plant.jobs.enqueue("new", {}, ADA)
    plant.jobs._functions.clear()
    with plant.working():
        job = plant.ended(job_id)
    assert job.error is not None
    assert "no job 'new' here" in job.error.message


def wait_for_stop(_payload: Any, context: JobContext) -> None:
    while True:
        context.check()
        time.sleep(0.02)


def test_a_running_job_ends_when_it_is_cancelled(plant: Plant) -> None:
    plant.jobs.register("wait", wait_for_stop)
    with plant.working():
        job_id = plant.jobs.enqueue("wait", {}, ADA)
        await_true(lambda: plant.jobs.get(job_id).state is JobState.RUNNING)
        plant.jobs.cancel(job_id, ADA)
        assert plant.ended(job_id).state is JobState.CANCELLED


def test_a_worker_that_is_stopped_gives_its_job_back_without_counting_it(plant: Plant) -> None:
    plant.jobs.register("wait", wait_for_stop)
    job_id = plant.jobs.enqueue("wait", {}, ADA)
    with plant.working():
        await_true(lambda: plant.jobs.get(job_id).state is JobState.RUNNING)
    job = plant.jobs.get(job_id)
    assert (job.state, job.attempts) == (JobState.QUEUED, 0)
    plant.jobs._functions["wait"] = lambda _payload, _context: "done by another"
    with plant.working():
        assert plant.ended(job_id).result == "done by another"


def test_a_job_whose_lease_is_lost_is_told_to_stop_and_changes_nothing(plant: Plant) -> None:
    seen = threading.Event()

    def notice(_payload: Any, context: JobContext) -> str:
        while not context.is_stopping():
            time.sleep(0.02)
        seen.set()
        return "late"

    plant.jobs.register("notice", notice)
    with plant.working():
        job_id = plant.jobs.enqueue("notice", {}, ADA)
        await_true(lambda: plant.jobs.get(job_id).state is JobState.RUNNING)
        with plant.store.write() as unit:
            rows.update_job(unit, job_id, state=JobState.RUNNING, changes={"worker": "another"})
            unit.commit()
        assert seen.wait(10)
        time.sleep(0.2)
        job = plant.jobs.get(job_id)
    assert (job.state, job.result) == (JobState.RUNNING, None)


def test_a_report_of_a_lost_job_says_so(plant: Plant) -> None:
    stopping: list[bool] = []

    def report(_payload: Any, context: JobContext) -> None:
        with plant.store.write() as unit:
            rows.update_job(unit, context.job.id, state=JobState.RUNNING, changes={"worker": "another"})
            unit.commit()
        context.report(1)
        stopping.append(context.is_stopping())

    plant.jobs.register("report", report)
    with plant.working():
        plant.jobs.enqueue("report", {}, ADA)
        await_true(lambda: bool(stopping))
    assert stopping == [True]


def test_leases_are_extended_while_a_job_runs(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "BEAT_SECONDS", 0.02)
    monkeypatch.setattr(worker_module, "BEATS_A_LEASE", 2)
    plant.jobs.register("wait", wait_for_stop)

    def lease() -> int:
        with plant.store.read() as unit:
            row = rows.find_job(unit, job_id)
        assert row is not None
        return row.lease_until_us or 0

    with plant.working():
        job_id = plant.jobs.enqueue("wait", {}, ADA)
        await_true(lambda: plant.jobs.get(job_id).state is JobState.RUNNING)
        first = lease()
        await_true(lambda: lease() > first)


def test_reports_are_written_no_more_often_than_needed(plant: Plant) -> None:
    def count(_payload: Any, context: JobContext) -> int:
        started = time.monotonic()
        for number in range(5000):
            context.report(number)
        assert time.monotonic() - started < 2
        return plant.jobs.get(context.job.id).progress.done

    plant.jobs.register("count", count)
    with plant.working():
        job = plant.ended(plant.jobs.enqueue("count", {}, ADA))
    assert job.state is JobState.DONE, job.error


def test_intervals_run_at_once_and_again_whatever_they_raise(plant: Plant) -> None:
    calls: dict[str, int] = {"fine": 0, "refused": 0, "broken": 0}

    def fine() -> None:
        calls["fine"] += 1

    def refused() -> None:
        calls["refused"] += 1
        raise Blocked("No.", next_step="Wait.")

    def broken() -> None:
        calls["broken"] += 1
        raise ZeroDivisionError

    worker = plant.worker()
    for name, function in (("fine", fine), ("refused", refused), ("broken", broken)):
        worker.every(0.05, name, function)
    stop = threading.Event()
    runner = threading.Thread(target=worker.run, args=(stop,))
    runner.start()
    await_true(lambda: min(calls.values()) >= 3)
    stop.set()
    runner.join(10)
    assert not runner.is_alive()


def test_a_worker_outlives_a_queue_that_goes_away_and_comes_back(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "AWAY_SECONDS", 0.05)
    port = free_port()
    monkeypatch.setattr("tests.servers.free_port", lambda: port)
    plant = build_plant(store, tmp_path, queue_url=f"redis://127.0.0.1:{port}/0")
    plant.jobs.register("echo", lambda payload, _context: payload)
    with plant.working():
        time.sleep(0.3)
        with redis_server(tmp_path):
            assert plant.ended(plant.jobs.enqueue("echo", {"n": 1}, ADA)).result == {"n": 1}


PROGRAM = """
import sys, threading, time
from pathlib import Path
from services.store import open_store
from tests.jobs.builders import build_plant
home = Path(sys.argv[1])
store = open_store(sys.argv[2])
plant = build_plant(store, home, queue_url=sys.argv[3])

def slow(payload, context):
    (home / f"started-{payload['n']}").touch()
    time.sleep(payload["seconds"])
    return payload["n"]

plant.jobs.register("slow", slow)
plant.worker().run(threading.Event())
"""


def start_worker(tmp_path: Path, store: Store, queue_url: str) -> subprocess.Popen[bytes]:
    url = store.engine.url.render_as_string(hide_password=False)
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path), url, queue_url],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_what_a_killed_worker_was_doing_is_done_by_another(
    any_store: Store, tmp_path: Path, queue_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = build_plant(any_store, tmp_path, queue_url=queue_url)
    plant.jobs.register("slow", lambda payload, _context: payload["n"])
    ids = [plant.jobs.enqueue("slow", {"n": number, "seconds": 1000}, ADA) for number in range(4)]
    killed = start_worker(tmp_path, any_store, queue_url)
    try:
        await_true(lambda: len(list(tmp_path.glob("started-*"))) == 2, 60)
    finally:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    with any_store.write() as unit:
        # The lease is not waited for.
        for job_id in ids:
            rows.update_job(unit, job_id, state=JobState.RUNNING, changes={"lease_until_us": 0})
        unit.commit()
    with plant.working():
        jobs = [plant.ended(job_id) for job_id in ids]
    assert [(job.state, job.result) for job in jobs] == [(JobState.DONE, number) for number in range(4)]
    assert sorted(job.attempts for job in jobs) == [1, 1, 2, 2]


def test_a_worker_outlives_a_fault_of_its_own(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant.jobs.register("fine", lambda _payload, _context: "done")
    claim, faults = rows.claim_job, [RuntimeError("a bug")]

    def break_once(*arguments: Any, **named: Any) -> bool:
        if faults:
            raise faults.pop()
        return claim(*arguments, **named)

    monkeypatch.setattr(worker_module, "AWAY_SECONDS", 0.1)
    monkeypatch.setattr(rows, "claim_job", break_once)
    lost = plant.jobs.enqueue("fine", {}, ADA)
    with plant.working(threads=1):
        await_true(lambda: not faults)
        assert plant.ended(plant.jobs.enqueue("fine", {}, ADA)).state is JobState.DONE
    assert plant.jobs.get(lost).state is JobState.QUEUED, "what was overlooked is pushed again"
