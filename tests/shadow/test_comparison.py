"""The document that others script against."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from services.errors import InvalidInput, NotFound
from services.shadow.compare import compare
from services.shadow.judge import Verdict
from tests.shadow.builders import INF, NAN, assert_same, empty_pairs, pairs, read, write, write_days
from tests.shadow.test_measuring import hostile, regression

FIXED = {
    "pairs": None,
    "valid_pairs": None,
    "agreement": {"rate", "low", "high"},
    "score_difference": {"mean", "mean_abs", "max_abs"},
    "psi": None,
    "ks": {"low", "high"},
    "js": None,
    "latency_ms": {"champion", "candidate"},
    "error_rate": {"champion", "candidate"},
    "flow": None,
    "slices": None,
    "mcnemar": {"b", "c", "p", "e_value"},
    "judgement": {"outcome", "reasons"},
}


@pytest.mark.parametrize(
    "table",
    [
        pairs(300),
        hostile(),
        regression(50),
        empty_pairs(),
        pairs(1, champion_score=[NAN], candidate_score=[INF]),
    ],
    ids=["plain", "hostile", "regression", "empty", "one odd row"],
)
def test_every_log_has_the_whole_document_and_no_nan_in_it(tmp_path: Path, table: pa.Table) -> None:
    write(tmp_path / "log", table)
    document = compare(tmp_path / "log", home=tmp_path).to_json()
    for name, inner in FIXED.items():
        assert name in document
        assert inner is None or inner <= document[name].keys()
    for side in ("champion", "candidate"):
        assert {"p50", "p95", "p99"} <= document["latency_ms"][side].keys()
    for one in document["slices"]:
        assert {"slice", "value", "pairs", "rate", "low", "high"} <= one.keys()
    assert document["judgement"]["outcome"] in set(Verdict)
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_numbers_do_not_tell_the_order_of_adding_up(tmp_path: Path) -> None:
    write_days(tmp_path / "log", days=3)
    once = compare(tmp_path / "log", home=tmp_path / "a").to_json()
    for day in ("2026-03-01", "2026-03-02", "2026-03-03"):
        (tmp_path / "piecemeal" / f"dt={day}").mkdir(parents=True)
        source = tmp_path / "log" / f"dt={day}" / "part-0.parquet"
        (tmp_path / "piecemeal" / f"dt={day}" / "part-0.parquet").write_bytes(source.read_bytes())
        again = compare(tmp_path / "piecemeal", home=tmp_path / "b").to_json()
    ignored = {"files"}
    assert {key: value for key, value in once.items() if key not in ignored} == {
        key: value for key, value in again.items() if key not in ignored
    }


def test_problems_name_file_and_column(tmp_path: Path) -> None:
    write(tmp_path / "log", pairs(3, candidate_score=["a", "b", "c"]))
    document = compare(tmp_path / "log", home=tmp_path).to_json()
    (problem,) = document["problems"]
    assert problem == {
        "file": "dt=2026-03-01/part-0.parquet",
        "column": "candidate_score",
        "message": "holds string, not a number",
        "rows": 3,
        "counted": False,
    }
    assert document["files"]["found"] == 1
    assert document["files"]["counted"] == document["pairs"] == 0
    assert document["judgement"]["outcome"] == "not_yet"


def test_a_comparison_keeps_its_states_under_the_home(tmp_path: Path) -> None:
    log = write_days(tmp_path / "log", days=1)
    before = sorted(log.rglob("*"))
    compare(log, home=tmp_path / "home")
    assert sorted(log.rglob("*")) == before
    assert_same(read(log, tmp_path / "home").state, read(log, tmp_path / "other").state)


def test_what_cannot_be_compared_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        compare(tmp_path / "nowhere", home=tmp_path)
    with pytest.raises(InvalidInput, match="colour"):
        compare(write_days(tmp_path / "log", days=1), home=tmp_path, by="colour")
    with pytest.raises(InvalidInput, match="pandas"):
        compare(tmp_path / "log", home=tmp_path, engine="pandas")
