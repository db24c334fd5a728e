"""What came of one signature test."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class TrialOutcome(StrEnum):
    """How a test ended; unknown where a made-up request reached a model that could make nothing of it."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """What came of one test."""

    name: str
    is_accepted: bool
    outcome: TrialOutcome
    detail: str

    def to_json(self) -> dict[str, str]:
        """Return it as JSON."""
        expected = "taken" if self.is_accepted else "refused"
        return {"name": self.name, "expected": expected, "outcome": self.outcome.value, "detail": self.detail}
