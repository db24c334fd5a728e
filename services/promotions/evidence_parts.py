"""What the evidence file of a change shows beside its events: gates, signatures, decisions, and the policy itself."""

from __future__ import annotations

from typing import Any

from services.audit.report import EvidenceParts
from services.changes import Change
from services.clock import to_text
from services.documents import Documents
from services.errors import GatehouseError
from services.promotions.promotion import Promotion
from services.registry.index import Index
from services.signatures.compare import compare
from services.signatures.reader import read_signature


def collect_parts(change: Change, index: Index, documents: Documents) -> EvidenceParts:
    """Return what was decided on: as recorded with the change, and the signatures and policy text it names."""
    document = change.to_json()
    summary = {name: value for name, value in document.items() if name not in {"approvals", "title", "policy_revision"}}
    return EvidenceParts(
        title=change.title,
        summary={**summary, **{f"asked: {name}": value for name, value in change.payload.items()}, **_bound(change)},
        gates=change.findings if "gates" in change.findings else None,
        signature_diff=_compare(change, index),
        approvals=[
            {"actor": each.actor, "decision": each.decision.value, "reason": each.reason, "at": to_text(each.at)}
            for each in change.decisions
        ],
        policy_revision=change.policy_revision,
        policy=_read_policy(change.policy_revision, documents),
    )


def _bound(change: Change) -> dict[str, Any]:
    return {f"approvals bind: {name}": value for name, value in change.bound.items()}


def _compare(change: Change, index: Index) -> dict[str, Any] | None:
    """Compare the version asked for with the one it takes the place of; files never change, so the index will do."""
    champion = change.bound.get("alias_points_at")
    if change.kind != Promotion.name or champion is None:
        return None
    files = [
        index.find_mlmodel(str(change.model), int(version)) for version in (champion, change.bound.get("version", 0))
    ]
    if None in files:
        return None
    old, new = (read_signature(file) for file in files if file is not None)
    return {"old": f"{change.model}/{champion}", "new": change.subject, **compare(old, new).to_json()}


def _read_policy(reference: str | None, documents: Documents) -> str | None:
    kind, _, rest = (reference or "").partition("/")
    name, _, number = rest.rpartition("/")
    try:
        return documents.get_revision(kind, name, int(number)).text
    except (ValueError, GatehouseError):
        return None  # judged by a file of somebody's own, or by none: the report says that it was not recorded
