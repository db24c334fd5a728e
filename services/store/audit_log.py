"""Tables of the audit log, and what appending to it and proving from it need.

The leaf is the truth; the other columns are copies to search by, and what is sealed of every 256 events (a chunk) is
there for speed. Statements are written out, not built: appending is the hot path, and verification reads what is stored
rather than what a column type makes of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    event,
)
from sqlalchemy.exc import DatabaseError, DBAPIError, IntegrityError, OperationalError

from services.errors import Unverified
from services.store.audit_guards import install_guards
from services.store.metadata import BigKey, metadata
from services.store.unit_of_work import Store, UnitOfWork

CHUNK_EVENTS = 256

EVENT = Table(
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
_HEAD = Table(
    "audit_head",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="single"), primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
)
_NODE = Table(
    "audit_node",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("idx", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, CheckConstraint("length(hash) = 32", name="hash"), nullable=False),
)
_CHECKPOINT = Table(
    "audit_checkpoint",
    metadata,
    Column("size", BigKey, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
)
_DISCLOSURE = Table(
    "audit_disclosure",
    metadata,
    Column("seq", BigKey, primary_key=True, autoincrement=False),
    Column("name", Text, primary_key=True),
    Column("salt", LargeBinary, nullable=False),
    Column("value", Text, nullable=False),
)
SPAN = Table(
    "audit_span",
    metadata,
    Column("chunk", BigKey, primary_key=True, autoincrement=False),
    Column("low_us", BigInteger, nullable=False),
    Column("high_us", BigInteger, nullable=False),
)
TALLY = Table(
    "audit_tally",
    metadata,
    Column("field", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("events", BigInteger, nullable=False),
    Index(None, "day", "field"),
)

for _table in (EVENT, _HEAD, _NODE, _CHECKPOINT, _DISCLOSURE):
    event.listen(_table, "after_create", install_guards)


class EventRow(NamedTuple):
    """One event as stored, in the order of its columns."""

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


class HeadRow(NamedTuple):
    """The size, root and peaks of the tree."""

    size: int
    root: bytes
    frontier: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DisclosureRow:
    """What a salted hash in a leaf stands for; `name` is the JSON pointer of its place in the leaf."""

    seq: int
    name: str
    salt: bytes
    value: str


TallyRow = tuple[str, str, int, int]
"""How many sealed events have a value in a field on a day since the epoch; day -1 counts all days."""

_READ_HEAD = "SELECT size, root, frontier FROM audit_head WHERE id = 1"
_LOCK_HEAD = "SELECT size, root, frontier FROM audit_head WHERE id = 1 FOR UPDATE"
_MOVE_HEAD = "UPDATE audit_head SET size = ?, root = ?, frontier = ? WHERE id = 1"
_INSERT_EVENT = (
    "INSERT INTO audit_event (seq, event_id, ts_us, actor, action, subject, model, change_id, leaf, leaf_hash) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_READ_EVENTS = (
    "SELECT seq, event_id, ts_us, actor, action, subject, model, change_id, leaf, leaf_hash "
    "FROM audit_event WHERE seq >= ? AND seq < ? ORDER BY seq"
)
_READ_EVENT = (
    "SELECT seq, event_id, ts_us, actor, action, subject, model, change_id, leaf, leaf_hash "
    "FROM audit_event WHERE event_id = ?"
)
_READ_LEAF_HASHES = "SELECT leaf_hash FROM audit_event WHERE seq >= ? AND seq < ? ORDER BY seq"
_READ_NODE_HASHES = "SELECT hash FROM audit_node WHERE level = ? AND idx >= ? AND idx < ? ORDER BY idx"
_SEARCH_INSERTS = {
    "sqlite": "INSERT INTO audit_search (rowid, words) VALUES (?, ?)",
    "postgresql": "INSERT INTO audit_search (seq, words) VALUES (?, array_to_tsvector(string_to_array(?, ' ')))",
}
_COUNT = (
    "INSERT INTO audit_tally (field, value, day, events) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (field, value, day) DO UPDATE SET events = audit_tally.events + excluded.events"
)


def run(unit: UnitOfWork, statement: str, *values: Any) -> list[Any]:
    """Execute a statement whose parameters are written `?` on a cursor of the driver, and return the rows.

    Going through SQLAlchemy's own result takes longer than the statements themselves.
    """
    cursor = unit.get_cursor()
    dialect = unit.connection.dialect
    try:
        cursor.execute(statement if unit.dialect == "sqlite" else statement.replace("?", "%s"), values)
        return list(cursor.fetchall()) if cursor.description else []
    except dialect.loaded_dbapi.Error as error:
        if "Could not decode to UTF-8" in str(error):
            raise Unverified(
                "The audit log holds text that is not UTF-8.",
                next_step="Run `gatehouse audit verify` to see where, and restore the store from a backup.",
            ) from error
        base = dialect.loaded_dbapi.Error
        raise DBAPIError.instance(statement, values, error, base, dialect=dialect) from error


def _run_many(unit: UnitOfWork, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
    listed = list(rows)
    if listed:
        adapted = statement if unit.dialect == "sqlite" else statement.replace("?", "%s")
        unit.connection.exec_driver_sql(adapted, listed)


def find_head(unit: UnitOfWork, *, lock: bool = False) -> HeadRow | None:
    """Return the head of the log, or None if somebody removed or garbled it; `lock` holds off other writers."""
    is_locking = lock and unit.dialect == "postgresql"
    match run(unit, _LOCK_HEAD if is_locking else _READ_HEAD):
        case [(int(size), bytes(root), bytes(frontier))]:
            return HeadRow(size=size, root=root, frontier=frontier)
    return None


def append_event(unit: UnitOfWork, row: EventRow, head: HeadRow) -> None:
    """Add the next event and move the head.

    Raises:
        Unverified: the database holds that event already, or expects another one.
    """
    try:
        run(unit, _INSERT_EVENT, *row)
        run(unit, _MOVE_HEAD, *head)
    except OperationalError:
        raise
    except DatabaseError as error:
        if not isinstance(error, IntegrityError) and "audit log" not in str(error.orig):
            raise
        raise Unverified(
            f"The audit log does not take event {row.seq}: its head and its events disagree.",
            next_step="Run `gatehouse audit verify` to see where, and restore the store from a backup.",
        ) from error


def insert_nodes(unit: UnitOfWork, nodes: Iterable[tuple[int, int, bytes]]) -> None:
    """Keep the hashes of complete subtrees, as (level, index, hash)."""
    _run_many(unit, "INSERT INTO audit_node (level, idx, hash) VALUES (?, ?, ?)", nodes)


def insert_search(unit: UnitOfWork, words: Iterable[tuple[int, str]]) -> None:
    """Make events findable by words: (seq, words between single spaces)."""
    _run_many(unit, _SEARCH_INSERTS[unit.dialect], words)


def insert_span(unit: UnitOfWork, chunk: int, low_us: int, high_us: int) -> None:
    """Keep the earliest and latest time in a chunk."""
    run(unit, "INSERT INTO audit_span (chunk, low_us, high_us) VALUES (?, ?, ?)", chunk, low_us, high_us)


def count_sealed(unit: UnitOfWork) -> int:
    """Return how many chunks are sealed: all up to the last one that is."""
    last = run(unit, "SELECT max(chunk) FROM audit_span")[0][0]
    return 0 if last is None else int(last) + 1


def add_tallies(unit: UnitOfWork, rows: Iterable[TallyRow]) -> None:
    """Add to the counts; writers that come together add in the same order."""
    _run_many(unit, _COUNT, sorted(rows))


def find_event(unit: UnitOfWork, event_id: str) -> EventRow | None:
    """Return the event with that id."""
    return _to_event(run(unit, _READ_EVENT, event_id))


def find_event_at(unit: UnitOfWork, seq: int) -> EventRow | None:
    """Return the event with that number."""
    return _to_event(run(unit, _READ_EVENTS, seq, seq + 1))


def find_last_seq(unit: UnitOfWork) -> int | None:
    """Return the highest number there is."""
    found: int | None = run(unit, "SELECT max(seq) FROM audit_event")[0][0]
    return found


def list_events(unit: UnitOfWork, first: int, end: int) -> Sequence[Any]:
    """Return the events [first, end) by number as tuples of the columns of `EventRow`, exactly as stored."""
    return run(unit, _READ_EVENTS, first, end)


def list_leaves(unit: UnitOfWork, first: int, end: int) -> list[tuple[int, bytes]]:
    """Return (number, leaf) of events [first, end) by number."""
    statement = "SELECT seq, leaf FROM audit_event WHERE seq >= ? AND seq < ? ORDER BY seq"
    return [(seq, leaf) for seq, leaf in run(unit, statement, first, end)]


def list_hashes(unit: UnitOfWork, level: int, first: int, end: int) -> list[bytes]:
    """Return the hashes of subtrees [first, end) of a level by index; level 0 is the leaves."""
    if level == 0:
        return [row[0] for row in run(unit, _READ_LEAF_HASHES, first, end)]
    return [row[0] for row in run(unit, _READ_NODE_HASHES, level, first, end)]


def list_nodes(unit: UnitOfWork) -> list[tuple[int, int, bytes]]:
    """Return every kept subtree as (level, index, hash)."""
    return [tuple(row) for row in run(unit, "SELECT level, idx, hash FROM audit_node ORDER BY level, idx")]


def add_checkpoint(unit: UnitOfWork, size: int, note: str) -> None:
    """Keep a signed checkpoint; the first one of a size stays."""
    if run(unit, "SELECT size FROM audit_checkpoint WHERE size = ?", size) == []:
        run(unit, "INSERT INTO audit_checkpoint (size, note) VALUES (?, ?)", size, note)


def list_checkpoints(unit: UnitOfWork) -> list[tuple[int, str]]:
    """Return every kept checkpoint as (size, note), by size."""
    return [(size, str(note)) for size, note in run(unit, "SELECT size, note FROM audit_checkpoint ORDER BY size")]


def insert_disclosures(unit: UnitOfWork, rows: Iterable[DisclosureRow]) -> None:
    """Keep what salted hashes in leaves stand for."""
    statement = "INSERT INTO audit_disclosure (seq, name, salt, value) VALUES (?, ?, ?, ?)"
    _run_many(unit, statement, ((row.seq, row.name, row.salt, row.value) for row in rows))


def list_disclosures(unit: UnitOfWork, first: int, end: int) -> list[DisclosureRow]:
    """Return what the salted hashes of events [first, end) stand for, by number and name."""
    statement = "SELECT seq, name, salt, value FROM audit_disclosure WHERE seq >= ? AND seq < ? ORDER BY seq, name"
    return [
        DisclosureRow(seq=row[0], name=row[1], salt=row[2], value=row[3]) for row in run(unit, statement, first, end)
    ]


def list_disclosures_at(unit: UnitOfWork, numbers: Sequence[int]) -> list[DisclosureRow]:
    """Return what the salted hashes of some events stand for."""
    places = ",".join("?" * len(numbers))
    statement = f"SELECT seq, name, salt, value FROM audit_disclosure WHERE seq IN ({places})"  # noqa: S608 - marks alone
    return [DisclosureRow(seq=row[0], name=row[1], salt=row[2], value=row[3]) for row in run(unit, statement, *numbers)]


def list_disclosures_of(unit: UnitOfWork, value: str) -> list[DisclosureRow]:
    """Return every salted hash that stands for a value, by number and name."""
    statement = "SELECT seq, name, salt, value FROM audit_disclosure WHERE value = ? ORDER BY seq, name"
    return [DisclosureRow(seq=row[0], name=row[1], salt=row[2], value=row[3]) for row in run(unit, statement, value)]


def delete_disclosures(unit: UnitOfWork, places: Iterable[tuple[int, str]]) -> None:
    """Forget what salted hashes stand for, by number and name."""
    _run_many(unit, "DELETE FROM audit_disclosure WHERE seq = ? AND name = ?", places)


def purge(store: Store) -> bool:
    """Leave no copy of deleted rows in the files of the database (SQLite: beside `secure_delete`).

    Returns whether none is left: while somebody reads a SQLite file, its log cannot be cut short.
    """
    with store.maintain() as connection:
        if connection.dialect.name == "sqlite":
            return not connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar()
        connection.exec_driver_sql("VACUUM (FULL) audit_disclosure")
    return True


def list_spans(unit: UnitOfWork) -> list[tuple[int, int, int]]:
    """Return (chunk, earliest, latest) of every sealed chunk."""
    return [tuple(row) for row in run(unit, "SELECT chunk, low_us, high_us FROM audit_span ORDER BY chunk")]


def list_tallies(unit: UnitOfWork) -> list[TallyRow]:
    """Return every count."""
    return [tuple(row) for row in run(unit, "SELECT field, value, day, events FROM audit_tally")]


def _to_event(rows: Sequence[Any]) -> EventRow | None:
    return EventRow(*rows[0]) if rows else None
