"""How two texts of a document differ: line by line for reading side by side, and value by value for what it means."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from services.untrusted.yaml_reader import YamlInvalid, join_path, read_yaml


class LineChange(StrEnum):
    """What happened to a line."""

    SAME = "same"
    REMOVED = "removed"
    ADDED = "added"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinePair:
    """One line of a side-by-side view; numbers count from 1 and are None where a side has no line."""

    change: LineChange
    old_number: int | None
    old_text: str
    new_number: int | None
    new_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueChange:
    """A value that differs; None on a side stands for absent."""

    path: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How two texts differ. Where one is no YAML, `values` is empty and only lines are compared."""

    lines: Sequence[LinePair]
    values: Sequence[ValueChange]

    @property
    def is_same_text(self) -> bool:
        """Whether nothing differs, not even a comment."""
        return all(pair.change is LineChange.SAME for pair in self.lines)


def compare_texts(old: str, new: str) -> Difference:
    """Compare two texts of a document."""
    return Difference(lines=tuple(_pair_lines(old.splitlines(), new.splitlines())), values=_compare_values(old, new))


def unified_diff(old: str, new: str, *, old_name: str, new_name: str) -> str:
    """Return the difference as `diff -u` prints it."""
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), fromfile=old_name, tofile=new_name, lineterm="")
    return "\n".join(lines)


def _pair_lines(old: Sequence[str], new: Sequence[str]) -> Iterator[LinePair]:
    matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
    for tag, old_start, old_end, new_start, new_end in matcher.get_opcodes():
        for place in range(max(old_end - old_start, new_end - new_start)):
            old_at, new_at = old_start + place, new_start + place
            has_old, has_new = old_at < old_end, new_at < new_end
            yield LinePair(
                change=LineChange.SAME if tag == "equal" else _kind_of_change(has_old=has_old, has_new=has_new),
                old_number=old_at + 1 if has_old else None,
                old_text=old[old_at] if has_old else "",
                new_number=new_at + 1 if has_new else None,
                new_text=new[new_at] if has_new else "",
            )


def _kind_of_change(*, has_old: bool, has_new: bool) -> LineChange:
    if has_old and has_new:
        return LineChange.CHANGED
    return LineChange.REMOVED if has_old else LineChange.ADDED


def _compare_values(old: str, new: str) -> tuple[ValueChange, ...]:
    try:
        before, after = dict(_leaves(read_yaml(old).data)), dict(_leaves(read_yaml(new).data))
    except YamlInvalid:
        return ()
    paths = [*before, *(path for path in after if path not in before)]
    return tuple(
        ValueChange(path=path, old=before.get(path), new=after.get(path))
        for path in paths
        if path not in before or path not in after or _differ(before[path], after[path])
    )


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, join_path(path, key))
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from _leaves(inner, join_path(path, index))
    else:
        yield path, value


def _differ(old: Any, new: Any) -> bool:
    # True equals 1 to Python, and is another value in a document.
    return old != new or isinstance(old, bool) != isinstance(new, bool)
