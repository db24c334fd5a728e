"""The evidence of one change as one ZIP: its events with proofs, what was decided on, and a report to read.

`manifest` is a signed note over the digest of every file, so the file verifies like an export, with the same script.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.audit.archive import write_archive
from services.audit.checkpoints import SignedCheckpoint
from services.audit.events import Event, decode_event
from services.audit.exports import VERIFIER
from services.audit.log import AuditLog
from services.audit.proofs import InclusionProof, prove_in
from services.audit.queries import EventQuery, iterate_leaves
from services.audit.report import EvidenceParts, render_report
from services.audit.verify_export import MANIFEST_TITLE
from services.errors import NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was written: how many events it proves, and the checkpoint it proves them against."""

    path: Path
    events: int
    signed: SignedCheckpoint


def write_evidence(audit: AuditLog, path: Path, *, change_id: int, parts: EvidenceParts) -> Evidence:
    """Write the evidence of one change to `path`.

    Raises:
        NotFound: the log has no event of that change.
        Unverified: the log disagrees with itself or with its last checkpoint.
        Unreachable: the file cannot be written.
    """
    signed = audit.checkpoints.write()
    size = signed.checkpoint.size
    with audit.store.read() as unit:
        leaves = list(iterate_leaves(unit, EventQuery(change_id=change_id), end=size))
        proofs = [prove_in(unit, seq, tree_size=size) for seq, _ in leaves]
    if not leaves:
        raise NotFound(
            f"The audit log has no event of change {change_id}.", next_step="List the changes to see their numbers."
        )
    files = _collect(audit, parts, [leaf for _, leaf in leaves], proofs, signed)
    write_archive(path, files, title=MANIFEST_TITLE, signer=audit.checkpoints.get_signer())
    return Evidence(path=path, events=len(leaves), signed=signed)


def _collect(
    audit: AuditLog, parts: EvidenceParts, leaves: list[bytes], proofs: list[InclusionProof], signed: SignedCheckpoint
) -> dict[str, bytes | Path]:
    verifier = audit.checkpoints.get_signer().verifier
    events: list[Event] = [decode_event(leaf) for leaf in leaves]
    files: dict[str, bytes | Path] = {
        "report.html": render_report(parts, events, signed.checkpoint, verifier).encode(),
        "events.jsonl": b"".join(leaf + b"\n" for leaf in leaves),
        "proofs.json": _to_json([proof.to_json() for proof in proofs]),
        "checkpoint": signed.note.encode(),
        "key": f"{verifier.text}\n".encode(),
        VERIFIER.name: VERIFIER.read_bytes(),
        "summary.json": _to_json({"title": parts.title, **parts.summary, "policy_revision": parts.policy_revision}),
    }
    optional: Mapping[str, Any] = {
        "gates.json": parts.gates,
        "signature_diff.json": parts.signature_diff,
        "approvals.json": parts.approvals,
    }
    files.update({name: _to_json(value) for name, value in optional.items() if value is not None})
    if parts.policy is not None:
        files["policy.yaml"] = parts.policy.encode()
    return files


def _to_json(value: Any) -> bytes:
    return f"{json.dumps(value, ensure_ascii=False, indent=2, default=str)}\n".encode()
