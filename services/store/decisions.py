"""Table and queries of decision guardrails: blocks a customer and day, and until when the last of them stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, case, delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from services.store.metadata import metadata
from services.store.rows import find_row
from services.store.unit_of_work import UnitOfWork

BLOCKS = Table(
    "customer_block",
    metadata,
    Column("model", Text, primary_key=True),
    Column("customer", Text, primary_key=True),
    Column("day", Integer, primary_key=True, comment="days since the epoch, UTC"),
    Column("blocks", Integer, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("until_us", BigInteger),
    Index("ix_customer_block_until", "model", "until_us"),
)


def claim_block(
    unit: UnitOfWork,
    *,
    model: str,
    customer: str,
    at_us: int,
    until_us: int | None,
    day: int,
    max_daily: int | None,
) -> bool:
    """Count one more block and return True, or return False where the day's limit is reached; one atomic statement."""
    insert = postgresql.insert if unit.dialect == "postgresql" else sqlite.insert
    added = insert(BLOCKS).values(model=model, customer=customer, day=day, blocks=1, at_us=at_us, until_us=until_us)
    later = case((BLOCKS.c.until_us > added.excluded.until_us, BLOCKS.c.until_us), else_=added.excluded.until_us)
    claim = added.on_conflict_do_update(
        index_elements=[BLOCKS.c.model, BLOCKS.c.customer, BLOCKS.c.day],
        set_={"blocks": BLOCKS.c.blocks + 1, "at_us": added.excluded.at_us, "until_us": later},
        where=None if max_daily is None else BLOCKS.c.blocks < max_daily,
    )
    return unit.connection.execute(claim.returning(BLOCKS.c.blocks)).first() is not None


def find_standing_block(unit: UnitOfWork, *, model: str, customer: str, now_us: int) -> Mapping[str, Any] | None:
    """Return the row of a customer's block that ends last, if it has not ended."""
    query = (
        select(BLOCKS)
        .where(BLOCKS.c.model == model, BLOCKS.c.customer == customer, BLOCKS.c.until_us > now_us)
        .order_by(BLOCKS.c.until_us.desc())
        .limit(1)
    )
    return find_row(unit, query)


def delete_ended_blocks(unit: UnitOfWork, *, model: str, before_us: int) -> int:
    """Delete the days whose last block ended, or was a block of that moment only, before `before_us`."""
    is_ended = or_(BLOCKS.c.until_us < before_us, BLOCKS.c.until_us.is_(None) & (BLOCKS.c.at_us < before_us))
    return unit.connection.execute(delete(BLOCKS).where(BLOCKS.c.model == model, is_ended)).rowcount
