from datetime import timedelta
from pathlib import Path

import pytest

from services.clock import to_micros
from services.errors import Conflict, Forbidden, NotFound, Unreachable
from services.identity import Actor, Role
from services.jobs.jobs import JobState, Progress
from services.store import Store
from services.store import jobs as rows
from tests.conftest import FakeClock
from tests.jobs.builders import ADA, ADMIN, Plant, build_plant
from tests.servers import free_port


@pytest.fixture
def plant(store: Store, clock: FakeClock, tmp_path: Path) -> Plant:
    made = build_plant(store, tmp_path, clock=clock)
    made.jobs.register("echo", lambda payload, _context: payload)
    return made


def claim(plant: Plant, job_id: int, worker: str = "w1", lease: timedelta = timedelta(seconds=30)) -> bool:
    now = plant.clock()
    with plant.store.write() as unit:
        is_mine = rows.claim_job(
            unit, job_id, worker=worker, now_us=to_micros(now), lease_until_us=to_micros(now + lease)
        )
        unit.commit()
    return is_mine


def test_a_job_is_kept_as_asked_for(any_store: Store, clock: FakeClock, tmp_path: Path) -> None:
    plant = build_plant(any_store, tmp_path, clock=clock)
    plant.jobs.register("echo", lambda payload, _context: payload)
    job_id = plant.jobs.enqueue("echo", {"a": [1, {"b": None}]}, ADA)
    job = plant.jobs.get(job_id)
    assert (job.name, job.payload, job.state, job.requested_by) == (
        "echo",
        {"a": [1, {"b": None}]},
        JobState.QUEUED,
        "ada",
    )
    assert (job.created_at, job.started_at, job.progress) == (clock.now, None, Progress())
    assert plant.queue.pop() == job_id


def test_an_unknown_name_or_number_is_not_found(plant: Plant) -> None:
    with pytest.raises(NotFound, match="'nothing'"):
        plant.jobs.enqueue("nothing", {}, ADA)
    with pytest.raises(NotFound):
        plant.jobs.get(99)


def test_while_a_job_of_a_key_is_open_there_is_no_second(plant: Plant) -> None:
    first = plant.jobs.enqueue("echo", {}, ADA, key="probe fraud/7")
    assert plant.jobs.enqueue("echo", {}, ADA, key="probe fraud/7") == first
    assert plant.jobs.enqueue("echo", {}, ADA, key="probe fraud/8") != first
    plant.jobs.cancel(first, ADA)
    assert plant.jobs.enqueue("echo", {}, ADA, key="probe fraud/7") != first


