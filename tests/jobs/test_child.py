"""The program inside the sandbox, run here in this process on models of our own."""

from __future__ import annotations

import json
import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from services.jobs.child.__main__ import main
from services.jobs.child.failures import MAX_SENTENCE, describe
from services.jobs.child.frames import DataUnusable, cast, read_chunks, read_head
from services.jobs.child.measures import Subject, as_values, percentiles
from services.jobs.child.predicting import predict
from services.jobs.child.probing import probe
from services.jobs.child.trying import try_requests
from tests.jobs.models import LABELS, POSITIONAL, SUM, write_model


@pytest.fixture(autouse=True)
def _forget_models() -> Iterator[None]:
    """Every model's code has the same name; the sandbox has a process for each."""
    path = list(sys.path)
    yield
    sys.modules.pop("gatehouse_test_model", None)
    sys.path[:] = path


def load(folder: Path, source: str = SUM, **model: Any) -> Subject:
    import mlflow.pyfunc

    write_model(folder / "model", source, **model)
    loaded = mlflow.pyfunc.load_model(str(folder / "model"))
    return Subject(model=loaded, load=lambda: loaded, start_s=0.1, baseline_bytes=1)


def probe_command(**changed: Any) -> dict[str, Any]:
    return {"data": None, "rows": 200, "calls": 10, "warm_up": 2, "expectations": [], **changed}


def ignore(**_: Any) -> None:
    pass


def run_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: object) -> list[dict[str, Any]]:
    (tmp_path / "job.json").write_text(json.dumps(job))
    reader, writer = os.pipe()
    monkeypatch.setenv("RESULT_FD", str(writer))
    main(str(tmp_path / "job.json"))
    with os.fdopen(reader) as answers:
        return [json.loads(line) for line in answers]


def test_a_job_is_answered_line_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = write_model(tmp_path / "model")
    lines = run_job(tmp_path, monkeypatch, {"model": str(model), "commands": [{"do": "probe", **probe_command()}]})
    assert lines[0] == {"stage": "importing the libraries"}
    assert lines[-1]["report"]["rows"] == 5


def test_what_a_model_raises_is_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = write_model(tmp_path / "model", loads="\nraise SystemExit('bye')\n")
    lines = run_job(tmp_path, monkeypatch, {"model": str(model), "commands": []})
    assert lines[-1] == {"failure": "SystemExit: bye"}


def test_a_failure_is_one_bounded_sentence() -> None:
    assert describe(ValueError("a\n  b\tc")) == "ValueError: a b c"
    assert describe(KeyError()) == "KeyError: no message"
    assert len(describe(ValueError("x" * 10_000))) == MAX_SENTENCE


