"""What needs someone else's yes: request, evidence digest, approvals, expiry, void, execute once and recover."""

from services.changes.kinds import ChangeKind
from services.changes.service import Changes
from services.changes.values import OPEN, PENDING, Change, ChangeState, Decision, DecisionRecord, Execution, Proof

__all__ = [
    "OPEN",
    "PENDING",
    "Change",
    "ChangeKind",
    "ChangeState",
    "Changes",
    "Decision",
    "DecisionRecord",
    "Execution",
    "Proof",
]
