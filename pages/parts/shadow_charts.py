"""Figures of a shadow comparison: where both scores, their difference and both latencies lie, and who decided what."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from app import ui
from app.ui.theme import Theme, palette_of
from services.shadow.bins import Floats
from services.shadow.distributions import Counts
from services.shadow.figures import Figures

_BARS = 50
_KEPT = 64
_CLASSES_DRAWN = 12
_LABEL = 40

Series = tuple[str, tuple[float, ...], tuple[float, ...]]


def score_chart(figures: Figures, theme: Theme) -> ui.Chart | None:
    """Return how the scores of both versions are spread, where they give any."""
    scores = figures.scores
    if scores is None:
        return None
    places = scores.places
    edges = _edges(places)
    drawn = tuple(_binned(name, places, pairs, edges) for name, pairs in _both(scores.champion, scores.candidate))
    return ui.own_chart(_steps(drawn, ".3~g", False, theme), alt="Scores of both versions", theme=theme)


def difference_chart(figures: Figures, theme: Theme) -> ui.Chart | None:
    """Return how the candidate's scores differ from the champion's."""
    histogram = figures.differences
    if not histogram.pairs.sum():
        return None
    edges = np.linspace(histogram.places.min(), np.nextafter(histogram.places.max(), np.inf), _BARS + 1)
    drawn = (_binned("candidate less champion", histogram.places, histogram.pairs, edges),)
    figure = _steps(drawn, "+.3~g", False, theme)
    return ui.own_chart(figure, alt="Differences of the two scores", height=240, theme=theme)


def latency_chart(figures: Figures, theme: Theme) -> ui.Chart | None:
    """Return how long both versions took, on a logarithmic axis."""
    found = {side: latency.histogram for side, latency in figures.latency.items() if latency.timed}
    places = np.concatenate([np.empty(0), *(histogram.places for histogram in found.values())])
    places = places[places > 0]
    if not len(places):
        return None
    edges = np.geomspace(places.min() * 0.99, places.max() * 1.01, _BARS + 1)
    drawn = tuple(_binned(side, histogram.places, histogram.pairs, edges) for side, histogram in found.items())
    return ui.own_chart(_steps(drawn, ".3~s", True, theme), alt="Latencies of both versions in ms", theme=theme)


def flow_chart(flow: Mapping[str, Mapping[str, int]], theme: Theme, *, alt: str) -> ui.Chart | None:
    """Return what the champion decided and what became of it with the candidate."""
    counts = {(one, other): pairs for one, row in flow.items() for other, pairs in row.items() if pairs}
    if not counts:
        return None
    ranked = sorted(counts, key=lambda move: -counts[move])
    names = dict.fromkeys(name for move in ranked for name in move)
    shown = set(list(names)[:_CLASSES_DRAWN])
    merged: dict[tuple[str, str], int] = {}
    for (one, other), pairs in counts.items():
        move = (one if one in shown else "other", other if other in shown else "other")
        merged[move] = merged.get(move, 0) + pairs
    moves = tuple((one, other, pairs) for (one, other), pairs in sorted(merged.items()))
    height = 120 + 46 * len({move[0] for move in moves})
    return ui.own_chart(_sankey(moves, theme), alt=alt, height=height, theme=theme)


def _both(champion: Counts, candidate: Counts) -> tuple[tuple[str, Counts], tuple[str, Counts]]:
    return ("champion", champion), ("candidate", candidate)


def _edges(places: Floats) -> Floats:
    low, high = float(places.min()), float(places.max())
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    return np.linspace(low, np.nextafter(max(high, low + 1e-9), np.inf), _BARS + 1)


def _binned(name: str, places: Floats, pairs: Counts, edges: Floats) -> Series:
    """Return the share of pairs between each two edges, at the lower of them."""
    counts, _edges = np.histogram(places, bins=edges, weights=pairs)
    shares = counts / (counts.sum() or 1)
    return name, tuple(edges.tolist()), (*shares.tolist(), 0.0)


@lru_cache(maxsize=_KEPT)
def _steps(series: tuple[Series, ...], x_format: str, is_logarithmic: bool, theme: Theme) -> Any:  # noqa: FBT001
    import plotly.graph_objects as go

    colors = palette_of(theme).series
    figure = go.Figure()
    for number, (name, x, y) in enumerate(series):
        figure.add_trace(
            go.Scatter(
                name=name,
                x=x,
                y=y,
                mode="lines",
                line={"shape": "hv", "width": 2, "color": colors[number]},
                fill="tozeroy" if len(series) == 1 else None,
                hovertemplate="%{y:.2%}",
            )
        )
    figure.update_layout(showlegend=len(series) > 1)
    figure.update_xaxes(type="log" if is_logarithmic else "linear", tickformat=x_format)
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    return figure


@lru_cache(maxsize=_KEPT)
def _sankey(moves: tuple[tuple[str, str, int], ...], theme: Theme) -> Any:
    import plotly.graph_objects as go

    colors = palette_of(theme)
    left = list(dict.fromkeys(move[0] for move in moves))
    right = list(dict.fromkeys(sorted(move[1] for move in moves)))
    total = sum(move[2] for move in moves)
    return go.Figure(
        go.Sankey(
            arrangement="fixed",
            textfont={"color": colors.text, "size": 13},
            node={
                "label": [ui.plain_label(name)[:_LABEL] for name in (*left, *right)],
                "color": colors.muted,
                "pad": 18,
                "thickness": 12,
                "line": {"width": 0},
                "hovertemplate": "%{label}: %{value:,}<extra></extra>",
            },
            link={
                "source": [left.index(move[0]) for move in moves],
                "target": [len(left) + right.index(move[1]) for move in moves],
                "value": [move[2] for move in moves],
                "color": [
                    colors.fills[ui.Tone.QUIET] if move[0] == move[1] else colors.tones[ui.Tone.CAUTION]
                    for move in moves
                ],
                "customdata": [move[2] / total for move in moves],
                "hovertemplate": (
                    "champion %{source.label}, candidate %{target.label}<br>"
                    "%{value:,} pairs, %{customdata:.2%}<extra></extra>"
                ),
            },
        )
    )
