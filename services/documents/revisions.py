"""Revisions of a document, as values: numbered, never changed, each with the states it has passed through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from services.clock import from_micros


class RevisionState(StrEnum):
    """The life cycle: draft → proposed → approved → in force → superseded, or rejected on the way."""

    DRAFT = "draft"
    PROPOSED = "proposed"
    APPROVED = "approved"
    IN_FORCE = "in_force"
    SUPERSEDED = "superseded"
    REJECTED = "rejected"


LIVE = (RevisionState.PROPOSED, RevisionState.APPROVED, RevisionState.IN_FORCE)
"""States of a revision that an edit of the document has to know of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One text of a document.

    Args:
        base: the number of the revision that the author edited; None for the first.
        digest: `sha256:…` of the text.
        since: when it came into force, where it was asked for as the one in force.
    """

    kind: str
    name: str
    number: int
    base: int | None
    text: str
    digest: str
    author: str
    reason: str
    created_at: datetime
    state: RevisionState
    since: datetime | None = None

    @property
    def reference(self) -> str:
        """`KIND/NAME/NUMBER`, which evidence and decisions name as the policy revision."""
        return f"{self.kind}/{self.name}/{self.number}"

    @property
    def subject(self) -> str:
        """The reference that events are filed under."""
        return f"document/{self.reference}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StateEntry:
    """A state that a revision entered."""

    state: RevisionState
    actor: str
    at: datetime
    change_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentSummary:
    """One document: what is in force, and the number of its last revision."""

    kind: str
    name: str
    last_number: int
    in_force: Revision | None


def to_revision(row: Mapping[str, Any]) -> Revision:
    """Return the value of a row."""
    same = ("kind", "name", "number", "base", "text", "digest", "author", "reason")
    since_us = row.get("since_us")
    return Revision(
        **{key: row[key] for key in same},
        created_at=from_micros(row["created_us"]),
        state=RevisionState(row["state"]),
        since=None if since_us is None else from_micros(since_us),
    )


def to_state_entry(row: Mapping[str, Any]) -> StateEntry:
    """Return the value of a row of the history."""
    return StateEntry(
        state=RevisionState(row["state"]),
        actor=row["actor"],
        at=from_micros(row["at_us"]),
        change_id=row["change_id"],
    )
