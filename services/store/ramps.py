"""Tables and queries of ramps: which candidate runs beside what serves, with what share, and every step of the way.

One ramp of a model is open at a time. Its entries never change; what callers are routed by is read in one query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    func,
    insert,
    select,
    text,
    update,
)

from services.store.append_only import refuse_changes
from services.store.metadata import BigKey, metadata
from services.store.pins import PINS
from services.store.rows import add_row, find_row, list_rows
from services.store.unit_of_work import UnitOfWork

_OPEN = text("is_open")

RAMPS = Table(
    "ramp",
    metadata,
    Column("id", BigKey, primary_key=True, autoincrement=True),
    Column("model", Text, nullable=False),
    Column("champion", Integer, nullable=False),
    Column("candidate", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("is_open", Boolean, nullable=False),
    Column("step", Integer, nullable=False),
    Column("traffic_ratio", Float, nullable=False),
    Column("step_started_us", BigInteger, nullable=False),
    Column("due_us", BigInteger, nullable=False),
    Column("checked_us", BigInteger, nullable=False),
    Column("attention", Text, nullable=False),
    Column("measured", JSON, nullable=False),
    Column("plan_revision", Text, nullable=False),
    Column("change_id", BigInteger),
    Column("actor", Text, nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
    Index("ix_ramp_model", "model", "id"),
    Index("uq_ramp_open", "model", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
)

ENTRIES = Table(
    "ramp_entry",
    metadata,
    Column("id", BigKey, primary_key=True, autoincrement=True),
    Column("ramp_id", BigInteger().with_variant(Integer, "sqlite"), ForeignKey("ramp.id"), nullable=False),
    Column("model", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("traffic_ratio", Float, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("measured", JSON, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Index("ix_ramp_entry_ramp", "ramp_id", "id"),
    Index("ix_ramp_entry_model", "model", "id"),
)

refuse_changes(ENTRIES)


def add_ramp(unit: UnitOfWork, values: Mapping[str, Any]) -> int:
    """Insert a ramp and return its id."""
    return add_row(unit, RAMPS, values)


def update_ramp(unit: UnitOfWork, ramp_id: int, **values: Any) -> None:
    """Change columns of a ramp."""
    unit.connection.execute(update(RAMPS).where(RAMPS.c.id == ramp_id).values(**values))


def find_ramp(unit: UnitOfWork, ramp_id: int, *, for_update: bool = False) -> Mapping[str, Any] | None:
    """Return a ramp, locked until the end of the transaction if asked for."""
    query = select(RAMPS).where(RAMPS.c.id == ramp_id)
    return find_row(unit, query.with_for_update() if for_update else query)


def list_ramps(
    unit: UnitOfWork,
    *,
    model: str | None = None,
    is_open: bool | None = None,
    before_id: int | None = None,
    limit: int | None = None,
) -> Sequence[Mapping[str, Any]]:
    """Return ramps, newest first, below `before_id`."""
    query = select(RAMPS).order_by(RAMPS.c.id.desc()).limit(limit)
    if model is not None:
        query = query.where(RAMPS.c.model == model)
    if is_open is not None:
        query = query.where(RAMPS.c.is_open == is_open)
    if before_id is not None:
        query = query.where(RAMPS.c.id < before_id)
    return list_rows(unit, query)


def add_entry(unit: UnitOfWork, values: Mapping[str, Any]) -> None:
    """Insert one step of a ramp's way."""
    unit.connection.execute(insert(ENTRIES).values(**values))


def list_entries(unit: UnitOfWork, ramp_id: int) -> Sequence[Mapping[str, Any]]:
    """Return the way of a ramp, oldest first."""
    query = select(ENTRIES).where(ENTRIES.c.ramp_id == ramp_id).order_by(ENTRIES.c.id)
    return list_rows(unit, query)


def find_route(unit: UnitOfWork, model: str) -> Mapping[str, Any] | None:
    """Return what the newest pins and the open ramp of a model say, and the ids of the last change of either."""
    last_entry = select(func.max(ENTRIES.c.id)).where(ENTRIES.c.model == model).scalar_subquery()
    is_of_it = (RAMPS.c.model == PINS.c.model) & RAMPS.c.is_open & (RAMPS.c.champion == PINS.c.current)
    query = (
        select(
            PINS.c.current,
            PINS.c.id.label("pins_id"),
            RAMPS.c.id.label("ramp_id"),
            RAMPS.c.candidate,
            RAMPS.c.traffic_ratio,
            func.coalesce(last_entry, 0).label("entry_id"),
        )
        .select_from(PINS.outerjoin(RAMPS, is_of_it))
        .where(PINS.c.model == model)
        .order_by(PINS.c.id.desc())
        .limit(1)
    )
    return find_row(unit, query)
