"""Between rows of the store and `Change` values, and the digest that an approval covers."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import rfc8785

from services.audit import AuditLog
from services.changes.values import Change, ChangeState, Decision, DecisionRecord, Proof
from services.clock import from_micros
from services.errors import NotFound
from services.identity.actors import Actor
from services.store import UnitOfWork
from services.store import changes as rows


def digest_evidence(bound: Mapping[str, Any], findings: Mapping[str, Any], policy_revision: str | None) -> str:
    """Return `sha256:…` over the canonical JSON (RFC 8785) of what an approval covers.

    >>> digest_evidence({"champion": 3}, {}, None) == digest_evidence({"champion": 4}, {}, None)
    False
    """
    covered = {"bound": bound, "findings": findings, "policy_revision": policy_revision}
    return f"sha256:{hashlib.sha256(rfc8785.dumps(_plain(covered))).hexdigest()}"


def proof_columns(proof: Proof) -> dict[str, Any]:
    """Return the columns of a change that a proof decides."""
    return {
        "state": _state_of(proof).value,
        "blocker": proof.blocker,
        "bound": _plain(proof.bound),
        "findings": _plain(proof.findings),
        "evidence_digest": digest_evidence(proof.bound, proof.findings, proof.policy_revision),
        "required_approvals": proof.required_approvals,
        "barred": dict(proof.barred),
        "policy_revision": proof.policy_revision,
    }


def get_change(unit: UnitOfWork, change_id: int, *, for_update: bool = False) -> Change:
    """Return a change with its decisions.

    Raises:
        NotFound: there is no change with this id.
    """
    row = rows.find_change(unit, change_id, for_update=for_update)
    if row is None:
        raise NotFound(f"There is no change {change_id}.", next_step="`gatehouse changes list` shows the open ones.")
    return to_change(row, rows.list_decisions(unit, [change_id])[change_id])


def to_change(row: Mapping[str, Any], decisions: Sequence[Mapping[str, Any]]) -> Change:
    """Return the value of a row."""
    same = ("id", "kind", "subject", "model", "title", "payload", "requester", "reason", "blocker", "bound", "findings")
    return Change(
        **{name: row[name] for name in same},
        evidence_digest=row["evidence_digest"],
        required_approvals=row["required_approvals"],
        barred=row["barred"],
        policy_revision=row["policy_revision"],
        state=ChangeState(row["state"]),
        created_at=from_micros(row["created_us"]),
        updated_at=from_micros(row["updated_us"]),
        expires_at=from_micros(row["expires_us"]),
        epoch=row["epoch"],
        outcome=row["outcome"],
        decisions=tuple(
            DecisionRecord(
                actor=decision["actor"],
                decision=Decision(decision["decision"]),
                reason=decision["reason"],
                at=from_micros(decision["at_us"]),
                evidence_digest=decision["evidence_digest"],
            )
            for decision in decisions
        ),
    )


def _state_of(proof: Proof) -> ChangeState:
    if proof.blocker:
        return ChangeState.BLOCKED
    return ChangeState.AWAITING_APPROVAL if proof.required_approvals else ChangeState.APPROVED


def _plain(value: Any) -> Any:
    """Return JSON that RFC 8785 takes: mappings and sequences of any type, floats that are finite."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def record_change(
    audit: AuditLog,
    unit: UnitOfWork,
    change: Change,
    actor: Actor,
    what: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any],
    reason: str = "",
) -> None:
    """Append the event that something happened to a change, for its own reason unless another is given."""
    audit.record(
        unit,
        actor=actor,
        action=f"{change.kind}:{what}",
        subject=change.subject,
        model=change.model,
        change_id=change.id,
        reason=reason or change.reason,
        before=before,
        after=after,
        policy_revision=change.policy_revision,
    )
