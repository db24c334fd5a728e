"""Plotly figures in one style: quiet axes, few colours, colour for state; built once for the same data and theme.

Streamlit gives a figure the fonts, the background and the grid of the theme that is looked at; lines and marks take
theirs from `theme.palette()`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import streamlit as st

from app.ui.states import Tone
from app.ui.theme import Theme, palette, palette_of
from services.untrusted.escape import as_line

_CONFIG = {"displayModeBar": False, "responsive": True, "scrollZoom": False}
_FIGURES_KEPT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line; `low` and `high`, where given, are the interval around it."""

    name: str
    x: tuple[Any, ...]
    y: tuple[float | None, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """A horizontal line that figures are read against, such as a threshold or the champion."""

    name: str
    at: float
    tone: Tone = Tone.QUIET


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """One estimate with its interval, such as the agreement of a slice."""

    name: str
    low: float
    value: float
    high: float
    tone: Tone = Tone.ACTIVE
    hover: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """States by row and column, None where there is none; `texts` are what the cells say, `hovers` what they mean."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    tones: tuple[tuple[Tone | None, ...], ...]
    texts: tuple[tuple[str, ...], ...] = ()
    hovers: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A figure to be drawn, or to be taken along; `alt` says what it shows."""

    figure: Any
    alt: str
    height: int


def line_chart(
    lines: Sequence[Line],
    *,
    alt: str,
    markers: Sequence[Marker] = (),
    height: int = 260,
    y_format: str = ".3~g",
    is_from_zero: bool = False,
    theme: Theme | None = None,
) -> Chart:
    """Return lines over versions or time; in the theme that is looked at unless one is given.

    Args:
        is_from_zero: whether the axis begins at zero, as that of what is never less should.
    """
    figure = _lines_figure(tuple(lines), tuple(markers), y_format, is_from_zero, theme or palette().theme)
    return Chart(figure=figure, alt=alt, height=height)


def interval_chart(
    intervals: Sequence[Interval], *, alt: str, x_format: str = ".1%", theme: Theme | None = None
) -> Chart:
    """Return estimates with their intervals, one under another, the first on top."""
    figure = _intervals_figure(tuple(intervals), x_format, theme or palette().theme)
    return Chart(figure=figure, alt=alt, height=56 + 26 * len(intervals))


def own_chart(figure: Any, *, alt: str, height: int = 300, theme: Theme | None = None) -> Chart:
    """Return a Plotly figure of one's own in the same style; build it in a cached function."""
    return Chart(figure=_styled(figure, theme or palette().theme), alt=alt, height=height)


def show_chart(chart: Chart, *, key: str) -> None:
    """Draw a chart."""
    _draw(chart.figure, key=key, alt=chart.alt, height=chart.height)


def show_lines(
    lines: Sequence[Line],
    *,
    key: str,
    alt: str,
    markers: Sequence[Marker] = (),
    height: int = 260,
    y_format: str = ".3~g",
) -> None:
    """Draw lines over versions or time."""
    show_chart(line_chart(lines, alt=alt, markers=markers, height=height, y_format=y_format), key=key)


def show_intervals(intervals: Sequence[Interval], *, key: str, alt: str, x_format: str = ".1%") -> None:
    """Draw estimates with their intervals, one under another, the first on top."""
    show_chart(interval_chart(intervals, alt=alt, x_format=x_format), key=key)


def show_bars(
    names: Sequence[str], values: Sequence[float], *, key: str, alt: str, height: int = 220, y_format: str = ",~r"
) -> None:
    """Draw one bar a name."""
    _draw(_bars_figure(tuple(names), tuple(values), y_format, palette().theme), key=key, alt=alt, height=height)


def show_matrix(matrix: Matrix, *, key: str, alt: str, height: int | None = None) -> None:
    """Draw states as a field of cells, such as gates by version."""
    figure = _matrix_figure(matrix, palette().theme)
    _draw(figure, key=key, alt=alt, height=height or _matrix_height(matrix))


def pick_from_matrix(matrix: Matrix, *, key: str, alt: str) -> tuple[str, str] | None:
    """Draw states as a field of cells, and return the row and the column of the cell that was clicked."""
    figure = _pickable_figure(matrix, palette().theme)
    state = st.plotly_chart(
        figure,
        key=key,
        height=_matrix_height(matrix),
        config=_CONFIG,
        alt=alt,
        on_select="rerun",
        selection_mode="points",
    )
    points = state.selection.points
    return (str(points[0]["y"]), str(points[0]["x"])) if points else None


def show_figure(figure: Any, *, key: str, alt: str, height: int = 300) -> None:
    """Draw a Plotly figure of one's own in the same style; build it in a cached function."""
    show_chart(own_chart(figure, alt=alt, height=height), key=key)


def plain_label(text: str) -> str:
    """Return text for a label: Plotly takes a few tags and links in labels, so none is left in it."""
    return as_line(text).replace("<", "\u2039").replace(">", "\u203a").replace("&", "\uff06")


def _draw(figure: Any, *, key: str, alt: str, height: int) -> None:
    st.plotly_chart(figure, key=key, height=height, config=_CONFIG, alt=alt)


def _styled(figure: Any, theme: Theme, **layout: Any) -> Any:
    figure.update_layout(
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        colorway=palette_of(theme).series,
        hovermode="x unified",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "title": None},
    )
    figure.update_xaxes(title=None, automargin=True)
    figure.update_yaxes(title=None, automargin=True)
    figure.update_layout(**layout)
    return figure


