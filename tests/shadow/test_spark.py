"""Spark finds what DuckDB finds: equal integers, and floats within 1e-9."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from decimal import Decimal
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
from tests.shadow.builders import (
    DUCKDB,
    HOSTILE_TEXTS,
    INF,
    NAN,
    assert_same,
    changed,
    empty_pairs,
    pairs,
    without,
    write,
)
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


ODD_ROWS = 60
BORDER_NS = 1772323200_000_000_000
# What engines read, sort, cast or write each in its own way, as long as nobody sees to it.
ODD_COLUMNS: list[dict[str, pa.Array]] = [
    {
        "ts": pa.array([BORDER_NS - 1, BORDER_NS, BORDER_NS - 999, -1, -1001, 999], pa.timestamp("ns", "UTC")),
        "champion_version": pa.array([3.0, 3.5, 1e300, NAN, INF, -0.0, None, 2.0**53]),
        "candidate_version": pa.array([2**63 - 1, -(2**63), 4], pa.int64()),
        "slice_part": pa.array([1e20, 1e-7, INF, -INF, NAN, None, -0.0, 0.0, 0.1, 123456789.125, 5e-324, 1 / 3]),
        "label": pa.array([1e20, 0.5, None]),
        "champion_decision": pa.array([1e20, 0.5, 1e-9]),
        "candidate_decision": pa.array([0.5, 1e20, 1e-9]),
        "champion_latency_ms": pa.array([0.0, -0.0, -1.0, NAN, INF, -INF, 1e-30, 1e13, 1e12, None, 1.02, 1.0]),
    },
    {
        "ts": pa.array([BORDER_NS // 1000 - 1, BORDER_NS // 1000, -1, -60_000_001], pa.timestamp("us", "Asia/Kolkata")),
        "champion_version": pa.array([2**64 - 1, 2**63, 3], pa.uint64()),
        "slice_big": pa.array([2**64 - 1, 0], pa.uint64()),
        "slice_text": pa.array([*HOSTILE_TEXTS, None, "\0", "a\0b", "A", "a", "\u00e4", "a\u0308", "NaN", "NULL"]),
        "champion_decision": pa.array(["", " ", None, "block", "\0"]),
        "champion_error": pa.array([None, None, "", " ", None, None, None]),
        "label": pa.array(["", None, "block", " "]),
        "request_id": pa.array([*(f"r{row}" for row in range(50)), "", None, "a", "A", "\u00e4", "a\u0308", " a"]),
        "champion_score": pa.array([0.0, -0.0, 5e-324, -5e-324, 1.1e100, 1e308, NAN, INF, -INF, None, 1.0, 1 - 1e-16]),
        "candidate_score": pa.array([None, 0.5, -0.0, 0.0, 3.0, -1e308, 1 / 64, 63 / 64, 1 + 1e-15]),
    },
    {
        "ts": pa.array([BORDER_NS // 10**6 - 1, BORDER_NS // 10**6], pa.timestamp("ms")),
        "slice_big": pa.array([2**63 - 1, -(2**63), 2**53 + 1]),
        "slice_flag": pa.array([True, False, None]),
        "champion_score": pa.array([Decimal("0.5"), None], pa.decimal128(38, 10)),
        "label": pa.array([Decimal("1.0"), Decimal("2.5")], pa.decimal128(20, 2)),
    },
]
ODD_NUMBERS = pa.array(
    ["1e3", "1.5.2", ".", "1.", ".5", "+3", "-0", "1e400", "NaN", "inf", "0x10", " 1", "1,5", "1_0", "1e", "\u0663"]
)


def over(values: pa.Array) -> pa.Array:
    """Return values over and over again, as many as there are rows."""
    return values.take(pa.array([row % len(values) for row in range(ODD_ROWS)]))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with everything in it that a log may have to bear."""
    log = tmp_path_factory.mktemp("spark") / "log"
    write(log, hostile(), day="2026-03-01")
    write(log, pa.concat_tables([pairs(300), pairs(300).slice(200)]), day="2026-03-02")
    write(log, pairs(50), day="2026-03-02", part="1")
    write(log, empty_pairs(), day="2026-03-03")
    write(log, pairs(1), day="2026-03-03", part="one")
    same = {"champion_score": [0.3] * 40, "candidate_score": [0.3] * 40}
    write(log, changed(pairs(40), **same, champion_version=[3] * 20 + [None] * 20), day="2026-03-05")
    write(log, regression(120), day="2026-03-06")
    bare = without(pairs(30, seed=7), "label", "slice_country", "candidate_latency_ms")
    write(log, bare, day="2026-03-06", part="bare")
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
    naive = changed(pairs(40, seed=9), ts=ts.cast(pa.timestamp("us")), **{'slice_odd `"name': ["x"] * 40})
    write(log, naive, day="2026-03-09")
    write(log, pairs(3, seed=10, ts=pa.array([0, 1, 2], pa.date32())), day="2026-03-09", part="dates")
    write(log, pairs(40, slice_wide=[f"{row}" for row in range(40)]), day="2026-03-09", part="{a}[b]*?")
    (log / "dt=2026-03-09" / "torn.parquet").write_bytes(b"PAR1")
    # All in one folder, so that one relation has every schema.
    for number, columns in enumerate(ODD_COLUMNS):
        odd = pairs(ODD_ROWS, seed=number, **{name: over(values) for name, values in columns.items()})
        write(log, odd, day="2026-03-10", part=str(number))
    ids = pa.array([f"number {row}" for row in range(ODD_ROWS)])
    write(log, regression(ODD_ROWS, request_id=ids, label=over(ODD_NUMBERS)), day="2026-03-10", part="numbers")
    return log


def test_both_engines_find_the_same(spark: SparkEngine, log: Path, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        there = read_log(log, engine=spark, home=tmp_path / "spark")
    here = read_log(log, engine=DUCKDB, home=tmp_path / "duckdb")
    assert_same(here.state, there.state)
    assert here.coverage == there.coverage
    assert here.coverage.duplicates == 153
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


@pytest.mark.parametrize(
    "column", [pa.array([1, 2, 3], pa.time64("ns")), pa.array([1, 2, 3], pa.decimal256(60, 1))], ids=["time", "decimal"]
)
def test_a_type_that_spark_has_not_is_the_file_s_own_problem(
    spark: SparkEngine, tmp_path: Path, column: pa.Array
) -> None:
    log = tmp_path / "log"
    write(log, pairs(100))
    write(log, pairs(3, day="2026-03-02", weather=column), day="2026-03-02")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = read_log(log, engine=spark, home=tmp_path)
    assert found.coverage.rows_read == 100
    assert found.coverage.unread == ("dt=2026-03-02/part-0.parquet",)


def test_what_spark_cannot_do_is_no_fault_of_the_files(spark: SparkEngine, log: Path) -> None:
    files, _ = list_log_files(log / "dt=2026-03-03")
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
