"""The bar at the bottom of a page: where a decision stands, and the buttons that move it on, always in reach."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st


@contextmanager
def action_bar(summary: str) -> Iterator[None]:
    """Pin a summary (Markdown, escaped by the caller) and the buttons drawn inside the block to the bottom."""
    with (
        st.bottom,
        st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="action_bar"),
    ):
        st.markdown(f":small[{summary}]", width="content")
        with st.container(horizontal=True, width="content", gap="small"):
            yield
