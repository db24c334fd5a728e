import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from services.errors import InvalidInput, NotFound
from services.gates.collectors.measured_files import (
    MetricsFileCollector,
    PredictionsCollector,
    SlicesCollector,
    result_file_collectors,
)
from services.gates.collectors.records import FilesCollector, MetricsCollector, SignaturesCollector
from services.gates.collectors.shadow import ShadowCollector
from services.gates.collectors.sources import FolderFiles, RunFiles
from services.gates.collectors.story import StoryCollector
from services.gates.evidence import (
    Absent,
    AbTest,
    Arm,
    Predictions,
    RequestLog,
    ServiceLevel,
    ShadowRecord,
    Slices,
    Subject,
)
from services.lineage.telling import Stories
from services.registry.fake import FakeRegistry
from services.signatures.values import SignatureState
from tests.gates.builders import add_version, gate, subject, table_bytes


def about(registry: FakeRegistry, files: dict[str, bytes] | None = None, **gates: Any) -> Subject:
    return subject(registry, add_version(registry, files=files), gates=[gate(**gates)] if gates else [])


def test_metrics_and_signatures_are_read_of_both_versions() -> None:
    registry = FakeRegistry()
    champion = add_version(registry, metrics={"auc": 0.8})
    both = subject(registry, add_version(registry, metrics={"auc": 0.9}), champion=champion)
    metrics = MetricsCollector(registry).collect(both)
    assert (metrics.candidate["auc"], (metrics.champion or {})["auc"]) == (0.9, 0.8)
    signatures = SignaturesCollector(registry).collect(both)
    assert signatures.candidate.state is SignatureState.PRESENT
    registry.remove_files(champion)
    lost = SignaturesCollector(registry).collect(both).champion
    assert lost is not None
    assert lost.state is SignatureState.UNREADABLE


def test_files_of_model_and_run_are_listed() -> None:
    registry = FakeRegistry()
    files = FilesCollector(registry).collect(about(registry, {"plots/roc.png": b""}))
    assert not isinstance(files, Absent)
    assert "MLmodel" in files.model
    assert "plots/roc.png" in files.run


def test_the_story_names_what_is_there_and_how_to_add_the_rest() -> None:
    registry = FakeRegistry()
    story = StoryCollector(Stories(registry)).collect(about(registry))
    assert {"run", "dataset", "code", "metrics", "signature", "model_card"} <= story.present
    assert story.missing["slices"]
    assert 0 < story.completeness < 1


def test_slices_come_from_their_file_or_else_from_the_prediction_table() -> None:
    registry = FakeRegistry()
    source = RunFiles(registry)
    document = [{"slice": "country", "value": "US", "rows": 9, "metrics": {"auc": 0.9}}]
    logged = SlicesCollector(source).collect(about(registry, {"slices.json": json.dumps(document).encode()}))
    assert isinstance(logged, Slices)
    assert logged.parts[0].rows == 9
    computed = SlicesCollector(source).collect(about(registry, {"predictions.parquet": table_bytes()}))
    assert isinstance(computed, Slices)
    assert [(part.column, part.value, part.rows) for part in computed.parts] == [
        ("group", "a", 200),
        ("group", "b", 200),
    ]
    assert 0.5 < computed.parts[0].metrics["accuracy"] <= 1
    assert isinstance(SlicesCollector(source).collect(about(registry)), Absent)


def test_slices_of_a_table_without_labels_are_none() -> None:
    registry = FakeRegistry()
    table = pd.DataFrame({"prediction": [0, 1], "slice_x": ["a", "b"]}).to_csv(index=False).encode()
    found = SlicesCollector(RunFiles(registry)).collect(about(registry, {"predictions.csv": table}))
    assert found == Slices(parts=())


@pytest.mark.parametrize("shift", [0.0, 0.2])
def test_fairness_and_calibration_are_computed_from_the_prediction_table(shift: float) -> None:
    registry = FakeRegistry()
    asked = about(
        registry, {"predictions.parquet": table_bytes(shift=shift)}, kind="fairness", at_most=0.1, min_rows=30
    )
    found = PredictionsCollector(RunFiles(registry)).collect(asked)
    assert isinstance(found, Predictions)
    assert found.rows == 400
    assert found.demographic_parity["group"] == pytest.approx(shift, abs=0.01)
    assert found.calibration_psi is not None
    assert found.calibration_psi < 0.05


def test_groups_smaller_than_the_gate_asks_for_say_nothing() -> None:
    registry = FakeRegistry()
    asked = about(registry, {"predictions.parquet": table_bytes()}, kind="fairness", at_most=0.1, min_rows=201)
    found = PredictionsCollector(RunFiles(registry)).collect(asked)
    assert isinstance(found, Predictions)
    assert found.demographic_parity == {"group": None}


