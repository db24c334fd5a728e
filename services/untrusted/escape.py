"""One escaper: text from the registry, from files and from people is shown as it is written, and never as markup.

Streamlit draws Markdown with extensions in labels, errors and captions as well as in `st.markdown`: a description could
forge a badge, fetch an image or link away. Backslashes (CommonMark 0.31, section 2.4) stop most of it, but bare
addresses, emoji codes, icons and arrows are replaced after unescaping; an invisible word joiner inside stops those.

Control, format and bidirectional characters can hide or reorder text, so they are shown as their code points
(unicode.org/reports/tr36, section 3.3).
"""

from __future__ import annotations

import html
import re
import unicodedata

WORD_JOINER = "\u2060"

_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Letters by category, yet drawn as nothing.
_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_REPLACED_LATER = re.compile(r"(?<=[:@])(?=\S)|(?<=[<>~-])(?=[-=>])|(?<=www)(?=\.)", re.IGNORECASE)
_LEADING_SPACE = re.compile(r"^ +| +$|(?<= ) +")


def as_text(text: str) -> str:
    r"""Return `text` with every hidden character made visible, for `st.text`, `st.code`, tables and terminals.

    >>> as_text("safe\u202egpj.exe")
    'safe⟨U+202E⟩gpj.exe'
    """
    return "".join(_visible(character) for character in text)


def as_line(text: str) -> str:
    r"""Return `text` as one line with every hidden character made visible.

    >>> as_line("one\ntwo\tthree")
    'one↵two→three'
    """
    return as_text(text.replace("\r\n", "\n").replace("\n", "↵").replace("\t", "→"))


def as_markdown(text: str) -> str:
    r"""Return Markdown that Streamlit draws as exactly `text`, on one line.

    >>> print(as_markdown(":green-badge[OK]").replace(WORD_JOINER, "|"))
    \:|green\-badge\[OK\]
    """
    joined = _REPLACED_LATER.sub(WORD_JOINER, as_line(text))
    kept_spaces = _LEADING_SPACE.sub(lambda found: "\u00a0" * len(found[0]), joined)
    return _PUNCTUATION.sub(r"\\\1", kept_spaces)


def as_html(text: str) -> str:
    """Return HTML that draws `text`, inside an element or a quoted attribute, for reports outside the app.

    >>> as_html("<b>'5'</b>")
    '&lt;b&gt;&#x27;5&#x27;&lt;/b&gt;'
    """
    return html.escape(as_text(text))


def _visible(character: str) -> str:
    if character in "\n\t":
        return character
    if character in _BLANK_LETTERS or unicodedata.category(character) in _HIDDEN_CATEGORIES:
        return f"⟨U+{ord(character):04X}⟩"
    return character
