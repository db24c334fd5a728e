"""The lineage graph: data set → run → logged model → version → alias, pin, promotion; and which came from which.

Every edge leads downstream, from what was there first to what came of it. What a record names but the registry no
longer holds stays in the graph and says that it is gone. Parents are tags that anyone may write, so there can be
cycles: every walk visits a node once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class NodeKind(StrEnum):
    """What a node stands for."""

    DATASET = "dataset"
    RUN = "run"
    LOGGED_MODEL = "logged_model"
    VERSION = "version"
    ALIAS = "alias"
    PIN = "pin"
    PROMOTION = "promotion"


class EdgeKind(StrEnum):
    """How one thing leads to another."""

    READ_BY = "read_by"
    LOGGED = "logged"
    REGISTERED_AS = "registered_as"
    COPIED_TO = "copied_to"
    TUNED_INTO = "tuned_into"
    BASELINE_OF = "baseline_of"
    PARENT_RUN_OF = "parent_run_of"
    EVALUATED_BY = "evaluated_by"
    NAMED = "named"
    SERVED_AS = "served_as"
    PROMOTED_BY = "promoted_by"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A thing of the graph.

    Args:
        label: one line, such as `fraud_detector/7`; text from the registry, so never to be read as markup.
        details: what an inspector shows, by name, in order.
        is_gone: whether something names it that the registry does not hold.
    """

    id: str
    kind: NodeKind
    label: str
    details: Mapping[str, str] = field(default_factory=dict)
    is_gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """`source` led to `target`."""

    source: str
    target: str
    kind: EdgeKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Nodes in the order they were added, and edges between them."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def find(self, node_id: str) -> Node | None:
        """Return one node, or None."""
        return next((node for node in self.nodes if node.id == node_id), None)

    def upstream(self, node_ids: Iterable[str]) -> Graph:
        """Return the nodes and everything they came from."""
        return self._only(self._reach(node_ids, self._sources()))

    def downstream(self, node_ids: Iterable[str]) -> Graph:
        """Return the nodes and everything that came of them."""
        return self._only(self._reach(node_ids, self._targets()))

    def around(self, node_ids: Iterable[str]) -> Graph:
        """Return the nodes, everything they came from and everything that came of them."""
        start = tuple(node_ids)
        return self._only(self._reach(start, self._sources()) | self._reach(start, self._targets()))

    def document(self) -> dict[str, Any]:
        """Return the JSON of the interface."""
        return {
            "nodes": [{"id": node.id, "kind": str(node.kind), "label": node.label} for node in self.nodes],
            "edges": [{"from": edge.source, "to": edge.target, "kind": str(edge.kind)} for edge in self.edges],
        }

    def _sources(self) -> Mapping[str, Sequence[str]]:
        return _grouped((edge.target, edge.source) for edge in self.edges)

    def _targets(self) -> Mapping[str, Sequence[str]]:
        return _grouped((edge.source, edge.target) for edge in self.edges)

    def _reach(self, start: Iterable[str], following: Mapping[str, Sequence[str]]) -> set[str]:
        known = {node.id for node in self.nodes}
        reached: set[str] = set()
        pending = [node_id for node_id in start if node_id in known]
        while pending:
            node_id = pending.pop()
            if node_id not in reached:
                reached.add(node_id)
                pending.extend(following.get(node_id, ()))
        return reached

    def _only(self, kept: set[str]) -> Graph:
        return Graph(
            nodes=tuple(node for node in self.nodes if node.id in kept),
            edges=tuple(edge for edge in self.edges if edge.source in kept and edge.target in kept),
        )


class GraphBuilder:
    """Collects nodes and edges, each once; an edge to a node that nobody added makes one that is gone."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._named: dict[str, Node] = {}
        self._edges: dict[tuple[str, str, EdgeKind], Edge] = {}

    def add(self, kind: NodeKind, key: str, label: str, details: Mapping[str, str] | None = None) -> str:
        """Add a node, or find it, and return its id; empty details are left out."""
        node_id = f"{kind}:{key}"
        shown = {name: text for name, text in (details or {}).items() if text}
        self._nodes.setdefault(node_id, Node(id=node_id, kind=kind, label=label, details=shown))
        return node_id

    def name(self, kind: NodeKind, key: str, label: str) -> str:
        """Return the id of a node that something names, and that may be added later or not at all."""
        node_id = f"{kind}:{key}"
        self._named.setdefault(node_id, Node(id=node_id, kind=kind, label=label, is_gone=True))
        return node_id

    def join(self, source: str, target: str, kind: EdgeKind) -> None:
        """Say that `source` led to `target`; nothing leads to itself."""
        if source != target:
            self._edges.setdefault((source, target, kind), Edge(source=source, target=target, kind=kind))

    def build(self) -> Graph:
        """Return the graph."""
        gone = {node_id: node for node_id, node in self._named.items() if node_id not in self._nodes}
        return Graph(nodes=(*self._nodes.values(), *gone.values()), edges=tuple(self._edges.values()))


def _grouped(pairs: Iterable[tuple[str, str]]) -> Mapping[str, Sequence[str]]:
    grouped: dict[str, list[str]] = defaultdict(list)
    for key, value in pairs:
        grouped[key].append(value)
    return grouped
