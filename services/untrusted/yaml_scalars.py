"""What an unquoted YAML scalar means: the core schema of YAML 1.2.2 (yaml.org/spec/1.2.2, chapter 10.3).

What YAML 1.1 reads otherwise and people get wrong (`no`, `010`, `1_000`) is refused rather than guessed.
"""

from __future__ import annotations

import math
import re
from typing import Any

Yaml = None | bool | int | float | str | list[Any] | dict[str, Any]

_BOOLEANS = {text: value for value in (True, False) for text in (str(value), str(value).lower(), str(value).upper())}
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_INTEGER = re.compile(r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_MISREAD = (
    (
        re.compile(r"(?i:yes|no|on|off)"),
        "is true or false to some readers and text to others; write true or false, or quote it",
    ),
    (re.compile(r"[-+]?0[0-9_]+"), "begins with 0, which some read as octal; write the number without it, or quote it"),
    (
        re.compile(r"[-+]?[0-9]+(_[0-9]+)+(\.[0-9_]*)?"),
        "is a number to some readers and text to others; write it without _, or quote it",
    ),
    (
        re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"),
        "is not a finite number; write a number, or quote it",
    ),
)
_LARGEST_EXACT = 2**53
_LONGEST_INTEGER = 18


def find_complaint(text: str) -> str | None:
    """Return why an unquoted scalar is refused, or None."""
    for pattern, complaint in _MISREAD:
        if pattern.fullmatch(text):
            return complaint
    return None if _is_exact(text) else "is larger than a number can hold exactly; quote it if it is a name"


def _is_exact(text: str) -> bool:
    if _INTEGER.fullmatch(text):
        return len(text) <= _LONGEST_INTEGER and abs(int(text, 0)) <= _LARGEST_EXACT
    return not _FLOAT.fullmatch(text) or math.isfinite(float(text))


def resolve(text: str) -> Yaml:
    """Return the value of an unquoted scalar by the core schema.

    >>> [resolve(text) for text in ("true", "~", "0x1F", "1e3", "12:30", "2026-01-02")]
    [True, None, 31, 1000.0, '12:30', '2026-01-02']
    """
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
