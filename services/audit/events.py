"""One event, and its leaf: the canonical JSON (RFC 8785) that is hashed, stored and exported, byte for byte."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import rfc8785

from services.clock import to_text
from services.errors import InvalidInput

JSON = Mapping[str, Any] | Sequence[Any] | str | int | float | bool | None


class Acting(Protocol):
    """Whoever acts: an account's name, and where the request came from."""

    @property
    def name(self) -> str: ...

    @property
    def origin(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Who did what to which subject, why, and what it changed."""

    seq: int
    event_id: str
    at: datetime
    actor: str
    action: str
    subject: str
    model: str | None = None
    change: int | None = None
    reason: str = ""
    before: JSON = None
    after: JSON = None
    policy_revision: str | None = None
    origin: str = ""


def encode_event(event: Event) -> bytes:
    """Return the leaf of an event.

    Raises:
        InvalidInput: a value is not JSON that RFC 8785 can write, such as NaN or an integer above 2^53.
    """
    try:
        return rfc8785.dumps(
            {
                "seq": event.seq,
                "event_id": event.event_id,
                "at": to_text(event.at),
                "actor": event.actor,
                "action": event.action,
                "subject": event.subject,
                "model": event.model,
                "change": event.change,
                "reason": event.reason,
                "before": plain(event.before),
                "after": plain(event.after),
                "policy_revision": event.policy_revision,
                "origin": event.origin,
            }
        )
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            f"The event {event.action} on {event.subject!r} holds a value that canonical JSON cannot carry: {error}.",
            next_step="Leave out NaN, infinities, integers above 2^53 and unpaired surrogates.",
        ) from error


def plain(value: JSON) -> Any:
    """Return a value as the dicts, lists and scalars that JSON has; moments become text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, datetime):
        return to_text(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value
