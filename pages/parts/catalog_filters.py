"""The toolbar of the catalog: search, stage, and filters and order behind a button; all of it in the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from services.registry.entries import Health
from services.registry.index import CatalogQuery, CatalogSort, Index
from services.registry.values import Stage

_VIEWS: Mapping[str, tuple[Stage, ...]] = {
    "All": (),
    "In production": (Stage.PRODUCTION,),
    "Not in production": tuple(stage for stage in Stage if stage is not Stage.PRODUCTION),
}
_SORTS: Mapping[str, tuple[CatalogSort, bool]] = {
    "Last updated": (CatalogSort.UPDATED, True),
    "Name": (CatalogSort.NAME, False),
    "Most problems": (CatalogSort.PROBLEMS, True),
    "Metric, highest": (CatalogSort.METRIC, True),
    "Metric, lowest": (CatalogSort.METRIC, False),
}
_FACETS = {"team": "Team", "tier": "Risk tier", "health": "Health"}
_NOBODY_SAID = "(not set)"


def show(index: Index) -> CatalogQuery:
    """Draw the toolbar and return what was asked for, without a page."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        text = st.text_input(
            "Search models",
            type="search",
            live="300ms",
            placeholder="Search models",
            label_visibility="collapsed",
            key="q",
            bind="query-params",
            width=280,
        )
        view = st.segmented_control(
            "Stage",
            list(_VIEWS),
            default="All",
            required=True,
            label_visibility="collapsed",
            key="view",
            bind="query-params",
        )
        asked = CatalogQuery(text=text or "", stages=_VIEWS.get(str(view), ()))
        chosen = sum(bool(st.session_state.get(key)) for key in _FACETS)
        with st.popover(f"Filters · {chosen}" if chosen else "Filters", icon=":material/tune:", key="filters"):
            asked = _filters(asked, index)
    return asked


def at(query: CatalogQuery, *, after: str | None, limit: int) -> CatalogQuery:
    """Return the query for one page."""
    return replace(query, after=after, limit=limit)


def _filters(asked: CatalogQuery, index: Index) -> CatalogQuery:
    facets = index.count_facets(asked)
    order = st.selectbox("Order", list(_SORTS), key="sort", bind="query-params")
    sort, is_descending = _SORTS[order]
    return replace(
        asked,
        teams=_choose("team", facets),
        tiers=_choose("tier", facets),
        healths=tuple(map(Health, _choose("health", facets))),
        sort=sort,
        is_descending=is_descending,
    )


def _choose(key: str, facets: Mapping[str, Mapping[str, int]]) -> tuple[str, ...]:
    """Draw the values of a facet, the most frequent first, with how many models have each."""
    counts = facets[key]
    values = sorted(counts, key=lambda value: (-counts[value], value))
    chosen = st.multiselect(
        _FACETS[key],
        [value or _NOBODY_SAID for value in values],
        format_func=lambda value: f"{value} · {counts.get('' if value == _NOBODY_SAID else value, 0):,}",
        key=key,
        bind="query-params",
        placeholder="Any",
    )
    return tuple("" if value == _NOBODY_SAID else str(value) for value in chosen)
