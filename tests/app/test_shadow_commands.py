"""`gatehouse shadow`: the document and the exit codes that others script against."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from app.facade import Gatehouse
from services.registry.fake import FakeRegistry
from services.shadow.service import ShadowLogs
from tests.app.running import Home, make_home
from tests.jobs.models import SUM, write_model
from tests.servers import free_port
from tests.shadow.builders import NAN, empty_pairs, pairs, without, write, write_days
from tests.shadow.test_service import ByFolder, csv

INTERVAL = {"rate", "low", "high"}
QUANTILES = {"p50", "p95", "p99"}
LENIENT = """min_days: 2
min_pairs: 100
min_agreement: 0.5
max_latency_p99_ms: 1000
max_accuracy_loss: 1
max_error_rate: 0.1
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path, MLFLOW_TRACKING_URI=f"http://127.0.0.1:{free_port()}")


@pytest.fixture
def lenient(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(LENIENT)
    return path


def demand_every_key(document: dict[str, Any]) -> None:
    """Demand every key that the public interface names, whatever the log."""
    assert {"pairs", "valid_pairs", "psi", "js", "flow", "slices"} <= document.keys()
    assert document["agreement"].keys() >= INTERVAL
    assert document["score_difference"].keys() >= {"mean", "mean_abs", "max_abs"}
    assert document["ks"].keys() >= {"low", "high"}
    assert all(document["latency_ms"][side].keys() >= QUANTILES for side in ("champion", "candidate"))
    assert document["error_rate"].keys() == {"champion", "candidate"}
    assert document["mcnemar"].keys() >= {"b", "c", "p", "e_value"}
    assert document["judgement"].keys() >= {"outcome", "reasons"}
    assert document["judgement"]["outcome"] in {"promote", "continue", "stop", "not_yet"}
    assert document["judgement"]["reasons"]
    for one in document["slices"]:
        assert one.keys() >= {"slice", "value", "pairs", *INTERVAL}


def test_a_candidate_that_can_be_promoted_ends_with_0(home: Home, tmp_path: Path, lenient: Path) -> None:
    log = write_days(tmp_path / "log", days=3)
    ran = home.run("shadow", "compare", "--log", log, "--policy", lenient, "--json")
    assert (ran.code, ran.json["judgement"]["outcome"]) == (0, "promote")
    demand_every_key(ran.json)
    assert ran.json["pairs"] == ran.json["valid_pairs"] == 1200
    assert sum(pairs for row in ran.json["flow"].values() for pairs in row.values()) == 1200


def test_any_other_answer_ends_with_1_and_says_why(home: Home, tmp_path: Path, lenient: Path) -> None:
    log = write_days(tmp_path / "log", days=1)
    ran = home.run("shadow", "compare", "--log", log, "--policy", lenient, "--json")
    assert (ran.code, ran.json["judgement"]["outcome"]) == (1, "not_yet")
    assert ran.json["judgement"]["reasons"] == ["Valid pairs span 1 day, and 2 are needed."]
    lenient.write_text(LENIENT.replace("0.5", "0.999"))
    write_days(log, days=3)
    ran = home.run("shadow", "compare", "--log", log, "--policy", lenient, "--json")
    assert (ran.code, ran.json["judgement"]["outcome"]) == (1, "stop")


@pytest.mark.parametrize(
    "table",
    [
        empty_pairs(),
        pairs(1),
        pairs(30, champion_score=[NAN] * 30),
        without(pairs(30), "label", "slice_country", "champion_latency_ms"),
    ],
    ids=["empty", "one row", "nan", "bare"],
)
def test_every_key_is_always_there(home: Home, tmp_path: Path, table: Any) -> None:
    write(tmp_path / "log", table)
    ran = home.run("shadow", "compare", "--log", tmp_path / "log", "--json")
    assert ran.code == 1
    demand_every_key(ran.json)


def test_one_slice_can_be_asked_for(home: Home, tmp_path: Path) -> None:
    log = write_days(tmp_path / "log", days=1, slice_channel=["web", "app"] * 200)
    for name in ("channel", "slice_channel"):
        ran = home.run("shadow", "compare", "--log", log, "--by", name, "--json")
        assert {(one["slice"], one["value"]) for one in ran.json["slices"]} == {
            ("slice_channel", "web"),
            ("slice_channel", "app"),
        }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--log", "nowhere"), "There is no shadow log"),
        (("--log", "log", "--by", "planet"), "no slice 'planet'"),
        (("--log", "log", "--policy", "nowhere.yaml"), "no policy file"),
        (("--log", "log", "--policy", "bad.yaml"), "Line 1: min_pears"),
    ],
)
def test_bad_input_ends_with_2_and_is_named(home: Home, tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    write_days(tmp_path / "log", days=1, rows=10)
    (tmp_path / "bad.yaml").write_text("min_pears: 3\n")
    files = [tmp_path / each if each in {"nowhere", "log"} or "yaml" in each else each for each in arguments]
    ran = home.run("shadow", "compare", *files, "--json")
    assert ran.code == 2
    assert told in ran.json["error"]["message"]
    assert ran.json["error"]["next_step"]


def test_what_is_listed_does_not_change_the_verdict(home: Home, tmp_path: Path, lenient: Path) -> None:
    decisions = ["allow"] * 200 + ["block"] * 200
    both = {"champion_decision": ["allow"] * 400, "candidate_decision": decisions, "label": decisions}
    log = write_days(tmp_path / "log", days=3, rows=400, slice_place=["good"] * 200 + ["bad"] * 200, **both)
    thresholds = LENIENT.replace("min_agreement: 0.5", "min_agreement: 0.3\nmin_slice_agreement: 0.4")
    lenient.write_text(thresholds)
    for by in ([], ["--by", "country"]):
        ran = home.run("shadow", "compare", "--log", log, "--policy", lenient, *by, "--json")
        assert (ran.code, ran.json["judgement"]["outcome"]) == (1, "stop")
        assert "slice_place is 'bad'" in ran.json["judgement"]["reasons"][0]


def test_a_file_that_cannot_be_read_keeps_a_candidate_from_promotion(home: Home, tmp_path: Path, lenient: Path) -> None:
    log = write_days(tmp_path / "log", days=3)
    (log / "dt=2026-03-01" / "torn.parquet").write_bytes(b"PAR1")
    ran = home.run("shadow", "compare", "--log", log, "--policy", lenient, "--json")
    assert (ran.code, ran.json["judgement"]["outcome"], ran.json["pairs"]) == (1, "not_yet", 1200)
    assert "dt=2026-03-01/torn.parquet could not be read" in ran.json["judgement"]["reasons"][0]
    lenient.write_text(f"{LENIENT}max_unread_files: 1\n")
    ran = home.run("shadow", "compare", "--log", log, "--policy", lenient, "--json")
    assert (ran.code, ran.json["judgement"]["outcome"]) == (0, "promote")


def test_an_engine_nobody_knows_is_a_wrong_option(home: Home, tmp_path: Path) -> None:
    assert home.run("shadow", "compare", "--log", tmp_path, "--engine", "polars").code == 2


def test_a_person_reads_the_verdict_first_and_every_problem_by_file(home: Home, tmp_path: Path) -> None:
    log = write_days(tmp_path / "log", days=2)
    (log / "dt=2026-03-01" / "torn.parquet").write_bytes(b"PAR1")
    write(log, without(pairs(20, seed=7), "label"), part="short")
    ran = home.run("shadow", "compare", "--log", log)
    assert ran.out.splitlines()[0] == "NOT YET"
    assert "3 of 4 files are counted." in ran.out
    assert ran.out.index("torn.parquet") < ran.out.index("part-short.parquet")
    assert "820 rows were read, 0 of them repeat another: 820 pairs." in ran.out
    assert "dt=2026-03-01/torn.parquet" in ran.out
    assert "slice_country" in ran.out
    assert "p99 latency" in ran.out


def test_a_replay_is_written_and_can_be_compared(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = FakeRegistry()
    for version in ("1", "2", "3", "4"):
        registry.add_version("m", files={"MLmodel": version.encode()})
    monkeypatch.setattr(Gatehouse, "shadow", property(lambda gatehouse: _shadow(gatehouse, registry)))
    data = tmp_path / "data.csv"
    data.write_bytes(csv(20))
    token = home.add_person("ravi", "ml_engineer")
    command = (
        "shadow",
        "replay",
        "m",
        "--champion",
        "3",
        "--candidate",
        "4",
        "--data",
        data,
        "--out",
        tmp_path / "out",
    )
    ran = home.run(*command, "--threshold", "0.5", "--chunk-rows", "7", "--json", token=token)
    assert ran.code == 0, ran
    assert (ran.json["rows"], ran.json["resumed_rows"], ran.json["is_complete"]) == (20, 0, True)
    assert (ran.json["model"], ran.json["champion"], ran.json["candidate"]) == ("m", 3, 4)
    again = home.run(*command, "--threshold", "0.5", "--chunk-rows", "7", token=token)
    assert "20 from before" in again.out
    compared = home.run("shadow", "compare", "--log", tmp_path / "out", "--json")
    assert compared.json["versions"] == [{"champion": 3, "candidate": 4, "pairs": 20}]


def test_labels_that_come_later_are_joined_and_an_event(home: Home, tmp_path: Path) -> None:
    log = write_days(tmp_path / "log", days=2, rows=5, label=pa.nulls(5, pa.string()))
    data = tmp_path / "truth.csv"
    data.write_text("request_id,was_fraud\n2026-03-01-0-0,block\n2026-03-02-1-1,allow\n2026-03-02-1-2,\nnobody,allow\n")
    command = ("shadow", "label", "--log", log, "--data", data, "--label", "was_fraud")
    token = home.add_person("ravi", "ml_engineer")
    first = home.run(*command, "--until", "2026-03-01", "--json", token=token)
    counts = {"labelled": 1, "relabelled": 0, "unchanged": 0, "unmatched": 2, "without_label": 1, "files": 1}
    assert (first.code, first.json) == (0, {"log": str(log), **counts})
    again = home.run(*command, token=token)
    assert again.code == 0
    assert again.out.splitlines()[0] == "Labelled 1 pairs; 0 had another label, 1 had this one."
    compared = home.run("shadow", "compare", "--log", log, "--json")
    assert compared.json["labels"]["labelled"] == 2
    assert home.run(*command, "--since", "2026-04-01", token=token).code == 1
    events = home.run("audit", "list", "--action", "shadow:labels:joined", "--json").json["events"]
    assert sorted(event["after"]["labelled"] for event in events) == [0, 1, 1]
    assert {event["actor"] for event in events} == {"ravi"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("request_id,label\na,1\na,2\n", "two labels"),
        ("id,label\na,1\n", "no column 'request_id'"),
        ("request_id,truth\na,1\n", "no column 'label'"),
    ],
)
def test_labels_that_cannot_be_are_told(home: Home, tmp_path: Path, content: str, told: str) -> None:
    log = write_days(tmp_path / "log", days=1, rows=5)
    data = tmp_path / "truth.csv"
    data.write_text(content)
    token = home.add_person("ravi", "ml_engineer")
    ran = home.run("shadow", "label", "--log", log, "--data", data, "--json", token=token)
    assert ran.code == 2
    assert told in ran.json["error"]["message"]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_replay_on_spark_is_the_same_log_and_the_same_comparison(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = FakeRegistry()
    for version, source in enumerate((SUM, SUM.replace("+", "+ 0.25 *")), 1):
        folder = write_model(tmp_path / f"model {version}", source)
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        registry.add_version("m", files=files)
    monkeypatch.setattr(Gatehouse, "registry", property(lambda _gatehouse: registry))
    data = tmp_path / "data.parquet"
    numbers = [row / 40 for row in range(40)]
    moments = pd.date_range("2026-03-01", periods=40, freq="h", tz="UTC")
    pd.DataFrame({"a": numbers, "b": [None, *numbers[1:]], "ts": moments, "slice_x": ["x", "y"] * 20}).to_parquet(data)
    documents, logs = [], []
    for engine in ("spark", "duckdb"):
        home, out = make_home(tmp_path / engine, GATEHOUSE_SHADOW_ENGINE=engine), tmp_path / f"log of {engine}"
        token = home.add_person("ravi", "ml_engineer")
        versions = ("--champion", "1", "--candidate", "2", "--threshold", "0.5", "--outputs", "scores")
        ran = home.run("shadow", "replay", "m", *versions, "--data", data, "--out", out, "--json", token=token)
        assert (ran.code, ran.json["rows"], ran.json["is_complete"]) == (0, 40, True), ran
        assert (ran.json["champion_errors"], ran.json["candidate_errors"]) == (1, 1)
        documents.append(home.run("shadow", "compare", "--log", out, "--json").json)
        logs.append(pd.read_parquet(out).sort_values("request_id", ignore_index=True))
    pd.testing.assert_frame_equal(logs[0], logs[1])
    assert documents[0] == documents[1]


def test_a_replay_needs_a_registry_that_answers(home: Home, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_bytes(csv())
    token = home.add_person("ravi", "ml_engineer")
    command = (
        "shadow",
        "replay",
        "m",
        "--champion",
        "1",
        "--candidate",
        "2",
        "--data",
        data,
        "--out",
        tmp_path / "out",
    )
    ran = home.run(*command, "--json", token=token)
    assert (ran.code, ran.json["error"]["kind"]) == (3, "unreachable")


def _shadow(gatehouse: Gatehouse, registry: FakeRegistry) -> ShadowLogs:
    return ShadowLogs(
        registry,
        gatehouse.store,
        gatehouse.audit,
        gatehouse.identity,
        gatehouse.jobs,
        ByFolder(),
        home=gatehouse.home,
    )
