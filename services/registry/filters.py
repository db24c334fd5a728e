"""Conditions in MLflow's filter language, in which a text is quoted and nothing in it can be escaped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

NAMES_AT_ONCE = 50


def text_filters(key: str, values: Sequence[str], *, at_once: int) -> list[str]:
    """Return conditions `key IN (…)` that together cover `values`; a value with a quote can be no id and is left out.

    >>> text_filters("model_id", ["m-1", "m-2", "m'3"], at_once=2)
    ["model_id IN ('m-1', 'm-2')"]
    """
    plain = sorted({value for value in values if "'" not in value})
    return [
        f"{key} IN ({', '.join(map(_single_quoted, plain[start : start + at_once]))})"
        for start in range(0, len(plain), at_once)
    ]


def name_filters(names: Sequence[str]) -> Iterator[str]:
    r"""Yield conditions that together cover model names; some may cover other names too, which the caller leaves out.

    >>> list(name_filters(["a", "it's", "both ' and \""]))
    ["name IN ('a')", 'name = "it\'s"', 'name LIKE \'both _ and "\'']
    """
    yield from text_filters("name", names, at_once=NAMES_AT_ONCE)
    for name in names:
        if "'" in name and '"' not in name:
            yield f'name = "{name}"'
        elif "'" in name:
            yield f"name LIKE {_single_quoted(name.replace(chr(39), '_'))}"


def _single_quoted(text: str) -> str:
    return f"'{text}'"