@lru_cache(maxsize=_FIGURES_KEPT)
def _lines_figure(
    lines: tuple[Line, ...],
    markers: tuple[Marker, ...],
    y_format: str,
    is_from_zero: bool,  # noqa: FBT001 - a key of the cache
    theme: Theme,
) -> Any:
    import plotly.graph_objects as go

    colors = palette_of(theme)
    figure = go.Figure()
    for number, line in enumerate(lines):
        color = colors.series[number % len(colors.series)]
        if line.low and line.high:
            figure.add_trace(go.Scatter(**_band(line), fillcolor=color, opacity=0.16))
        figure.add_trace(
            go.Scatter(
                name=plain_label(line.name),
                x=line.x,
                y=line.y,
                mode="lines+markers",
                line={"width": 2, "color": color},
                marker={"size": 6},
                hovertemplate=f"%{{y:{y_format}}}",
                error_y=_bar(line),
            )
        )
    if len(places := {x for line in lines for x in line.x}) == 1:
        # Else the axis of one moment is divided into thousandths of a second.
        figure.update_xaxes(tickvals=list(places))
    for marker in markers:
        figure.add_hline(
            y=marker.at,
            line={"width": 1, "dash": "dash", "color": colors.tones[marker.tone]},
            annotation={"text": marker.name, "font": {"size": 12, "color": colors.muted}, "xanchor": "left", "x": 0},
        )
    axis = {"tickformat": y_format, "rangemode": "tozero" if is_from_zero else "normal"}
    return _styled(figure, theme, showlegend=len(lines) > 1, yaxis=axis)


def _bar(line: Line) -> dict[str, Any] | None:
    """Return the interval of a line that is one point, of which a band shows nothing."""
    if len(line.x) != 1 or not line.low or not line.high or line.y[0] is None:
        return None
    return {"array": [line.high[0] - line.y[0]], "arrayminus": [line.y[0] - line.low[0]], "thickness": 1.5, "width": 6}


def _band(line: Line) -> dict[str, Any]:
    return {
        "x": (*line.x, *reversed(line.x)),
        "y": (*line.high, *reversed(line.low)),
        "fill": "toself",
        "mode": "none",
        "hoverinfo": "skip",
        "showlegend": False,
        "name": f"{line.name}, interval",
    }


