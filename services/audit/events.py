"""One event, and its leaf: the canonical JSON (RFC 8785) that is hashed, stored and exported, byte for byte.

Personal data stands in the leaf as a salted hash, so that what it was can be forgotten and the tree still verifies.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Protocol

import rfc8785

from services.clock import from_text, to_text
from services.errors import InvalidInput, Unverified
from services.store.audit_log import DisclosureRow

JSON = Any
"""What `json.loads` returns, and beside it mappings, tuples, aware datetimes and `Personal`."""

PERSONAL = "$personal"
SALT_BYTES = 16


class Acting(Protocol):
    """Whoever acts: an account's name, and where the request came from."""

    @property
    def name(self) -> str: ...

    @property
    def origin(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Personal:
    """A text about a person, anywhere in `before` or `after`, that must be possible to forget."""

    value: str


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


_FIELDS = tuple(field.name for field in fields(Event))


def encode_event(event: Event) -> tuple[bytes, tuple[DisclosureRow, ...]]:
    """Return the leaf of an event, and what the salted hashes in it stand for.

    Raises:
        InvalidInput: a value is not JSON that RFC 8785 can write, such as NaN or an integer above 2^53.
    """
    disclosures: list[DisclosureRow] = []
    values = {name: getattr(event, name) for name in _FIELDS}
    try:
        plain = {name: _plain(value, f"/{name}", event.seq, disclosures) for name, value in values.items()}
        return rfc8785.dumps(plain), tuple(disclosures)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            f"The event {event.action} on {event.subject!r} holds a value that canonical JSON cannot carry: {error}.",
            next_step="Leave out NaN, infinities, integers above 2^53, unpaired surrogates and endless nesting.",
        ) from error


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
            f"The audit log holds bytes that are no event: {bytes(leaf[:60])!r}.",
            next_step="Run `gatehouse audit verify` to see where, and restore the store from a backup.",
        ) from error


def commit_to(salt: bytes, value: str) -> str:
    """Return the salted hash that stands for a personal value in a leaf."""
    return f"sha256:{sha256(salt + value.encode()).hexdigest()}"


def list_personal(fields_of_leaf: Mapping[str, Any]) -> dict[str, str]:
    """Return the salted hashes in a leaf read as JSON, by the JSON pointer (RFC 6901) of their place."""
    found: dict[str, str] = {}
    for name in ("before", "after"):
        _find_personal(fields_of_leaf.get(name), f"/{name}", found)
    return found


def disclose(event: Event, rows: Iterable[DisclosureRow]) -> Event:
    """Return an event with personal values in the places of their salted hashes, where they are still known."""
    known = {row.name: row.value for row in rows}
    if not known:
        return event
    return replace(event, before=_fill(event.before, "/before", known), after=_fill(event.after, "/after", known))


def _plain(value: JSON, path: str, seq: int, disclosures: list[DisclosureRow]) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item, _below(path, str(key)), seq, disclosures) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_plain(item, _below(path, str(index)), seq, disclosures) for index, item in enumerate(value)]
    if isinstance(value, datetime):
        return to_text(value)
    if isinstance(value, Personal):
        salt = secrets.token_bytes(SALT_BYTES)
        disclosures.append(DisclosureRow(seq=seq, name=path, salt=salt, value=value.value))
        return {PERSONAL: commit_to(salt, value.value)}
    raise ValueError(f"{path} is a {type(value).__name__}")


def _find_personal(value: Any, path: str, found: dict[str, str]) -> None:
    if isinstance(value, dict):
        if value.keys() == {PERSONAL} and isinstance(value[PERSONAL], str):
            found[path] = value[PERSONAL]
            return
        for key, item in value.items():
            _find_personal(item, _below(path, key), found)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _find_personal(item, _below(path, str(index)), found)


def _fill(value: Any, path: str, known: Mapping[str, str]) -> Any:
    if path in known:
        return known[path]
    if isinstance(value, dict):
        return {key: _fill(item, _below(path, key), known) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, _below(path, str(index)), known) for index, item in enumerate(value)]
    return value


def _below(path: str, key: str) -> str:
    return f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
