"""Bringing a revision into force, as a kind of change: its author proposes, somebody else approves, and it is in force.

Approvals are bound to the text's digest and to the revision that was in force when they were given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from services.changes import Change, Changes, ChangeState, Execution, Proof
from services.documents.library import Documents
from services.documents.revisions import Revision, RevisionState
from services.errors import GatehouseError
from services.identity.actors import Actor, Permission
from services.store import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What stands behind a revision besides its text, and why it cannot come into force, or an empty text."""

    findings: Mapping[str, Any]
    blocker: str = ""


class EvidenceGatherer(Protocol):
    """What a kind of document has to prove before a revision of it comes into force."""

    def bind(self, revision: Revision) -> Mapping[str, Any]:
        """Read live what approvals are bound to, besides the text and what is in force."""

    def gather(self, revision: Revision, actor: Actor) -> Evidence:
        """Gather the evidence."""


class Activation:
    """The kind of change that brings a revision into force. Payload: kind, name, number.

    Args:
        evidence: what kinds of document have to prove, by their name.
    """

    name = "activation"
    executes_on_approval = True
    goes_first = False

    def __init__(self, documents: Documents, evidence: Mapping[str, EvidenceGatherer] = MappingProxyType({})) -> None:
        self._documents = documents
        self._evidence = evidence

    def subject(self, payload: Mapping[str, Any]) -> str:
        """Return the reference of the revision."""
        return f"document/{payload['kind']}/{payload['name']}/{payload['number']}"

    def model(self, payload: Mapping[str, Any]) -> str | None:
        """Return the model that the document is named after, if its kind goes by model."""
        return str(payload["name"]) if self._documents.kinds[payload["kind"]].is_by_model else None

    def title(self, payload: Mapping[str, Any]) -> str:
        """Return what is asked, in a few words."""
        title = self._documents.kinds[payload["kind"]].title
        return f"{title} {payload['name']}, revision {payload['number']}, into force"

    def permission_to_request(self, payload: Mapping[str, Any]) -> Permission:
        """Return the permission to edit."""
        return Permission.EDIT_DOCUMENT

    def permission_to_approve(self, payload: Mapping[str, Any]) -> Permission:
        """Return the permission to approve documents."""
        return Permission.APPROVE_DOCUMENT

    def prove(self, payload: Mapping[str, Any], actor: Actor) -> Proof:
        """Look at the revision and at what it would supersede.

        Raises:
            NotFound: there is no such revision.
        """
        revision = self._revision(payload)
        gatherer = self._evidence.get(revision.kind)
        evidence = Evidence(findings={}) if gatherer is None else gatherer.gather(revision, actor)
        is_open = revision.state in {RevisionState.PROPOSED, RevisionState.APPROVED}
        return Proof(
            bound=self.bind(payload),
            findings={"author": revision.author, "reason": revision.reason, **evidence.findings},
            required_approvals=1,
            blocker=evidence.blocker if is_open else f"Revision {revision.reference} is {revision.state}.",
            barred={revision.author: "wrote this revision"},
        )

    def bind(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the text's digest, the number of the revision in force, and what the kind binds."""
        current = self._documents.find_in_force(payload["kind"], payload["name"])
        revision = self._revision(payload)
        gatherer = self._evidence.get(revision.kind)
        return {
            "digest": revision.digest,
            "in_force": None if current is None else current.number,
            **({} if gatherer is None else gatherer.bind(revision)),
        }

    def started(self, unit: UnitOfWork, change: Change, actor: Actor) -> None:
        """Record that the revision is approved."""
        revision = self._revision_in(unit, change.payload)
        if revision.state is RevisionState.PROPOSED:
            self._documents.approve(unit, revision, actor=actor, change_id=change.id, reason=change.reason)

    def execute(self, change: Change) -> Execution:
        """Return at once: both sides of this change are in the store, and `completed` writes them together."""
        return Execution(is_done=True)

    def closed(self, unit: UnitOfWork, change: Change, actor: Actor) -> None:
        """Reject the revision, so that it stands in nobody's way."""
        is_decided = change.decisions and change.state is not ChangeState.FAILED
        reason = change.decisions[-1].reason if is_decided else change.blocker or change.state.value
        revision = self._revision_in(unit, change.payload)
        if revision.state in {RevisionState.PROPOSED, RevisionState.APPROVED}:
            self._documents.reject(unit, revision, actor=actor, change_id=change.id, reason=reason)

    def completed(self, unit: UnitOfWork, change: Change, execution: Execution, actor: Actor) -> None:
        """Bring it into force."""
        self._documents.activate(
            unit,
            self._revision_in(unit, change.payload),
            actor=actor,
            change_id=change.id,
            reason=change.reason,
            expected=change.bound["in_force"],
        )

    def _revision(self, payload: Mapping[str, Any]) -> Revision:
        return self._documents.get_revision(payload["kind"], payload["name"], payload["number"])

    def _revision_in(self, unit: UnitOfWork, payload: Mapping[str, Any]) -> Revision:
        return self._documents.get_revision_in(unit, payload["kind"], payload["name"], payload["number"])


def propose(
    documents: Documents,
    changes: Changes,
    actor: Actor,
    kind: str,
    name: str,
    text: str,
    *,
    reason: str,
    base: int | None,
) -> Change:
    """Propose a text and ask for it to come into force; raises as `Documents.propose` and `ask`."""
    revision = documents.propose(actor, kind, name, text, reason=reason, base=base)
    return ask(documents, changes, actor, revision, reason=reason)


def ask(documents: Documents, changes: Changes, actor: Actor, revision: Revision, *, reason: str) -> Change:
    """Ask for a proposed revision to come into force.

    Raises:
        GatehouseError: its evidence could not be gathered; the revision is withdrawn, so that it stands in no way.
    """
    payload = {"kind": revision.kind, "name": revision.name, "number": revision.number}
    try:
        return changes.request(Activation.name, payload, actor=actor, reason=reason)
    except GatehouseError as error:
        documents.withdraw(actor, revision, reason=error.message)
        raise
