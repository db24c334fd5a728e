"""The pages there are, in the order of the menu; each is a file of `pages/`."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from app.ui.frame import page_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One page; `is_listed` is False for pages that others lead to, such as one model's."""

    name: str
    title: str
    icon: str
    help: str
    is_listed: bool = True


PAGES = (
    Entry(name="overview", title="Overview", icon="dashboard", help="What waits for you, what changed, what is wrong."),
    Entry(name="catalog", title="Catalog", icon="inventory_2", help="Every model: search, filter, compare, open."),
    Entry(
        name="model",
        title="Model",
        icon="deployed_code",
        help="One model: versions, metrics, lineage.",
        is_listed=False,
    ),
)


def pages() -> list[st.Page]:
    """Return the pages for `st.navigation`; a flat list, since sections break the list for screen readers."""
    return [
        st.Page(
            page_path(entry.name),
            title=entry.title,
            icon=f":material/{entry.icon}:",
            help=entry.help,
            url_path=entry.name,
            default=entry.name == "overview",
            visibility="visible" if entry.is_listed else "hidden",
        )
        for entry in PAGES
        if page_path(entry.name).exists()
    ]