def csv_table(**columns: list[object]) -> dict[str, bytes]:
    return {"predictions.csv": pd.DataFrame(columns).to_csv(index=False).encode()}


def test_a_table_of_more_than_two_classes_has_no_positive_one() -> None:
    registry = FakeRegistry()
    source = RunFiles(registry)
    found = PredictionsCollector(source).collect(about(registry, csv_table(prediction=["a", "b", "c"])))
    assert found == Absent(reason="The prediction table does not speak of two classes.")
    named = PredictionsCollector(source).collect(
        about(registry, csv_table(prediction=["no", "yes"], slice_x=["a", "b"]))
    )
    assert isinstance(named, Predictions)
    assert named.calibration_psi is None
    assert named.demographic_parity == {"x": 1.0}
    unlabelled = csv_table(prediction=[0, 1], score=[0.1, 0.9], label=[None, None])
    blind = PredictionsCollector(source).collect(about(registry, unlabelled))
    assert isinstance(blind, Predictions)
    assert blind.calibration_psi is None
    assert isinstance(PredictionsCollector(source).collect(about(registry)), Absent)


@pytest.mark.parametrize(
    "files", [{"predictions.parquet": b"no table"}, {"predictions.csv": b""}, csv_table(other=[1])]
)
def test_a_table_that_is_none_is_told(files: dict[str, bytes]) -> None:
    registry = FakeRegistry()
    with pytest.raises(InvalidInput, match="prediction table"):
        PredictionsCollector(RunFiles(registry)).collect(about(registry, files))


def collect_results(registry: FakeRegistry, files: dict[str, Any]) -> dict[type[Any], Any]:
    asked = about(registry, {name: json.dumps(content).encode() for name, content in files.items()})
    return {each.kind: each.collect(asked) for each in result_file_collectors(RunFiles(registry))}


def test_results_from_elsewhere_come_as_json() -> None:
    found = collect_results(
        FakeRegistry(),
        {
            "ab_test.json": {
                "metric": "conversion",
                "control": {"samples": 1000, "mean": 0.2},
                "treatment": {"samples": 900, "mean": 30.0, "variance": 4.0},
            },
            "sla.json": {"violations": 2, "window": "7 days"},
            "request_log.json": {"requests": 10, "recorded": 9},
        },
    )
    assert found[AbTest] == AbTest(
        metric="conversion",
        control=Arm(samples=1000, mean=0.2, variance=0.2 * 0.8),
        treatment=Arm(samples=900, mean=30.0, variance=4.0),
    )
    assert found[ServiceLevel] == ServiceLevel(violations=2, window="7 days")
    assert found[RequestLog] == RequestLog(requests=10, recorded=9)


