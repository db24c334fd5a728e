"""Paging by key: a page begins after the last key of the one before it, so page 300 costs what page 1 costs.

The starts of the pages that were visited are kept in the session; what the list is filtered by (`reset_on`) sends the
reader back to the first page when it changes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import streamlit as st

from app.ui.text import count


class Pager:
    """Where a reader is in a list. Make one before asking for rows, `draw` it below them."""

    def __init__(
        self, key: str, *, size: int = 15, reset_on: Hashable = None, find_start: Callable[[int], Any] | None = None
    ) -> None:
        """Open the pager.

        Args:
            key: unique on the page.
            size: rows a page.
            reset_on: the filters and the order of the list.
            find_start: returns the cursor before row N (0-based) where the store can find one cheaply; with it any
                page can be jumped to, without it only the next and the previous one.
        """
        self.key = key
        self.size = size
        self._find_start = find_start
        if st.session_state.get(f"{key}_of") != reset_on or f"{key}_starts" not in st.session_state:
            st.session_state[f"{key}_of"] = reset_on
            st.session_state[f"{key}_starts"] = {1: None}
            st.session_state[key] = 1
        self._starts: dict[int, Any] = st.session_state[f"{key}_starts"]
        self.page: int = st.session_state.get(key, 1)
        if self.page not in self._starts and find_start is None:
            self.page = st.session_state[key] = max(self._starts)

    @property
    def after(self) -> Any:
        """The cursor that this page begins after; None on the first page."""
        if self.page not in self._starts and self._find_start is not None:
            self._starts[self.page] = self._find_start((self.page - 1) * self.size)
        return self._starts[self.page]

    def draw(
        self, *, shown: int, next_after: Any, noun: str, total: int | None = None, plural: str | None = None
    ) -> None:
        """Draw how much there is and the way on.

        Args:
            shown: rows on this page.
            next_after: the cursor of the next page, or None on the last.
            total: how many there are, where the store counts them cheaply.
        """
        if next_after is not None:
            self._starts[self.page + 1] = next_after
        pages = self.page + (next_after is not None) if total is None else max(1, -(-total // self.size), self.page)
        first = (self.page - 1) * self.size + 1
        said = count(shown if total is None else total, noun, plural)
        if pages > 1:
            said = (
                f"{said} · page {self.page} of {pages:,}"
                if total is not None
                else f"{first:,} to {first + shown - 1:,}"
            )
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown(f":gray[:small[{said}]]", width="content")
            if pages > 1:
                st.pagination(pages, max_visible_pages=7 if self._find_start else 0, key=self.key)
