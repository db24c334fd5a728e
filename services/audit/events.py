"""One event, and its leaf: the canonical JSON (RFC 8785) that is hashed, stored and exported, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from json.encoder import encode_basestring as quote
from typing import Any, Protocol

from services.audit.canonical import LeafWriter, fill
from services.clock import from_text, to_text
from services.errors import InvalidInput, Unverified
from services.store.audit_log import DisclosureRow

JSON = Any
"""What `json.loads` returns, and beside it mappings, tuples, aware datetimes and `Personal`."""


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


# The keys of an event in the order of RFC 8785; written out, since every event pays for it.
_LEAF = (
    '{"action":%s,"actor":%s,"after":%s,"at":"%s","before":%s,"change":%s,"event_id":%s,"model":%s,"origin":%s,'
    '"policy_revision":%s,"reason":%s,"seq":%s,"subject":%s}'
)


def encode_event(
    *,
    seq: int,
    event_id: str,
    at: datetime,
    actor: str,
    action: str,
    subject: str,
    model: str | None = None,
    change: int | None = None,
    reason: str = "",
    before: JSON = None,
    after: JSON = None,
    policy_revision: str | None = None,
    origin: str = "",
) -> tuple[bytes, tuple[DisclosureRow, ...]]:
    """Return the leaf of an event with the fields of `Event`, and what the salted hashes in it stand for.

    Raises:
        InvalidInput: a value is not JSON that RFC 8785 can write, such as NaN or an integer above 2^53.
    """
    writer = LeafWriter(seq)
    text = writer.text
    try:
        leaf = (
            _LEAF
            % (
                *(quote(action), quote(actor), text(after), to_text(at), text(before), text(change), quote(event_id)),
                *(text(model), quote(origin), text(policy_revision), quote(reason), text(seq), quote(subject)),
            )
        ).encode()
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            f"The event {action} on {subject!r} holds a value that canonical JSON cannot carry: {error}.",
            next_step="Leave out NaN, infinities, integers above 2^53, unpaired surrogates and endless nesting.",
        ) from error
    return leaf, writer.list_disclosures(leaf)


def decode_event(leaf: bytes) -> Event:
    """Return the event of a leaf.

    Raises:
        Unverified: the bytes are not a leaf.
    """
    try:
        values = json.loads(leaf)
        return Event(**{**values, "at": from_text(values["at"])})
    except (ValueError, TypeError, KeyError) as error:
        raise Unverified(
            f"The audit log holds bytes that are no event: {leaf[:60]!r}.",
            next_step="Run `gatehouse audit verify` to see where, and restore the store from a backup.",
        ) from error


def disclose(event: Event, rows: Iterable[DisclosureRow]) -> Event:
    """Return an event with personal values in the places of their salted hashes, where they are still known."""
    known = {row.name: row.value for row in rows}
    if not known:
        return event
    return replace(event, before=fill(event.before, "/before", known), after=fill(event.after, "/after", known))
