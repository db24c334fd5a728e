"""Leaves as bytes: canonical JSON (RFC 8785), with salted hashes in the places of what must be possible to forget.

The standard encoder writes strings as RFC 8785 has them, and the package `rfc8785` the numbers; every event pays for
this, and that package alone takes five times as long.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from json.encoder import encode_basestring
from typing import Any

import rfc8785

from services.clock import to_text
from services.store.audit_log import DisclosureRow

PERSONAL = "$personal"
SALT_BYTES = 16
_MAX_INTEGER = 2**53 - 1
_USUAL_KEYS = 32
_ONLY_TEXT = frozenset({str})
_CONSTANTS = {None: "null", True: "true", False: "false"}
_CONSTANT_KINDS = frozenset({type(None), bool})


@dataclass(frozen=True, slots=True)
class Personal:
    """A text about a person, anywhere in what an event carries, that must be possible to forget."""

    value: str


class LeafWriter:
    """Writes one leaf, and collects what the salted hashes in it stand for."""

    def __init__(self, seq: int) -> None:
        self._seq = seq
        self._hidden: dict[str, tuple[bytes, str]] = {}

    def text(self, value: Any) -> str:
        """Return a part of the leaf as canonical JSON.

        Raises:
            ValueError: it is nothing that canonical JSON can carry; an unpaired surrogate only shows once encoded.
        """
        kind = type(value)
        if kind is str:
            return encode_basestring(value)
        if kind is dict:
            return self._text_of_mapping(value)
        if kind is int and -_MAX_INTEGER <= value <= _MAX_INTEGER:
            return repr(value)
        return _CONSTANTS[value] if kind in _CONSTANT_KINDS else self._text_of_other(value)

    def list_disclosures(self, leaf: bytes) -> tuple[DisclosureRow, ...]:
        """Return what the salted hashes in the leaf that was written stand for."""
        if not self._hidden:
            return ()
        return tuple(
            DisclosureRow(seq=self._seq, name=name, salt=salt, value=hidden)
            for name, commitment in list_personal(json.loads(leaf)).items()
            for salt, hidden in (self._hidden[commitment],)
        )

    def _text_of_mapping(self, value: Mapping[Any, Any]) -> str:
        keys = tuple(value)
        is_usual = len(keys) <= _USUAL_KEYS and set(map(type, keys)) <= _ONLY_TEXT
        layout = _lay_out(keys) if is_usual else _lay_out_anew(keys)
        text = self.text
        return f"{{{','.join([f'{start}{text(value[key])}' for start, key in layout])}}}"

    def _text_of_other(self, value: Any) -> str:
        if isinstance(value, str):
            return encode_basestring(value)
        if isinstance(value, int | float):
            return rfc8785.dumps(value).decode()
        if isinstance(value, datetime):
            return encode_basestring(to_text(value))
        if isinstance(value, Mapping):
            return self._text_of_mapping(value)
        if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
            return f"[{','.join([self.text(item) for item in value])}]"
        if isinstance(value, Personal):
            return self._hide(value)
        raise ValueError(f"a {type(value).__name__} is no JSON")

    def _hide(self, personal: Personal) -> str:
        salt = secrets.token_bytes(SALT_BYTES)
        commitment = commit_to(salt, personal.value)
        self._hidden[commitment] = (salt, personal.value)
        return f'{{"{PERSONAL}":"{commitment}"}}'


def commit_to(salt: bytes, value: str) -> str:
    """Return the salted hash that stands for a personal value in a leaf."""
    return f"sha256:{sha256(salt + value.encode()).hexdigest()}"


def list_personal(value: Any, path: str = "") -> dict[str, str]:
    """Return the salted hashes in a leaf read as JSON, by the JSON pointer (RFC 6901) of their place."""
    found: dict[str, str] = {}
    if isinstance(value, dict):
        if value.keys() == {PERSONAL} and isinstance(value[PERSONAL], str):
            return {path: value[PERSONAL]}
        for key, item in value.items():
            found |= list_personal(item, _below(path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found |= list_personal(item, f"{path}/{index}")
    return found


def fill(value: Any, path: str, known: Mapping[str, str]) -> Any:
    """Return JSON with the values known by JSON pointer in their places."""
    if path in known:
        return known[path]
    if isinstance(value, dict):
        return {key: fill(item, _below(path, key), known) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, f"{path}/{index}", known) for index, item in enumerate(value)]
    return value


def _escape(key: str) -> str:
    """Return a key that nobody takes for the place of a personal value: one more `$` before `$personal`."""
    return f"${key}" if key.startswith("$") and key.lstrip("$") == PERSONAL[1:] else key


def _below(path: str, key: str) -> str:
    return f"{path}/{key.replace('~', '~0').replace('/', '~1')}"


def _lay_out_anew(keys: Iterable[Any]) -> tuple[tuple[str, Any], ...]:
    """Return the keys of a mapping in the order of RFC 8785, each after the text that stands before its value."""
    named = {_escape(str(key)): key for key in keys}
    return tuple(
        (f"{encode_basestring(name)}:", named[name])
        for name in sorted(named, key=lambda name: name.encode("utf-16-be"))
    )


_lay_out = lru_cache(maxsize=1024)(_lay_out_anew)
"""Events of one kind have the same keys again and again."""
