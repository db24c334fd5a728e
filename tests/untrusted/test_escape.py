import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.untrusted.escape import WORD_JOINER, as_html, as_line, as_markdown, as_text

PUNCTUATION = set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


def unescaped(markdown: str) -> str:
    """What CommonMark makes of backslashes before punctuation."""
    characters = iter(markdown)
    plain = (next(characters) if character == "\\" else character for character in characters)
    return "".join(plain).replace(WORD_JOINER, "").replace("\u00a0", " ")


@pytest.mark.parametrize(
    "hidden",
    ["\u202e", "\u2066", "\u200b", "\u00ad", "\ufeff", "\x1b", "\x7f", "\x85", "\u2028", "\u3164", "\U000e0041"],
)
def test_what_hides_is_shown_as_its_code_point(hidden: str) -> None:
    for shown in (as_text, as_line, as_html):
        assert shown(f"a{hidden}b") == f"a⟨U+{ord(hidden):04X}⟩b"


def test_ordinary_text_of_any_script_is_left_alone() -> None:
    text = "Straße, naïve, 東京, Ελλάδα, 3 × 4 = 12, 🙂"
    assert as_text(text) == text
    assert as_line(text) == text


def test_lines_are_kept_in_text_and_shown_in_a_line() -> None:
    assert as_text("a\nb\tc") == "a\nb\tc"
    assert as_line("a\r\nb\tc\rd") == "a↵b→c⟨U+000D⟩d"


@given(st.text())
def test_a_line_is_one_line(text: str) -> None:
    assert len(as_line(text).splitlines()) <= 1


@given(st.text())
def test_markdown_undone_is_the_line(text: str) -> None:
    assert unescaped(as_markdown(text)) == as_line(text).replace("\u00a0", " ")


@given(st.text())
def test_no_punctuation_is_left_to_mean_something(text: str) -> None:
    markdown = as_markdown(text)
    bare = [
        character
        for position, character in enumerate(markdown)
        if character in PUNCTUATION - {"\\"} and (position == 0 or markdown[position - 1] != "\\")
    ]
    assert bare == []


@given(st.text())
def test_html_undone_is_the_text_and_holds_no_tag(text: str) -> None:
    assert html.unescape(as_html(text)) == html.unescape(html.escape(as_text(text)))
    assert not set("<>\"'") & set(as_html(text))
