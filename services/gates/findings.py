"""What a check says: a finding, and how numbers are judged against bounds and told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.gates.evidence import EvidenceAbsent
from services.gates.kinds import BoundedGate
from services.gates.outcomes import Observed, Outcome

_DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The part of a gate's result that depends on its kind."""

    outcome: Outcome
    observed: Observed
    threshold: Observed
    message: str
    remedy: str = ""
    unit: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


def judge_bounds(
    gate: BoundedGate, name: str, observed: float, *, unit: str = "", details: Mapping[str, Any] | None = None
) -> Finding:
    """Return the finding on one number against the bound of a gate.

    Raises:
        EvidenceAbsent: the number is none.
    """
    check_number(name, observed)
    unit = gate.unit or unit
    if gate.at_least is not None:
        bound, is_held, side, verb = gate.at_least, observed >= gate.at_least, "at least", "Raise"
    else:
        assert gate.at_most is not None
        bound, is_held, side, verb = gate.at_most, observed <= gate.at_most, "at most", "Lower"
    shown, shown_bound = tell_pair(observed, bound)
    suffix = f" {unit}" if unit else ""
    return Finding(
        outcome=Outcome.PASSED if is_held else Outcome.FAILED,
        observed=observed,
        threshold=bound,
        unit=unit,
        message=f"{name} is {shown}{suffix}; {side} {shown_bound}{suffix} is asked for.",
        remedy="" if is_held else f"{verb} {name} by {tell(abs(observed - bound))}{suffix}.",
        details=details or {},
    )


def judge_flag(*, is_held: bool, observed: Observed, threshold: Observed, message: str, remedy: str) -> Finding:
    """Return the finding on something that holds or does not."""
    outcome = Outcome.PASSED if is_held else Outcome.FAILED
    return Finding(
        outcome=outcome, observed=observed, threshold=threshold, message=message, remedy="" if is_held else remedy
    )


def check_number(name: str, observed: float) -> None:
    """Let pass only a number.

    Raises:
        EvidenceAbsent: it is NaN or infinite.
    """
    if not math.isfinite(observed):
        raise EvidenceAbsent(f"{name} is {observed}, which is no number to judge by.")


def tell(number: float) -> str:
    """Return a number as a sentence holds it.

    >>> tell(0.1 + 0.2), tell(1024.0)
    ('0.3', '1024')
    """
    return f"{number:.{_DIGITS}g}"


def tell_pair(one: float, other: float) -> tuple[str, str]:
    """Return two numbers with enough digits to be told apart.

    >>> tell_pair(0.8999999999, 0.9)
    ('0.8999999999', '0.9')
    """
    if one != other and tell(one) == tell(other):
        return repr(one), repr(other)
    return tell(one), tell(other)
