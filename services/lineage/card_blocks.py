"""A model card as plain blocks: headings, paragraphs, lists, tables and code, each of plain text.

Cards come from whoever can log a file, so of Markdown only the shape is read: no links, no pictures, no HTML.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*$")
_BULLET = re.compile(r"\s*(?:[-*+]|\d{1,9}[.)])\s+(.*)")
_RULE = re.compile(r"\s*\|?[\s:|-]*-[\s:|-]*\|?\s*")
_CELL_END = re.compile(r"(?<!\\)\|")
_OPENING = re.compile(r"#{1,6}\s|\s*(?:[-*+]|\d{1,9}[.)])\s")
_SPAN = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*")
_FENCES = ("```", "~~~")


class BlockKind(StrEnum):
    """The shape of a block."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    BULLETS = "bullets"
    TABLE = "table"
    CODE = "code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block; `rows` are the cells of a table (the first are its header) or the items of a list, one a row."""

    kind: BlockKind
    text: str = ""
    level: int = 0
    rows: tuple[tuple[str, ...], ...] = ()


_Read = tuple[Block, int]


def read_blocks(markdown: str) -> tuple[Block, ...]:
    r"""Return the blocks of a card.

    >>> [(block.kind.value, block.text or block.rows) for block in read_blocks("# Card\n\n- one\n- two\n")]
    [('heading', 'Card'), ('bullets', (('one',), ('two',)))]
    """
    return tuple(_blocks(markdown.replace("\r\n", "\n").split("\n")))


def _blocks(lines: Sequence[str]) -> Iterator[Block]:
    place = 0
    while place < len(lines):
        if not lines[place].strip():
            place += 1
            continue
        block, place = next(filter(None, (read(lines, place) for read in _READERS)))
        yield block


def _read_code(lines: Sequence[str], place: int) -> _Read | None:
    fence = lines[place][:3]
    if fence not in _FENCES:
        return None
    end = _end(lines, place + 1, lambda line: line.startswith(fence))
    return Block(kind=BlockKind.CODE, text="\n".join(lines[place + 1 : end]).rstrip("\n")), end + 1


def _read_heading(lines: Sequence[str], place: int) -> _Read | None:
    found = _HEADING.fullmatch(lines[place])
    return found and (Block(kind=BlockKind.HEADING, text=_plain(found[2]), level=len(found[1])), place + 1)


def _read_table(lines: Sequence[str], place: int) -> _Read | None:
    rule = lines[place + 1] if place + 1 < len(lines) else ""
    if "|" not in lines[place] or "|" not in rule or not _RULE.fullmatch(rule):
        return None
    end = _end(lines, place + 2, lambda line: "|" not in line)
    rows = tuple(_cells(line) for line in (lines[place], *lines[place + 2 : end]))
    return Block(kind=BlockKind.TABLE, rows=rows), end


def _read_bullets(lines: Sequence[str], place: int) -> _Read | None:
    end = _end(lines, place, lambda line: not _BULLET.fullmatch(line))
    items = [_plain(found[1].strip()) for line in lines[place:end] if (found := _BULLET.fullmatch(line))]
    return (Block(kind=BlockKind.BULLETS, rows=tuple((item,) for item in items)), end) if items else None


def _read_paragraph(lines: Sequence[str], place: int) -> _Read:
    end = _end(lines, place + 1, lambda line: not line.strip() or line[:3] in _FENCES or bool(_OPENING.match(line)))
    return Block(kind=BlockKind.PARAGRAPH, text=_plain(" ".join(line.strip() for line in lines[place:end]))), end


_READERS: Sequence[Callable[[Sequence[str], int], _Read | None]] = (
    _read_code,
    _read_heading,
    _read_table,
    _read_bullets,
    _read_paragraph,
)


def _end(lines: Sequence[str], place: int, is_end: Callable[[str], bool]) -> int:
    return next((number for number in range(place, len(lines)) if is_end(lines[number])), len(lines))


def _cells(line: str) -> tuple[str, ...]:
    inner = line.strip().removeprefix("|").removesuffix("|")
    return tuple(_plain(cell.strip().replace("\\|", "|")) for cell in _CELL_END.split(inner))


def _plain(text: str) -> str:
    """Return text without the marks of code and of bold, which would stand in it as they are."""
    return _SPAN.sub(lambda found: found[1] or found[2], text)
