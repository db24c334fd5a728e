"""What is wrong with a value, in the words of somebody who edits a document rather than a schema."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

_MAX_SHOWN = 40

_PLAIN = {
    "string_type": "should be text; put it in quotes",
    "bool_type": "should be true or false",
    "bool_parsing": "should be true or false",
    "float_type": "should be a number",
    "int_type": "should be a whole number",
    "int_from_float": "should be a whole number",
    "list_type": "should be a list",
    "tuple_type": "should be a list",
    "frozen_set_type": "should be a list",
    "dict_type": "should be a mapping of keys to values",
    "model_type": "should be a mapping of keys to values",
    "model_attributes_type": "should be a mapping of keys to values",
    "finite_number": "should be a finite number",
}

_CHOICES = {
    "literal_error": ("", "expected"),
    "enum": ("", "expected"),
    "union_tag_invalid": ("tag", "expected_tags"),
}


def word_error(error: Mapping[str, Any], known_keys: Iterable[str] = ()) -> str:
    """Return one of pydantic's errors as the end of a sentence that begins with the value's path.

    Args:
        error: as listed by `ValidationError.errors()`.
        known_keys: keys that could have been meant where an unknown one stands.
    """
    kind, context = error["type"], error.get("ctx", {})
    key = str(error["loc"][-1]) if error["loc"] else ""
    if kind in {"missing", "union_tag_not_found"}:
        return f"the key {context.get('discriminator', repr(key))} is missing"
    if kind == "extra_forbidden":
        return f"the key {show(key)} is not known here{suggest(key, known_keys)}"
    if kind in _PLAIN:
        return f"{show(error['input'])} {_PLAIN[kind]}"
    if kind in _CHOICES:
        given, known = _CHOICES[kind]
        return f"{show(context[given] if given else error['input'])} is not one of {context[known]}"
    if kind in {"too_short", "string_too_short"} and context["min_length"] == 1:
        return "should not be empty"
    told = _lowered(error["msg"]).removeprefix("input ")
    return told if kind == "condition" else f"{show(error['input'])}: {told}"


def show(value: Any) -> str:
    """Return a value as it may stand in a message, cut short.

    >>> show("x" * 50), show({"a": 1}), show(True)
    ("'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…", 'the mapping', 'true')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "the mapping"
    if isinstance(value, list | tuple):
        return "the list"
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 2]}…"


def suggest(given: str, known: Iterable[str]) -> str:
    """Return `; did you mean …?` for the known word most like `given`, or the words if they are few.

    >>> suggest("treshold", ["threshold", "metric"]), suggest("x", ["one", "two"]), suggest("x", [])
    ("; did you mean 'threshold'?", '; known are one, two', '')
    """
    words = sorted(known)
    close = difflib.get_close_matches(given, words, n=1, cutoff=0.7)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known are {', '.join(words)}" if 0 < len(words) <= 12 else ""  # noqa: PLR2004 - what a line holds


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]
