"""Slices of a shadow comparison, worst first: a page of them drawn and listed, however many there are."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app import ui
from services.shadow.figures import Figures, Slice
from services.shadow.policy import ShadowPolicy
from services.shadow.slicing import rank_surely_worst

_PAGE = 15


def show_slices(figures: Figures, policy: ShadowPolicy) -> None:
    """Draw the filters and one page."""
    columns = sorted({one.column for one in figures.slices})
    if not columns:
        ui.empty_state(
            "No slices",
            "Columns of the log whose names begin with slice_ are compared by their values.",
            icon="pie_chart",
        )
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        column = st.selectbox("Slice", ["all", *columns], key="slice_column", width=220)
        words = st.text_input("Value", key="slice_value", placeholder="Search values", width=220)
        least = st.number_input("Pairs at least", min_value=0, value=0, step=50, key="slice_least", width=160)
    found = _filtered(rank_surely_worst(figures.slices), None if column == "all" else column, words, int(least))
    pager = ui.Pager("slices", size=_PAGE, reset_on=(column, words, least, len(found)), find_start=lambda row: row)
    start = pager.after or 0
    shown = found[start : start + _PAGE]
    if not shown:
        ui.empty_state("No slice fits", "Choose another slice, or ask for fewer pairs.", icon="filter_alt_off")
        return
    chart = slice_chart(shown, policy, ui.palette().theme)
    if chart is not None:
        ui.show_chart(chart, key="slices_chart")
    _table(shown)
    pager.draw(
        shown=len(shown),
        next_after=start + _PAGE if start + _PAGE < len(found) else None,
        noun="value",
        total=len(found),
    )


def slice_chart(shown: Sequence[Slice], policy: ShadowPolicy, theme: ui.Theme) -> ui.Chart | None:
    """Return the agreement of slices with its interval, where it is known of any."""
    limit = policy.min_slice_agreement
    drawn = [one for one in shown if one.rate is not None and one.low is not None and one.high is not None]
    if not drawn:
        return None
    return ui.interval_chart(
        [
            ui.Interval(
                name=f"{one.column.removeprefix('slice_')} = {slice_value(one)}"[:60],
                low=one.low or 0.0,
                value=one.rate or 0.0,
                high=1.0 if one.high is None else one.high,
                tone=ui.Tone.BAD if limit is not None and one.high is not None and one.high < limit else ui.Tone.ACTIVE,
                hover=ui.count(one.pairs, "pair"),
            )
            for one in drawn
        ],
        alt=f"Agreement of {ui.count(len(drawn), 'slice')} with its interval, worst first",
        theme=theme,
    )


def slice_value(one: Slice) -> str:
    """Return the value of a slice as words."""
    if one.is_rest:
        return "(all rarer values)"
    return "(none)" if one.value is None else one.value


def _filtered(slices: Sequence[Slice], column: str | None, words: str, least: int) -> list[Slice]:
    wanted = words.strip().casefold()
    return [
        one
        for one in slices
        if (column is None or one.column == column)
        and one.pairs >= least
        and (not wanted or wanted in slice_value(one).casefold())
    ]


def _table(shown: list[Slice]) -> None:
    ui.data_table(
        [
            {
                "slice": one.column.removeprefix("slice_"),
                "value": slice_value(one),
                "pairs": one.pairs,
                "rate": one.rate,
                "interval": ui.NOTHING if one.low is None else f"{one.low:.1%} to {one.high:.1%}",
                "difference": one.mean_difference,
                "invalid": one.invalid,
            }
            for one in shown
        ],
        [
            ui.Column(name="slice", label="Slice"),
            ui.Column(name="value", label="Value", width="medium"),
            ui.Column(name="rate", label="Agreement", kind=ui.Kind.SHARE),
            ui.Column(name="interval", label="Interval"),
            ui.Column(name="pairs", label="Valid pairs", kind=ui.Kind.NUMBER, format="localized"),
            ui.Column(name="difference", label="Mean difference", kind=ui.Kind.NUMBER, format="%.4f"),
            ui.Column(name="invalid", label="Not valid", kind=ui.Kind.NUMBER, format="localized"),
        ],
        key="slices_table",
        alt="Slices, those first that surely agree least",
    )
