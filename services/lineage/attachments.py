"""Artifacts shown as what they are: pictures that a browser draws safely, tables and text as text, the rest by size.

The content decides, not the name. SVG and HTML can carry scripts, so they are text here: seen, never run.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

MAX_PICTURE_BYTES = 4 * 1024 * 1024
MAX_TEXT_BYTES = 256 * 1024
MAX_TABLE_ROWS = 200

_PICTURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
_TABLES = frozenset({".csv", ".tsv"})
_BINARY = frozenset(range(32)) - {9, 10, 12, 13, 27}


class AttachmentKind(StrEnum):
    """How an artifact is shown."""

    PICTURE = "picture"
    TABLE = "table"
    TEXT = "text"
    BINARY = "binary"
    TOO_LARGE = "too large"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One artifact.

    Args:
        content: the bytes of a picture; empty for everything else.
        text: what a text or a table says.
        media_type: of a picture, by its first bytes.
        note: why it is not shown, or that it is cut.
    """

    path: str
    kind: AttachmentKind
    size_bytes: int | None = None
    content: bytes = b""
    text: str = ""
    rows: tuple[tuple[str, ...], ...] = ()
    media_type: str = ""
    note: str = ""


def read_attachment(path: str, content: bytes) -> Attachment:
    """Say what some bytes are, and prepare them to be shown."""
    size = len(content)
    media_type = next((kind for magic, kind in _PICTURES.items() if content.startswith(magic)), "")
    if media_type:
        return Attachment(
            path=path, kind=AttachmentKind.PICTURE, size_bytes=size, content=content, media_type=media_type
        )
    text = _decode(content)
    if text is None:
        note = f"{size:,} bytes that are not text"
        return Attachment(path=path, kind=AttachmentKind.BINARY, size_bytes=size, note=note)
    if PurePosixPath(path).suffix.lower() in _TABLES:
        return _table(path, text, size)
    return Attachment(path=path, kind=AttachmentKind.TEXT, size_bytes=size, text=text, note=_inert(text))


def limit_of(path: str) -> int:
    """Return how many bytes of a file are worth reading to show it."""
    return MAX_PICTURE_BYTES if PurePosixPath(path).suffix.lower() in {".png", ".jpg", ".jpeg"} else MAX_TEXT_BYTES


def _table(path: str, text: str, size: int) -> Attachment:
    delimiter = "\t" if path.lower().endswith(".tsv") else ","
    try:
        rows: Sequence[Sequence[str]] = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    except csv.Error:
        return Attachment(path=path, kind=AttachmentKind.TEXT, size_bytes=size, text=text)
    cut = len(rows) > MAX_TABLE_ROWS + 1
    return Attachment(
        path=path,
        kind=AttachmentKind.TABLE,
        size_bytes=size,
        text=text,
        rows=tuple(tuple(row) for row in rows[: MAX_TABLE_ROWS + 1]),
        note=f"The first {MAX_TABLE_ROWS} of {len(rows) - 1} rows." if cut else "",
    )


def _decode(content: bytes) -> str | None:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if _BINARY.intersection(content[:4096]) else text


def _inert(text: str) -> str:
    is_markup = text[:512].lstrip("\ufeff \t\r\n").lower().startswith(("<!doctype", "<html", "<svg", "<?xml"))
    return "Shown as text: its markup is not run." if is_markup else ""
