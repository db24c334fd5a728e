"""What served when: a timeline of versions, and each move with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from app import ui
from app.facade import Gatehouse
from pages.parts.deployments_overview import approved_by, find_changes, went_back
from services.deployments import PinSet

_DRAWN = 50


def show_history(gatehouse: Gatehouse, model: str) -> None:
    """Draw the timeline of a model and the table of its moves."""
    ui.section("History")
    drawn = gatehouse.pins.list_history(model, limit=_DRAWN)
    changes = find_changes(gatehouse, drawn)
    # What served until somebody went back; the newest still serves.
    left = (False, *(went_back(each, changes) for each in drawn[:-1]))
    ui.show_figure(
        _timeline(
            tuple((each.current, each.since) for each in drawn),
            left,
            gatehouse.clock().replace(second=0, microsecond=0),
            ui.palette().theme,
        ),
        key="history_timeline",
        alt=f"Which version of {model} served when",
        height=96 + 30 * len({each.current for each in drawn}),
    )
    pager = ui.Pager("history", reset_on=model)
    history = drawn if pager.after is None else gatehouse.pins.list_history(model, before_id=pager.after, limit=_DRAWN)
    _show_moves(gatehouse, model, history[: pager.size])
    rest = history[pager.size - 1].id if len(history) > pager.size else None
    pager.draw(shown=len(history[: pager.size]), next_after=rest, noun="move")


def _show_moves(gatehouse: Gatehouse, model: str, history: Sequence[PinSet]) -> None:
    changes = find_changes(gatehouse, history)
    rows = []
    for each in history:
        change = changes.get(each.change_id or 0)
        rows.append(
            {
                "version": each.current,
                "when": each.since,
                "why": None if change is None else change.title,
                "reason": None if change is None else change.reason,
                "approved": approved_by(gatehouse, each, changes),
                "actor": each.actor,
            }
        )
    ui.data_table(
        rows,
        [
            ui.Column(name="version", label="Served", kind=ui.Kind.VERSION),
            ui.Column(name="when", label="Since", kind=ui.Kind.WHEN),
            ui.Column(name="why", label="By", width=280),
            ui.Column(name="reason", label="Reason", width=310),
            ui.Column(name="approved", label="Approved by"),
            ui.Column(name="actor", label="Executed by"),
        ],
        key="history_table",
        alt=f"What served of {model}, newest first",
    )


@lru_cache(maxsize=64)
def _timeline(moves: tuple[tuple[int, datetime], ...], left: tuple[bool, ...], now: datetime, theme: Any) -> Any:
    """Return bars of when each version served; what was gone back from is drawn in the colour of caution."""
    import plotly.graph_objects as go

    from app.ui.theme import palette_of

    colors = palette_of(theme)
    ends = [now, *(since for _version, since in moves)]
    figure = go.Figure(
        go.Bar(
            y=[ui.version_label(version) for version, _since in moves],
            base=[since.isoformat() for _version, since in moves],
            x=[
                max((end - since).total_seconds(), 1) * 1000
                for (_version, since), end in zip(moves, ends, strict=False)
            ],
            orientation="h",
            marker={"color": [colors.tones[ui.Tone.CAUTION if is_left else ui.Tone.ACTIVE] for is_left in left]},
            customdata=[
                (
                    f"{since:%d %b %Y %H:%M}",
                    "now" if index == 0 else f"{ends[index]:%d %b %Y %H:%M}",
                    ", then gone back from" if is_left else "",
                )
                for index, ((_version, since), is_left) in enumerate(zip(moves, left, strict=True))
            ],
            hovertemplate="%{y}: %{customdata[0]} to %{customdata[1]}%{customdata[2]} (UTC)<extra></extra>",
        )
    )
    figure.update_layout(hovermode="closest", bargap=0.35, showlegend=False, barmode="overlay")
    figure.update_xaxes(type="date")
    figure.update_yaxes(
        type="category", categoryorder="array", categoryarray=sorted({ui.version_label(v) for v, _ in moves})
    )
    return figure