@lru_cache(maxsize=_FIGURES_KEPT)
def _intervals_figure(intervals: tuple[Interval, ...], x_format: str, theme: Theme) -> Any:
    import plotly.graph_objects as go

    colors = palette_of(theme)
    figure = go.Figure()
    for interval in intervals:
        color = colors.tones[interval.tone]
        figure.add_trace(
            go.Scatter(
                x=[interval.low, interval.high],
                y=[plain_label(interval.name)] * 2,
                mode="lines",
                line={"color": color, "width": 2},
                hoverinfo="skip",
            )
        )
    figure.add_trace(
        go.Scatter(
            x=[interval.value for interval in intervals],
            y=[plain_label(interval.name) for interval in intervals],
            mode="markers",
            marker={"size": 9, "color": [colors.tones[interval.tone] for interval in intervals]},
            customdata=[(interval.low, interval.high, plain_label(interval.hover)) for interval in intervals],
            hovertemplate=(
                f"%{{y}}: %{{x:{x_format}}} (%{{customdata[0]:{x_format}}} to %{{customdata[1]:{x_format}}})"
                "<br>%{customdata[2]}<extra></extra>"
            ),
        )
    )
    return _styled(
        figure,
        theme,
        showlegend=False,
        hovermode="closest",
        xaxis={"tickformat": x_format, "range": _padded([i.low for i in intervals] + [i.high for i in intervals])},
        yaxis={"autorange": "reversed", "showgrid": False},
    )


def _padded(values: Sequence[float]) -> list[float]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = (high - low) * 0.04 or 0.01
    return [low - room, high + room]


@lru_cache(maxsize=_FIGURES_KEPT)
def _bars_figure(names: tuple[str, ...], values: tuple[float, ...], y_format: str, theme: Theme) -> Any:
    import plotly.graph_objects as go

    figure = go.Figure(go.Bar(x=names, y=values, hovertemplate=f"%{{x}}: %{{y:{y_format}}}<extra></extra>"))
    return _styled(figure, theme, hovermode="closest", bargap=0.3, yaxis={"tickformat": y_format})


def _matrix_height(matrix: Matrix) -> int:
    return 64 + 28 * len(matrix.rows)


@lru_cache(maxsize=_FIGURES_KEPT)
def _pickable_figure(matrix: Matrix, theme: Theme) -> Any:
    import plotly.graph_objects as go

    # The cells of a heatmap cannot be picked, so that a point which nobody sees lies on each that has a state.
    cells = [
        (row, column)
        for row, tones in zip(matrix.rows, matrix.tones, strict=True)
        for column, tone in zip(matrix.columns, tones, strict=True)
        if tone is not None
    ]
    clear, marked = {"marker": {"opacity": 0}}, {"marker": {"opacity": 1}}
    points = go.Scatter(
        x=[column for _, column in cells],
        y=[row for row, _ in cells],
        mode="markers",
        marker={"symbol": "circle", "size": 10, "color": palette_of(theme).text, "opacity": 0},
        selected=marked,
        unselected=clear,
        hovertemplate="%{y}, %{x}<extra></extra>",
        showlegend=False,
    )
    figure = go.Figure(_matrix_figure(matrix, theme))
    figure.update_traces(hoverinfo="skip", hovertemplate=None)
    figure.add_trace(points)
    # Whichever part of a cell is clicked, its point is the nearest.
    return figure.update_layout(hoverdistance=-1)


@lru_cache(maxsize=_FIGURES_KEPT)
def _matrix_figure(matrix: Matrix, theme: Theme) -> Any:
    import plotly.graph_objects as go

    order = list(Tone)
    colors = palette_of(theme)
    steps = len(order)
    figure = go.Figure(
        go.Heatmap(
            x=matrix.columns,
            y=matrix.rows,
            z=[[None if tone is None else order.index(tone) for tone in row] for row in matrix.tones],
            zmin=-0.5,
            zmax=steps - 0.5,
            colorscale=[
                [edge / steps, colors.fills[tone]] for number, tone in enumerate(order) for edge in (number, number + 1)
            ],
            showscale=False,
            xgap=3,
            ygap=3,
            text=matrix.texts or None,
            texttemplate="%{text}" if matrix.texts else None,
            textfont={"color": colors.text, "size": 12},
            hoverongaps=False,
            customdata=matrix.hovers or matrix.texts or None,
            hovertemplate="%{y}, %{x}<br>%{customdata}<extra></extra>",
        )
    )
    return _styled(
        figure,
        theme,
        hovermode="closest",
        xaxis={"side": "top", "type": "category", "showgrid": False, "ticks": ""},
        yaxis={"autorange": "reversed", "showgrid": False, "ticks": ""},
    )
