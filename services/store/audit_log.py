"""Tables and queries of the audit log: append-only, one head, and the search index over it.

The database itself refuses to change or remove an event, and to insert any but the next one: `INSERT OR REPLACE` would
otherwise slip past triggers on UPDATE and DELETE. A clock never orders anything here: pages go by `seq`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    bindparam,
    event,
    insert,
    select,
    update,
)

from services.store.metadata import BigKey, metadata
from services.store.unit_of_work import UnitOfWork

audit_event = Table(
    "audit_event",
    metadata,
    Column("seq", BigKey, primary_key=True, autoincrement=False),
    Column("event_id", Text, nullable=False, unique=True),
    Column("ts_us", BigInteger, nullable=False, index=True),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("model", Text),
    Column("change_id", BigInteger),
    Column("leaf", LargeBinary, nullable=False),
    Column("leaf_hash", LargeBinary, CheckConstraint("length(leaf_hash) = 32", name="leaf_hash"), nullable=False),
    Index(None, "actor", "seq"),
    Index(None, "action", "seq"),
    Index(None, "subject", "seq"),
    Index(None, "model", "action", "seq"),
    Index(None, "change_id", "seq"),
)
audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="single"), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
)
audit_node = Table(
    "audit_node",
    metadata,
    Column("level", Integer, primary_key=True),
    Column("idx", BigInteger, primary_key=True),
    Column("hash", LargeBinary, CheckConstraint("length(hash) = 32", name="hash"), nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One event as stored: the leaf is the truth, the other columns are copies to search by."""

    seq: int
    event_id: str
    ts_us: int
    actor: str
    action: str
    subject: str
    model: str | None
    change_id: int | None
    leaf: bytes
    leaf_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadRow:
    """The size, root and peaks of the tree."""

    size: int
    root: bytes
    frontier: bytes


_COLUMNS = tuple(audit_event.c.keys())
_HEAD = select(audit_head.c.size, audit_head.c.root, audit_head.c.frontier).where(audit_head.c.id == 1)
_LOCKED_HEAD = _HEAD.with_for_update()
_INSERT_EVENT = insert(audit_event)
_INSERT_NODE = insert(audit_node)
_MOVE_HEAD = (
    update(audit_head)
    .where(audit_head.c.id == 1)
    .values(size=bindparam("new_size"), root=bindparam("new_root"), frontier=bindparam("new_frontier"))
)
_EVENT_BY_ID = select(audit_event).where(audit_event.c.event_id == bindparam("wanted"))


def find_head(unit: UnitOfWork) -> HeadRow | None:
    """Return the head of the log as this unit sees it; None if somebody removed it."""
    row = unit.connection.execute(_HEAD).one_or_none()
    return None if row is None else HeadRow(size=row.size, root=row.root, frontier=row.frontier)


def lock_head(unit: UnitOfWork) -> HeadRow | None:
    """Return the head of the log, holding off other writers until this unit ends."""
    row = unit.connection.execute(_LOCKED_HEAD).one_or_none()
    return None if row is None else HeadRow(size=row.size, root=row.root, frontier=row.frontier)


def move_head(unit: UnitOfWork, head: HeadRow) -> None:
    """Replace the head of the log."""
    unit.connection.execute(_MOVE_HEAD, {"new_size": head.size, "new_root": head.root, "new_frontier": head.frontier})


def insert_event(unit: UnitOfWork, row: EventRow) -> None:
    """Add the next event; the database refuses any other."""
    unit.connection.execute(
        _INSERT_EVENT,
        {
            "seq": row.seq,
            "event_id": row.event_id,
            "ts_us": row.ts_us,
            "actor": row.actor,
            "action": row.action,
            "subject": row.subject,
            "model": row.model,
            "change_id": row.change_id,
            "leaf": row.leaf,
            "leaf_hash": row.leaf_hash,
        },
    )


def insert_nodes(unit: UnitOfWork, nodes: Sequence[tuple[int, int, bytes]]) -> None:
    """Keep the hashes of complete subtrees, as (level, index, hash)."""
    unit.connection.execute(_INSERT_NODE, [{"level": level, "idx": idx, "hash": found} for level, idx, found in nodes])


def find_event(unit: UnitOfWork, event_id: str) -> EventRow | None:
    """Return the event with that id."""
    row = unit.connection.execute(_EVENT_BY_ID, {"wanted": event_id}).one_or_none()
    return None if row is None else EventRow(**dict(zip(_COLUMNS, row, strict=True)))


_EMPTY_HEAD = "INSERT INTO audit_head (id, size, root, frontier) VALUES (1, 0, {root}, {frontier})"
_EMPTY_ROOT = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

GUARDS: dict[str, dict[str, tuple[str, ...]]] = {
    "sqlite": {
        "audit_head": (_EMPTY_HEAD.format(root=f"x'{_EMPTY_ROOT}'", frontier="x''"),),
        "audit_event": (
            """CREATE TRIGGER audit_event_insert BEFORE INSERT ON audit_event
            WHEN NEW.seq IS NOT (SELECT size FROM audit_head WHERE id = 1)
              OR EXISTS (SELECT 1 FROM audit_event WHERE event_id = NEW.event_id)
            BEGIN SELECT RAISE(ABORT, 'the audit log takes only the next event'); END""",
            """CREATE TRIGGER audit_event_update BEFORE UPDATE ON audit_event
            BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
            """CREATE TRIGGER audit_event_delete BEFORE DELETE ON audit_event
            BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
        ),
    },
    "postgresql": {
        "audit_head": (_EMPTY_HEAD.format(root=rf"'\x{_EMPTY_ROOT}'", frontier="''"),),
        "audit_event": (
            """CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$""",
            """CREATE FUNCTION audit_demand_next() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN
              IF NEW.seq IS DISTINCT FROM (SELECT size FROM audit_head WHERE id = 1) THEN
                RAISE EXCEPTION 'the audit log takes only the next event';
              END IF;
              RETURN NEW;
            END $$""",
            """CREATE TRIGGER audit_event_insert BEFORE INSERT ON audit_event
            FOR EACH ROW EXECUTE FUNCTION audit_demand_next()""",
            """CREATE TRIGGER audit_event_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_event
            FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()""",
        ),
    },
}
"""What CREATE TABLE cannot say, by dialect and table: the empty head, and the triggers that keep the rest as it is."""


def _install_guards(table: Table, connection: Connection, **_keywords: Any) -> None:
    for statement in GUARDS[connection.dialect.name].get(table.name, ()):
        connection.exec_driver_sql(statement)


for _table in (audit_event, audit_head, audit_node):
    event.listen(_table, "after_create", _install_guards)
