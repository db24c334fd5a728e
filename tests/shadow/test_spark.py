"""Spark finds what DuckDB finds: equal integers, and floats within 1e-9."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.errors import Unavailable
from services.shadow.comparison import Comparison
from services.shadow.judge import judge
from services.shadow.log_files import FilePlan, list_log_files, read_plan
from services.shadow.measuring import measure
from services.shadow.policy import ShadowPolicy
from services.shadow.reading import read_log
from services.shadow.spark import SparkEngine
from tests.shadow.builders import DUCKDB, assert_same, changed, empty_pairs, pairs, without, write
from tests.shadow.test_measuring import hostile, regression

pytestmark = [
    pytest.mark.long,
    # Spark's own Python side, against pandas 3 and with its sockets.
    pytest.mark.filterwarnings("ignore::FutureWarning:pyspark", "ignore::ResourceWarning", "ignore:.*pyspark.*"),
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkEngine]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        engine = SparkEngine()
        engine._session  # noqa: B018 - starting it warns of much that is not ours
        yield engine
        engine._session.stop()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with everything in it that a log may have to bear."""
    log = tmp_path_factory.mktemp("spark") / "log"
    write(log, hostile(), day="2026-03-01")
    write(log, pa.concat_tables([pairs(300), pairs(300).slice(200)]), day="2026-03-02")
    write(log, pairs(50), day="2026-03-02", part="1")
    write(log, empty_pairs(), day="2026-03-03")
    write(log, pairs(1), day="2026-03-04")
    same = {"champion_score": [0.3] * 40, "candidate_score": [0.3] * 40}
    write(log, changed(pairs(40), **same, champion_version=[3] * 20 + [None] * 20), day="2026-03-05")
    write(log, regression(120), day="2026-03-06")
    write(log, without(pairs(30), "label", "slice_country", "candidate_latency_ms"), day="2026-03-07")
    classes = pa.array([1.0, 0.0, 2.5, float("nan"), None] * 8)
    ts = pairs(40).column("ts")
    write(
        log,
        pairs(
            40,
            label=classes,
            champion_decision=pa.array([True, False] * 20),
            ts=ts.cast(pa.timestamp("ns", "Asia/Tokyo")),
        ),
        day="2026-03-08",
    )
    write(log, changed(pairs(40), ts=ts.cast(pa.timestamp("us")), **{'slice_odd `"name': ["x"] * 40}), day="2026-03-09")
    write(log, pairs(3, ts=pa.array([0, 1, 2], pa.date32())), day="2026-03-10")
    write(log, pairs(40, slice_wide=[f"{row}" for row in range(40)]), day="2026-03-11", part="{a}[b]*?")
    (log / "dt=2026-03-11" / "torn.parquet").write_bytes(b"PAR1")
    return log


def test_both_engines_find_the_same(spark: SparkEngine, log: Path, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        there = read_log(log, engine=spark, home=tmp_path / "spark")
    here = read_log(log, engine=DUCKDB, home=tmp_path / "duckdb")
    assert_same(here.state, there.state)
    assert here.coverage == there.coverage
    assert here.coverage.duplicates == 150
    documents = []
    for found in (here, there):
        figures = measure(found)
        documents.append(Comparison(figures=figures, judgement=judge(figures, ShadowPolicy())).to_json())
    assert documents[0] == documents[1]


def test_corrupt_pages_are_the_file_s_own_problem(spark: SparkEngine, tmp_path: Path) -> None:
    log = tmp_path / "log"
    write(log, pairs(100))
    path = write(log, pairs(3000, seed=2), part="1", compression="zstd")
    content = bytearray(path.read_bytes())
    content[500:20_000] = b"\xff" * 19_500
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = read_log(log, engine=spark, home=tmp_path)
    assert found.coverage.rows_read == 100
    assert [problem.file for problem in found.coverage.problems] == ["dt=2026-03-01/part-1.parquet"]


def test_what_spark_cannot_do_is_no_fault_of_the_files(spark: SparkEngine, log: Path) -> None:
    files, _ = list_log_files(log / "dt=2026-03-04")
    plan = read_plan(files[0])
    assert isinstance(plan, FilePlan)
    with spark.open([plan], (), is_distinct=False) as relation, pytest.raises(Unavailable, match="Spark could not"):
        relation.query("SELECT no_such_function(request_id) AS x FROM pairs")


def test_without_its_libraries_the_engine_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from services.shadow.engines import open_engine

    monkeypatch.setitem(__import__("sys").modules, "sqlglot", None)
    with pytest.raises(Unavailable, match="not installed"):
        open_engine("spark")


def test_the_log_is_what_it_should_be(log: Path) -> None:
    assert sum(pq.read_metadata(path).num_rows for path in log.rglob("part-*.parquet")) > 1000
