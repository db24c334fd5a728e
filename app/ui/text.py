"""Text on a page: sentences built from parts, of which those from outside are drawn as written and never as markup.

`facts` and `md` are for Markdown; table cells take plain text, where only hidden characters have to be shown.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from app.ui.times import ago, exact
from services.untrusted.escape import as_line, as_markdown

_LARGEST_WHOLE = 1e15  # beyond it a float no longer tells whole numbers apart
_SMALLEST_ROUNDED = 1000
NOTHING = "\N{EN DASH}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One line of facts as Markdown, and the exact times behind its relative ones."""

    markdown: str
    help: str | None


Part = str | datetime | tuple[str, datetime]


def md(text: object) -> str:
    """Return Markdown that draws `text` exactly as it is, for labels and `st.markdown`."""
    return as_markdown(str(text))


def prose(sentence: str) -> str:
    r"""Return Markdown of a sentence of ours: what stands between backticks becomes code, all else is as written.

    >>> prose("Run `gatehouse up` <now>")
    'Run `gatehouse up` \\<now\\>'
    """
    # Spaces beside code belong to neither: `as_markdown` would keep them from breaking.
    parts = re.split("( *)`([^`]+)`( *)", sentence)
    draw = (md, str, lambda code: f"`{as_line(code)}`", str)
    return "".join(draw[number % 4](part) for number, part in enumerate(parts))


def strong(text: object) -> str:
    """Return Markdown that draws `text` exactly as it is, in bold; empty text has nothing to embolden."""
    return f"**{md(text)}**" if str(text).strip() else ""


def facts(*parts: Part | None, now: datetime) -> Facts:
    """Join facts with a middle dot.

    Args:
        parts: Markdown that the caller has escaped (`md`, `strong`); a moment; or words and a moment (`("Requested",
            at)`). Empty and None are left out.
        now: what "5 h ago" is counted from.
    """
    shown: list[str] = []
    exacts: list[str] = []
    for part in parts:
        if not part:
            continue
        if isinstance(part, str):
            shown.append(part)
            continue
        words, moment = part if isinstance(part, tuple) else ("", part)
        shown.append(f"{words} {ago(moment, now)}".strip())
        exacts.append(f"{words} {exact(moment)}".strip())
    return Facts(markdown=" · ".join(shown), help="  \n".join(exacts) or None)


def fact_line(*parts: Part | None, now: datetime, small: bool = False) -> None:
    """Draw one line of facts in grey; the exact times show on hover and on focus."""
    line = facts(*parts, now=now)
    if line.markdown:
        body = f":gray[{line.markdown}]"
        st.markdown(f":small[{body}]" if small else body, help=line.help)


def key_values(pairs: Sequence[tuple[str, str]], *, alt: str) -> None:
    """Draw names and values under one another; the values are Markdown that the caller has escaped."""
    st.table(
        {f":gray[{md(name)}]": value or NOTHING for name, value in pairs},
        border="horizontal",
        hide_header=True,
        alt=alt,
    )


def figure(value: float | None, *, unit: str = "", digits: int = 3) -> str:
    """Return a figure with its unit; what is not there is a dash, what is not a number says so.

    >>> figure(0.87123), figure(1683), figure(84.0, unit="ms"), figure(0.986, unit="%"), figure(0.0000123)
    ('0.871', '1,683', '84 ms', '98.6%', '1.23e-05')
    """
    if value is None:
        return NOTHING
    if not math.isfinite(value):
        return str(value)
    if unit == "%":
        return f"{value * 100:.1f}%"
    if float(value).is_integer() and abs(value) < _LARGEST_WHOLE:
        text = f"{int(value):,}"
    elif abs(value) < 10**-digits:
        text = f"{value:.{digits}g}"
    else:
        text = f"{value:,.{digits}f}" if abs(value) < _SMALLEST_ROUNDED else f"{value:,.0f}"
    return f"{text} {unit}".strip()


def version_label(version: int | None) -> str:
    """Return a version as people write it.

    >>> version_label(18), version_label(None) == NOTHING
    ('v18', True)
    """
    return NOTHING if version is None else f"v{version}"


def action_words(action: str) -> str:
    """Return an audit action as words.

    >>> action_words("session:sign_in:refused")
    'Session sign in refused'
    """
    return action.replace(":", " ").replace("_", " ").capitalize()


def role_words(roles: Iterable[str]) -> str:
    """Return roles as words.

    >>> role_words(["release_manager", "ml_engineer"])
    'ML engineer, release manager'
    """
    words = ", ".join(role.replace("_", " ").replace("ml ", "ML ") for role in sorted(roles)) or "no role"
    return words[0].upper() + words[1:]


def count(number: int, singular: str, plural: str | None = None) -> str:
    """Return a number with its noun.

    >>> count(1, "model"), count(2400, "model"), count(2, "entry", "entries")
    ('1 model', '2,400 models', '2 entries')
    """
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"
