"""A change and what stands behind it, as values.

States are those of the public interface. A change is born `blocked` or `awaiting_approval`; what it rests on is proved
again before every step that counts, and whenever that has changed the change is `void` until it is proved anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import takewhile
from typing import Any

from services.clock import to_text


class ChangeState(StrEnum):
    """Where a change stands."""

    BLOCKED = "blocked"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    EXECUTING = "executing"
    COMPLETED = "completed"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    VOID = "void"


OPEN = (
    ChangeState.BLOCKED,
    ChangeState.AWAITING_APPROVAL,
    ChangeState.APPROVED,
    ChangeState.EXECUTING,
    ChangeState.VOID,
)
"""States that somebody still has to do something about."""

PENDING = (ChangeState.BLOCKED, ChangeState.AWAITING_APPROVAL, ChangeState.APPROVED, ChangeState.VOID)
"""States that nothing has been executed from: such a change can be cancelled, proved anew, and expires."""


class Decision(StrEnum):
    """What somebody said on a change; a comment decides nothing, and evidence gathered anew asks everybody anew."""

    APPROVED = "approved"
    REJECTED = "rejected"
    CHANGES_REQUESTED = "changes_requested"
    COMMENTED = "commented"
    EVIDENCE_RENEWED = "evidence_renewed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """One decision; an approval counts only for the evidence it was given on."""

    actor: str
    decision: Decision
    reason: str
    at: datetime
    evidence_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What stands behind a change at one moment.

    Args:
        bound: facts that are read live again before each approval and at execution; a difference voids approvals.
        findings: what was measured, as recorded; covered by the digest, not measured again.
        blocker: why the change cannot go on, or empty.
        barred: who may not approve, and what they did, such as `made this version`; the requester
            is barred in any case.
    """

    bound: Mapping[str, Any]
    findings: Mapping[str, Any]
    required_approvals: int
    blocker: str = ""
    barred: Mapping[str, str] = field(default_factory=dict)
    policy_revision: str | None = None
    expires_after: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A request for something that needs somebody else's yes."""

    id: int
    kind: str
    subject: str
    model: str | None
    title: str
    payload: Mapping[str, Any]
    requester: str
    reason: str
    state: ChangeState
    blocker: str
    bound: Mapping[str, Any]
    findings: Mapping[str, Any]
    evidence_digest: str
    required_approvals: int
    barred: Mapping[str, str]
    policy_revision: str | None
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    epoch: int
    outcome: Mapping[str, Any] | None
    decisions: tuple[DecisionRecord, ...] = ()

    @property
    def approvals(self) -> tuple[DecisionRecord, ...]:
        """The approvals that count: given on the evidence as it stands, since it was last gathered."""
        since_renewal = takewhile(lambda record: record.decision is not Decision.EVIDENCE_RENEWED, self.decisions[::-1])
        counted = (
            record
            for record in since_renewal
            if record.decision is Decision.APPROVED and record.evidence_digest == self.evidence_digest
        )
        return tuple(counted)[::-1]

    @property
    def verdicts(self) -> tuple[DecisionRecord, ...]:
        """The approvals that count, and rejections."""
        rejections = tuple(record for record in self.decisions if record.decision is Decision.REJECTED)
        return self.approvals + rejections

    @property
    def missing_approvals(self) -> int:
        """How many more people have to approve."""
        return max(0, self.required_approvals - len(self.approvals))

    def to_json(self) -> dict[str, Any]:
        """Return the change in the JSON of the interface."""
        return {
            "id": self.id,
            "kind": self.kind,
            "subject": self.subject,
            "title": self.title,
            "state": self.state.value,
            "approvals": [
                {"actor": each.actor, "decision": each.decision.value, "reason": each.reason, "at": to_text(each.at)}
                for each in self.verdicts
            ],
            "required_approvals": self.required_approvals,
            "evidence_digest": self.evidence_digest,
            "requester": self.requester,
            "reason": self.reason,
            "blocker": self.blocker,
            "policy_revision": self.policy_revision,
            "created_at": to_text(self.created_at),
            "expires_at": to_text(self.expires_at),
        }

    @property
    def operation_id(self) -> str:
        """The mark that execution leaves in other systems, so that a second run knows the first."""
        return f"gatehouse-{self.id}-{self.evidence_digest.removeprefix('sha256:')[:16]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How a run of a change ended.

    Args:
        is_done: whether the world now is as asked.
        detail: what was done, for the record.
        obstacle: why not, in a sentence, when the world had moved before anything was written.
    """

    is_done: bool
    detail: Mapping[str, Any] = field(default_factory=dict)
    obstacle: str = ""
