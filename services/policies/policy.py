"""A decision policy ready to decide: one ordered list of thresholds, one of rules, flags already applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.documents.kind import Location
from services.policies.conditions import (
    Comparison,
    Condition,
    EqualityComparison,
    MembershipComparison,
    NumberComparison,
    members,
    walk,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Scores of at least `lowest_score` and below the threshold before take this action."""

    action: str
    lowest_score: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule that is switched on.

    Args:
        action: None only adds the reason.
        only_from: the actions that it changes; None is all.
        is_optional: whether data without its columns is decided without it.
        places: each column with where the document names it.
    """

    name: str
    condition: Condition
    action: str | None
    reason: str
    only_from: frozenset[str] | None
    is_optional: bool
    places: Mapping[str, Location]

    @property
    def unknown_reason(self) -> str:
        """The reason given where a value that the rule needs is missing."""
        return f"{self.reason}_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockGuardrail:
    """At most `max_daily` blocks a customer and UTC day, the action `instead` beyond; a block ends by itself."""

    block_action: str
    max_daily: int | None
    instead: str
    unblock_after: timedelta | None
    customer_column: str
    time_column: str

    def blocked_until(self, action: str, at: datetime) -> datetime | None:
        """Return when a block placed at a moment ends by itself; None if `action` is no block, or it does not."""
        return at + self.unblock_after if self.unblock_after is not None and action == self.block_action else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What decides. `actions` lists every action in a fixed order: thresholds first, the strictest first of all.

    Args:
        revision: such as `decision_policy/fraud_detector/3`; for a file, the version it states, or else its digest.
        digest: `sha256:…` of the text.
    """

    model: str
    revision: str
    digest: str
    actions: tuple[str, ...]
    thresholds: tuple[Threshold, ...]
    rules: tuple[Rule, ...]
    guardrail: BlockGuardrail | None

    @property
    def mildest_action(self) -> str:
        """The action of the lowest scores."""
        return self.thresholds[-1].action

    @property
    def columns(self) -> frozenset[str]:
        """Every column that a rule reads."""
        return frozenset(column for rule in self.rules for column in rule.places)

    @property
    def number_columns(self) -> frozenset[str]:
        """The columns that a rule compares with numbers."""
        compared = (comparison for rule in self.rules for _, comparison in walk(rule.condition))
        return frozenset(each.column for each in compared if _is_numeric(each))

    @property
    def text_columns(self) -> frozenset[str]:
        """The columns that hold text: those that a rule compares with text, and the customer's."""
        found = {self.guardrail.customer_column} if self.guardrail is not None else set()
        for rule in self.rules:
            for _, comparison in walk(rule.condition):
                if isinstance(comparison, EqualityComparison | MembershipComparison) and all(
                    isinstance(value, str) for value in members(comparison)
                ):
                    found.add(comparison.column)
        return frozenset(found)


def _is_numeric(comparison: Comparison) -> bool:
    if isinstance(comparison, EqualityComparison | MembershipComparison):
        return any(isinstance(value, int | float) and not isinstance(value, bool) for value in members(comparison))
    return isinstance(comparison, NumberComparison)
