"""What a page shows when there is nothing to show: empty, loading, refused and stale, each as a state of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import streamlit as st

from app.ui.frame import page_path
from app.ui.text import md, prose
from app.ui.times import ago


def empty_state(title: str, text: str, *, icon: str = "inbox", action: tuple[str, str] | None = None) -> None:
    """Draw that there is nothing here, why, and what would put something here.

    Args:
        title: what is missing, in a few words.
        text: why, and what to do about it.
        icon: a Material symbol.
        action: page and words of a link, such as `("catalog", "Open the catalog")`.
    """
    with st.container(border=True, horizontal_alignment="center", gap="xxsmall"):
        st.space("xsmall")
        st.markdown(f":gray[:material/{icon}:]", width="content")
        st.markdown(f"**{md(title)}**", width="content", text_alignment="center")
        st.markdown(f":gray[{prose(text)}]", width="content", text_alignment="center")
        if action:
            page, words = action
            st.page_link(page_path(page), label=md(words), help="")
        st.space("xsmall")


def refused_state(what: str, role_hint: str) -> None:
    """Draw that this part of the page is not for the person who is signed in, and who could show it."""
    empty_state(what, role_hint, icon="lock")


@contextmanager
def loading(height: int = 200) -> Iterator[None]:
    """Hold the place of what the block draws until it is there."""
    with st.skeleton(height=height):
        yield


def stale_notice(since: datetime, *, now: datetime, what: str = "These figures") -> None:
    """Say that what follows is older than it should be."""
    st.warning(
        f"{md(what)} were read {ago(since, now)} and may have changed since.", icon=":material/history_toggle_off:"
    )