@pytest.mark.parametrize("format_", ["parquet", "csv", "records.json", "split.json", "jsonl"])
def test_every_format_comes_in_chunks_with_the_types_of_the_signature(tmp_path: Path, format_: str) -> None:
    subject = load(tmp_path)
    table = pd.DataFrame({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
    path = tmp_path / f"data.{format_}"
    if format_ == "parquet":
        table.astype({"a": "float64"}).to_parquet(path)
    elif format_ == "csv":
        table.to_csv(path, index=False)
    elif format_ == "jsonl":
        table.to_json(path, orient="records", lines=True)
    else:
        table.to_json(path, orient=format_.partition(".")[0])  # type: ignore[call-overload]
    chunks = list(read_chunks(path, rows=2, schema=subject.model.metadata.signature.inputs))
    assert [len(chunk) for chunk in chunks] == [2, 1]
    assert [str(kind) for kind in chunks[0].dtypes] == ["float64", "float64"]


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.xml").write_text("<a/>")
    with pytest.raises(DataUnusable, match=r"\.xml file"):
        list(read_chunks(tmp_path / "data.xml", rows=1, schema=None))


def test_types_are_given_where_the_text_had_none_and_never_change_a_value() -> None:
    from mlflow.types.schema import ColSpec, Schema

    kinds = {"d": "double", "i": "integer", "t": "datetime", "s": "string", "l": "long", "missing": "double"}
    schema = Schema([ColSpec(kind, name) for name, kind in kinds.items()])
    table = pd.DataFrame({"d": [1], "i": [2], "t": ["2026-01-02"], "s": ["x"], "l": [0.5], "extra": [1]})
    got = cast(table, schema)
    assert {name: str(kind) for name, kind in got.dtypes.items()} == {
        "d": "float64",
        "i": "int32",
        "t": "datetime64[us]",
        "s": "str",
        "l": "float64",
        "extra": "int64",
    }
    assert cast(table, None) is table
    assert cast(table, Schema([ColSpec("double")])) is table


def test_the_head_of_a_file_is_read_and_an_empty_one_refused(tmp_path: Path) -> None:
    subject = load(tmp_path)
    data = tmp_path / "data.csv"
    data.write_text("a,b\n" + "1,2\n" * 10)
    assert len(read_head(data, rows=3, model=subject.model)) == 3
    data.write_text("a,b\n")
    with pytest.raises(DataUnusable, match="no rows"):
        read_head(data, rows=3, model=subject.model)
    pd.DataFrame({"a": [], "b": []}).to_parquet(tmp_path / "data.parquet")
    with pytest.raises(DataUnusable, match="neither a data file nor"):
        read_head(tmp_path / "data.parquet", rows=3, model=subject.model)


@pytest.mark.parametrize(
    ("output", "values"),
    [
        ([1, 2], [1.0, 2.0]),
        (np.array([[0.2, 0.8], [0.6, 0.4]]), [0.8, 0.4]),
        (np.array([[[1.0, 2.0]], [[3.0, 4.0]]]), [2.0, 4.0]),
        (pd.Series([True, False]), [1.0, 0.0]),
        (pd.DataFrame({"score": [0.1, 0.2], "z": ["a", "b"]}), [0.1, 0.2]),
        (pd.DataFrame({"x": [1, 2], "y": [3, 4]}), [3.0, 4.0]),
        (["low", "high"], ["low", "high"]),
        ([float("nan"), float("inf")], [None, None]),
        (np.array([None, "x"], dtype=object), [None, "x"]),
    ],
)
def test_outputs_of_every_shape_become_one_value_a_row(output: Any, values: list[Any]) -> None:
    assert as_values(output, 2) == values


@pytest.mark.parametrize("output", [[1], [1, 2, 3], 7, []])
def test_an_output_of_another_length_is_refused(output: Any) -> None:
    with pytest.raises(ValueError, match="2 rows went in"):
        as_values(output, 2)


def test_percentiles_are_measurements() -> None:
    assert percentiles([3.0, 1.0, 2.0]) == {"p50_ms": 2.0, "p95_ms": 3.0, "p99_ms": 3.0}
    assert percentiles([]) == {"p50_ms": None, "p95_ms": None, "p99_ms": None}


COUNTING = """
class Model:
    calls = 0
    def predict(self, data):
        self.calls += 1
        {rule}
        return (data["a"] + data["b"]).to_numpy() / 2
"""


def test_a_probe_counts_what_fails_after_warming_up(tmp_path: Path) -> None:
    rule = "if len(data) == 1 and self.calls > 4: return [float('nan')] if self.calls % 2 else 1 / 0"
    report = probe(load(tmp_path, COUNTING.format(rule=rule)), probe_command(), ignore)
    assert (report["calls"], report["failed_calls"], report["p50_ms"] is None) == (10, 9, False)
    assert sorted(report["errors"]) == [
        "ZeroDivisionError: division by zero",
        "the prediction is empty or not a number",
    ]


def test_of_many_kinds_of_errors_five_are_told(tmp_path: Path) -> None:
    rule = "if len(data) == 1 and self.calls > 1: raise ValueError(str(self.calls))"
    report = probe(load(tmp_path, COUNTING.format(rule=rule)), probe_command(), ignore)
    assert (report["failed_calls"], len(report["errors"]), report["p99_ms"]) == (10, 5, None)


def test_a_model_that_fails_at_once_is_not_measured(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        probe(load(tmp_path, COUNTING.format(rule="1 / 0")), probe_command(), ignore)


def test_a_model_that_cannot_take_columns_in_another_order_depends_on_it(tmp_path: Path) -> None:
    source = SUM.replace("return", 'assert list(data.columns) == ["a", "b"]\n        return')
    report = probe(load(tmp_path, source, signature=False), probe_command(), ignore)
    assert report["column_order"]["is_invariant"] is False
    assert "AssertionError" in report["column_order"]["detail"]
    sys.modules.pop("gatehouse_test_model", None)
    positional = probe(load(tmp_path / "other", POSITIONAL, signature=False), probe_command(), ignore)
    assert positional["column_order"]["is_invariant"] is False


def test_expectations_are_held_against_predictions(tmp_path: Path) -> None:
    expectations = [
        {"kind": "direction", "name": "up", "column": "a", "step": 1, "direction": "increases"},
        {"kind": "direction", "name": "down", "column": "a", "step": 1, "direction": "decreases"},
        {"kind": "direction", "name": "flat", "column": "a", "step": 1, "direction": "stays"},
        {"kind": "bounds", "name": "in", "row": {"a": 1, "b": 1}, "at_least": 0.9, "at_most": 1.1},
        {"kind": "bounds", "name": "above", "row": {"a": 9}, "at_least": None, "at_most": 1},
        {"kind": "bounds", "name": "below", "row": {"new": 9}, "at_least": 5, "at_most": None},
    ]
    report = probe(load(tmp_path), probe_command(expectations=expectations), ignore)
    assert [(found["name"], found["held_ratio"]) for found in report["expectations"]] == [
        ("up", 1.0),
        ("down", 0.0),
        ("flat", 0.0),
        ("in", 1.0),
        ("above", 0.0),
        ("below", 0.0),
    ]


def test_labels_have_neither_direction_nor_bounds(tmp_path: Path) -> None:
    expectations = [
        {"kind": "direction", "name": "up", "column": "a", "step": 1, "direction": "increases"},
        {"kind": "bounds", "name": "in", "row": {}, "at_least": 0, "at_most": 1},
    ]
    report = probe(load(tmp_path, LABELS), probe_command(expectations=expectations), ignore)
    assert [found["held_ratio"] for found in report["expectations"]] == [None, None]
    assert report["column_order"]["is_invariant"]


@pytest.mark.parametrize("singly", [True, False])
def test_a_table_holds_a_row_for_each_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, singly: bool) -> None:
    bad, empty = 'if (data["a"] == 3).any(): raise ValueError("three")', 'if (data["a"] == 4).all(): return [None]'
    subject = load(tmp_path, COUNTING.format(rule=f"{bad}\n        {empty}"))
    data = tmp_path / "data.parquet"
    pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": [0.0] * 4}).to_parquet(data)
    written = tmp_path / "out.parquet"
    monkeypatch.setenv("TABLE_FD", str(os.open(written, os.O_WRONLY | os.O_CREAT)))
    told: list[int] = []
    report = predict(
        subject,
        {"data": str(data), "chunk_rows": 3, "singly": singly},
        lambda **line: told.append(line["progress"]) if "progress" in line else None,
    )
    assert report == {"rows": 4, "failed_rows": 2}
    assert told == [3, 4]
    table = pq.read_table(written).to_pydict()
    assert (table["row"], table["score"]) == ([0, 1, 2, 3], [0.5, 1.0, None, None])
    assert table["error"] == [None, None, "ValueError: three", "the prediction is empty"]


def test_an_empty_file_is_no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = load(tmp_path)
    (tmp_path / "data.csv").write_text("a,b\n")
    monkeypatch.setenv("TABLE_FD", str(os.open(os.devnull, os.O_WRONLY)))
    with pytest.raises(DataUnusable, match="no rows"):
        predict(subject, {"data": str(tmp_path / "data.csv"), "chunk_rows": 3, "singly": False}, ignore)


def tried(folder: Path, subject: Subject, *trials: dict[str, Any]) -> list[dict[str, Any]]:
    path = folder / "trials.pickle"
    path.write_bytes(pickle.dumps([{"without": (), "replaced": (), **trial} for trial in trials]))
    told: list[dict[str, Any]] = try_requests(subject, {"trials": str(path)}, ignore)["tried"]
    return told


def test_requests_are_built_on_the_models_own_example(tmp_path: Path) -> None:
    made_up = pd.DataFrame({"a": [7.0], "b": [7.0]})
    subject = load(tmp_path, SUM.replace("return", "assert data['a'].iloc[0] == 0.0\n        return"))
    valid, without, wrong = tried(
        tmp_path,
        subject,
        {"name": "valid", "data": made_up},
        {"name": "without", "data": made_up.drop(columns="a"), "without": ("a",)},
        {"name": "wrong", "data": made_up.assign(a=["text"]), "replaced": ("a",)},
    )
    assert valid == {
        "name": "valid",
        "is_taken": True,
        "is_made_up": False,
        "is_refused_by_mlflow": False,
        "error": "",
    }
    assert (without["is_taken"], without["is_refused_by_mlflow"]) == (False, True)
    assert "missing inputs ['a']" in without["error"]
    assert (wrong["is_taken"], wrong["is_refused_by_mlflow"]) == (False, True)


def test_without_an_example_requests_are_made_up_and_a_models_own_error_is_told_apart(tmp_path: Path) -> None:
    subject = load(tmp_path, SUM.replace('data["b"]', 'data["z"]'), example=False)
    (valid,) = tried(tmp_path, subject, {"name": "valid", "data": pd.DataFrame({"a": [7.0], "b": [7.0]})})
    assert (valid["is_taken"], valid["is_made_up"], valid["is_refused_by_mlflow"]) == (False, True, False)
    assert valid["error"] == "KeyError: 'z'"
    assert try_requests(subject, {"trials": None}, ignore) == {"tried": []}


def test_our_own_tables_keep_their_parts_and_types(tmp_path: Path) -> None:
    parts = [pd.DataFrame({0: pd.Series([1], dtype="int32")}), pd.DataFrame({0: [{"a": [None]}]})]
    with (tmp_path / "data.pickle").open("wb") as stream:
        for part in parts:
            pickle.dump(part, stream)
    read = list(read_chunks(tmp_path / "data.pickle", rows=1, schema=None))
    assert [part.to_dict() for part in read] == [part.to_dict() for part in parts]
    assert str(read[0][0].dtype) == "int32"
