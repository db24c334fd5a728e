"""Explaining a pasted error: which known trouble it is, why it happens, what to do and the lines to write."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from string import Template
from typing import Any

from services.signatures.catalogue import CATALOGUE, Entry

MAX_TEXT = 100_000
MAX_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What an error means."""

    name: str
    cause: str
    remedy: str
    lines: str

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"name": self.name, "cause": self.cause, "remedy": self.remedy, "lines": self.lines.splitlines()}


def find_explanation(text: str) -> Explanation | None:
    """Return what the catalogue says of an error message, or None if it does not know it.

    >>> found = find_explanation("MlflowException: dtype of input float64 does not match expected dtype float32")
    >>> found.lines
    "values = values.astype('float32')"
    """
    looked_at = text[:MAX_TEXT]
    for entry, pattern in _patterns():
        found = pattern.search(looked_at)
        if found:
            return _explain(entry, found)
    return None


@cache
def _patterns() -> tuple[tuple[Entry, re.Pattern[str]], ...]:
    return tuple((entry, re.compile(entry.pattern, re.IGNORECASE | re.DOTALL)) for entry in CATALOGUE)


def _explain(entry: Entry, found: re.Match[str]) -> Explanation:
    told = {name: _shown(value) for name, value in found.groupdict().items()}
    told |= {f"{name}_text": repr(value) for name, value in told.items()}
    return Explanation(
        name=entry.name,
        cause=Template(entry.cause).safe_substitute(told),
        remedy=entry.remedy,
        lines=Template(entry.lines).safe_substitute(told),
    )


def _shown(value: str | None) -> str:
    if not value:
        return "none"
    return value if len(value) <= MAX_SHOWN else f"{value[:MAX_SHOWN]}…"
