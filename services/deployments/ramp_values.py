"""A ramp and its way, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from services.clock import from_micros, to_text
from services.deployments.guardrails import GuardrailResult


class RampState(StrEnum):
    """Where a ramp stands; `promoting` is the last step passed, and its promotion in execution."""

    RUNNING = "running"
    PAUSED = "paused"
    PROMOTING = "promoting"
    COMPLETED = "completed"
    ABORTED = "aborted"
    ROLLED_BACK = "rolled_back"
    OVERTAKEN = "overtaken"


OPEN = (RampState.RUNNING, RampState.PAUSED, RampState.PROMOTING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """A candidate on its way from shadow to all requests.

    Args:
        step: index into the steps of the plan.
        traffic_ratio: of the requests, those that get the candidate's answer.
        due_at: when the step has lasted long enough.
        checked_at: when the guardrails were last held against what was measured.
        attention: why it does not go on by itself, or why it ended; empty where there is nothing to say.
        plan_revision: `ramp_plan/NAME/NUMBER`.
        change_id: the approved promotion that allows the candidate to answer callers; None while in shadow without one.
    """

    id: int
    model: str
    champion: int
    candidate: int
    state: RampState
    step: int
    traffic_ratio: float
    step_started_at: datetime
    due_at: datetime
    checked_at: datetime
    attention: str
    guardrails: tuple[GuardrailResult, ...]
    plan_revision: str
    change_id: int | None
    actor: str
    started_at: datetime
    ended_at: datetime | None

    @property
    def subject(self) -> str:
        """The reference that its events are filed under."""
        return f"{self.model}/{self.candidate}"

    @property
    def is_open(self) -> bool:
        """Whether it still has something before it."""
        return self.state in OPEN

    def to_json(self) -> dict[str, Any]:
        """Return the ramp as commands print it."""
        return {
            "id": self.id,
            "model": self.model,
            "champion": self.champion,
            "candidate": self.candidate,
            "state": self.state.value,
            "step": self.step,
            "traffic_percent": round(self.traffic_ratio * 100, 6),
            "step_started_at": to_text(self.step_started_at),
            "due_at": to_text(self.due_at),
            "checked_at": to_text(self.checked_at),
            "attention": self.attention,
            "guardrails": [result.to_json() for result in self.guardrails],
            "plan_revision": self.plan_revision,
            "promotion": self.change_id,
            "started_by": self.actor,
            "started_at": to_text(self.started_at),
            "ended_at": None if self.ended_at is None else to_text(self.ended_at),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RampEntry:
    """One thing that happened to a ramp, with what was measured up to then."""

    what: str
    step: int
    traffic_ratio: float
    actor: str
    reason: str
    guardrails: tuple[GuardrailResult, ...]
    at: datetime

    def to_json(self) -> dict[str, Any]:
        """Return the entry as commands print it."""
        return {
            "what": self.what,
            "step": self.step,
            "traffic_percent": round(self.traffic_ratio * 100, 6),
            "actor": self.actor,
            "reason": self.reason,
            "at": to_text(self.at),
        }


def to_ramp(row: Mapping[str, Any]) -> Ramp:
    """Return the value of a row."""
    same = ("id", "model", "champion", "candidate", "step", "traffic_ratio", "attention", "plan_revision", "change_id")
    return Ramp(
        **{name: row[name] for name in same},
        state=RampState(row["state"]),
        step_started_at=from_micros(row["step_started_us"]),
        due_at=from_micros(row["due_us"]),
        checked_at=from_micros(row["checked_us"]),
        guardrails=_guardrails(row["measured"]),
        actor=row["actor"],
        started_at=from_micros(row["started_us"]),
        ended_at=None if row["ended_us"] is None else from_micros(row["ended_us"]),
    )


def to_entry(row: Mapping[str, Any]) -> RampEntry:
    """Return the value of a row."""
    same = ("what", "step", "traffic_ratio", "actor", "reason")
    return RampEntry(
        **{name: row[name] for name in same},
        guardrails=_guardrails(row["measured"]),
        at=from_micros(row["at_us"]),
    )


def _guardrails(measured: Any) -> tuple[GuardrailResult, ...]:
    return tuple(GuardrailResult.from_json(document) for document in measured)
