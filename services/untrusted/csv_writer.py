"""One CSV writer: no cell of ours is run as a formula by a spreadsheet (OWASP, CSV injection).

A text that begins, after spaces, with `=`, `+`, `-`, `@`, their full-width forms, a tab or a line break gets a leading
apostrophe. All text is quoted, so that a spreadsheet which splits at semicolons does not find a formula inside.
Numbers are written as numbers, with their sign. RFC 4180: comma, CRLF.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TextIO

from services.clock import to_text

_FORMULA_STARTS = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def write_csv(out: TextIO, *, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Write a header and rows as CSV; returns how many rows. Open `out` with `newline=""`."""
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow([neutralise(name) for name in header])
    count = 0
    for row in rows:
        writer.writerow([_cell(value) for value in row])
        count += 1
    return count


def neutralise(text: str) -> str:
    """Return `text` such that a spreadsheet takes it as text.

    >>> neutralise("=1+1"), neutralise("  @SUM(A1)"), neutralise("a=b")
    ("'=1+1", "'  @SUM(A1)", 'a=b')
    """
    begun = text.lstrip(" \u00a0")
    return f"'{text}" if begun and begun[0] in _FORMULA_STARTS else text


def _cell(value: Any) -> str | int | float:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, datetime):
        return to_text(value)
    if isinstance(value, dict | list | tuple):
        return neutralise(json.dumps(value, ensure_ascii=False, sort_keys=True, default=str))
    return neutralise(str(value))
