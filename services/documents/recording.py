"""Writing revisions, their states and the events about them, all in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from services.audit import AuditLog
from services.clock import Clock, to_micros
from services.documents.kind import DocumentKind
from services.documents.revisions import Revision, RevisionState, to_revision
from services.errors import Conflict
from services.identity.actors import Actor
from services.store import UnitOfWork
from services.store import documents as rows


class RevisionWriter:
    """Adds revisions and moves them through their life cycle; the caller's transaction commits."""

    def __init__(self, audit: AuditLog, kinds: Mapping[str, DocumentKind[Any]], clock: Clock) -> None:
        self._audit = audit
        self._kinds = kinds
        self._clock = clock

    def add(
        self,
        unit: UnitOfWork,
        *,
        kind: str,
        name: str,
        text: str,
        reason: str,
        base: int | None,
        actor: Actor,
        state: RevisionState,
        action: str,
    ) -> Revision:
        """Insert the next revision of a document in its first state, with the event `action`."""
        values = {
            "base": base,
            "text": text,
            "digest": f"sha256:{hashlib.sha256(text.encode()).hexdigest()}",
            "author": actor.name,
            "reason": reason,
            "created_us": to_micros(self._clock()),
        }
        document_id = rows.lock_document(unit, kind, name)
        revision_id, number = rows.add_revision(unit, document_id, values)
        self._enter(unit, document_id, revision_id, state, actor, None)
        row = rows.find_revision(unit, kind, name, number)
        assert row is not None
        revision = to_revision(row)
        self._record(unit, revision, action, actor, reason, None, before=None)
        return revision

    def move(
        self,
        unit: UnitOfWork,
        revision: Revision,
        allowed: Sequence[RevisionState],
        state: RevisionState,
        *,
        actor: Actor,
        change_id: int | None,
        reason: str,
        action: str,
    ) -> None:
        """Let a revision enter a state, with the event `action`.

        Raises:
            Conflict: it stands in none of the `allowed` states.
        """
        document_id = rows.lock_document(unit, revision.kind, revision.name)
        row = rows.find_revision(unit, revision.kind, revision.name, revision.number)
        assert row is not None
        before = to_revision(row)
        if before.state not in allowed:
            raise Conflict(
                f"Revision {before.reference} is {before.state.replace('_', ' ')}.",
                next_step="Look at the revisions of the document and propose anew if it is still wanted.",
            )
        self._enter(unit, document_id, row["id"], state, actor, change_id)
        after = to_revision({**row, "state": state})
        self._record(unit, after, action, actor, reason, change_id, before={"state": before.state.value})

    def _enter(
        self,
        unit: UnitOfWork,
        document_id: int,
        revision_id: int,
        state: RevisionState,
        actor: Actor,
        change_id: int | None,
    ) -> None:
        rows.add_state(
            unit,
            document_id=document_id,
            revision_id=revision_id,
            state=state.value,
            actor=actor.name,
            change_id=change_id,
            at_us=to_micros(self._clock()),
        )

    def _record(
        self,
        unit: UnitOfWork,
        revision: Revision,
        action: str,
        actor: Actor,
        reason: str,
        change_id: int | None,
        *,
        before: Mapping[str, str] | None,
    ) -> None:
        self._audit.record(
            unit,
            actor=actor,
            action=action,
            subject=revision.subject,
            model=revision.name if self._kinds[revision.kind].is_by_model else None,
            change_id=change_id,
            reason=reason,
            before=None if before is None else dict(before),
            after={
                "state": revision.state.value,
                "digest": revision.digest,
                "base": revision.base,
                "author": revision.author,
            },
            policy_revision=revision.reference,
        )
