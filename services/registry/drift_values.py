"""Drift as a value: what was found, what was approved, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from services.clock import from_micros, to_text
from services.registry.index_rows import is_cut
from services.registry.names import quoted
from services.registry.writes import Watched

COMPARED = (Watched.ALIAS, Watched.STAGE, Watched.TAG)


class DriftState(StrEnum):
    """What became of a drift."""

    OPEN = "open"
    ADOPTED = "adopted"
    REVERTED = "reverted"
    SETTLED = "settled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Something in the registry that nobody approved.

    Args:
        version: the version it is about; None for an alias or a whole model.
        key: the alias or tag; empty for others.
        approved, found: as text; None means that nothing is, or should be, there.
    """

    id: int
    kind: Watched
    model: str
    version: int | None
    key: str
    approved: str | None
    found: str | None
    state: DriftState
    detected_at: datetime
    closed_at: datetime | None = None
    closed_by: str = ""
    reason: str = ""

    @property
    def subject(self) -> str:
        """The reference that its events are filed under."""
        return self.model if self.version is None else f"{self.model}/{self.version}"

    @property
    def place(self) -> tuple[Watched, str, int, str]:
        """What it is about, as facts have it."""
        return self.kind, self.model, self.version or 0, self.key

    @property
    def can_be_reverted(self) -> bool:
        """Whether writing can put back what was approved, which of a very long tag is not known in full."""
        is_known = self.kind is not Watched.TAG or not is_cut(self.approved or "")
        return is_known and (self.kind in COMPARED or self.kind is Watched.PINS)

    def describe(self) -> str:
        """Return one sentence on what was found."""
        if self.kind is Watched.ALIAS:
            return f"The alias {self.key} of {self.model} {self._alias_found()}."
        if self.kind is Watched.STAGE:
            return f"{self.subject} is in the stage {self.found}; {self.approved} was approved."
        if self.kind is Watched.TAG:
            found, approved = (quoted(value or "") for value in (self.found, self.approved))
            return f"The tag {self.key} of {self.subject} is {found}; {approved} was approved."
        if self.kind is Watched.ARTIFACTS:
            what = "are gone" if self.found is None else "are not those that were approved"
            return f"The files of {self.subject} {what}."
        if self.kind is Watched.PINS:
            found = "does not name the model" if self.found is None else f"says {self.found}"
            return f"The pins file {found} for {self.model}; {self.approved or 'nothing'} is pinned."
        return f"{self.subject} was deleted from the registry."

    def _alias_found(self) -> str:
        if self.found is None:
            return f"was removed; version {self.approved} was approved"
        approved = "nobody approved one" if self.approved is None else f"version {self.approved} was approved"
        return f"points at version {self.found}; {approved}"

    def as_json(self) -> dict[str, Any]:
        """Return the entry of `drift list --json`."""
        return {
            "id": self.id,
            "kind": self.kind.value,
            "model": self.model,
            "version": self.version,
            "key": self.key,
            "approved": self.approved,
            "found": self.found,
            "state": self.state.value,
            "message": self.describe(),
            "detected_at": to_text(self.detected_at),
            "closed_by": self.closed_by,
            "reason": self.reason,
        }

    @classmethod
    def from_row(cls, row: Any) -> Drift:
        """Read a row."""
        kind = Watched(row.kind)
        return cls(
            id=row.id,
            kind=kind,
            model=row.model,
            version=row.version or None,
            key="" if kind in {Watched.VERSION, Watched.MODEL} else row.key,
            approved=row.approved,
            found=row.found,
            state=DriftState(row.state),
            detected_at=from_micros(row.detected_us),
            closed_at=None if row.closed_us is None else from_micros(row.closed_us),
            closed_by=row.closed_by,
            reason=row.reason,
        )