def test_results_that_are_not_there_are_absent() -> None:
    assert all(isinstance(found, Absent) for found in collect_results(FakeRegistry(), {}).values())


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("sla.json", {"violations": -1, "window": "x"}, "violations"),
        ("sla.json", {"violations": 0, "window": "x", "note": 1}, "note"),
        ("sla.json", {"violations": "0", "window": "x"}, "violations"),
        ("sla.json", [], "the file"),
        ("request_log.json", {"requests": 1, "recorded": 9}, "more requests are recorded than were answered"),
        ("ab_test.json", {"metric": "m", "control": {"samples": 1, "mean": float("nan")}}, "control"),
        (
            "ab_test.json",
            {"metric": "m", "control": {"samples": 1, "mean": 3}, "treatment": {"samples": 1, "mean": 0.1}},
            "no variance",
        ),
    ],
)
def test_results_that_are_not_as_they_should_be_are_told(name: str, content: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        collect_results(FakeRegistry(), {name: content})


def test_a_folder_of_ci_goes_before_the_run(tmp_path: Path) -> None:
    registry = FakeRegistry()
    asked = about(registry, {"sla.json": b"of the run"})
    source = FolderFiles(tmp_path, RunFiles(registry))
    assert source.find(asked, "sla.json") == b"of the run"
    (tmp_path / "sla.json").write_bytes(b"of ci")
    assert source.find(asked, "sla.json") == b"of ci"
    assert source.find(asked, "nothing.json") is None


def test_a_file_of_ci_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.gates.collectors.sources.MAX_BYTES", 3)
    (tmp_path / "sla.json").write_bytes(b"four")
    registry = FakeRegistry()
    with pytest.raises(InvalidInput, match="larger than"):
        FolderFiles(tmp_path, RunFiles(registry)).find(about(registry), "sla.json")


def test_metrics_of_ci_are_laid_over_those_that_were_logged(tmp_path: Path) -> None:
    registry = FakeRegistry()
    asked = about(registry)
    collector = MetricsFileCollector(FolderFiles(tmp_path, RunFiles(registry)), MetricsCollector(registry))
    assert collector.collect(asked).candidate["auc"] == 0.97
    (tmp_path / "metrics.json").write_text('{"auc": 0.5, "mine": 2}')
    found = collector.collect(asked)
    assert (found.candidate["auc"], found.candidate["mine"], found.candidate["accuracy"]) == (0.5, 2.0, 0.94)
    (tmp_path / "metrics.json").write_text('{"auc": "high"}')
    with pytest.raises(InvalidInput, match="auc"):
        collector.collect(asked)


def test_a_version_without_a_run_has_no_files_of_one() -> None:
    import dataclasses

    registry = FakeRegistry()
    asked = about(registry)
    orphan = dataclasses.replace(asked, candidate=dataclasses.replace(asked.candidate, run_id=None))
    assert RunFiles(registry).find(orphan, "sla.json") is None
    files = FilesCollector(registry).collect(orphan)
    assert not isinstance(files, Absent)
    assert files.run == frozenset()


def write_log(folder: Path, *, days: int, disagree: int = 0, fail: int = 0, candidate: int = 2) -> None:
    """Write a paired log of a hundred pairs a day."""
    for day in range(1, days + 1):
        rows = range(100)
        decisions = [None if row < fail else "block" if row >= 100 - disagree else "allow" for row in rows]
        table = pd.DataFrame(
            {
                "request_id": [f"{day}-{row}" for row in rows],
                "ts": pd.Timestamp(f"2026-02-{day:02d}T12:00:00", tz="UTC"),
                "champion_version": 1,
                "candidate_version": candidate,
                "champion_score": 0.5,
                "candidate_score": [None if row < fail else 0.5 for row in rows],
                "champion_decision": "allow",
                "candidate_decision": decisions,
                "champion_latency_ms": 1.0,
                "candidate_latency_ms": 1.0,
                "champion_error": None,
                "candidate_error": ["ValueError" if row < fail else None for row in rows],
                "label": None,
            }
        ).astype({"champion_error": "str", "candidate_error": "str", "label": "str", "candidate_score": "float64"})
        place = folder / f"dt=2026-02-{day:02d}"
        place.mkdir(parents=True)
        table.to_parquet(place / "part-0.parquet")


def test_the_shadow_comparison_is_read_from_the_log_of_both_versions(tmp_path: Path) -> None:
    write_log(tmp_path / "shadow" / "fraud_detector", days=3, disagree=5, fail=10)
    registry = FakeRegistry()
    champion = add_version(registry)
    both = subject(registry, add_version(registry), champion=champion)
    collector = ShadowCollector(tmp_path / "shadow", home=tmp_path, engine="duckdb")
    found = collector.collect(both)
    assert isinstance(found, ShadowRecord)
    assert (found.days, found.pairs) == (3, 270)
    assert found.agreement == pytest.approx(255 / 270)
    assert found.agreement_low < found.agreement < found.agreement_high
    assert found.candidate_error_rate == pytest.approx(0.1)


def test_a_log_with_a_file_that_cannot_be_read_is_no_evidence(tmp_path: Path) -> None:
    write_log(tmp_path / "shadow" / "fraud_detector", days=3)
    (tmp_path / "shadow" / "fraud_detector" / "dt=2026-02-01" / "part-1.parquet").write_bytes(b"PAR1")
    registry = FakeRegistry()
    champion = add_version(registry)
    collector = ShadowCollector(tmp_path / "shadow", home=tmp_path, engine="duckdb")
    found = collector.collect(subject(registry, add_version(registry), champion=champion))
    told = "The log is not whole: what stands in dt=2026-02-01/part-1.parquet could not be read."
    assert found == Absent(reason=told)


def test_a_log_of_other_versions_or_of_none_is_no_evidence(tmp_path: Path) -> None:
    registry = FakeRegistry()
    champion = add_version(registry)
    candidate = add_version(registry)
    collector = ShadowCollector(tmp_path / "shadow", home=tmp_path, engine="duckdb")
    with pytest.raises(NotFound):
        collector.collect(subject(registry, candidate, champion=champion))
    assert isinstance(collector.collect(subject(registry, candidate)), Absent)
    write_log(tmp_path / "shadow" / "fraud_detector", days=1, candidate=9)
    other = collector.collect(subject(registry, candidate, champion=champion))
    assert other == Absent(reason="The log has no pairs of version 2 beside version 1.")
