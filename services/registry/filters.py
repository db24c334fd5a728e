"""Conditions in MLflow's filter language, in which a text is quoted and nothing in it can be escaped."""

from __future__ import annotations

from collections.abc import Sequence

NAMES_AT_ONCE = 50


def text_filters(key: str, values: Sequence[str], *, at_once: int) -> list[str]:
    """Return conditions `key IN (…)` that together cover `values`; what cannot be quoted can be no id and is left out.

    >>> text_filters("model_id", ["m-1", "m-2", "m'3"], at_once=2)
    ["model_id IN ('m-1', 'm-2')"]
    """
    plain = sorted({value for value in values if _is_plain(value)})
    return [
        f"{key} IN ({', '.join(map(_single_quoted, plain[start : start + at_once]))})"
        for start in range(0, len(plain), at_once)
    ]


def name_filters(names: Sequence[str]) -> list[str]:
    """Return conditions that together cover model names; some may cover other names too, which the caller leaves out.

    MLflow reads no quote and no control character inside a text: such a name is asked for by a pattern.

    >>> name_filters(["a", "it's"])
    ["name IN ('a')", "name LIKE 'it_s'"]
    """
    patterns = sorted({like("name", name) for name in names if not _is_plain(name)})
    return [*text_filters("name", names, at_once=NAMES_AT_ONCE), *patterns]


def like(key: str, text: str, *, after: str = "") -> str:
    """Return a condition that covers `text` and then a pattern; it may cover more, which the caller leaves out.

    >>> like("source_path", "models:/it's/", after="%")
    "source_path LIKE 'models:/it_s/%'"
    """
    pattern = "".join(c if _is_plain(c) else "_" for c in text)
    return f"{key} LIKE {_single_quoted(f'{pattern}{after}')}"


def _is_plain(text: str) -> bool:
    return text.isprintable() and not set(text) & {"'", '"', "\\", "`"}


def _single_quoted(text: str) -> str:
    return f"'{text}'"
