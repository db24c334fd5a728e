"""Table and queries of the outbox: messages written with the change they tell of, and sent after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, Index, Integer, Table, Text, insert, select, update

from services.store.metadata import BigKey, metadata
from services.store.unit_of_work import UnitOfWork

outbox_message = Table(
    "outbox_message",
    metadata,
    Column("id", BigKey, primary_key=True, autoincrement=True),
    Column("delivery_id", Text, nullable=False, unique=True),
    Column("event", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("next_try_us", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("ended_us", BigInteger),
    Column("last_problem", Text, nullable=False),
    Index(None, "state", "next_try_us"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A message as it is written."""

    delivery_id: str
    event: str
    subject: str
    url: str
    body: str
    state: str
    created_us: int
    next_try_us: int
    attempts: int = 0
    last_problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRow(NewMessage):
    """A message as stored."""

    id: int
    ended_us: int | None


def add_message(unit: UnitOfWork, row: NewMessage) -> None:
    """Insert a message."""
    unit.connection.execute(insert(outbox_message), [asdict(row)])


def find_message(unit: UnitOfWork, message_id: int) -> MessageRow | None:
    """Return a message."""
    query = select(outbox_message).where(outbox_message.c.id == message_id)
    row = unit.connection.execute(query).mappings().first()
    return MessageRow(**row) if row else None


def list_due_urls(unit: UnitOfWork, *, now_us: int) -> Sequence[str]:
    """Return where messages are to go whose time has come."""
    return list(unit.connection.scalars(select(outbox_message.c.url).where(*_is_due(now_us)).distinct()))


def list_due(unit: UnitOfWork, url: str, *, now_us: int, limit: int) -> Sequence[MessageRow]:
    """Return messages to one address whose time has come, the longest waiting first."""
    message = outbox_message.c
    query = (
        select(outbox_message)
        .where(message.url == url, *_is_due(now_us))
        .order_by(message.next_try_us, message.id)
        .limit(limit)
    )
    return [MessageRow(**row) for row in unit.connection.execute(query).mappings()]


def list_messages(unit: UnitOfWork, *, state: str | None, before_id: int | None, limit: int) -> Sequence[MessageRow]:
    """Return messages, newest first, from the first below `before_id`."""
    query = select(outbox_message).order_by(outbox_message.c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(outbox_message.c.state == state)
    if before_id is not None:
        query = query.where(outbox_message.c.id < before_id)
    return [MessageRow(**row) for row in unit.connection.execute(query).mappings()]


def update_message(unit: UnitOfWork, row: MessageRow, changes: Mapping[str, Any]) -> bool:
    """Change a message that is still as it was read; False when somebody else was faster."""
    message = outbox_message.c
    unchanged = (message.id == row.id, message.state == row.state, message.attempts == row.attempts)
    result = unit.connection.execute(update(outbox_message).where(*unchanged).values(**changes))
    return bool(result.rowcount == 1)


def _is_due(now_us: int) -> tuple[ColumnElement[bool], ...]:
    return outbox_message.c.state == "pending", outbox_message.c.next_try_us <= now_us
