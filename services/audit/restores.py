"""What restores of older backups took from the log, as the log says itself."""

from __future__ import annotations

from services.audit.events import decode_event
from services.audit.queries import EventQuery, iterate_leaves
from services.store import UnitOfWork

RESTORED = "store:backup:restored"
"""The action of the event that says what a restore took."""


def list_lost(unit: UnitOfWork) -> list[range]:
    """Return the sizes of which checkpoints may exist that the log, by its own account, no longer agrees with."""
    restored = (decode_event(leaf) for _, leaf in iterate_leaves(unit, EventQuery(action=RESTORED)))
    return [
        range(event.after["events"] + 1, event.before["checkpoint_size"] + 1)
        for event in restored
        if event.before is not None
    ]
