"""Metric cards: the few figures a page is opened for, four in a row, two on a telephone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from app.ui.states import Tone
from app.ui.text import md

# Four columns down to 700 px, two down to 350 px; a telephone of 390 px has 360 for them.
_NARROWEST_PX = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One figure.

    Args:
        label: what it is.
        value: the figure as text (`figure(...)`).
        delta: how it changed or what it says, in a coloured pill; empty leaves the pill out.
        tone: what the pill means; direction and meaning differ (less latency is good).
        arrow: the direction of the change, or none.
        note: words in grey after the pill, such as `vs v17`.
        help: shown on hover beside the label.
    """

    label: str
    value: str
    delta: str = ""
    tone: Tone = Tone.QUIET
    arrow: Literal["up", "down", "off"] = "off"
    note: str = ""
    help: str | None = None


def metric_cards(cards: Sequence[Card]) -> None:
    """Draw cards of one height in a row that wraps."""
    with st.grid(4, min_column_width=_NARROWEST_PX):
        for card in cards:
            st.metric(
                md(card.label),
                md(card.value),
                # A pill keeps all cards in a row at one height; a dash says there is nothing to compare with.
                delta=md(card.delta) if card.delta else None,
                delta_color=card.tone.color,
                delta_arrow=card.arrow,
                delta_description=card.note or None,
                border=True,
                height="stretch",
                help=card.help,
            )
