"""Table and queries of jobs. A job is done by whoever claims it, for as long as the lease is extended."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    CursorResult,
    Index,
    Integer,
    Table,
    Text,
    insert,
    select,
    update,
)

from services.store.metadata import BigKey, metadata
from services.store.unit_of_work import UnitOfWork

job = Table(
    "job",
    metadata,
    Column("id", BigKey, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("key", Text),
    Column("state", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("pushed_us", BigInteger, nullable=False),
    Column("started_us", BigInteger),
    Column("ended_us", BigInteger),
    Column("attempts", Integer, nullable=False),
    Column("worker", Text),
    Column("lease_until_us", BigInteger),
    Column("is_cancel_wanted", Boolean, nullable=False),
    Column("progress", JSON, nullable=False),
    Column("result", JSON),
    Column("error", JSON(none_as_null=True)),
    Index(None, "state", "lease_until_us"),
    Index(None, "key", "state"),
    Index(None, "requested_by", "id"),
    Index(None, "name", "id"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """What is known of a job when it is asked for."""

    name: str
    payload: Mapping[str, Any]
    key: str | None
    state: str
    requested_by: str
    origin: str
    created_us: int
    pushed_us: int
    attempts: int = 0
    is_cancel_wanted: bool = False
    progress: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow(NewJob):
    """A job as stored."""

    id: int
    started_us: int | None
    ended_us: int | None
    worker: str | None
    lease_until_us: int | None
    result: Any
    error: Mapping[str, str] | None


def lock_jobs(unit: UnitOfWork) -> None:
    """Make those who ask for jobs queue up until this unit ends; on SQLite they already do."""
    if unit.dialect == "postgresql":
        unit.connection.exec_driver_sql("LOCK TABLE job IN SHARE ROW EXCLUSIVE MODE")


def add_job(unit: UnitOfWork, row: NewJob) -> int:
    """Insert a job and return its id."""
    inserted = unit.connection.execute(insert(job).values(**asdict(row)).returning(job.c.id))
    return int(inserted.scalar_one())


def find_job(unit: UnitOfWork, job_id: int) -> JobRow | None:
    """Return a job."""
    return next(iter(_select(unit, job.c.id == job_id)), None)


def find_job_by_key(unit: UnitOfWork, key: str, *, states: Collection[str]) -> JobRow | None:
    """Return the newest job of a key that is in one of some states."""
    return next(iter(_select(unit, job.c.key == key, job.c.state.in_(states), limit=1)), None)


def list_jobs(
    unit: UnitOfWork, *, before_id: int | None, limit: int, name: str | None = None, requested_by: str | None = None
) -> Sequence[JobRow]:
    """Return jobs, newest first, from the first below `before_id`."""
    conditions = [
        column == value
        for column, value in ((job.c.name, name), (job.c.requested_by, requested_by))
        if value is not None
    ]
    if before_id is not None:
        conditions.append(job.c.id < before_id)
    return _select(unit, *conditions, limit=limit)


def list_of_worker(unit: UnitOfWork, worker: str) -> Sequence[JobRow]:
    """Return the jobs a worker has claimed and not finished."""
    return _select(unit, job.c.worker == worker, job.c.state == "running")


def list_abandoned(unit: UnitOfWork, *, now_us: int) -> Sequence[JobRow]:
    """Return the running jobs whose lease has run out."""
    return _select(unit, job.c.state == "running", job.c.lease_until_us < now_us)


def list_overlooked(unit: UnitOfWork, *, pushed_before_us: int, limit: int) -> Sequence[int]:
    """Return the ids of queued jobs that nobody has picked up since they were pushed, oldest first."""
    query = (
        select(job.c.id)
        .where(job.c.state == "queued", job.c.pushed_us < pushed_before_us)
        .order_by(job.c.id)
        .limit(limit)
    )
    return list(unit.connection.scalars(query))


def claim_job(unit: UnitOfWork, job_id: int, *, worker: str, now_us: int, lease_until_us: int) -> bool:
    """Make a queued job a worker's own; False when somebody else was faster."""
    values = {
        "state": "running",
        "worker": worker,
        "started_us": now_us,
        "lease_until_us": lease_until_us,
        "attempts": job.c.attempts + 1,
    }
    return _update(unit, values, job.c.id == job_id, job.c.state == "queued") == 1


def extend_leases(unit: UnitOfWork, worker: str, *, lease_until_us: int) -> None:
    """Extend the lease of every job a worker has claimed."""
    _update(unit, {"lease_until_us": lease_until_us}, job.c.worker == worker, job.c.state == "running")


def update_claimed(unit: UnitOfWork, job_id: int, worker: str, attempts: int, changes: Mapping[str, Any]) -> bool:
    """Change a job that a worker still holds in the same attempt; False when it does not."""
    held = (job.c.id == job_id, job.c.worker == worker, job.c.attempts == attempts, job.c.state == "running")
    return _update(unit, changes, *held) == 1


def update_job(unit: UnitOfWork, job_id: int, *, state: str, changes: Mapping[str, Any]) -> bool:
    """Change a job that is in a state; False when it is not."""
    return _update(unit, changes, job.c.id == job_id, job.c.state == state) == 1


def _update(unit: UnitOfWork, values: Mapping[str, Any], *conditions: ColumnElement[bool]) -> int:
    result: CursorResult[Any] = unit.connection.execute(update(job).where(*conditions).values(**values))
    return result.rowcount


def _select(unit: UnitOfWork, *conditions: ColumnElement[bool], limit: int | None = None) -> Sequence[JobRow]:
    query = select(job).where(*conditions).order_by(job.c.id.desc()).limit(limit)
    return [JobRow(**row) for row in unit.connection.execute(query).mappings()]
