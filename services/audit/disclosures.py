"""Personal data: what salted hashes in leaves stand for, kept where it can be deleted.

Forgetting a value deletes it and its salt, so nothing can be guessed from the hash that stays in the leaf; the tree
still verifies. That something was forgotten, by whom and why, is an event itself.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.audit.events import Acting
from services.audit.log import AuditLog
from services.audit.personal import REDACTED, Place
from services.errors import NotFound, Unreachable
from services.store import UnitOfWork, audit_log
from services.store.audit_log import DisclosureRow


def list_disclosures(audit: AuditLog, *, seq: int | None = None, value: str | None = None) -> list[DisclosureRow]:
    """Return the personal values of one event, or every place where a value stands."""
    with audit.store.read() as unit:
        if value is not None:
            return audit_log.list_disclosures_of(unit, value)
        return [] if seq is None else audit_log.list_disclosures(unit, seq, seq + 1)


def redact(audit: AuditLog, *, actor: Acting, places: Iterable[Place], reason: str) -> int:
    """Forget the personal values at some places, and record that; returns the number of the event that says so.

    Raises:
        NotFound: there is no personal value at one of the places, or there are no places.
        Unverified: the log has been tampered with.
        Unreachable: it is done and on record, but a copy is left in the file of the store.
    """
    wanted = sorted(set(places))
    with audit.store.write() as unit:
        for seq, name in wanted:
            _check_known(unit, seq, name)
        if not wanted:
            raise NotFound("There is no personal value to forget.", next_step="Name an event that holds one.")
        audit_log.delete_disclosures(unit, wanted)
        recorded = audit.record(
            unit,
            actor=actor,
            action=REDACTED,
            subject=f"event/{wanted[0][0]}" if len({seq for seq, _ in wanted}) == 1 else "events",
            reason=reason,
            after={"disclosures": [{"seq": seq, "name": name} for seq, name in wanted]},
        )
        unit.commit()
    if not audit_log.purge(audit.store):
        raise Unreachable(
            "The values are forgotten, but while somebody reads the store its file keeps a copy.",
            next_step="Stop what reads for long, and stop Gatehouse once: closing the store clears the file.",
        )
    return recorded


def _check_known(unit: UnitOfWork, seq: int, name: str) -> None:
    if all(row.name != name for row in audit_log.list_disclosures(unit, seq, seq + 1)):
        raise NotFound(
            f"Event {seq} has no personal value at {name}.", next_step="Show the event to see what it holds."
        )
