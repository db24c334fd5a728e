"""One known error: how to recognise it, why it happens, what to do, and the lines to write."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A known error.

    Args:
        name: a short name that stays the same.
        pattern: a regular expression, searched without regard to case; a group named `column` fills `$column` in
            `cause` and `lines`, and `$column_text` as a quoted Python text.
    """

    name: str
    pattern: str
    cause: str
    remedy: str
    lines: str = ""
