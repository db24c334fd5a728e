"""What-if: recorded traffic decided by the policy in force and by a draft, and where they differ.

Guardrails depend on what was blocked before, so decisions are compared before them and their hits counted apart. The
interval of the share of flips is Wilson's at 95 % (Wilson 1927), which holds for rare flips too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """`count` of `total` with its interval."""

    count: int
    total: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BeforeAfter:
    """One count under each policy."""

    in_force: int
    draft: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceFlips:
    """Decisions that flip within one slice."""

    slice: str
    value: str | None
    flips: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What a draft would change.

    Args:
        rows: decided rows; `invalid_rows` had no score from 0 to 1 and are not among them.
        flow: action in force → action of the draft → rows.
        volume: action → rows.
        slices: worst first.
        guardrail_hits: blocks beyond the daily limit; None where the traffic names no customers or times.
        notes: what could not be taken into account.
    """

    in_force: str
    draft: str
    rows: int
    invalid_rows: int
    flips: Share
    flow: Mapping[str, Mapping[str, int]]
    volume: Mapping[str, BeforeAfter]
    slices: Sequence[SliceFlips]
    guardrail_hits: BeforeAfter | None
    notes: Sequence[str]

    def to_json(self) -> dict[str, Any]:
        """Return it as evidence is kept and printed."""
        return asdict(self)


def wilson_share(count: int, total: int) -> Share:
    """Return a share with Wilson's 95 % interval; of nothing, the interval is everything.

    >>> wilson_share(0, 0)
    Share(count=0, total=0, rate=0.0, low=0.0, high=1.0)
    """
    if total == 0:
        return Share(count=0, total=0, rate=0.0, low=0.0, high=1.0)
    rate, square = count / total, _Z * _Z
    middle = (rate + square / (2 * total)) / (1 + square / total)
    half = _Z * math.sqrt(rate * (1 - rate) / total + square / (4 * total * total)) / (1 + square / total)
    low = 0.0 if count == 0 else middle - half
    high = 1.0 if count == total else middle + half
    return Share(count=count, total=total, rate=rate, low=low, high=high)
