"""Decisions, one by one and a frame at a time: action, probability, every reason, who won, under which revision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from services.clock import from_micros, to_text
from services.policies.policy import Policy

THRESHOLD = "threshold"
GUARDRAIL = "guardrail"
LIMIT_REASON = "daily_block_limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do with one case.

    Args:
        probability: the score it rests on.
        reasons: the threshold's first, then those of rules in their order, then the guardrail's.
        won_by: `threshold`, the name of the rule that set the action, or `guardrail`.
        notes: rules that the data gave no column for.
        blocked_until: when the block that this decision places ends by itself.
    """

    action: str
    probability: float
    reasons: tuple[str, ...]
    policy_revision: str
    won_by: str
    at: datetime
    notes: tuple[str, ...] = ()
    blocked_until: datetime | None = None


class DecisionBatch(Sequence[Decision]):
    """Decisions on a frame, in its order, held as arrays; a `Decision` is made for those that are looked at."""

    def __init__(
        self,
        policy: Policy,
        scores: np.ndarray[Any, np.dtype[np.float64]],
        times_us: np.ndarray[Any, np.dtype[np.int64]],
        notes: Sequence[str],
    ) -> None:
        self.policy = policy
        self.scores = scores
        self.times_us = times_us
        self.notes = tuple(notes)
        self.threshold_codes = np.zeros(len(scores), dtype=np.uint8)
        for threshold in policy.thresholds[:-1]:
            self.threshold_codes += scores < threshold.lowest_score
        codes = [policy.actions.index(threshold.action) for threshold in policy.thresholds]
        self.action_codes = np.array(codes, dtype=np.uint8)[self.threshold_codes]
        self.winners = np.full(len(scores), -1, dtype=np.int8)
        self.fired = np.zeros(len(scores), dtype=np.uint64)
        self.unknown = np.zeros(len(scores), dtype=np.uint64)
        self.is_limited = np.zeros(len(scores), dtype=bool)

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        at = from_micros(int(self.times_us[index]))
        action = self.policy.actions[self.action_codes[index]]
        guardrail = self.policy.guardrail
        return Decision(
            action=action,
            probability=float(self.scores[index]),
            reasons=self.reasons_of(index),
            policy_revision=self.policy.revision,
            won_by=self._winner(index),
            at=at,
            notes=self.notes,
            blocked_until=None if guardrail is None else guardrail.blocked_until(action, at),
        )

    @cached_property
    def actions(self) -> np.ndarray[Any, np.dtype[np.object_]]:
        """The action of every row, as an array of text."""
        actions: np.ndarray[Any, np.dtype[np.object_]] = np.array(self.policy.actions, dtype=object)
        return actions[self.action_codes]

    @cached_property
    def reasons(self) -> np.ndarray[Any, np.dtype[np.object_]]:
        """The reasons of every row, as an array of tuples; equal ones are one tuple."""
        codes = self.threshold_codes.astype(np.int64)
        for column in (self.fired, self.unknown, self.is_limited):
            # Numbered afresh after each column, so that the numbers stay small whatever the count of rules.
            inner, distinct = pd.factorize(column)
            codes, patterns = pd.factorize(codes * len(distinct) + inner)
        first = np.zeros(len(patterns), dtype=np.int64)
        first[codes[::-1]] = np.arange(len(codes))[::-1]
        named: np.ndarray[Any, np.dtype[np.object_]] = np.empty(len(patterns), dtype=object)
        for place, row in enumerate(first):
            named[place] = self.reasons_of(int(row))
        return named[codes]

    def reasons_of(self, index: int) -> tuple[str, ...]:
        """Return the reasons of one row."""
        policy = self.policy
        reasons = [policy.thresholds[self.threshold_codes[index]].reason]
        fired, unknown = int(self.fired[index]), int(self.unknown[index])
        for place, rule in enumerate(policy.rules):
            if fired >> place & 1:
                reasons.append(rule.reason)
            elif unknown >> place & 1:
                reasons.append(rule.unknown_reason)
        if self.is_limited[index]:
            reasons.append(LIMIT_REASON)
        return tuple(reasons)

    def _winner(self, index: int) -> str:
        if self.is_limited[index]:
            return GUARDRAIL
        place = int(self.winners[index])
        return THRESHOLD if place < 0 else self.policy.rules[place].name


def to_json(decision: Decision) -> Mapping[str, Any]:
    """Return a decision as the public interface prints it."""
    document: dict[str, Any] = {
        "action": decision.action,
        "probability": decision.probability,
        "reasons": list(decision.reasons),
        "policy_revision": decision.policy_revision,
        "won_by": decision.won_by,
        "at": to_text(decision.at),
    }
    if decision.blocked_until is not None:
        document["blocked_until"] = to_text(decision.blocked_until)
    return document
