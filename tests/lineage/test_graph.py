from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import NotFound
from services.lineage.graph import EdgeKind, Graph, GraphBuilder, NodeKind
from services.lineage.graph_exports import list_openlineage_events, write_dot
from services.lineage.records import LineageRecords, Mark, build_graph, read_records, version_id
from services.registry.fake import FakeRegistry
from services.registry.values import Dataset, LoggedModel, ModelVersion, RegisteredModel, Run

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TRAINING = Dataset(name="payments", digest="d1", context="training")
HELD_OUT = Dataset(name="payments", digest="d2", context="testing")


def version(number: int, *, name: str = "fraud", **values: object) -> ModelVersion:
    return ModelVersion(name=name, version=number, created_at=NOON, updated_at=NOON, **values)  # type: ignore[arg-type]


def chain() -> LineageRecords:
    """A data set, a run, its model, a version with an alias, a tuned version and a run that evaluated it."""
    return LineageRecords(
        models=[RegisteredModel(name="fraud", created_at=NOON, updated_at=NOON, aliases={"production": 2})],
        versions=[
            version(1, run_id="r1", model_id="m-1"),
            version(2, run_id="r2", model_id="m-2", tags={"tuned_from": "fraud/1", "baseline": "models:/fraud/1"}),
        ],
        logged_models=[
            LoggedModel(model_id="m-1", name="model", run_id="r1", measured_by=("r1",)),
            LoggedModel(model_id="m-2", name="model", run_id="r2", measured_by=("r2", "r3")),
        ],
        runs=[
            Run(run_id="r1", name="first", datasets=(TRAINING,), started_at=NOON),
            Run(run_id="r2", name="second", datasets=(TRAINING, HELD_OUT), status="FINISHED", started_at=NOON),
            Run(run_id="r3", name="check", datasets=(HELD_OUT,)),
        ],
    )


def joined(graph: Graph) -> set[tuple[str, str, str]]:
    return {(edge.source, edge.kind.value, edge.target) for edge in graph.edges}


def test_the_graph_leads_from_data_to_what_points_at_a_version() -> None:
    pin = Mark(kind=NodeKind.PIN, key="fraud/current", label="current", name="fraud", version=2)
    promotion = Mark(kind=NodeKind.PROMOTION, key="7", label="promotion 7", name="fraud", version=2)
    assert joined(build_graph(chain(), [pin, promotion])) == {
        ("dataset:payments#d1", "read_by", "run:r1"),
        ("dataset:payments#d1", "read_by", "run:r2"),
        ("dataset:payments#d2", "read_by", "run:r2"),
        ("dataset:payments#d2", "read_by", "run:r3"),
        ("run:r1", "logged", "logged_model:m-1"),
        ("run:r2", "logged", "logged_model:m-2"),
        ("logged_model:m-2", "evaluated_by", "run:r3"),
        ("logged_model:m-1", "registered_as", "version:fraud/1"),
        ("logged_model:m-2", "registered_as", "version:fraud/2"),
        ("version:fraud/1", "tuned_into", "version:fraud/2"),
        ("version:fraud/1", "baseline_of", "version:fraud/2"),
        ("version:fraud/2", "named", "alias:fraud@production"),
        ("version:fraud/2", "served_as", "pin:fraud/current"),
        ("version:fraud/2", "promoted_by", "promotion:7"),
    }


def test_what_used_a_data_set_is_found_downstream() -> None:
    reached = build_graph(chain()).downstream(["dataset:payments#d1"])
    assert {node.id for node in reached.nodes if node.kind is NodeKind.ALIAS} == {"alias:fraud@production"}


def test_what_a_version_came_from_is_found_upstream() -> None:
    reached = build_graph(chain()).upstream([version_id("fraud", 1)])
    assert [node.id for node in reached.nodes] == [
        "run:r1",
        "dataset:payments#d1",
        "logged_model:m-1",
        "version:fraud/1",
    ]


