"""Spark scores a file in the sandbox as the ordinary way does, and lets no model out."""

from __future__ import annotations

import socket
from pathlib import Path

import pandas as pd
import pytest

from services.errors import Unavailable
from services.jobs.model_runner import ModelRunner
from services.jobs.probe import Predictions
from services.jobs.spark_room import find_spark_room
from tests.jobs.models import SUM, write_model

TROUBLED = """
class Model:
    def predict(self, data):
        if (data["a"] == 0.5).any():
            raise ValueError("bad row")
        told = (data["a"] + data["b"]).tolist()
        return [str(value) if value > 1.5 else value for value in told]
"""
ESCAPING = """
import os, pathlib, socket

def tries(act):
    try:
        act()
    except OSError:
        return "kept in"
    return "got out"

class Model:
    def predict(self, data):
        network = tries(lambda: socket.create_connection(("127.0.0.1", PORT), timeout=2))
        file = tries(lambda: pathlib.Path("SECRET").read_text())
        written = tries(lambda: pathlib.Path("/job/model/MLmodel").write_text(""))
        return [f"{network}, {file}, {written}"] * len(data)
"""


def write_data(folder: Path, rows: int) -> Path:
    path = folder / "data.parquet"
    numbers = [row / rows for row in range(rows)]
    table = pd.DataFrame({"a": numbers, "b": [None, *numbers[1:]], "c.d": [f"é{row}" for row in range(rows)]})
    table.to_parquet(path, row_group_size=7)
    return path


@pytest.mark.long
@pytest.mark.timeout(600)
def test_spark_finds_what_the_ordinary_way_finds_row_by_row(tmp_path: Path) -> None:
    model, data = write_model(tmp_path / "model", TROUBLED), write_data(tmp_path, 40)
    found = []
    for runner in (ModelRunner(spark=find_spark_room), ModelRunner()):
        assert runner.predict(model, data, tmp_path / "out.parquet") == Predictions(rows=40, failed_rows=2)
        found.append(pd.read_parquet(tmp_path / "out.parquet").drop(columns="latency_ms"))
    pd.testing.assert_frame_equal(found[0], found[1])
    assert list(found[0]["error"].dropna()) == ["the prediction is empty", "ValueError: bad row"]
    assert found[0]["label"].count() == 9


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_model_on_spark_reaches_nothing_outside(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        source = ESCAPING.replace("PORT", str(port)).replace("SECRET", str(secret))
        model = write_model(tmp_path / "model", source, signature=False)
        answer = ModelRunner(spark=find_spark_room).predict(model, write_data(tmp_path, 3), tmp_path / "out.parquet")
    assert answer == Predictions(rows=3, failed_rows=0)
    assert set(pd.read_parquet(tmp_path / "out.parquet")["label"]) == {"kept in, kept in, kept in"}


def test_text_and_timed_rows_are_scored_without_spark(tmp_path: Path) -> None:
    def refuse() -> None:
        raise Unavailable("There is no Spark.", next_step="Install it.")

    runner = ModelRunner(spark=refuse)  # type: ignore[arg-type]
    model, data, out = write_model(tmp_path / "model", SUM), write_data(tmp_path, 3), tmp_path / "out.parquet"
    assert runner.predict(model, data, out, singly=True) == Predictions(rows=3, failed_rows=1)
    with pytest.raises(Unavailable, match="no Spark"):
        runner.predict(model, data, out)


def test_a_machine_without_java_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(Unavailable, match="Java is missing") as refused:
        find_spark_room()
    assert "Java 17" in refused.value.next_step
