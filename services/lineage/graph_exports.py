"""The lineage graph for other tools: Graphviz DOT, and OpenLineage run events (spec 2-0-2)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from services.clock import to_text
from services.lineage.graph import Graph, NodeKind
from services.lineage.records import LineageRecords
from services.registry.values import LoggedModel, Run

_PRODUCER = "urn:gatehouse:lineage"
_RUN_EVENT = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_VERSION_FACET = (
    "https://openlineage.io/spec/facets/1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet"
)
_SHAPES = {
    NodeKind.DATASET: "cylinder",
    NodeKind.RUN: "ellipse",
    NodeKind.LOGGED_MODEL: "box3d",
    NodeKind.VERSION: "box",
    NodeKind.ALIAS: "cds",
    NodeKind.PIN: "house",
    NodeKind.PROMOTION: "note",
}
_EVENT_TYPES = {"FINISHED": "COMPLETE", "FAILED": "FAIL", "KILLED": "ABORT", "RUNNING": "RUNNING"}


def write_dot(graph: Graph) -> str:
    r"""Return the graph in Graphviz's language; labels are quoted, so nothing in them is read as markup.

    >>> from services.lineage.graph import GraphBuilder
    >>> builder = GraphBuilder()
    >>> _ = builder.add(NodeKind.VERSION, "fraud/1", 'a "b"')
    >>> print(write_dot(builder.build()))
    digraph lineage {
      rankdir=LR;
      "version:fraud/1" [label="a \"b\"", shape=box];
    }
    """
    nodes = [
        f"  {_quote(node.id)} [label={_quote(node.label)}, shape={_SHAPES[node.kind]}"
        f"{', style=dashed' if node.is_gone else ''}];"
        for node in graph.nodes
    ]
    edges = [f"  {_quote(edge.source)} -> {_quote(edge.target)} [label={edge.kind}];" for edge in graph.edges]
    return "\n".join(["digraph lineage {", "  rankdir=LR;", *nodes, *edges, "}"])


def list_openlineage_events(records: LineageRecords, graph: Graph, *, namespace: str) -> list[dict[str, Any]]:
    """Return one event for each run of the graph that has a beginning, with what it read and the models it logged."""
    drawn = {node.id for node in graph.nodes}
    return [
        _event(run, [logged for logged in records.logged_models if logged.run_id == run.run_id], namespace)
        for run in records.runs
        if run.started_at is not None and f"{NodeKind.RUN}:{run.run_id}" in drawn
    ]


def _event(run: Run, logged: Sequence[LoggedModel], namespace: str) -> dict[str, Any]:
    moment = run.ended_at or run.started_at
    assert moment is not None
    return {
        "eventType": _EVENT_TYPES.get(run.status, "OTHER"),
        "eventTime": to_text(moment),
        "producer": _PRODUCER,
        "schemaURL": _RUN_EVENT,
        "run": {"runId": str(_uuid(run.run_id))},
        "job": {"namespace": namespace, "name": run.name or run.run_id},
        "inputs": [_dataset(namespace, data.name, data.digest) for data in run.datasets],
        "outputs": [_dataset(namespace, f"logged_model/{model.name}", model.model_id) for model in logged],
    }


def _uuid(run_id: str) -> UUID:
    """Return a run's id in the form OpenLineage wants; MLflow's own ids are UUIDs without dashes."""
    try:
        return UUID(run_id)
    except ValueError:
        return uuid5(NAMESPACE_OID, run_id)


def _dataset(namespace: str, name: str, version: str) -> dict[str, Any]:
    facet = {"_producer": _PRODUCER, "_schemaURL": _VERSION_FACET, "datasetVersion": version}
    return {"namespace": namespace, "name": name, "facets": {"version": facet}}


def _quote(text: str) -> str:
    # JSON escapes quotes, backslashes and control characters the way DOT strings do.
    return json.dumps(text, ensure_ascii=False)
