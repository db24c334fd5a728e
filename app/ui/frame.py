"""The frame of every page: its one title, what it is about, and the way back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import streamlit as st

from app.ui.states import state_markdown
from app.ui.text import Facts, md

PAGES = Path(__file__).parents[2] / "pages"


def page_path(name: str) -> Path:
    """Return the file of a page, for `st.switch_page` and `st.page_link`."""
    return PAGES / f"{name}.py"


def go_in_page(**params: str) -> None:
    """Open something on the page that is shown, at an address of exactly these parameters.

    Set one by one beside parameters that a widget is bound to, they would make two steps in the browser's history, and
    the button back would lead nowhere.
    """
    st.query_params.from_dict(params)
    st.rerun()


def page_header(
    title: str,
    *,
    subtitle: Facts | None = None,
    back: tuple[str, str] | None = None,
    back_params: Mapping[str, str] | None = None,
    badges: Sequence[str] = (),
) -> None:
    """Draw the head of a page.

    Args:
        title: text, drawn as written.
        subtitle: facts under the title (`facts(...)`).
        back: page and words of the link back, such as `("promotions", "All promotions")`.
        back_params: query parameters of the link back.
        badges: Markdown badges to the right of the title (`state_markdown(...)`), or bare states.
    """
    if back:
        page, words = back
        st.page_link(
            page_path(page),
            label=md(words),
            icon=":material/arrow_back:",
            help="",
            query_params=dict(back_params or {}),
        )
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", gap="small"):
        st.title(md(title), anchor=False, width="content")
        if badges:
            shown = [badge if badge.startswith(":") else state_markdown(badge) for badge in badges]
            st.markdown(" ".join(shown), width="content")
    if subtitle and subtitle.markdown:
        st.markdown(f":gray[{subtitle.markdown}]", help=subtitle.help)


def section(title: str, *, help: str | None = None) -> None:  # noqa: A002 (Streamlit's name for it)
    """Draw the heading of a section; `st.subheader` after the title would skip a level."""
    st.header(md(title), anchor=False, help=help)


@contextmanager
def panel(*, key: str | None = None) -> Iterator[None]:
    """Draw what is inside the block in a bordered box."""
    with st.container(border=True, key=key):
        yield
