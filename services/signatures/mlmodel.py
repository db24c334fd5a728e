"""The few parts of an MLmodel file that say what a model takes and gives, taken from the YAML's events.

Nothing else of the file is built, so what it may hold (user metadata, flavours, aliases) can do nothing. Limits: 8 MiB,
200,000 events, 100 levels. A tag that YAML's safe loader does not know is refused, as MLflow refuses it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from services.untrusted.yaml_scalars import resolve

MAX_BYTES = 8 * 1024 * 1024
MAX_EVENTS = 200_000
MAX_DEPTH = 100
MAX_PLAIN = 40

_WANTED = frozenset(
    {"signature", "is_signature_from_type_hint", "saved_input_example_info", "metadata", "mlflow_version"}
)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SAFE_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}"
    for kind in ("null", "bool", "int", "float", "binary", "timestamp", "omap", "pairs", "set", "str", "seq", "map")
)


class MlmodelUnreadable(ValueError):
    """An MLmodel file that cannot be read; the text is one clause on why."""


def read_parts(text: bytes) -> dict[str, Any]:
    """Return the wanted top-level parts of an MLmodel file as plain data.

    Raises:
        MlmodelUnreadable: it is no such file, or larger, deeper or longer than is read.
    """
    if len(text) > MAX_BYTES:
        raise MlmodelUnreadable(f"it is larger than the {MAX_BYTES:,} bytes that are read")
    try:
        # Left to itself, the parser would take UTF-16 as well, which MLflow does not.
        text.decode()
        return _top(_bounded(text))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" in line {mark.line + 1}" if mark else ""
        raise MlmodelUnreadable(f"it is not valid YAML{line} ({error.problem or 'malformed'})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MlmodelUnreadable("it is not YAML text in UTF-8") from error


def _bounded(text: bytes) -> Iterator[Any]:
    loader = _LOADER(text)
    depth = count = 0
    try:
        while loader.check_event():
            event = loader.get_event()
            count += 1
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if count > MAX_EVENTS:
                raise MlmodelUnreadable(f"it holds more than the {MAX_EVENTS:,} values that are read")
            if depth > MAX_DEPTH:
                raise MlmodelUnreadable(f"it nests deeper than the {MAX_DEPTH} levels that are read")
            tag = getattr(event, "tag", None)
            if tag not in _SAFE_TAGS and tag not in (None, "!"):
                raise MlmodelUnreadable(f"it carries the tag {tag[:60]!r}, which is not plain data")
            yield event
    finally:
        loader.dispose()


def _top(events: Iterator[Any]) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    documents = 0
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise MlmodelUnreadable("it holds several documents")
        elif isinstance(event, yaml.MappingStartEvent):
            parts = _top_mapping(events)
        elif isinstance(event, yaml.NodeEvent):
            raise MlmodelUnreadable("it is not one mapping of keys to values")
    if not documents:
        raise MlmodelUnreadable("it is empty")
    return parts


def _top_mapping(events: Iterator[Any]) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        if not isinstance(event, yaml.ScalarEvent) or not isinstance(_scalar(event), str):
            raise MlmodelUnreadable("it has a key that is no text")
        key = event.value
        if key == "<<":
            raise MlmodelUnreadable("it merges keys from elsewhere (<<)")
        if key in parts:
            raise MlmodelUnreadable(f"the key {key!r} stands there twice")
        if key in _WANTED:
            parts[key] = _build(next(events), events, key)
        else:
            _skip_node(events)
    return parts


def _build(event: Any, events: Iterator[Any], where: str) -> Any:
    if isinstance(event, yaml.AliasEvent):
        # What people write into their metadata is theirs; what the signature says must stand there.
        if where == "metadata":
            return None
        raise MlmodelUnreadable(f"its {where} refers to another place in the file (*{str(event.anchor)[:60]})")
    if isinstance(event, yaml.ScalarEvent):
        return _scalar(event)
    if isinstance(event, yaml.SequenceStartEvent):
        items: list[Any] = []
        while not isinstance(inner := next(events), yaml.SequenceEndEvent):
            items.append(_build(inner, events, where))
        return items
    return _build_mapping(events, where)


def _scalar(event: Any) -> Any:
    is_plain = event.implicit[0] and len(event.value) <= MAX_PLAIN
    return resolve(event.value) if is_plain else event.value


def _build_mapping(events: Iterator[Any], where: str) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        if isinstance(event, yaml.CollectionStartEvent):
            _skip(events)
        key = event.value if isinstance(event, yaml.ScalarEvent) else ""
        if key in mapping and where != "metadata":
            raise MlmodelUnreadable(f"its {where} has the key {key[:60]!r} twice")
        mapping[key] = _build(next(events), events, where)
    return mapping


def _skip_node(events: Iterator[Any]) -> None:
    if isinstance(next(events), yaml.CollectionStartEvent):
        _skip(events)


def _skip(events: Iterator[Any]) -> None:
    depth = 1
    while depth:
        event = next(events)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
