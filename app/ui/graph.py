"""The lineage graph: drawn in layers from data to deployment, clickable, and beside it the same as a table.

Layers are given, or longest paths from the sources; inside a layer nodes stand near those they come from (the
barycentre rule of Sugiyama, Tagawa and Toda 1981), so that few edges cross. A cycle, which a registry should not hold
but can, is cut at the edge that closes it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from app.ui.scrolling import reach_by_keyboard
from app.ui.states import Tone
from app.ui.tables import Column, data_table
from app.ui.theme import Palette, palette
from services.untrusted.escape import as_line

_ROW_PX = 60
_LAYER_PX = 133
_MARGIN_PX = 61
_TALLEST_PX = 640
# Its own size, so that corners and border are not stretched.
_BOX = "path://M8 0h104a8 8 0 0 1 8 8v26a8 8 0 0 1-8 8h-104a8 8 0 0 1-8-8v-26a8 8 0 0 1 8-8z"
_BORDER_PX = 36  # of the container, with its padding
_PLAIN = str.maketrans({"<": "\u2039", ">": "\u203a", "{": "(", "}": ")", "|": "¦", "&": "\uff06"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A thing in the graph.

    Args:
        tone: marks those in a state worth seeing, such as in production.
        layer: where it stands between data and deployment; the layers of all nodes are found where one has none.
    """

    id: str
    kind: str
    label: str
    tone: Tone | None = None
    layer: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """What leads to what, and how."""

    source: str
    target: str
    kind: str


def lineage_graph(nodes: Sequence[Node], edges: Sequence[Edge], *, key: str, alt: str) -> str | None:
    """Draw the graph and its table; returns the id of the node that was picked in either."""
    known = {node.id for node in nodes}
    drawn = [edge for edge in edges if edge.source in known and edge.target in known]
    layers = {node.id: node.layer for node in nodes if node.layer is not None}
    places = place(
        [node.id for node in nodes],
        [(edge.source, edge.target) for edge in drawn],
        layers=layers if len(layers) == len(nodes) else None,
    )
    last_layer = max((layer for layer, _ in places.values()), default=0)
    last_row = max((row for _, row in places.values()), default=0)
    height, width = _ROW_PX * (round(last_row) + 1) + 24, _LAYER_PX * last_layer + 2 * _MARGIN_PX
    # As wide as it has to be for nothing to overlap; what is wider than the page scrolls.
    region = f"{key}_wide_graph"
    with st.container(height=min(height + _BORDER_PX, _TALLEST_PX), border=True, gap=None, key=region):
        state = st.echarts_chart(
            _option(nodes, drawn, places, palette()), key=key, height=height, width=width, on_select="rerun", alt=alt
        )
        reach_by_keyboard(f".st-key-{region}", label=alt, key=f"{key}_scrolling")
    picked = _picked(state, [node.id for node in nodes])
    with st.expander("The same as a table", icon=":material/table_rows:"):
        chosen = data_table(
            _rows(nodes, drawn),
            [
                Column(name="kind", label="Kind"),
                Column(name="label", label="What"),
                Column(name="from", label="Comes from", width="medium"),
                Column(name="to", label="Leads to", width="medium"),
            ],
            key=f"{key}_table",
            alt=f"{alt}, as a table",
            select="one",
            max_rows=12,
        )
    return nodes[chosen.selected[0]].id if chosen.selected else picked


def place(
    ids: Sequence[str], edges: Sequence[tuple[str, str]], *, layers: Mapping[str, int] | None = None
) -> dict[str, tuple[int, float]]:
    """Return the layer of every node and where it stands in it.

    Layers that were found are centred. Given ones begin at the top, so that a node stands beside what it came from;
    empty ones are left out, and what came from its own layer alone stands below the others.

    >>> place(["data", "run", "model"], [("data", "run"), ("run", "model")])
    {'data': (0, 0.0), 'run': (1, 0.0), 'model': (2, 0.0)}
    """
    sources: dict[str, list[str]] = {node: [] for node in ids}
    for source, target in edges:
        sources[target].append(source)
    is_given = layers is not None
    layers = _layers(ids, sources) if layers is None else _without_gaps(layers)
    by_layer: dict[int, list[str]] = {}
    for node in ids:
        by_layer.setdefault(layers[node], []).append(node)
    height = max((len(members) for members in by_layer.values()), default=0)
    places: dict[str, tuple[int, float]] = {}
    for layer in sorted(by_layer):
        members = sorted(by_layer[layer], key=lambda node: _pull(sources[node], places))
        top = 0.0 if is_given else (height - len(members)) / 2
        places.update({node: (layer, top + row) for row, node in enumerate(members)})
    return places


def _without_gaps(layers: Mapping[str, int]) -> dict[str, int]:
    ranks = {layer: rank for rank, layer in enumerate(sorted(set(layers.values())))}
    return {node: ranks[layer] for node, layer in layers.items()}


