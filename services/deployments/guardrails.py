"""Guardrails: what a candidate did since its step began, held against the ramp plan.

All three of practice 7 are rates: of requests without an answer, of those slower than the limit (99 of 100 within it is
1 of 100 beyond), of those that both versions answered alike. A ramp is looked at again and again, so each rate is held
by an interval that is right at every look at once (`always_valid_rate`): kept, or broken, is what holds beyond doubt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from services.deployments.ramp_plan import GuardrailsText
from services.gates.evidence import Absent, Broken
from services.gates.outcomes import Outcome

if TYPE_CHECKING:
    # Brings in numpy and pyarrow, which commands that only name a guardrail's result have no use for.
    from services.shadow.window import Window

_SLOW_RATE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardrailResult:
    """What one guardrail found; `low` and `high` bound what is observed, where that is a rate."""

    guardrail: str
    outcome: Outcome
    observed: float | None
    low: float | None
    high: float | None
    limit: float
    is_upper: bool
    unit: str
    pairs: int
    message: str

    def to_json(self) -> dict[str, Any]:
        """Return the result as commands print it and the store keeps it."""
        return {
            "guardrail": self.guardrail,
            "outcome": self.outcome.value,
            "observed": self.observed,
            "low": self.low,
            "high": self.high,
            "limit": self.limit,
            "is_upper": self.is_upper,
            "unit": self.unit,
            "pairs": self.pairs,
            "message": self.message,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> GuardrailResult:
        """Read what `to_json` wrote."""
        return cls(**{**document, "outcome": Outcome(document["outcome"])})


def hold(window: Window, limits: GuardrailsText) -> Sequence[GuardrailResult]:
    """Return what each guardrail found in a window."""
    return (
        _rate("error_rate", window.candidate_errors, window.pairs, limits.max_error_rate, limits, is_upper=True),
        _latency(window, limits),
        _rate("agreement", window.agreeing, window.valid, limits.min_agreement, limits, is_upper=False),
    )


def hold_number(
    guardrail: str, answer: float | Absent | Broken, *, limit: float, is_upper: bool, unit: str
) -> GuardrailResult:
    """Return what a guardrail over one number found; no number never passes."""
    observed = answer if isinstance(answer, float) else None
    if isinstance(answer, Absent | Broken):
        outcome = Outcome.INCONCLUSIVE if isinstance(answer, Absent) else Outcome.ERROR
        message = answer.reason
    else:
        is_kept = answer <= limit if is_upper else answer >= limit
        outcome = Outcome.PASSED if is_kept else Outcome.FAILED
        message = f"{answer:g} {'is' if is_kept else 'is not'} {'at most' if is_upper else 'at least'} {limit:g}."
    return GuardrailResult(
        guardrail=guardrail,
        outcome=outcome,
        observed=observed,
        low=None,
        high=None,
        limit=limit,
        is_upper=is_upper,
        unit=unit,
        pairs=0,
        message=message,
    )


def _rate(
    name: str, count: int, total: int, limit: float, limits: GuardrailsText, *, is_upper: bool
) -> GuardrailResult:
    from services.shadow.statistics import always_valid_rate

    interval = always_valid_rate(count, total)
    outcome = _judge(interval.low, interval.high, total, limit, limits.min_pairs, is_upper=is_upper)
    return GuardrailResult(
        guardrail=name,
        outcome=outcome,
        observed=interval.estimate,
        low=interval.low,
        high=interval.high,
        limit=limit,
        is_upper=is_upper,
        unit="ratio",
        pairs=total,
        message=_told(name, outcome, total, limits.min_pairs),
    )


def _latency(window: Window, limits: GuardrailsText) -> GuardrailResult:
    from services.shadow.statistics import always_valid_rate

    limit = limits.max_latency_p99_ms
    slow = always_valid_rate(window.count_slower(limit), window.timed)
    outcome = _judge(slow.low, slow.high, window.timed, _SLOW_RATE, limits.min_pairs, is_upper=True)
    return GuardrailResult(
        guardrail="latency_p99",
        outcome=outcome,
        observed=window.p99_ms,
        low=None,
        high=None,
        limit=limit,
        is_upper=True,
        unit="ms",
        pairs=window.timed,
        message=_told("latency_p99", outcome, window.timed, limits.min_pairs),
    )


def _judge(
    low: float | None, high: float | None, total: int, limit: float, min_pairs: int, *, is_upper: bool
) -> Outcome:
    """Return whether a rate is kept, broken, or neither beyond doubt; no data is neither."""
    if low is None or high is None:
        return Outcome.INCONCLUSIVE
    if low > limit if is_upper else high < limit:
        return Outcome.FAILED
    is_kept = high <= limit if is_upper else low >= limit
    return Outcome.PASSED if is_kept and total >= min_pairs else Outcome.INCONCLUSIVE


def _told(name: str, outcome: Outcome, total: int, min_pairs: int) -> str:
    if outcome is Outcome.PASSED:
        return "Kept beyond doubt."
    if outcome is Outcome.FAILED:
        return "Broken beyond doubt."
    if not total:
        return "No request has been measured since the step began."
    if total < min_pairs:
        return f"{total} requests are too few; {min_pairs} decide."
    return f"{total} requests leave it open whether the {name.replace('_', ' ')} is kept."
