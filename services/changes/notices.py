"""Telling others what happens to changes: one message an event, written in the event's own transaction."""

from __future__ import annotations

from services.changes.values import Change
from services.identity.actors import Actor
from services.jobs.outbox import Outbox
from services.store import UnitOfWork


class Notices:
    """Puts messages about changes into the outbox, if there is one."""

    def __init__(self, outbox: Outbox | None) -> None:
        self._outbox = outbox

    def put(self, unit: UnitOfWork, change: Change, what: str, actor: Actor) -> None:
        """Tell that `what` happened to a change, such as `approval:granted`."""
        if self._outbox is None:
            return
        self._outbox.put(
            unit,
            event=f"{change.kind}.{what.replace(':', '.')}",
            subject=change.subject,
            text=f"{change.title}: {what.replace(':', ' ')} by {actor.name} ({change.state.value.replace('_', ' ')})",
            payload={"change": change.to_json(), "actor": actor.name},
        )
