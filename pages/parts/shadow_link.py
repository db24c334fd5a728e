"""The way to the shadow comparison of two versions, for the pages that speak of both."""

from __future__ import annotations

import streamlit as st

from app import ui


def offer_shadow(model: str, champion: int, candidate: int) -> None:
    """Draw a link to the comparison."""
    st.page_link(
        ui.page_path("shadow_comparison"),
        label=f"Compare v{champion} and v{candidate} in shadow",
        icon=":material/compare_arrows:",
        help="",
        query_params={"model": model, "champion": str(champion), "candidate": str(candidate)},
    )
