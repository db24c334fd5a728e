"""Table and queries of the scoring servers that run: what each last said of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, Table, Text, delete, insert, select, update

from services.store.metadata import metadata
from services.store.rows import list_rows
from services.store.unit_of_work import UnitOfWork

SERVERS = Table(
    "server",
    metadata,
    Column("id", Text, primary_key=True),
    Column("model", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Column("seen_us", BigInteger, nullable=False),
    Column("state", JSON, nullable=False),
    Index("ix_server_model", "model"),
)


def put_server(unit: UnitOfWork, server_id: str, values: Mapping[str, Any]) -> None:
    """Insert or replace what a server says of itself."""
    changed = unit.connection.execute(update(SERVERS).where(SERVERS.c.id == server_id).values(**values))
    if changed.rowcount == 0:
        unit.connection.execute(insert(SERVERS).values(id=server_id, **values))


def list_servers(unit: UnitOfWork, *, model: str | None = None, limit: int) -> Sequence[Mapping[str, Any]]:
    """Return servers by model, the longest running first."""
    query = select(SERVERS).order_by(SERVERS.c.model, SERVERS.c.started_us, SERVERS.c.id).limit(limit)
    return list_rows(unit, query if model is None else query.where(SERVERS.c.model == model))


def delete_server(unit: UnitOfWork, server_id: str) -> None:
    """Forget a server that has ended."""
    unit.connection.execute(delete(SERVERS).where(SERVERS.c.id == server_id))


def delete_silent(unit: UnitOfWork, *, before_us: int) -> None:
    """Forget servers that have said nothing since a moment."""
    unit.connection.execute(delete(SERVERS).where(SERVERS.c.seen_us < before_us))
