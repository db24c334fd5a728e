"""Tables of 15 to 50 rows: typed columns, states as coloured badges, a row to pick.

Cells are plain text to Streamlit, so registry text cannot become markup here; characters that hide or reorder text are
shown as their code points.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import streamlit as st

from app.ui.states import StateStyle, style_of
from app.ui.text import NOTHING, version_label
from services.untrusted.escape import as_line

Select = Literal["none", "one", "many"]
Width = int | Literal["small", "medium", "large"] | None


class Kind(Enum):
    """What a column holds, and so how it is drawn and aligned."""

    TEXT = "text"
    STATE = "state"
    STATES = "states"
    NUMBER = "number"
    VERSION = "version"
    WHEN = "when"
    TREND = "trend"
    SHARE = "share"
    OPEN = "open"


_BUILDERS: Mapping[Kind, Callable[..., Any]] = MappingProxyType(
    {
        Kind.TEXT: st.column_config.TextColumn,
        Kind.STATE: st.column_config.MultiselectColumn,
        Kind.STATES: st.column_config.MultiselectColumn,
        Kind.NUMBER: st.column_config.NumberColumn,
        Kind.VERSION: st.column_config.TextColumn,
        Kind.WHEN: st.column_config.DatetimeColumn,
        Kind.TREND: st.column_config.LineChartColumn,
        Kind.SHARE: st.column_config.ProgressColumn,
        Kind.OPEN: st.column_config.ButtonColumn,
    }
)
_SETTINGS: Mapping[Kind, Mapping[str, Any]] = MappingProxyType(
    {
        Kind.VERSION: {"alignment": "right"},
        Kind.WHEN: {"format": "distance", "timezone": "UTC"},
        Kind.SHARE: {"format": "percent", "min_value": 0, "max_value": 1},
    }
)
_MOMENT = pd.ArrowDtype(pa.timestamp("us", tz="UTC"))
_ROW_PX = 34


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table.

    Args:
        name: the key in each row.
        label: the heading.
        kind: TEXT; STATE (one state) and STATES (several) as badges; NUMBER; VERSION as `v18`; WHEN (an aware
            datetime) as "5 hours ago"; TREND (a sequence of numbers) as a line; SHARE (0 to 1) as a bar; OPEN as the
            words of a button, which `data_table` reports as clicked.
        format: for NUMBER, as Streamlit has it, such as `%.3f` or `localized`.
    """

    name: str
    label: str
    kind: Kind = Kind.TEXT
    width: Width = None
    help: str | None = None
    pinned: bool = False
    format: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """What was done to a table: the positions of the rows that are selected, and of the one that was opened."""

    selected: tuple[int, ...] = ()
    opened: int | None = None


def data_table(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[Column],
    *,
    key: str,
    alt: str,
    select: Select = "none",
    max_rows: int | None = None,
) -> Picked:
    """Draw rows and return what was picked.

    Args:
        rows: one mapping a row; a name that a row lacks is drawn as a dash.
        key: unique on the page; a selection lives as long as the rows stay the same.
        alt: what the table shows, for those who do not see it.
        max_rows: the height, in rows, beyond which it scrolls; None shows all of them.
    """
    frame = pd.DataFrame({column.name: _cells(column, rows) for column in columns})
    clicks = f"{key}_click"
    config = {column.name: _config(column, rows, clicks=clicks) for column in columns}
    settings: dict[str, Any] = {}
    if select != "none":
        settings = {"on_select": "rerun", "selection_mode": "single-row" if select == "one" else "multi-row"}
    shown = st.dataframe(
        frame,
        key=key if select == "none" else _selection_key(key, rows),
        column_config=config,
        hide_index=True,
        placeholder=NOTHING,
        alt=alt,
        height="content" if max_rows is None or len(rows) <= max_rows else _height_px(max_rows),
        **settings,
    )
    click = st.session_state.get(clicks)
    selected = tuple(row for row in shown["selection"]["rows"] if row < len(rows)) if settings else ()
    opened = click["row"] if click and click["row"] < len(rows) else None
    return Picked(selected=selected, opened=opened)


def _selection_key(key: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the key of a table that rows are selected in; another one once other rows stand where some were selected.

    Streamlit keeps a selection as places: after a new event, a waiver or a turned page it would be of something else.
    """
    state = st.session_state
    drawn, seen = hash(repr([dict(row) for row in rows])), state.get(f"{key}_rows")
    state[f"{key}_rows"] = drawn
    turn = state.setdefault(f"{key}_turn", 0)
    current = f"{key}_{turn}" if turn else key
    if seen in {None, drawn} or not state.get(current, {}).get("selection", {}).get("rows"):
        return current
    state[f"{key}_turn"] = turn + 1
    return f"{key}_{turn + 1}"


def _height_px(rows: int) -> int:
    return _ROW_PX * (rows + 1) + 2


def _cells(column: Column, rows: Sequence[Mapping[str, Any]]) -> Any:
    values = pd.Series([row.get(column.name) for row in rows], dtype="object")
    if column.kind in (Kind.NUMBER, Kind.SHARE):
        return pd.to_numeric(values, errors="coerce").astype("float64")
    if column.kind is Kind.WHEN:
        # Arrow's own type: pandas' loses the time zone on its way to Arrow, and warns of it.
        return pd.Series(values.to_list(), dtype=_MOMENT)
    return [_cell(column, row) for row in rows]


def _styles(column: Column, row: Mapping[str, Any]) -> list[StateStyle]:
    value = row.get(column.name)
    states = [value] if column.kind is Kind.STATE else value
    return [style_of(str(state)) for state in states or () if state]


def _cell(column: Column, row: Mapping[str, Any]) -> Any:
    """Return what Streamlit is given; None is drawn as a dash."""
    value: Any = row.get(column.name)
    is_nothing = value is None or value == ""
    shown: Any
    match column.kind:
        case Kind.STATE | Kind.STATES:
            shown = [style.label for style in _styles(column, row)]
        case _ if is_nothing:
            shown = None
        case Kind.VERSION:
            shown = version_label(int(value))
        case Kind.TREND:
            # One point is no course; Streamlit would draw a box.
            shown = [float(point) for point in value] if len(value) > 1 else None
        case _:
            shown = as_line(str(value))
    return shown


def _config(column: Column, rows: Sequence[Mapping[str, Any]], *, clicks: str) -> Any:
    settings: dict[str, Any] = {"width": column.width, "help": column.help, "pinned": column.pinned or None}
    if column.kind is Kind.OPEN:
        settings |= {"type": "tertiary", "alignment": "left", "key": clicks, "on_click": _nothing}
    elif column.kind in (Kind.STATE, Kind.STATES):
        tones = {style.label: style.tone.color for row in rows for style in _styles(column, row)}
        settings |= {"options": list(tones), "color": list(tones.values())}
    elif column.kind is Kind.NUMBER:
        settings["format"] = column.format
    return _BUILDERS[column.kind](column.label, **settings, **_SETTINGS.get(column.kind, {}))


def _nothing() -> None:
    """A button column reports clicks only to a callback; what was clicked is read from its key."""
