"""From registry records to the lineage graph, read in few bulk calls and put together without any."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.clock import to_words
from services.lineage import artifacts
from services.lineage.data_source import read_place
from services.lineage.graph import EdgeKind, Graph, GraphBuilder, NodeKind
from services.lineage.migration_plan import MIGRATED_FROM_TAG
from services.registry.port import RecordReader
from services.registry.values import LoggedModel, ModelVersion, RegisteredModel, Run

_VERSION = re.compile(r"(?:models:/)?(?P<name>[^/@]+)/(?P<version>[0-9]{1,10})")
_LONGEST_LABEL = 80
_RELATIONS = {artifacts.TUNED_FROM: EdgeKind.TUNED_INTO, artifacts.BASELINE: EdgeKind.BASELINE_OF}
_MARKS = {
    NodeKind.ALIAS: EdgeKind.NAMED,
    NodeKind.PIN: EdgeKind.SERVED_AS,
    NodeKind.PROMOTION: EdgeKind.PROMOTED_BY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something that was put on a version: an alias, a pin or a promotion."""

    kind: NodeKind
    key: str
    label: str
    name: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageRecords:
    """What the registry holds about some models."""

    models: Sequence[RegisteredModel] = ()
    versions: Sequence[ModelVersion] = ()
    logged_models: Sequence[LoggedModel] = ()
    runs: Sequence[Run] = ()


def read_records(registry: RecordReader, names: Sequence[str]) -> LineageRecords:
    """Read the records of the named models.

    Raises:
        NotFound: one of the models does not exist.
        Unreachable: the registry does not answer.
    """
    models = [registry.get_model(name) for name in names]
    versions = list(registry.list_versions(names)) if names else []
    logged = registry.list_logged_models(sorted({version.model_id for version in versions if version.model_id}))
    training = {version.run_id for version in versions if version.run_id}
    measuring = {run_id for model in logged for run_id in (model.run_id, *model.measured_by) if run_id}
    runs = registry.list_runs(sorted(training | measuring))
    return LineageRecords(models=models, versions=versions, logged_models=logged, runs=runs)


def build_graph(records: LineageRecords, marks: Iterable[Mark] = ()) -> Graph:
    """Put records together; aliases are taken from the models, other marks are given."""
    builder = GraphBuilder()
    for run in records.runs:
        _add_run(builder, run)
    for logged in records.logged_models:
        _add_logged_model(builder, logged)
    runs = {run.run_id: run for run in records.runs}
    for version in records.versions:
        _add_version(builder, version, runs.get(version.run_id or ""))
    for mark in (*_aliases(records.models), *marks):
        node = builder.add(mark.kind, mark.key, mark.label)
        target = builder.name(NodeKind.VERSION, f"{mark.name}/{mark.version}", f"{mark.name}/{mark.version}")
        builder.join(target, node, _MARKS[mark.kind])
    return builder.build()


def version_id(name: str, version: int) -> str:
    """Return the id of a version's node."""
    return f"{NodeKind.VERSION}:{name}/{version}"


def read_data_set(node_id: str) -> tuple[str, str]:
    """Return name and digest of the data set that a node stands for.

    >>> read_data_set("dataset:payments#d1")
    ('payments', 'd1')
    """
    name, _, digest = node_id.removeprefix(f"{NodeKind.DATASET}:").rpartition("#")
    return name, digest


def list_parents(tags: Mapping[str, str], relation: str) -> list[str]:
    """Return the `NAME/VERSION` that a tag names under a relation, in its order; anything else in it is left out.

    >>> list_parents({"tuned_from": "fraud/3, models:/fraud/4, see the wiki"}, "tuned_from")
    ['fraud/3', 'fraud/4']
    """
    found = (_VERSION.fullmatch(part.strip()) for part in tags.get(relation, "").split(","))
    return [f"{match['name']}/{int(match['version'])}" for match in found if match]


def _add_run(builder: GraphBuilder, run: Run) -> None:
    node = builder.add(
        NodeKind.RUN,
        run.run_id,
        _label(run.name or run.run_id),
        {
            "Run": run.run_id,
            "Status": run.status,
            "Author": run.author,
            "Started": to_words(run.started_at) if run.started_at else "",
            "Commit": _commit(run.tags),
            "Code": run.tags.get(artifacts.CODE_PATHS, ""),
        },
    )
    for dataset in run.datasets:
        details = {"Data set": dataset.name, "Digest": dataset.digest, "Source": read_place(dataset.source)[:1000]}
        data = builder.add(NodeKind.DATASET, f"{dataset.name}#{dataset.digest}", _label(dataset.name), details)
        builder.join(data, node, EdgeKind.READ_BY)
    if parent := run.tags.get(artifacts.MLFLOW_PARENT_RUN):
        builder.join(builder.name(NodeKind.RUN, parent, _label(parent)), node, EdgeKind.PARENT_RUN_OF)


def _add_logged_model(builder: GraphBuilder, logged: LoggedModel) -> None:
    details = {"Model id": logged.model_id, "Status": logged.status}
    node = builder.add(NodeKind.LOGGED_MODEL, logged.model_id, _label(logged.name or logged.model_id), details)
    if logged.run_id:
        builder.join(builder.name(NodeKind.RUN, logged.run_id, logged.run_id), node, EdgeKind.LOGGED)
    for run_id in logged.measured_by:
        if run_id != logged.run_id:
            builder.join(node, builder.name(NodeKind.RUN, run_id, run_id), EdgeKind.EVALUATED_BY)


def _add_version(builder: GraphBuilder, version: ModelVersion, run: Run | None) -> None:
    node = builder.add(
        NodeKind.VERSION,
        version.reference,
        _label(version.reference),
        {
            "Version": version.reference,
            "Author": version.author or (run.author if run else ""),
            "Registered": to_words(version.created_at),
            "Stage": str(version.stage),
            "Description": version.description[:1000],
        },
    )
    if version.model_id:
        logged = builder.name(NodeKind.LOGGED_MODEL, version.model_id, version.model_id)
        builder.join(logged, node, EdgeKind.REGISTERED_AS)
    elif copied := _VERSION.fullmatch(version.source):
        source = f"{copied['name']}/{int(copied['version'])}"
        builder.join(builder.name(NodeKind.VERSION, source, _label(source)), node, EdgeKind.COPIED_TO)
    elif version.run_id:
        builder.join(builder.name(NodeKind.RUN, version.run_id, version.run_id), node, EdgeKind.REGISTERED_AS)
    if origin := _VERSION.fullmatch(version.tags.get(MIGRATED_FROM_TAG, "")):
        moved = f"{origin['name']}/{int(origin['version'])}"
        builder.join(builder.name(NodeKind.VERSION, moved, _label(moved)), node, EdgeKind.COPIED_TO)
    tags = {**(run.tags if run else {}), **version.tags}
    for relation, kind in _RELATIONS.items():
        for parent in list_parents(tags, relation):
            builder.join(builder.name(NodeKind.VERSION, parent, _label(parent)), node, kind)


def _aliases(models: Iterable[RegisteredModel]) -> list[Mark]:
    return [
        Mark(kind=NodeKind.ALIAS, key=f"{model.name}@{alias}", label=f"@{alias}", name=model.name, version=version)
        for model in models
        for alias, version in sorted(model.aliases.items())
    ]


def _commit(tags: Mapping[str, str]) -> str:
    return tags.get(artifacts.GIT_COMMIT) or tags.get(artifacts.MLFLOW_COMMIT, "")


def _label(text: str) -> str:
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "…"
