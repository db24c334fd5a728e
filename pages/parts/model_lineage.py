"""Where the versions of a model came from and what became of them: the graph, and beside it what was picked.

The graph is read from the registry itself in a few calls and kept for a minute; it is for looking, like the index.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from types import MappingProxyType

import streamlit as st

from app import ui
from app.facade import Gatehouse
from app.stories import list_marks
from pages.parts.model_versions import choose
from services.lineage.data_use import list_data_uses
from services.lineage.graph import Graph, Node, NodeKind
from services.lineage.graph_exports import list_openlineage_events, write_dot
from services.lineage.records import LineageRecords, build_graph, read_data_set, read_records, version_id
from services.registry.entries import ModelEntry

_KEPT_S = 60
_DIRECTIONS = MappingProxyType({"Both ways": Graph.around, "Upstream": Graph.upstream, "Downstream": Graph.downstream})
_KINDS = MappingProxyType(
    {
        NodeKind.DATASET: "Data set",
        NodeKind.RUN: "Run",
        NodeKind.LOGGED_MODEL: "Logged model",
        NodeKind.VERSION: "Version",
        NodeKind.ALIAS: "Alias",
        NodeKind.PIN: "Pin",
        NodeKind.PROMOTION: "Promotion",
    }
)

_LAYERS = MappingProxyType(
    {kind: layer for layer, kind in enumerate(list(_KINDS)[:4])}
    | dict.fromkeys((NodeKind.ALIAS, NodeKind.PIN, NodeKind.PROMOTION), 4)
)
"""What stands on a version stands in one layer; a version that came from another stands beside it."""


def show(gatehouse: Gatehouse, model: ModelEntry) -> None:
    """Draw the lineage of one version, chosen above the graph."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        version = choose(gatehouse, model)
        if version is None:
            ui.empty_state("No version yet", "What there is not came from nowhere.")
            return
        direction = st.segmented_control(
            "Direction", list(_DIRECTIONS), default="Both ways", required=True, key="direction", bind="query-params"
        )
        files = st.container(horizontal=True, horizontal_alignment="right", width="stretch")
    with ui.guarded(), ui.loading(height=320):
        records, whole = _read(gatehouse, model.name, model.updated_at.isoformat())
        asked = version_id(model.name, version)
        graph = _DIRECTIONS[str(direction)](whole, [asked])
        with files:
            _offer_files(graph, records, f"{model.name}-{version}")
        left, right = st.columns([0.7, 0.3], gap="medium")
        with left:
            picked = _draw(graph, model, asked)
        with right:
            _inspect(gatehouse, graph.find(picked or asked))


@st.cache_data(ttl=_KEPT_S, max_entries=64, show_spinner=False)
def _read(_gatehouse: Gatehouse, name: str, updated: str) -> tuple[LineageRecords, Graph]:  # noqa: ARG001 - `updated` is part of the key
    records = read_records(_gatehouse.registry, [name])
    return records, build_graph(records, list_marks(_gatehouse, name))


def _offer_files(graph: Graph, records: LineageRecords, name: str) -> None:
    def events() -> str:
        found = list_openlineage_events(records, graph, namespace=name.rpartition("-")[0])
        return "".join(f"{json.dumps(event, ensure_ascii=False)}\n" for event in found)

    files: list[tuple[str, str, str, Callable[[], str]]] = [
        ("Graphviz", "dot", "text/vnd.graphviz", lambda: write_dot(graph)),
        ("JSON", "json", "application/json", lambda: json.dumps(graph.document(), ensure_ascii=False, indent=2)),
        ("OpenLineage", "jsonl", "application/jsonl", events),
    ]
    for label, suffix, mime, write in files:
        st.download_button(
            label,
            data=write,
            file_name=f"lineage-{name}.{suffix}",
            mime=mime,
            key=f"lineage_{suffix}",
            help=f"What is drawn, as {label}.",
            icon=":material/download:",
            on_click="ignore",
        )


def _draw(graph: Graph, model: ModelEntry, asked: str) -> str | None:
    return ui.lineage_graph(
        [
            ui.Node(
                id=node.id,
                kind=_KINDS[node.kind],
                label=node.label,
                tone=_tone(node, asked),
                layer=_LAYERS[node.kind],
            )
            for node in graph.nodes
        ],
        [ui.Edge(source=edge.source, target=edge.target, kind=edge.kind.replace("_", " ")) for edge in graph.edges],
        key="lineage",
        alt=f"Lineage of {model.name}",
    )


def _inspect(gatehouse: Gatehouse, node: Node | None) -> None:
    """Draw what is known of the node that was picked."""
    if node is None:
        return
    ui.section(f"{_KINDS[node.kind]} {node.label}")
    if node.is_gone:
        st.warning("The registry names this but does not hold it any more.", icon=":material/delete:")
    if node.details:
        ui.key_values([(name, ui.md(text)) for name, text in node.details.items()], alt=f"Details of {node.label}")
    if node.kind is NodeKind.DATASET:
        _show_uses(gatehouse, node)
    elif node.kind is NodeKind.VERSION:
        name, _, number = node.id.partition(":")[2].rpartition("/")
        st.page_link(
            ui.page_path("model"),
            label="Its story",
            icon=":material/auto_stories:",
            help="",
            query_params={"name": name, "tab": "Story", "version": f"v{number}"},
        )
    elif node.kind is NodeKind.PROMOTION:
        st.page_link(
            ui.page_path("promotions"),
            label="Its review",
            icon=":material/approval_delegation:",
            help="",
            query_params={"id": node.id.partition(":")[2]},
        )


def _show_uses(gatehouse: Gatehouse, node: Node) -> None:
    """Answer which models, in production before all, rest on this data set, whatever their name."""
    name, digest = read_data_set(node.id)
    uses = list_data_uses(gatehouse.registry, gatehouse.index, name, digest)
    serving = [use for use in uses if use.is_serving]
    models = ui.count(len({use.version.name for use in serving}), "model")
    st.markdown(f"{models} in production {'rests' if len(serving) == 1 else 'rest'} on it.")
    ui.data_table(
        [
            {
                "what": use.version.reference,
                "stage": use.version.stage,
                "how": f"through {use.through}" if use.through else use.context or "read",
            }
            for use in uses
        ],
        [
            ui.Column(name="what", label="Version"),
            ui.Column(name="stage", label="Stage", kind=ui.Kind.STATE),
            ui.Column(name="how", label="How"),
        ],
        key="data_uses",
        alt=f"Versions that rest on the data set {node.label}",
        max_rows=8,
    )


def _tone(node: Node, asked: str) -> ui.Tone | None:
    if node.is_gone:
        return ui.Tone.BAD
    if node.id == asked:
        return ui.Tone.ACTIVE
    return ui.Tone.SPECIAL if node.kind in (NodeKind.PIN, NodeKind.ALIAS) else None