def test_around_a_version_are_both_directions_but_not_its_siblings() -> None:
    around = {node.id for node in build_graph(chain()).around([version_id("fraud", 1)]).nodes}
    assert "alias:fraud@production" in around
    assert "run:r2" not in around


def test_a_node_that_is_not_there_has_nothing_around_it() -> None:
    assert build_graph(chain()).around(["version:other/1"]) == Graph(nodes=(), edges=())
    assert build_graph(chain()).find("version:other/1") is None


def test_a_cycle_of_parents_is_walked_once() -> None:
    records = LineageRecords(
        versions=[version(1, tags={"tuned_from": "fraud/2"}), version(2, tags={"tuned_from": "fraud/1, fraud/2"})]
    )
    graph = build_graph(records)
    assert len(graph.edges) == 2
    assert graph.upstream([version_id("fraud", 1)]) == graph.downstream([version_id("fraud", 1)]) == graph


def test_what_is_named_but_gone_stays_and_says_so() -> None:
    records = LineageRecords(
        versions=[version(1, run_id="r1", model_id="m-1", tags={"tuned_from": "older/3"})],
        runs=[Run(run_id="r2", tags={"mlflow.parentRunId": "r9"})],
        logged_models=[LoggedModel(model_id="m-1", run_id="r1")],
    )
    gone = {node.id for node in build_graph(records).nodes if node.is_gone}
    assert gone == {"run:r1", "version:older/3", "run:r9"}


def test_a_copied_version_comes_from_the_one_it_copies_and_a_bare_one_from_its_run() -> None:
    records = LineageRecords(
        versions=[version(1, run_id="r1", source="s3://somewhere"), version(1, name="copy", source="models:/fraud/1")]
    )
    assert joined(build_graph(records)) == {
        ("run:r1", "registered_as", "version:fraud/1"),
        ("version:fraud/1", "copied_to", "version:copy/1"),
    }


def test_a_parent_may_be_told_by_the_run_alone() -> None:
    records = LineageRecords(
        versions=[version(2, run_id="r2")], runs=[Run(run_id="r2", tags={"tuned_from": "fraud/1"})]
    )
    assert ("version:fraud/1", "tuned_into", "version:fraud/2") in joined(build_graph(records))


def test_a_tag_that_names_no_version_makes_no_edge() -> None:
    assert build_graph(LineageRecords(versions=[version(1, tags={"tuned_from": "see the wiki, fraud/x"})])).edges == ()


def test_long_texts_from_the_registry_are_cut() -> None:
    records = LineageRecords(runs=[Run(run_id="r", name="n" * 500)])
    assert len(build_graph(records).nodes[0].label) == 80


def test_details_hold_what_an_inspector_shows_and_nothing_empty() -> None:
    run = Run(run_id="r", name="n", author="ada", tags={"mlflow.source.git.commit": "c0ffee", "code_paths": "a.py"})
    (node,) = build_graph(LineageRecords(runs=[run])).nodes
    assert node.details == {"Run": "r", "Author": "ada", "Commit": "c0ffee", "Code": "a.py"}


def test_records_of_many_versions_are_read_in_four_calls() -> None:
    registry = FakeRegistry()
    for number in range(200):
        registry.add_version("fraud", metrics={"auc": number / 200})
    registry.faults.calls.clear()
    records = read_records(registry, ["fraud"])
    assert len(records.versions) == len(records.runs) == len(records.logged_models) == 200
    assert list(registry.faults.calls) == ["get_model", "list_versions", "list_logged_models", "list_runs"]


def test_records_of_no_model_are_none_and_of_an_unknown_one_an_error() -> None:
    assert read_records(FakeRegistry(), []) == LineageRecords(models=[], versions=[], logged_models=[], runs=[])
    with pytest.raises(NotFound):
        read_records(FakeRegistry(), ["nobody"])


def test_the_document_is_the_one_of_the_interface() -> None:
    document = build_graph(LineageRecords(runs=[Run(run_id="r", name="n", datasets=(TRAINING,))])).document()
    assert document == {
        "nodes": [
            {"id": "run:r", "kind": "run", "label": "n"},
            {"id": "dataset:payments#d1", "kind": "dataset", "label": "payments"},
        ],
        "edges": [{"from": "dataset:payments#d1", "to": "run:r", "kind": "read_by"}],
    }


