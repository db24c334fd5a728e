"""The audit log as people reach it: who may read, export, prove and redact, with every export an event itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path

from services.audit import AuditLog, Event, EventPage, EventQuery
from services.audit.checkpoints import Integrity, SignedCheckpoint
from services.audit.disclosures import list_disclosures, redact
from services.audit.evidence import Evidence, write_evidence
from services.audit.exports import Export, export_archive, export_leaves, export_table
from services.audit.personal import Place
from services.audit.proofs import InclusionProof, prove_event
from services.audit.report import EvidenceParts
from services.audit.verification import Progress, Verification, verify_log
from services.identity.actors import Actor, Permission
from services.identity.identity import Identity

_SUBJECT = "audit"
_EVERYTHING = EventQuery()


class Auditing:
    """Reading and exporting the log with the permission it takes."""

    def __init__(self, audit: AuditLog, identity: Identity) -> None:
        self._audit = audit
        self._identity = identity

    def list_events(
        self,
        actor: Actor,
        query: EventQuery = _EVERYTHING,
        *,
        after_seq: int | None = None,
        before_seq: int | None = None,
        newest_first: bool = False,
        limit: int = 50,
    ) -> EventPage:
        """Return one page of events, personal values disclosed where they are still known.

        Raises:
            Forbidden: the actor may not read the log.
            InvalidInput: the limit is not positive, or the text holds no word.
        """
        self._demand(actor, Permission.READ_AUDIT)
        return self._audit.list_events(
            query,
            after_seq=after_seq,
            before_seq=before_seq,
            newest_first=newest_first,
            limit=limit,
            disclosed=True,
        )

    def get_event(self, actor: Actor, seq: int) -> Event:
        """Return one event; raises as `list_events`, and `NotFound`."""
        self._demand(actor, Permission.READ_AUDIT)
        return self._audit.get_event(seq, disclosed=True)

    def count_days(self, actor: Actor, query: EventQuery = _EVERYTHING) -> Mapping[date, int]:
        """Return how many events each day has; raises as `list_events`."""
        self._demand(actor, Permission.READ_AUDIT)
        return self._audit.count_days(query)

    def count_values(self, actor: Actor) -> Mapping[str, Mapping[str, int]]:
        """Return how often each actor, action and model occurs; raises as `list_events`."""
        self._demand(actor, Permission.READ_AUDIT)
        return self._audit.count_values()

    def get_integrity(self) -> Integrity:
        """Return how the log stands against its last checkpoint; anybody may know."""
        return self._audit.checkpoints.get_integrity()

    def verify(self, actor: Actor, progress: Progress | None = None) -> Verification:
        """Verify every event; raises as `list_events`."""
        self._demand(actor, Permission.READ_AUDIT)
        return verify_log(self._audit, progress)

    def prove(self, actor: Actor, seq: int) -> InclusionProof:
        """Prove that an event is in the log; raises as `get_event`."""
        self._demand(actor, Permission.READ_AUDIT)
        return prove_event(self._audit, seq)

    def sign_checkpoint(self, actor: Actor) -> SignedCheckpoint:
        """Sign the log as it is now; raises as `list_events`, and `Unverified`."""
        self._demand(actor, Permission.READ_AUDIT)
        return self._audit.checkpoints.write()

    def get_key(self) -> str:
        """Return the public key that checkpoints are verified with; anybody may have it."""
        return self._audit.checkpoints.get_key()

    def export_leaves(self, actor: Actor, path: Path, *, reason: str = "") -> Export:
        """Write the exact leaves with what verifies them offline.

        Raises:
            Forbidden: the actor may not export the log.
            Unverified: the log disagrees with its last checkpoint.
            Unreachable: the file cannot be written.
        """
        self._begin_export(actor, "jsonl", reason)
        return export_leaves(self._audit, path)

    def export_archive(self, actor: Actor, path: Path, *, reason: str = "") -> int:
        """Write the same as one ZIP and return how many events it holds; raises as `export_leaves`."""
        self._begin_export(actor, "zip", reason)
        return export_archive(self._audit, path)

    def export_table(self, actor: Actor, path: Path, query: EventQuery = _EVERYTHING, *, reason: str = "") -> int:
        """Write events as CSV and return how many; raises as `export_leaves`."""
        self._begin_export(actor, "csv", reason)
        return export_table(self._audit, path, query)

    def write_evidence(self, actor: Actor, path: Path, *, change_id: int, parts: EvidenceParts) -> Evidence:
        """Write the evidence of one change as a file that verifies by itself; raises as `export_leaves`."""
        self._begin_export(actor, "evidence", "", change_id=change_id)
        return write_evidence(self._audit, path, change_id=change_id, parts=parts)

    def list_personal(self, actor: Actor, seq: int) -> Sequence[str]:
        """Return the places of an event whose personal values are still known; raises as `list_events`."""
        self._demand(actor, Permission.READ_AUDIT)
        return [row.name for row in list_disclosures(self._audit, seq=seq)]

    def redact(self, actor: Actor, places: Iterable[Place], *, reason: str) -> int:
        """Forget personal values; the event that says so has the number that is returned.

        Raises:
            Forbidden: the actor may not redact.
            NotFound: there is no personal value at one of the places.
        """
        self._demand(actor, Permission.REDACT_AUDIT)
        return redact(self._audit, actor=actor, places=places, reason=reason)

    def _begin_export(self, actor: Actor, form: str, reason: str, *, change_id: int | None = None) -> None:
        # The event comes first, so that an export which says nothing of itself cannot exist.
        self._demand(actor, Permission.EXPORT_AUDIT)
        with self._audit.store.write() as unit:
            self._audit.record(
                unit,
                actor=actor,
                action="audit:export:written",
                subject=_SUBJECT,
                change_id=change_id,
                reason=reason,
                after={"format": form},
            )
            unit.commit()

    def _demand(self, actor: Actor, permission: Permission) -> None:
        self._identity.demand(actor, permission, subject=_SUBJECT)
