"""The library of governed documents: how a text gets into force.

Every text is a numbered revision that never changes. An edit names the revision it began from; if another has been
proposed since, the second editor learns of the first. What comes into force does so inside somebody else's transaction:
that of the change which was approved.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from services.audit import AuditLog
from services.clock import Clock
from services.documents.kind import DocumentKind, get_kind
from services.documents.merge import Merge, merge_texts
from services.documents.reading import DocumentReader
from services.documents.recording import RevisionWriter
from services.documents.revisions import LIVE, Revision, RevisionState
from services.documents.validation import parse
from services.errors import Conflict, InvalidInput
from services.identity import Identity
from services.identity.actors import Actor, Permission
from services.registry.names import check_model_name
from services.store import Store, UnitOfWork
from services.store import documents as rows

DEFAULT_NAME = "default"
MAX_REASON = 4000


class DocumentConflict(Conflict):
    """Somebody proposed another revision since this edit began.

    Args:
        theirs: the revision that came first.
        merge: both edits together, for the second editor to look at.
    """

    def __init__(self, theirs: Revision, merge: Merge) -> None:
        clashes = f" (places that you both changed: {len(merge.conflicts)})" if merge.conflicts else ""
        super().__init__(
            f"{theirs.author} proposed revision {theirs.reference} since you began{clashes}.",
            next_step=f"Look at both edits together, and propose again on the basis of revision {theirs.number}.",
        )
        self.theirs = theirs
        self.merge = merge


class Documents(DocumentReader):
    """All documents of all kinds, to read and to write."""

    def __init__(
        self, store: Store, audit: AuditLog, identity: Identity, kinds: Iterable[DocumentKind[Any]], *, clock: Clock
    ) -> None:
        super().__init__(store, kinds)
        self._identity = identity
        self._writer = RevisionWriter(audit, self.kinds, clock)

    def save_draft(
        self, actor: Actor, kind: str, name: str, text: str, *, reason: str = "", base: int | None
    ) -> Revision:
        """Keep a text that is not proposed yet; arguments and errors as for `propose`."""
        return self._add(actor, kind, name, text, reason, base, RevisionState.DRAFT, "document:draft:saved")

    def propose(self, actor: Actor, kind: str, name: str, text: str, *, reason: str, base: int | None) -> Revision:
        """Put a text forward as the next revision.

        Args:
            base: the revision that the edit began from, as `find_head` gave it; None for a new document.

        Raises:
            Forbidden: the actor may not edit documents.
            DocumentInvalid: the text has problems; nothing is stored.
            DocumentConflict: another revision was proposed since `base`.
            InvalidInput: no reason was given, or the document cannot have this name.
        """
        if not reason.strip():
            raise InvalidInput("A reason is needed.", next_step="Say in a sentence why; it is kept with the revision.")
        return self._add(actor, kind, name, text, reason, base, RevisionState.PROPOSED, "document:revision:proposed")

    def revert(self, actor: Actor, kind: str, name: str, number: int, *, reason: str) -> Revision:
        """Propose the text of an earlier revision again, as a new one; raises as `propose`."""
        earlier = self.get_revision(kind, name, number)
        return self.propose(actor, kind, name, earlier.text, reason=reason, base=self.find_head(kind, name))

    def approve(
        self, unit: UnitOfWork, revision: Revision, *, actor: Actor, change_id: int | None, reason: str
    ) -> None:
        """Record, in the transaction of its change, that a proposed revision was approved.

        Raises:
            Conflict: it is not proposed.
        """
        self._writer.move(
            unit,
            revision,
            (RevisionState.PROPOSED,),
            RevisionState.APPROVED,
            actor=actor,
            change_id=change_id,
            reason=reason,
            action="document:revision:approved",
        )

    def reject(self, unit: UnitOfWork, revision: Revision, *, actor: Actor, change_id: int | None, reason: str) -> None:
        """Record, in the transaction of its change, that a revision will not come into force.

        Raises:
            Conflict: it has come into force already, or was rejected.
        """
        self._writer.move(
            unit,
            revision,
            (RevisionState.DRAFT, RevisionState.PROPOSED, RevisionState.APPROVED),
            RevisionState.REJECTED,
            actor=actor,
            change_id=change_id,
            reason=reason,
            action="document:revision:rejected",
        )

    def withdraw(self, actor: Actor, revision: Revision, *, reason: str) -> None:
        """Reject a draft or proposal that no change was asked for, in a transaction of its own; raises as `reject`.

        Raises:
            Forbidden: the actor did not write it and may not approve documents.
        """
        if actor.name != revision.author:
            self._identity.demand(actor, Permission.APPROVE_DOCUMENT, subject=revision.subject)
        with self._store.write() as unit:
            self.reject(unit, revision, actor=actor, change_id=None, reason=reason)
            unit.commit()

    def activate(
        self,
        unit: UnitOfWork,
        revision: Revision,
        *,
        actor: Actor,
        change_id: int | None,
        reason: str,
        expected: int | None,
    ) -> None:
        """Bring a revision into force, in the transaction of its change, superseding the one before; twice is once.

        Args:
            expected: the number of the revision that was in force when this one was approved.

        Raises:
            Conflict: another one is in force by now, or the revision was rejected.
        """
        rows.lock_document(unit, revision.kind, revision.name)
        current = self.find_in_force_in(unit, revision.kind, revision.name)
        number = None if current is None else current.number
        if number == revision.number:
            return
        if number != expected:
            raise Conflict(
                f"{revision.kind}/{revision.name} has moved on: in force is revision {number}, not {expected}.",
                next_step="Compare the two and ask for approval anew.",
            )
        by_change: dict[str, Any] = {"actor": actor, "change_id": change_id, "reason": reason}
        self._writer.move(
            unit,
            revision,
            (RevisionState.PROPOSED, RevisionState.APPROVED),
            RevisionState.IN_FORCE,
            action="document:revision:activated",
            **by_change,
        )
        if current is not None:
            self._writer.move(
                unit,
                current,
                (RevisionState.IN_FORCE,),
                RevisionState.SUPERSEDED,
                action="document:revision:superseded",
                **by_change,
            )

    def carry_over(
        self, unit: UnitOfWork, revision: Revision, name: str, text: str, *, actor: Actor, reason: str
    ) -> Revision | None:
        """Bring a document in force under another name too, in the transaction of the change that renames its subject.

        Returns:
            The new revision; None where the other name has a document already, which stays.
        """
        rows.lock_document(unit, revision.kind, name)
        if rows.list_revisions(unit, revision.kind, name, before=None, limit=1):
            return None
        return self._writer.add(
            unit,
            kind=revision.kind,
            name=name,
            text=text,
            reason=reason,
            base=None,
            actor=actor,
            state=RevisionState.IN_FORCE,
            action="document:revision:carried_over",
        )

    def install_defaults(self, actor: Actor) -> list[Revision]:
        """Bring the shipped text of every kind into force where no document of that kind exists yet."""
        installed = []
        for kind in self.kinds.values():
            text = kind.read_default()
            if text is None or self.list_revisions(kind.name, DEFAULT_NAME, limit=1):
                continue
            parse(kind, text)
            with self._store.write() as unit:
                rows.lock_document(unit, kind.name, DEFAULT_NAME)
                if rows.list_revisions(unit, kind.name, DEFAULT_NAME, before=None, limit=1):
                    continue
                revision = self._writer.add(
                    unit,
                    kind=kind.name,
                    name=DEFAULT_NAME,
                    text=text,
                    reason="what Gatehouse is shipped with",
                    base=None,
                    actor=actor,
                    state=RevisionState.IN_FORCE,
                    action="document:default:installed",
                )
                unit.commit()
            installed.append(revision)
        return installed

    def _add(
        self,
        actor: Actor,
        kind_name: str,
        name: str,
        text: str,
        reason: str,
        base: int | None,
        state: RevisionState,
        action: str,
    ) -> Revision:
        kind = get_kind(self.kinds, kind_name)
        check_model_name(name)
        self._identity.demand(actor, Permission.EDIT_DOCUMENT, subject=f"document/{kind_name}/{name}")
        self._check_text(kind, name, text, reason)
        with self._store.write() as unit:
            rows.lock_document(unit, kind_name, name)
            head = rows.find_head(unit, kind_name, name, states=LIVE)
            if head != base:
                self._raise_conflict(unit, kind_name, name, text, base, head)
            revision = self._writer.add(
                unit,
                kind=kind_name,
                name=name,
                text=text,
                reason=reason.strip(),
                base=base,
                actor=actor,
                state=state,
                action=action,
            )
            unit.commit()
        return revision

    @staticmethod
    def _check_text(kind: DocumentKind[Any], name: str, text: str, reason: str) -> None:
        misfit = kind.find_misfit(parse(kind, text).value, name)
        if misfit is not None:
            raise InvalidInput(
                f"The document does not fit the name {name!r}: {misfit}.",
                next_step="Propose it under its own name, one document at a time.",
            )
        if len(reason) > MAX_REASON:
            raise InvalidInput(
                f"The reason has {len(reason)} characters; {MAX_REASON} are kept.",
                next_step="Shorten it or link to it.",
            )

    def _raise_conflict(
        self, unit: UnitOfWork, kind: str, name: str, text: str, base: int | None, head: int | None
    ) -> NoReturn:
        if head is None:
            raise Conflict(
                f"Revision {base} of {kind}/{name} is no longer in force or proposed.",
                next_step="Begin from what is in force now.",
            )
        theirs = self.get_revision_in(unit, kind, name, head)
        base_text = "" if base is None else self.get_revision_in(unit, kind, name, base).text
        raise DocumentConflict(theirs, merge_texts(base_text, theirs.text, text))
