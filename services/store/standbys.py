"""Table and queries of warm standbys: which pinned versions lie ready in the home, and when each was last proven."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, Integer, Table, Text, delete, insert, select, update

from services.store.metadata import metadata
from services.store.rows import list_rows
from services.store.unit_of_work import UnitOfWork

STANDBYS = Table(
    "standby",
    metadata,
    Column("model", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    Column("digest", Text),
    Column("bytes", BigInteger),
    Column("problem", Text, nullable=False),
    Column("proven_us", BigInteger),
    Column("checked_us", BigInteger, nullable=False),
)


def put_standby(unit: UnitOfWork, model: str, version: int, values: Mapping[str, Any]) -> None:
    """Insert or replace the state of a version."""
    of_it = (STANDBYS.c.model == model) & (STANDBYS.c.version == version)
    if unit.connection.execute(update(STANDBYS).where(of_it).values(**values)).rowcount == 0:
        unit.connection.execute(insert(STANDBYS).values(model=model, version=version, **values))


def list_standbys(unit: UnitOfWork, *, models: Sequence[str] | None = None) -> Sequence[Mapping[str, Any]]:
    """Return the states of all versions, or of those of some models."""
    query = select(STANDBYS).order_by(STANDBYS.c.model, STANDBYS.c.version)
    if models is not None:
        query = query.where(STANDBYS.c.model.in_(models))
    return list_rows(unit, query)


def delete_standby(unit: UnitOfWork, model: str, version: int) -> None:
    """Forget a version that is no longer kept."""
    unit.connection.execute(delete(STANDBYS).where(STANDBYS.c.model == model, STANDBYS.c.version == version))
