"""Tables and queries of changes: requests, the decisions on them, and who may drive one to its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    and_,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)

from services.store.metadata import BigKey, metadata
from services.store.rows import find_row, list_rows
from services.store.unit_of_work import UnitOfWork

CHANGES = Table(
    "change",
    metadata,
    Column("id", BigKey, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("model", Text),
    Column("title", Text, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("requester", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("blocker", Text, nullable=False, default=""),
    Column("bound", JSON, nullable=False),
    Column("findings", JSON, nullable=False),
    Column("evidence_digest", Text, nullable=False),
    Column("required_approvals", Integer, nullable=False),
    Column("barred", JSON, nullable=False),
    Column("policy_revision", Text),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("epoch", Integer, nullable=False, default=0),
    Column("lease_until_us", BigInteger),
    Column("outcome", JSON),
    Index("ix_change_state", "state", "id"),
    Index("ix_change_model", "model", "id"),
    sqlite_autoincrement=True,
)

DECISIONS = Table(
    "change_decision",
    metadata,
    Column("id", BigKey, primary_key=True, autoincrement=True),
    Column("change_id", BigInteger().with_variant(Integer, "sqlite"), ForeignKey("change.id"), nullable=False),
    Column("actor", Text, nullable=False),
    Column("decision", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("evidence_digest", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Index("ix_change_decision_change", "change_id", "id"),
)


def add_change(unit: UnitOfWork, values: Mapping[str, Any]) -> int:
    """Insert a change and return its id."""
    result = unit.connection.execute(insert(CHANGES).values(**values))
    key = result.inserted_primary_key
    assert key is not None
    return int(key[0])


def find_change(unit: UnitOfWork, change_id: int, *, for_update: bool = False) -> Mapping[str, Any] | None:
    """Return the row of a change, locked where the database locks rows."""
    query = select(CHANGES).where(CHANGES.c.id == change_id)
    return find_row(unit, query.with_for_update() if for_update else query)


def update_change(unit: UnitOfWork, change_id: int, **values: Any) -> None:
    """Write columns of a change."""
    unit.connection.execute(update(CHANGES).where(CHANGES.c.id == change_id).values(**values))


def list_changes(
    unit: UnitOfWork,
    *,
    states: Sequence[str] | None = None,
    kinds: Sequence[str] | None = None,
    model: str | None = None,
    requester: str | None = None,
    ids: Sequence[int] | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> Sequence[Mapping[str, Any]]:
    """Return changes, newest first, below `before_id`."""
    query = select(CHANGES).order_by(CHANGES.c.id.desc()).limit(limit)
    if states is not None:
        query = query.where(CHANGES.c.state.in_(states))
    if kinds is not None:
        query = query.where(CHANGES.c.kind.in_(kinds))
    if model is not None:
        query = query.where(CHANGES.c.model == model)
    if requester is not None:
        query = query.where(CHANGES.c.requester == requester)
    if ids is not None:
        query = query.where(CHANGES.c.id.in_(ids))
    if before_id is not None:
        query = query.where(CHANGES.c.id < before_id)
    return list_rows(unit, query)


def list_by_deadline(
    unit: UnitOfWork,
    *,
    states: Sequence[str],
    not_by: str | None = None,
    after: tuple[int, int] | None = None,
    limit: int = 50,
) -> Sequence[Mapping[str, Any]]:
    """Return changes in the states, those that expire first before others, above `after` (`expires_us`, `id`).

    Args:
        not_by: leave out what this person asked for or has approved as it stands.
    """
    query = select(CHANGES).where(CHANGES.c.state.in_(states)).order_by(CHANGES.c.expires_us, CHANGES.c.id).limit(limit)
    if not_by is not None:
        later = DECISIONS.alias()
        is_renewed = select(later.c.id).where(
            later.c.change_id == CHANGES.c.id, later.c.decision == "evidence_renewed", later.c.id > DECISIONS.c.id
        )
        has_approved = select(DECISIONS.c.id).where(
            DECISIONS.c.change_id == CHANGES.c.id,
            DECISIONS.c.actor == not_by,
            DECISIONS.c.decision == "approved",
            DECISIONS.c.evidence_digest == CHANGES.c.evidence_digest,
            ~is_renewed.exists(),
        )
        is_theirs = or_(CHANGES.c.requester == not_by, has_approved.exists())
        query = query.where(or_(CHANGES.c.state == "approved", ~is_theirs))
    if after is not None:
        query = query.where(tuple_(CHANGES.c.expires_us, CHANGES.c.id) > after)
    return list_rows(unit, query)


def count_by_state(unit: UnitOfWork, states: Sequence[str], *, kinds: Sequence[str] | None = None) -> Mapping[str, int]:
    """Return how many changes stand in each of the states."""
    query = select(CHANGES.c.state, func.count()).where(CHANGES.c.state.in_(states)).group_by(CHANGES.c.state)
    if kinds is not None:
        query = query.where(CHANGES.c.kind.in_(kinds))
    return {state: number for state, number in unit.connection.execute(query)}  # noqa: C416 - rows are no pairs to mypy


def list_due(unit: UnitOfWork, *, pending: Sequence[str], now_us: int) -> Sequence[int]:
    """Return ids of changes in `pending` states whose time is over."""
    query = select(CHANGES.c.id).where(and_(CHANGES.c.state.in_(pending), CHANGES.c.expires_us <= now_us))
    return list(unit.connection.scalars(query.order_by(CHANGES.c.id)))


def list_abandoned(unit: UnitOfWork, *, now_us: int, longest_us: int) -> Sequence[int]:
    """Return ids of changes in execution that nobody holds a lease on; none reaches `longest_us` into the future."""
    until = CHANGES.c.lease_until_us
    lease_is_over = or_(until.is_(None), until <= now_us, until > now_us + longest_us)
    query = select(CHANGES.c.id).where(and_(CHANGES.c.state == "executing", lease_is_over))
    return list(unit.connection.scalars(query.order_by(CHANGES.c.id)))


def lock_executions(unit: UnitOfWork, model: str) -> Sequence[int]:
    """Hold what may be executed of a model, in order, and return the ids of changes in execution."""
    query = select(CHANGES.c.id, CHANGES.c.state).where(CHANGES.c.model == model)
    query = query.where(CHANGES.c.state.in_(["approved", "executing"])).order_by(CHANGES.c.id).with_for_update()
    return [change_id for change_id, state in unit.connection.execute(query) if state == "executing"]


def add_decision(unit: UnitOfWork, values: Mapping[str, Any]) -> None:
    """Insert one decision on a change."""
    unit.connection.execute(insert(DECISIONS).values(**values))


def list_decisions(unit: UnitOfWork, change_ids: Sequence[int]) -> Mapping[int, Sequence[Mapping[str, Any]]]:
    """Return the decisions on each of the changes, oldest first."""
    query = select(DECISIONS).where(DECISIONS.c.change_id.in_(change_ids)).order_by(DECISIONS.c.id)
    found: dict[int, list[Mapping[str, Any]]] = {change_id: [] for change_id in change_ids}
    for row in unit.connection.execute(query).mappings():
        found[row["change_id"]].append(dict(row))
    return found
