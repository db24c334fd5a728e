"""Outcomes of gates: closed and ordered, passed < inconclusive < error < failed.

The order and the four words are those of canary analysis (Argo Rollouts), with its fail-open defaults reversed: nothing
decided, an error and an unknown outcome never pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """How a gate ended; `rank` grows with what stands in the way."""

    PASSED = "passed"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    FAILED = "failed"

    @property
    def rank(self) -> int:
        """Position in the order."""
        return list(Outcome).index(self)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the worst of several outcomes.

    Raises:
        ValueError: there is none: an all-of over nothing would hold for anything.

    >>> worst([Outcome.PASSED, Outcome.ERROR, Outcome.INCONCLUSIVE])
    <Outcome.ERROR: 'error'>
    """
    ranked = sorted(outcomes, key=lambda outcome: outcome.rank)
    if not ranked:
        raise ValueError("no outcome to take the worst of")
    return ranked[-1]


Observed = float | str | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """What one gate found.

    Args:
        gate: its name in the policy.
        observed: what was measured; None where nothing was.
        threshold: what it was measured against.
        message: what was found, in a sentence.
        remedy: what would make it pass; empty when it passed.
        dry_run: reported without deciding.
        waived: lifted by somebody for a time; reported without deciding.
        details: further findings, as JSON.
    """

    gate: str
    kind: str
    outcome: Outcome
    observed: Observed
    threshold: Observed
    unit: str
    message: str
    remedy: str
    dry_run: bool = False
    waived: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_deciding(self) -> bool:
        """Whether the outcome counts."""
        return not self.dry_run and not self.waived

    def to_json(self) -> dict[str, Any]:
        """Return the result as the public interface prints it."""
        return {
            "gate": self.gate,
            "kind": self.kind,
            "outcome": self.outcome.value,
            "observed": self.observed,
            "threshold": self.threshold,
            "unit": self.unit,
            "message": self.message,
            "remedy": self.remedy,
            "dry_run": self.dry_run,
            "waived": self.waived,
            "details": dict(self.details),
        }


def judge(results: Iterable[GateResult]) -> Outcome:
    """Return the outcome of a whole report: the worst of what decides, inconclusive where nothing does."""
    deciding = [result.outcome for result in results if result.is_deciding]
    return worst(deciding) if deciding else Outcome.INCONCLUSIVE
