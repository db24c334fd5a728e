"""Merging two edits of one text, for the second of two editors: what only one of them changed is taken over.

Three-way merge by lines (Khanna, Kunal, Pierce: A Formal Investigation of Diff3, 2007): between the lines that all
three texts share, a stretch that one side left alone takes the other's; where both changed it differently, it is a
conflict.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Lines = Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A stretch that both changed, differently; `line` is where it begins in the merged text, from 1."""

    line: int
    base: str
    theirs: str
    mine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """A merged text; where there are conflicts it holds my lines, and the conflicts say what else there was."""

    text: str
    conflicts: tuple[Conflict, ...]


def merge_texts(base: str, theirs: str, mine: str) -> Merge:
    r"""Merge two edits of `base`.

    >>> merge_texts("a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n")
    Merge(text='A\nb\nC\n', conflicts=())
    """
    base_lines, their_lines, my_lines = (text.splitlines(keepends=True) for text in (base, theirs, mine))
    merged: list[str] = []
    conflicts: list[Conflict] = []
    at_base = at_theirs = at_mine = 0
    for start, their_start, my_start, size in _shared(base_lines, their_lines, my_lines):
        before = base_lines[at_base:start]
        their_part, my_part = their_lines[at_theirs:their_start], my_lines[at_mine:my_start]
        if my_part == before:
            merged += their_part
        elif their_part in (before, my_part):
            merged += my_part
        else:
            stretches = ("".join(part) for part in (before, their_part, my_part))
            base_text, their_text, my_text = stretches
            conflicts.append(Conflict(line=len(merged) + 1, base=base_text, theirs=their_text, mine=my_text))
            merged += my_part
        merged += base_lines[start : start + size]
        at_base, at_theirs, at_mine = start + size, their_start + size, my_start + size
    return Merge(text="".join(merged), conflicts=tuple(conflicts))


def _shared(base: Lines, theirs: Lines, mine: Lines) -> Iterator[tuple[int, int, int, int]]:
    """Yield stretches that all three texts have in common, as (place in each, length), ending with an empty one."""
    in_theirs, in_mine = _places(base, theirs), _places(base, mine)
    place = 0
    while place < len(base):
        if place not in in_theirs or place not in in_mine:
            place += 1
            continue
        size = 1
        while (
            in_theirs.get(place + size) == in_theirs[place] + size
            and in_mine.get(place + size) == in_mine[place] + size
        ):
            size += 1
        yield place, in_theirs[place], in_mine[place], size
        place += size
    yield len(base), len(theirs), len(mine), 0


def _places(base: Lines, other: Lines) -> dict[int, int]:
    matcher = difflib.SequenceMatcher(a=base, b=other, autojunk=False)
    return {
        block.a + offset: block.b + offset for block in matcher.get_matching_blocks() for offset in range(block.size)
    }
