"""Tables and queries of pins: which version of a model serves, and everything that ever did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, and_, func, insert, select

from services.store.metadata import BigKey, metadata
from services.store.rows import find_row, list_rows
from services.store.unit_of_work import UnitOfWork

PINS = Table(
    "pin",
    metadata,
    Column("id", BigKey, primary_key=True, autoincrement=True),
    Column("model", Text, nullable=False),
    Column("current", Integer, nullable=False),
    Column("previous", Integer),
    Column("fallback", Integer),
    Column("since_us", BigInteger, nullable=False),
    Column("change_id", BigInteger),
    Column("actor", Text, nullable=False),
    Index("ix_pin_model", "model", "id"),
)


def add_pins(unit: UnitOfWork, values: Mapping[str, Any]) -> None:
    """Insert the newest pins of a model; what was before stays as history."""
    unit.connection.execute(insert(PINS).values(**values))


def find_pins(unit: UnitOfWork, model: str) -> Mapping[str, Any] | None:
    """Return the newest pins of a model."""
    query = select(PINS).where(PINS.c.model == model).order_by(PINS.c.id.desc()).limit(1)
    return find_row(unit, query)


def list_pins(
    unit: UnitOfWork,
    *,
    at_us: int | None = None,
    model: str | None = None,
    after: str | None = None,
    limit: int | None = None,
) -> Sequence[Mapping[str, Any]]:
    """Return the pins of every model (or of one) as they were at a moment, by model, above `after`."""
    newest = select(func.max(PINS.c.id)).group_by(PINS.c.model)
    if at_us is not None:
        newest = newest.where(PINS.c.since_us <= at_us)
    query = select(PINS).where(PINS.c.id.in_(newest)).order_by(PINS.c.model)
    if model is not None:
        query = query.where(PINS.c.model == model)
    if after is not None:
        query = query.where(PINS.c.model > after)
    return list_rows(unit, query.limit(limit))


def list_pin_history(
    unit: UnitOfWork, model: str, *, before_id: int | None = None, limit: int = 50
) -> Sequence[Mapping[str, Any]]:
    """Return the pins a model has had, newest first."""
    query = select(PINS).where(PINS.c.model == model).order_by(PINS.c.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(PINS.c.id < before_id)
    return list_rows(unit, query)


def was_current(unit: UnitOfWork, model: str, version: int) -> bool:
    """Return whether a version has ever been the current one."""
    query = select(PINS.c.id).where(and_(PINS.c.model == model, PINS.c.current == version)).limit(1)
    return unit.connection.execute(query).first() is not None
