"""Versions run on the strength of their signatures: real models, the real sandbox, a registry in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from services.audit import AuditLog
from services.errors import Forbidden, InvalidInput, NotFound
from services.identity import Identity
from services.registry.fake import FakeRegistry
from services.registry.values import ModelVersion
from services.signatures.running import SignatureRuns
from services.store import Store
from tests.conftest import FakeClock
from tests.gates.builders import MAYA, NOBODY
from tests.jobs.models import SUM, write_model

NOT_WHAT_IT_SAYS = """
class Model:
    def predict(self, data):
        return (data["a"] + data["c"]).to_numpy()
"""


class World:
    """One version whose folder is real, and the log that its runs are kept in."""

    def __init__(self, store: Store, clock: FakeClock, folder: Path, source: str = SUM, **model: Any) -> None:
        written = write_model(folder / "model", source, **model)
        files = {str(path.relative_to(written)): path.read_bytes() for path in written.rglob("*") if path.is_file()}
        registry = FakeRegistry()
        self.version: ModelVersion = registry.add_version("fraud_detector", files=files)
        self.audit = AuditLog(store, clock=clock, home=folder)
        self.runs = SignatureRuns(store, registry, self.audit, Identity(store, self.audit, clock=clock, home=folder))


def test_signature_tests_are_run_on_the_real_model_and_kept(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = World(store, clock, tmp_path)
    report = world.runs.test(world.version, actor=MAYA)
    assert report.is_passed
    assert [result.name for result in report.results] == [
        "a valid example",
        "without a",
        "without b",
        "a of another type",
        "b of another type",
    ]
    assert "Model is missing inputs ['a']" in report.results[1].detail
    (event,) = world.audit.list_events(limit=10).events
    assert (event.action, event.actor, event.subject) == ("signature:tests:recorded", "maya", "fraud_detector/1")
    assert event.after is not None
    assert event.after["digest"] == report.digest
    assert event.after["counts"] == {"passed": 5, "failed": 0, "unknown": 0}


def test_a_model_that_needs_more_than_it_declares_fails_its_tests(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = World(store, clock, tmp_path, NOT_WHAT_IT_SAYS)
    report = world.runs.test(world.version, actor=MAYA)
    assert not report.is_passed
    assert (report.results[0].outcome, report.results[0].detail) == ("failed", "KeyError: 'c'")


def test_made_up_values_say_nothing_of_a_model_without_an_example(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = World(store, clock, tmp_path, NOT_WHAT_IT_SAYS, example=False)
    report = world.runs.test(world.version, actor=MAYA)
    assert [result.outcome for result in report.results] == ["unknown", "passed", "passed", "passed", "passed"]
    assert not report.is_passed


def test_without_a_signature_there_is_nothing_to_run(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = World(store, clock, tmp_path, signature=False)
    with pytest.raises(InvalidInput, match="declares no inputs"):
        world.runs.test(world.version, actor=MAYA)
    with pytest.raises(InvalidInput, match="declares no inputs"):
        world.runs.predict(world.version, tmp_path / "in.csv", tmp_path / "out.parquet", actor=MAYA)


def test_a_model_that_does_not_load_is_told(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = World(store, clock, tmp_path, "raise RuntimeError('no model here')\n")
    with pytest.raises(InvalidInput, match="no model here"):
        world.runs.test(world.version, actor=MAYA)


def test_who_may_not_run_gates_may_not_run_models(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = World(store, clock, tmp_path)
    with pytest.raises(Forbidden):
        world.runs.test(world.version, actor=NOBODY)
    with pytest.raises(Forbidden):
        world.runs.predict(world.version, tmp_path / "in.csv", tmp_path / "out.parquet", actor=NOBODY)


def test_a_file_is_conformed_and_predicted_part_by_part(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = World(store, clock, tmp_path)
    data, out = tmp_path / "in.csv", tmp_path / "out.parquet"
    pd.DataFrame({"extra": ["x"] * 25, "b": range(25), "a": range(25)}).to_csv(data, index=False)
    told: list[int] = []
    report = world.runs.predict(world.version, data, out, actor=MAYA, chunk_rows=10, progress=told.append)
    assert (report.ok, report.rows, report.failed_rows) == (True, 25, 0)
    assert told == [10, 20, 25]
    assert {(change.column, change.what) for change in report.changes} == {
        ("a", "int64 cast to float64"),
        ("b", "int64 cast to float64"),
        ("*", "left out, as it is not declared: extra"),
        ("*", "columns put into the declared order"),
    }
    predicted = pd.read_parquet(out)
    assert predicted["row"].tolist() == list(range(25))
    assert predicted["score"].tolist() == [float(row) for row in range(25)]
    (event,) = world.audit.list_events(limit=10).events
    assert event.action == "signature:batch:predicted"
    assert event.after is not None
    assert (event.after["rows"], event.after["data"]) == (25, "in.csv")


def test_nothing_is_predicted_where_one_part_cannot_be_conformed(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = World(store, clock, tmp_path)
    data, out = tmp_path / "in.csv", tmp_path / "out.parquet"
    pd.DataFrame({"a": ["1"] * 9 + ["often"], "b": ["2"] * 10}).to_csv(data, index=False)
    report = world.runs.predict(world.version, data, out, actor=MAYA, chunk_rows=4)
    assert (report.ok, report.rows, out.exists()) == (False, 0, False)
    assert report.problems[0].found == "'often' is not a number, in the part that begins at row 8"
    assert world.audit.list_events(limit=10).events == ()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("gatehouse-batch")] == []


def test_data_that_is_not_there_is_told(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = World(store, clock, tmp_path)
    with pytest.raises(NotFound, match=r"gone\.csv"):
        world.runs.predict(world.version, tmp_path / "gone.csv", tmp_path / "out.parquet", actor=MAYA)