def test_labels_cannot_break_out_of_graphviz() -> None:
    builder = GraphBuilder()
    one = builder.add(NodeKind.RUN, 'a"];b', 'x"]; evil [label="\n\\N')
    builder.join(one, builder.name(NodeKind.VERSION, "v/1", "v/1"), EdgeKind.REGISTERED_AS)
    dot = write_dot(builder.build())
    assert dot.split("\n")[2] == r'  "run:a\"];b" [label="x\"]; evil [label=\"\n\\N", shape=ellipse];'
    assert "style=dashed" in dot
    assert dot.count("\n") == 5


def test_openlineage_tells_each_run_that_began_with_what_it_read_and_logged() -> None:
    first, second = list_openlineage_events(chain(), build_graph(chain()), namespace="demo")
    assert first["eventType"] == "OTHER"
    assert second["eventType"] == "COMPLETE"
    assert second["job"] == {"namespace": "demo", "name": "second"}
    assert [data["facets"]["version"]["datasetVersion"] for data in second["inputs"]] == ["d1", "d2"]
    assert second["outputs"][0]["name"] == "logged_model/model"
    assert len(second["run"]["runId"]) == 36
    assert json.loads(json.dumps(second)) == second


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), max_size=20), st.integers(1, 6))
def test_upstream_and_downstream_mirror_each_other(edges: list[tuple[int, int]], start: int) -> None:
    tags: Mapping[int, list[str]] = {number: [] for number in range(1, 7)}
    for parent, child in edges:
        tags[child].append(f"fraud/{parent}")
    records = LineageRecords(versions=[version(n, tags={"tuned_from": ",".join(t)}) for n, t in tags.items()])
    graph = build_graph(records)
    here = version_id("fraud", start)
    for node in graph.upstream([here]).nodes:
        assert here in {reached.id for reached in graph.downstream([node.id]).nodes}


def test_a_walk_leaves_no_edge_with_an_end_that_is_not_drawn() -> None:
    graph = build_graph(chain())
    for walked in (graph.upstream([version_id("fraud", 1)]), graph.downstream([version_id("fraud", 1)])):
        ids = {node.id for node in walked.nodes}
        assert walked.edges
        assert all({edge.source, edge.target} <= ids for edge in walked.edges)


def test_the_parents_that_a_version_names_go_before_those_of_its_run() -> None:
    run = Run(run_id="r2", tags={"tuned_from": "fraud/1", "baseline": "fraud/1"})
    graph = build_graph(LineageRecords(versions=[version(3, run_id="r2", tags={"tuned_from": "fraud/2"})], runs=[run]))
    parents = {(edge.source, edge.kind) for edge in graph.edges if edge.target == "version:fraud/3"}
    assert ("version:fraud/2", EdgeKind.TUNED_INTO) in parents
    assert ("version:fraud/1", EdgeKind.TUNED_INTO) not in parents
    assert ("version:fraud/1", EdgeKind.BASELINE_OF) in parents


def test_a_version_that_was_moved_to_a_new_name_comes_from_the_one_that_it_copies() -> None:
    moved = version(1, name="churn", model_id="m-1", tags={"gatehouse.migrated_from": "churn_v2/7"})
    assert ("version:churn_v2/7", "copied_to", "version:churn/1") in joined(
        build_graph(LineageRecords(versions=[moved]))
    )


def test_runs_that_only_logged_or_measured_a_model_are_read_too() -> None:
    registry = FakeRegistry()
    for run_id in ("training", "logging"):
        registry.add_run(run_id)
    source = registry.add_logged_model("m-" + "b" * 32, run_id="logging")
    registry.create_model("fraud")
    registry.create_version("fraud", source=source, run_id="training", description="")
    assert {run.run_id for run in read_records(registry, ["fraud"]).runs} == {"training", "logging"}
