"""Changing one value in the text of a document, and nothing else: comments, order, quotes and blank lines stay.

The value's place is found by YAML's own parser (start and end marks of its node); only what lies between is written
anew. What forms can change are numbers, switches and lists of texts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from services.documents.kind import Location
from services.errors import InvalidInput
from services.untrusted.yaml_reader import join_path, read_yaml

Value = bool | int | float | tuple[str, ...]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NAMES = ("gate", "name", "item", "category", "tag", "step", "stage")
"""Keys by which an item of a list is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One value that a form can change.

    Args:
        names: the steps to it as people call them: an item of a list by its name.
    """

    location: Location
    names: tuple[str, ...]
    value: Value

    @property
    def path(self) -> str:
        """The path, as problems name it."""
        path = ""
        for step in self.location:
            path = join_path(path, step)
        return path


def list_fields(text: str) -> list[Field]:
    """Return the numbers, switches and lists of texts of a document, in its order.

    Raises:
        YamlInvalid: the text is no YAML.
    """
    return list(_fields(read_yaml(text).data, (), ()))


def set_value(text: str, location: Location, value: Value) -> str:
    r"""Return the text with another value at a place.

    >>> set_value("# kept\nlimits: {low: 0.4, high: 0.7}  # too\n", ("limits", "low"), 0.5)
    '# kept\nlimits: {low: 0.5, high: 0.7}  # too\n'

    Raises:
        YamlInvalid: the text is no YAML.
        InvalidInput: no number, switch or list of texts stands there.
    """
    # Read first: the parser below knows no limits.
    read_yaml(text)
    node = _find(yaml.compose(text, Loader=_LOADER), location)
    lines = text.splitlines(keepends=True)
    start = _offset(lines, node.start_mark)
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        end = _offset(lines, node.value[-1].end_mark)
        written = _block(value, " " * node.start_mark.column)
    else:
        end = _offset(lines, node.end_mark)
        written = _inline(value, text[start:end])
    return f"{text[:start]}{written}{text[end:]}"


def _fields(value: Any, location: Location, names: tuple[str, ...]) -> Iterator[Field]:
    if isinstance(value, bool | int | float):
        yield Field(location=location, names=names, value=value)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _fields(inner, (*location, key), (*names, key))
    elif isinstance(value, list):
        if value and all(isinstance(item, str) for item in value):
            yield Field(location=location, names=names, value=tuple(value))
        else:
            for index, inner in enumerate(value):
                yield from _fields(inner, (*location, index), (*names, _name_of(inner, index)))


def _name_of(item: Any, index: int) -> str:
    if isinstance(item, dict):
        for key in _NAMES:
            if isinstance(item.get(key), str):
                return str(item[key])
    return str(index + 1)


def _find(node: Any, location: Location) -> Any:
    for step in location:
        inner = None
        if isinstance(node, yaml.MappingNode):
            inner = next((value for key, value in node.value if key.value == step), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            inner = node.value[step]
        if inner is None:
            raise InvalidInput(f"Nothing stands at {'.'.join(map(str, location))}.", next_step="Edit the text itself.")
        node = inner
    return node


def _offset(lines: Sequence[str], mark: Any) -> int:
    return sum(len(line) for line in lines[: mark.line]) + int(mark.column)


def _inline(value: Value, before: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(json.dumps(item, ensure_ascii=False) for item in value)}]"
    if isinstance(value, float) and value.is_integer() and "." not in before and abs(value) < 2**53:
        return str(int(value))
    return repr(value)


def _block(value: Value, indent: str) -> str:
    if not isinstance(value, tuple):
        raise InvalidInput("A list stands there.", next_step="Give a list of texts.")
    items = [f"- {json.dumps(item, ensure_ascii=False)}" for item in value]
    return f"\n{indent}".join(items) if items else "[]"
