"""Tables and queries of governed documents: revisions that never change, and the states they have passed through.

A document is a (kind, name); its row is what two writers queue up at. Times of states never run backwards within one
document, so that "in force at T" has one answer even where a clock was set back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    func,
    insert,
    select,
    tuple_,
)
from sqlalchemy.dialects import postgresql, sqlite

from services.store.append_only import refuse_changes
from services.store.metadata import BigKey, metadata
from services.store.rows import find_row, list_rows
from services.store.unit_of_work import UnitOfWork

DOCUMENTS = Table(
    "document",
    metadata,
    Column("id", BigKey, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    UniqueConstraint("kind", "name"),
)

REVISIONS = Table(
    "document_revision",
    metadata,
    Column("id", BigKey, primary_key=True, autoincrement=True),
    Column("document_id", BigInteger().with_variant(Integer, "sqlite"), ForeignKey("document.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("base", Integer),
    Column("text", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    UniqueConstraint("document_id", "number"),
)

STATES = Table(
    "document_state",
    metadata,
    Column("id", BigKey, primary_key=True, autoincrement=True),
    Column("document_id", BigInteger().with_variant(Integer, "sqlite"), ForeignKey("document.id"), nullable=False),
    Column(
        "revision_id", BigInteger().with_variant(Integer, "sqlite"), ForeignKey("document_revision.id"), nullable=False
    ),
    Column("state", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("change_id", BigInteger),
    Column("at_us", BigInteger, nullable=False),
    Index("ix_document_state_document", "document_id", "state", "at_us", "id"),
    Index("ix_document_state_revision", "revision_id", "id"),
    sqlite_autoincrement=True,
)

for _table in (REVISIONS, STATES):
    refuse_changes(_table)

_LATEST_STATE = (
    select(STATES.c.state)
    .where(STATES.c.revision_id == REVISIONS.c.id)
    .order_by(STATES.c.id.desc())
    .limit(1)
    .scalar_subquery()
    .label("state")
)
_REVISION_QUERY = select(REVISIONS, DOCUMENTS.c.kind, DOCUMENTS.c.name, _LATEST_STATE).join(
    DOCUMENTS, DOCUMENTS.c.id == REVISIONS.c.document_id
)


def lock_document(unit: UnitOfWork, kind: str, name: str) -> int:
    """Return the id of a document, made if need be; nobody else writes to it until this unit ends."""
    dialect_insert = postgresql.insert if unit.dialect == "postgresql" else sqlite.insert
    unit.connection.execute(dialect_insert(DOCUMENTS).values(kind=kind, name=name).on_conflict_do_nothing())
    query = select(DOCUMENTS.c.id).where(DOCUMENTS.c.kind == kind, DOCUMENTS.c.name == name).with_for_update()
    return int(unit.connection.execute(query).scalar_one())


def add_revision(unit: UnitOfWork, document_id: int, values: Mapping[str, Any]) -> tuple[int, int]:
    """Insert the next revision of a locked document and return its id and number."""
    last = select(func.coalesce(func.max(REVISIONS.c.number), 0)).where(REVISIONS.c.document_id == document_id)
    number = int(unit.connection.execute(last).scalar_one()) + 1
    result = unit.connection.execute(insert(REVISIONS).values(document_id=document_id, number=number, **values))
    return int(result.inserted_primary_key[0]), number  # type: ignore[index]


def add_state(
    unit: UnitOfWork,
    *,
    document_id: int,
    revision_id: int,
    state: str,
    actor: str,
    change_id: int | None,
    at_us: int,
) -> int:
    """Add a state to the history of a locked document and return its time, which is not before the one before."""
    last = select(func.coalesce(func.max(STATES.c.at_us), 0)).where(STATES.c.document_id == document_id)
    at_us = max(at_us, int(unit.connection.execute(last).scalar_one()))
    unit.connection.execute(
        insert(STATES).values(
            document_id=document_id, revision_id=revision_id, state=state, actor=actor, change_id=change_id, at_us=at_us
        )
    )
    return at_us


def find_revision(unit: UnitOfWork, kind: str, name: str, number: int) -> Mapping[str, Any] | None:
    """Return the row of one revision with its latest state."""
    query = _REVISION_QUERY.where(DOCUMENTS.c.kind == kind, DOCUMENTS.c.name == name, REVISIONS.c.number == number)
    return find_row(unit, query)


def list_revisions(
    unit: UnitOfWork, kind: str, name: str, *, before: int | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Return revisions of a document, newest first, below the number `before`."""
    query = _REVISION_QUERY.where(DOCUMENTS.c.kind == kind, DOCUMENTS.c.name == name)
    if before is not None:
        query = query.where(REVISIONS.c.number < before)
    return [
        dict(row) for row in unit.connection.execute(query.order_by(REVISIONS.c.number.desc()).limit(limit)).mappings()
    ]


def find_in_force(
    unit: UnitOfWork, kind: str, name: str, *, state: str, at_us: int | None = None
) -> Mapping[str, Any] | None:
    """Return the row of the revision that last entered `state`, at the latest at `at_us`, and since when."""
    entered = (
        select(STATES.c.revision_id, STATES.c.at_us.label("since_us"))
        .join(DOCUMENTS, DOCUMENTS.c.id == STATES.c.document_id)
        .where(DOCUMENTS.c.kind == kind, DOCUMENTS.c.name == name, STATES.c.state == state)
        .order_by(STATES.c.at_us.desc(), STATES.c.id.desc())
        .limit(1)
    )
    if at_us is not None:
        entered = entered.where(STATES.c.at_us <= at_us)
    last = entered.subquery()
    query = _REVISION_QUERY.add_columns(last.c.since_us).join(last, last.c.revision_id == REVISIONS.c.id)
    return find_row(unit, query)


def list_states(unit: UnitOfWork, revision_id: int) -> Sequence[Mapping[str, Any]]:
    """Return the states that a revision has passed through, oldest first."""
    query = select(STATES).where(STATES.c.revision_id == revision_id).order_by(STATES.c.id)
    return list_rows(unit, query)


def find_head(unit: UnitOfWork, kind: str, name: str, *, states: Sequence[str]) -> int | None:
    """Return the number of the newest revision whose latest state is one of `states`."""
    query = (
        select(REVISIONS.c.number)
        .join(DOCUMENTS, DOCUMENTS.c.id == REVISIONS.c.document_id)
        .where(DOCUMENTS.c.kind == kind, DOCUMENTS.c.name == name, _LATEST_STATE.element.in_(states))
        .order_by(REVISIONS.c.number.desc())
        .limit(1)
    )
    return unit.connection.execute(query).scalar_one_or_none()


def list_documents(
    unit: UnitOfWork, *, kind: str | None, after: tuple[str, str] | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Return documents by kind and name, above `after`, each with the number of its last revision."""
    last = (
        select(func.max(REVISIONS.c.number))
        .where(REVISIONS.c.document_id == DOCUMENTS.c.id)
        .scalar_subquery()
        .label("last_number")
    )
    query = select(DOCUMENTS.c.kind, DOCUMENTS.c.name, last).order_by(DOCUMENTS.c.kind, DOCUMENTS.c.name).limit(limit)
    if kind is not None:
        query = query.where(DOCUMENTS.c.kind == kind)
    if after is not None:
        query = query.where(tuple_(DOCUMENTS.c.kind, DOCUMENTS.c.name) > after)
    return list_rows(unit, query)
