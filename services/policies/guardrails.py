"""Guardrails with a memory: how often a customer was blocked today, and until when a block stands.

A day is a UTC calendar day. A block refused by the daily limit is no block: it is not counted and nothing stands.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.clock import from_micros, to_micros
from services.policies.policy import BlockGuardrail
from services.store import Store
from services.store import decisions as rows

DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingBlock:
    """A block that stands: since the last decision to block, until it ends by itself."""

    since: datetime
    until: datetime


class BlockMemory(Protocol):
    """Where blocks are remembered."""

    def claim(self, guardrail: BlockGuardrail, customer: str, at_us: int) -> bool:
        """Count one more block of a customer and return True, or return False where the day's limit is reached."""


class MemoryOfBatch:
    """Blocks of one batch, forgotten after it."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, int]] = Counter()

    def claim(self, guardrail: BlockGuardrail, customer: str, at_us: int) -> bool:
        day = at_us // DAY_US
        if guardrail.max_daily is not None and self._counts[customer, day] >= guardrail.max_daily:
            return False
        self._counts[customer, day] += 1
        return True


class MemoryOfStore:
    """Blocks of one model in the governance store, shared by every process that decides."""

    def __init__(self, store: Store, model: str) -> None:
        self._store = store
        self._model = model

    def claim(self, guardrail: BlockGuardrail, customer: str, at_us: int) -> bool:
        until = guardrail.blocked_until(guardrail.block_action, from_micros(at_us))
        with self._store.write() as unit:
            is_granted = rows.claim_block(
                unit,
                model=self._model,
                customer=customer,
                at_us=at_us,
                until_us=None if until is None else to_micros(until),
                day=at_us // DAY_US,
                max_daily=guardrail.max_daily,
            )
            unit.commit()
        return is_granted

    def find_block(self, customer: str, *, at: datetime) -> StandingBlock | None:
        """Return the block that stands on a customer at a moment; it ends by itself when its hours are over."""
        with self._store.read() as unit:
            row = rows.find_standing_block(unit, model=self._model, customer=customer, now_us=to_micros(at))
        if row is None:
            return None
        return StandingBlock(since=from_micros(row["at_us"]), until=from_micros(row["until_us"]))

    def forget_before(self, moment: datetime) -> int:
        """Delete what ended before a moment, and return how many days: nothing about a person is kept for longer."""
        with self._store.write() as unit:
            count = rows.delete_ended_blocks(unit, model=self._model, before_us=to_micros(moment))
            unit.commit()
        return count
