"""Where the versions of a model came from and what became of them: the graph, and beside it what was picked.

The graph is read from the registry itself in a few calls and kept for a minute; it is for looking, like the index.
"""

from __future__ import annotations

from types import MappingProxyType

import streamlit as st

from app import ui
from app.facade import Gatehouse
from app.ui.session import get_gatehouse
from services.lineage.graph import Graph, Node, NodeKind
from services.lineage.records import Mark, build_graph, read_records, version_id
from services.registry.entries import ModelEntry
from services.registry.values import Stage

_KEPT_S = 60
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


def show(gatehouse: Gatehouse, model: ModelEntry) -> None:
    """Draw the lineage of one version, chosen above the graph."""
    versions = [version.version for version in gatehouse.index.list_versions(model.name, limit=200).versions]
    if not versions:
        ui.empty_state("No version yet", "What there is not came from nowhere.")
        return
    serving = model.stage_versions.get(Stage.PRODUCTION, versions[0])
    chosen = st.selectbox(
        "Version",
        versions,
        index=versions.index(serving) if serving in versions else 0,
        format_func=ui.version_label,
        key="lineage_version",
        width=140,
    )
    with ui.guarded(), ui.loading(height=320):
        graph = _graph(model.name, model.updated_at.isoformat()).around([version_id(model.name, chosen)])
        _draw(graph, model, version_id(model.name, chosen))


@st.cache_data(ttl=_KEPT_S, max_entries=64, show_spinner=False)
def _graph(name: str, _updated: str) -> Graph:
    gatehouse = get_gatehouse()
    pinned = gatehouse.pins.find(name)
    places = {"current": pinned.current, "previous": pinned.previous, "fallback": pinned.fallback} if pinned else {}
    marks = [
        Mark(kind=NodeKind.PIN, key=f"{name}:{place}", label=place, name=name, version=version)
        for place, version in places.items()
        if version is not None
    ]
    return build_graph(read_records(gatehouse.registry, [name]), marks)


def _draw(graph: Graph, model: ModelEntry, asked: str) -> None:
    picked = ui.lineage_graph(
        [
            ui.Node(id=node.id, kind=_KINDS[node.kind], label=node.label, tone=_tone(node, asked))
            for node in graph.nodes
        ],
        [ui.Edge(source=edge.source, target=edge.target, kind=edge.kind.replace("_", " ")) for edge in graph.edges],
        key="lineage",
        alt=f"Lineage of {model.name}",
    )
    node = graph.find(picked or asked)
    if node is not None:
        ui.section(f"{_KINDS[node.kind]} {node.label}")
        if node.is_gone:
            st.warning("The registry names this but does not hold it any more.", icon=":material/delete:")
        if node.details:
            ui.key_values([(name, ui.md(text)) for name, text in node.details.items()], alt=f"Details of {node.label}")


def _tone(node: Node, asked: str) -> ui.Tone | None:
    if node.is_gone:
        return ui.Tone.BAD
    if node.id == asked:
        return ui.Tone.ACTIVE
    return ui.Tone.SPECIAL if node.kind in (NodeKind.PIN, NodeKind.ALIAS) else None
