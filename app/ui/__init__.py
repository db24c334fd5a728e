"""What pages are made of. Pages write `from app import ui` and use nothing of Streamlit's for what stands here."""

from app.ui.action_bar import action_bar
from app.ui.buttons import flash, primary_button
from app.ui.cards import Card, metric_cards
from app.ui.charts import (
    Chart,
    Interval,
    Line,
    Marker,
    Matrix,
    interval_chart,
    line_chart,
    own_chart,
    pick_from_matrix,
    plain_label,
    show_bars,
    show_chart,
    show_figure,
    show_intervals,
    show_lines,
    show_matrix,
)
from app.ui.drawer import Confirmation, open_drawer
from app.ui.editor import Finding, editor_text, yaml_editor
from app.ui.errors import guarded, show_bug, show_error
from app.ui.frame import page_header, page_path, panel, section
from app.ui.graph import Edge, Node, lineage_graph
from app.ui.paging import Pager
from app.ui.placeholders import empty_state, loading, refused_state, stale_notice
from app.ui.scrolling import TABLES, reach_by_keyboard
from app.ui.states import Tone, state_badge, state_markdown, style_of, tag
from app.ui.tables import Column, Kind, Picked, data_table
from app.ui.text import (
    NOTHING,
    action_words,
    count,
    fact_line,
    facts,
    figure,
    key_values,
    md,
    prose,
    role_words,
    strong,
    version_label,
)
from app.ui.theme import Theme, is_dark, palette
from app.ui.times import ago, day, duration, exact

__all__ = [
    "NOTHING",
    "TABLES",
    "Card",
    "Chart",
    "Column",
    "Confirmation",
    "Edge",
    "Finding",
    "Interval",
    "Kind",
    "Line",
    "Marker",
    "Matrix",
    "Node",
    "Pager",
    "Picked",
    "Theme",
    "Tone",
    "action_bar",
    "action_words",
    "ago",
    "count",
    "data_table",
    "day",
    "duration",
    "editor_text",
    "empty_state",
    "exact",
    "fact_line",
    "facts",
    "figure",
    "flash",
    "guarded",
    "interval_chart",
    "is_dark",
    "key_values",
    "line_chart",
    "lineage_graph",
    "loading",
    "md",
    "metric_cards",
    "open_drawer",
    "own_chart",
    "page_header",
    "page_path",
    "palette",
    "panel",
    "pick_from_matrix",
    "plain_label",
    "primary_button",
    "prose",
    "reach_by_keyboard",
    "refused_state",
    "role_words",
    "section",
    "show_bars",
    "show_bug",
    "show_chart",
    "show_error",
    "show_figure",
    "show_intervals",
    "show_lines",
    "show_matrix",
    "stale_notice",
    "state_badge",
    "state_markdown",
    "strong",
    "style_of",
    "tag",
    "version_label",
    "yaml_editor",
]
