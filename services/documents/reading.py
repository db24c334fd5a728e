"""Reading documents: what is in force, what was at any time, and every revision with its history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from services.clock import to_micros
from services.documents.kind import DocumentKind, get_kind
from services.documents.revisions import (
    LIVE,
    DocumentSummary,
    Revision,
    RevisionState,
    StateEntry,
    to_revision,
    to_state_entry,
)
from services.documents.validation import Parsed, Problem, parse, validate
from services.errors import NotFound
from services.store import Store, UnitOfWork
from services.store import documents as rows


class DocumentReader:
    """All documents of all kinds, to read; every method raises `NotFound` for an unknown kind."""

    def __init__(self, store: Store, kinds: Iterable[DocumentKind[Any]]) -> None:
        self._store = store
        self.kinds: Mapping[str, DocumentKind[Any]] = {kind.name: kind for kind in kinds}

    def validate(self, kind: str, text: str | bytes) -> list[Problem]:
        """Return every problem of a text; an empty list is a valid document."""
        return validate(get_kind(self.kinds, kind), text)

    def get_revision(self, kind: str, name: str, number: int) -> Revision:
        """Return one revision.

        Raises:
            NotFound: there is none of this number.
        """
        with self._store.read() as unit:
            return self.get_revision_in(unit, kind, name, number)

    def get_revision_in(self, unit: UnitOfWork, kind: str, name: str, number: int) -> Revision:
        """Return one revision as a transaction sees it; raises as `get_revision`."""
        get_kind(self.kinds, kind)
        row = rows.find_revision(unit, kind, name, number)
        if row is None:
            raise NotFound(
                f"There is no revision {number} of {kind}/{name}.",
                next_step=f"`gatehouse policy show {name} --kind {kind}` lists its revisions.",
            )
        return to_revision(row)

    def list_revisions(self, kind: str, name: str, *, before: int | None = None, limit: int = 50) -> list[Revision]:
        """Return revisions, newest first; the next page begins before the last number."""
        with self._store.read() as unit:
            return [to_revision(row) for row in rows.list_revisions(unit, kind, name, before=before, limit=limit)]

    def list_states(self, revision: Revision) -> list[StateEntry]:
        """Return the states that a revision has passed through, oldest first."""
        with self._store.read() as unit:
            row = rows.find_revision(unit, revision.kind, revision.name, revision.number)
            return [] if row is None else [to_state_entry(entry) for entry in rows.list_states(unit, row["id"])]

    def list_documents(
        self, *, kind: str | None = None, after: tuple[str, str] | None = None, limit: int = 100
    ) -> list[DocumentSummary]:
        """Return documents by kind and name; the next page begins after the last (kind, name)."""
        with self._store.read() as unit:
            found = rows.list_documents(unit, kind=kind, after=after, limit=limit)
            return [
                DocumentSummary(
                    kind=row["kind"],
                    name=row["name"],
                    last_number=row["last_number"],
                    in_force=self.find_in_force_in(unit, row["kind"], row["name"]),
                )
                for row in found
            ]

    def find_in_force(self, kind: str, name: str, *, at: datetime | None = None) -> Revision | None:
        """Return the revision in force now, or at a time in the past."""
        with self._store.read() as unit:
            return self.find_in_force_in(unit, kind, name, at=at)

    def find_in_force_in(
        self, unit: UnitOfWork, kind: str, name: str, *, at: datetime | None = None
    ) -> Revision | None:
        """Return the revision in force as a transaction sees it."""
        get_kind(self.kinds, kind)
        at_us = None if at is None else to_micros(at)
        row = rows.find_in_force(unit, kind, name, state=RevisionState.IN_FORCE, at_us=at_us)
        return None if row is None else to_revision(row)

    def get_in_force(self, kind: str, name: str, *, at: datetime | None = None) -> Revision:
        """Return the revision in force.

        Raises:
            NotFound: none is.
        """
        found = self.find_in_force(kind, name, at=at)
        if found is None:
            raise NotFound(
                f"No {get_kind(self.kinds, kind).title.lower()} is in force for {name!r}.",
                next_step="Propose one with `gatehouse policy propose FILE --reason TEXT` and have it approved.",
            )
        return found

    def parse(self, revision: Revision) -> Parsed[Any]:
        """Return the typed document of a revision.

        Raises:
            DocumentInvalid: what was valid when it was stored no longer is, by a newer schema.
        """
        return parse(get_kind(self.kinds, revision.kind), revision.text)

    def find_head(self, kind: str, name: str) -> int | None:
        """Return the number that an edit begun now has to name as its base."""
        get_kind(self.kinds, kind)
        with self._store.read() as unit:
            return rows.find_head(unit, kind, name, states=LIVE)