def test_when_the_queue_is_away_there_is_no_job_that_waits(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    plant = build_plant(store, tmp_path, clock=clock, queue_url=f"redis://127.0.0.1:{free_port()}/0")
    plant.jobs.register("echo", lambda payload, _context: payload)
    with pytest.raises(Unreachable):
        plant.jobs.enqueue("echo", {}, ADA)
    [job] = plant.jobs.list_jobs()
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error.kind == "unreachable"


def test_jobs_are_listed_newest_first_page_by_page(plant: Plant) -> None:
    plant.jobs.register("other", lambda payload, _context: payload)
    ids = [
        plant.jobs.enqueue("echo", {}, ADA),
        plant.jobs.enqueue("other", {}, ADMIN),
        plant.jobs.enqueue("echo", {}, ADMIN),
    ]
    assert [job.id for job in plant.jobs.list_jobs(limit=2)] == [ids[2], ids[1]]
    assert [job.id for job in plant.jobs.list_jobs(before_id=ids[1])] == [ids[0]]
    assert [job.id for job in plant.jobs.list_jobs(name="echo")] == [ids[2], ids[0]]
    assert [job.id for job in plant.jobs.list_jobs(requested_by="ada")] == [ids[0]]


def test_a_job_is_claimed_once(plant: Plant) -> None:
    job_id = plant.jobs.enqueue("echo", {}, ADA)
    assert claim(plant, job_id)
    assert not claim(plant, job_id, "w2")
    job = plant.jobs.get(job_id)
    assert (job.state, job.attempts, job.started_at) == (JobState.RUNNING, 1, plant.clock())


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_is_told(plant: Plant) -> None:
    waiting, running = plant.jobs.enqueue("echo", {}, ADA), plant.jobs.enqueue("echo", {}, ADA)
    claim(plant, running)
    assert plant.jobs.cancel(waiting, ADA, reason="changed my mind").state is JobState.CANCELLED
    assert plant.jobs.cancel(running, ADMIN).state is JobState.RUNNING
    with plant.store.read() as unit:
        row = rows.find_job(unit, running)
    assert row is not None
    assert row.is_cancel_wanted
    with pytest.raises(Conflict, match="ended already"):
        plant.jobs.cancel(waiting, ADA)
    events = plant.audit.list_events().events
    assert [(event.action, event.subject, event.reason) for event in events] == [
        ("job:run:cancelled", f"job/{waiting}", "changed my mind"),
        ("job:run:cancelled", f"job/{running}", ""),
    ]


def test_others_jobs_are_cancelled_by_admins_only(plant: Plant) -> None:
    job_id = plant.jobs.enqueue("echo", {}, ADA)
    with pytest.raises(Forbidden):
        plant.jobs.cancel(job_id, Actor(name="bob", roles=frozenset({Role.RELEASE_MANAGER}), origin="t"))


def test_what_died_with_its_worker_is_queued_again(any_store: Store, clock: FakeClock, tmp_path: Path) -> None:
    plant = build_plant(any_store, tmp_path, clock=clock)
    plant.jobs.register("echo", lambda payload, _context: payload)
    job_id = plant.jobs.enqueue("echo", {}, ADA)
    assert plant.queue.pop() == job_id
    claim(plant, job_id)
    assert plant.jobs.recover() == []
    clock.advance(seconds=31)
    assert plant.jobs.recover() == [job_id]
    assert plant.queue.pop() == job_id
    assert plant.jobs.get(job_id).state is JobState.QUEUED


def test_what_has_outlived_three_workers_is_given_up(plant: Plant) -> None:
    assert isinstance(plant.clock, FakeClock)
    job_id = plant.jobs.enqueue("echo", {}, ADA)
    for worker in ("w1", "w2", "w3"):
        assert claim(plant, job_id, worker)
        plant.clock.advance(seconds=31)
        plant.jobs.recover()
    job = plant.jobs.get(job_id)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error.message == f"Job {job_id} has outlived 3 workers."
    assert plant.jobs.recover() == []


def test_a_number_that_was_lost_from_the_queue_is_pushed_again_but_not_every_time(plant: Plant) -> None:
    assert isinstance(plant.clock, FakeClock)
    job_id = plant.jobs.enqueue("echo", {}, ADA)
    assert plant.queue.pop() == job_id
    plant.clock.advance(seconds=29)
    assert plant.jobs.recover() == []
    plant.clock.advance(seconds=2)
    assert plant.jobs.recover() == [job_id]
    assert plant.jobs.recover() == []
    assert plant.queue.pop() == job_id


def test_a_worker_that_lost_its_lease_changes_nothing(plant: Plant) -> None:
    assert isinstance(plant.clock, FakeClock)
    job_id = plant.jobs.enqueue("echo", {}, ADA)
    claim(plant, job_id)
    plant.clock.advance(seconds=31)
    plant.jobs.recover()
    claim(plant, job_id, "w2")
    with plant.store.write() as unit:
        assert not rows.update_claimed(unit, job_id, "w1", 1, changes={"result": "late"})
        assert not rows.update_claimed(unit, job_id, "w2", 1, changes={"result": "late"})
        assert rows.update_claimed(unit, job_id, "w2", 2, changes={"result": "mine"})