def _layers(ids: Sequence[str], sources: Mapping[str, Sequence[str]]) -> dict[str, int]:
    layers: dict[str, int] = {}
    path: set[str] = set()
    for start in ids:
        pending = [start]
        while pending:
            node = pending[-1]
            path.add(node)
            waiting = [source for source in sources[node] if source not in layers and source not in path]
            if waiting:
                pending.append(waiting[0])
                continue
            if node not in layers:
                layers[node] = max((layers[source] + 1 for source in sources[node] if source in layers), default=0)
            path.discard(pending.pop())
    return layers


def _pull(sources: Sequence[str], places: Mapping[str, tuple[int, float]]) -> float:
    rows = [places[source][1] for source in sources if source in places]
    return sum(rows) / len(rows) if rows else math.inf


def _option(
    nodes: Sequence[Node], edges: Sequence[Edge], places: Mapping[str, tuple[int, float]], colors: Palette
) -> dict[str, Any]:
    """Return the graph for ECharts, from left to right."""
    last_layer = max((layer for layer, _ in places.values()), default=0)
    last_row = max((row for _, row in places.values()), default=0.0)
    return {
        "animation": False,
        "tooltip": {"trigger": "item", "formatter": "{b}"},
        "grid": {"left": _MARGIN_PX, "right": _MARGIN_PX, "top": 34, "bottom": 34, "show": False},
        "xAxis": _axis(last_layer),
        "yAxis": {**_axis(last_row), "inverse": True},
        "series": [
            {
                "type": "graph",
                "coordinateSystem": "cartesian2d",
                "selectedMode": "single",
                "symbol": _BOX,
                "symbolSize": [112, 42],
                "edgeSymbol": ["none", "arrow"],
                "edgeSymbolSize": 6,
                "lineStyle": {"color": colors.muted, "width": 1.2, "opacity": 0.6},
                "select": {"itemStyle": {"borderColor": colors.accent, "borderWidth": 2}},
                "emphasis": {"focus": "adjacency", "lineStyle": {"width": 2}},
                "blur": {"itemStyle": {"opacity": 0.5}, "label": {"opacity": 0.5}, "lineStyle": {"opacity": 0.15}},
                "data": [_drawn(node, places[node.id], colors) for node in nodes],
                "links": [_link(edge, places) for edge in edges],
            }
        ],
    }


def _link(edge: Edge, places: Mapping[str, tuple[int, float]]) -> dict[str, Any]:
    (layer, row), (to_layer, to_row) = places[edge.source], places[edge.target]
    rows = abs(to_row - row)
    bend = 0.0
    if to_layer < layer:
        bend = 0.25  # clear of those that lead on
    elif to_layer == layer and rows > 1:
        bend = _LAYER_PX / (rows * _ROW_PX)  # half a layer aside, around what stands between
    return {"source": edge.source, "target": edge.target, "lineStyle": {"curveness": bend}}


def _axis(last: float) -> dict[str, Any]:
    # One place alone stands in the middle.
    return {"type": "value", "show": False, "min": 0 if last else -1, "max": last or 1}


def _drawn(node: Node, at: tuple[float, float], colors: Palette) -> dict[str, Any]:
    # ECharts reads braces as templates and tooltips as HTML.
    label = as_line(node.label).translate(_PLAIN)
    return {
        "id": node.id,
        "name": label,
        "value": [float(place) for place in at],
        "itemStyle": {
            "color": colors.fills[node.tone] if node.tone else colors.surface,
            "borderColor": colors.tones[node.tone] if node.tone else colors.border,
            "borderWidth": 1,
        },
        "label": {
            "show": True,
            "formatter": f"{{kind|{node.kind}}}\n{{what|{label}}}",
            "width": 102,
            "overflow": "truncate",
            "rich": {
                "kind": {"color": colors.muted, "fontSize": 10, "lineHeight": 14},
                "what": {"color": colors.text, "fontSize": 12, "lineHeight": 16},
            },
        },
    }


def _rows(nodes: Sequence[Node], edges: Sequence[Edge]) -> list[dict[str, str]]:
    labels = {node.id: node.label for node in nodes}
    return [
        {
            "kind": node.kind,
            "label": node.label,
            "from": ", ".join(f"{labels[edge.source]} ({edge.kind})" for edge in edges if edge.target == node.id),
            "to": ", ".join(f"{labels[edge.target]} ({edge.kind})" for edge in edges if edge.source == node.id),
        }
        for node in nodes
    ]


def _picked(state: Any, ids: Sequence[str]) -> str | None:
    indices: list[int] = [
        index
        for group in state["selection"].get("selected", ())
        if group.get("data_type") == "node"
        for index in group["data_indices"]
    ]
    return next((ids[index] for index in indices if index < len(ids)), None)
