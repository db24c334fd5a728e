from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from services.documents import DocumentInvalid
from services.errors import Forbidden, GatehouseError, InvalidInput, NotFound, Unreachable
from services.gates.collectors.records import MetricsCollector
from services.gates.evidence import Absent, Metrics, Subject
from services.gates.outcomes import Outcome
from services.gates.policy import GATE_POLICY
from services.registry.values import Stage
from services.store import Store
from services.store.gates import REPORTS
from tests.conftest import FakeClock
from tests.gates.builders import GOOD, MAYA, MEERA, NOBODY, TAGS, add_version, build_world

POLICY = """\
kind: gate_policy
expires_after_hours: 24
waiver_days: 3
stages:
  staging:
    approvals: {default: 1}
    gates:
    - {gate: auc, kind: metric, metric: auc, at_least: 0.99}
    - {gate: f1, kind: metric, metric: f1, at_least: 0.5, dry_run: true}
"""


def test_a_version_with_its_story_passes_the_shipped_policy_to_staging(
    any_store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(any_store, clock, tmp_path)
    champion = add_version(world.registry, aliases=["production"])
    candidate = add_version(world.registry)
    report = world.gates.run(candidate, Stage.STAGING, actor=MAYA)
    assert report.obstacles == ()
    assert report.is_passed
    assert report.champion == champion.version
    assert report.policy_revision == "gate_policy/default/1"
    assert world.gates.get_report(report.id or 0) == report
    assert world.list_actions()[-1] == "gates:report:recorded"
    document = report.to_json()
    assert {"outcome", "gates", "evidence_digest", "policy_revision"} <= set(document)
    assert document["outcome"] == "passed"


def test_the_first_version_of_a_model_passes_as_well(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path)
    report = world.gates.run(add_version(world.registry), Stage.STAGING, actor=MAYA)
    assert report.is_passed
    assert report.champion is None


def test_a_worse_version_is_told_what_stands_in_its_way_worst_first(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(store, clock, tmp_path)
    add_version(world.registry, aliases=["production"])
    worse = {**GOOD, "accuracy": 0.9, "calibration_psi": float("nan")}
    report = world.gates.run(add_version(world.registry, metrics=worse), Stage.STAGING, actor=MAYA)
    assert report.outcome is Outcome.FAILED
    assert [result.gate for result in report.obstacles] == ["accuracy_threshold", "calibration_check"]


def test_production_asks_for_what_nothing_here_measures_and_so_does_not_pass(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(store, clock, tmp_path)
    report = world.gates.run(add_version(world.registry), Stage.PRODUCTION, actor=MAYA)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert {result.gate for result in report.obstacles} == {
        "signature_tests",
        "latency_p95",
        "latency_p99",
        "memory_usage",
        "cold_start",
        "error_rate",
        "column_order",
    }


def test_retiring_passes_where_nothing_serves(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path)
    serving = add_version(world.registry, aliases=["production"])
    assert world.gates.run(add_version(world.registry), Stage.ARCHIVED, actor=MEERA).is_passed
    assert world.gates.run(serving, Stage.NONE, actor=MEERA).outcome is Outcome.FAILED


def test_the_digest_covers_version_bytes_champion_results_and_policy(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(store, clock, tmp_path)
    candidate = add_version(world.registry)

    def digest() -> str:
        return world.gates.run(candidate, Stage.STAGING, actor=MAYA).evidence_digest

    digests = [digest()]
    assert digest() == digests[0]
    world.registry.put_file(candidate, "model.pkl", b"other bytes")
    digests.append(digest())
    add_version(world.registry, aliases=["production"])
    digests.append(digest())
    digests.append(world.gates.run(candidate, Stage.STAGING, actor=MAYA, policy_text=POLICY).evidence_digest)
    assert len(set(digests)) == len(digests)
    assert all(each.startswith("sha256:") for each in digests)


def test_a_policy_of_a_file_is_named_by_its_digest_and_validated(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(store, clock, tmp_path)
    candidate = add_version(world.registry)
    report = world.gates.run(candidate, Stage.STAGING, actor=MAYA, policy_text=POLICY)
    assert report.policy_revision.startswith("sha256:")
    assert [(result.gate, result.dry_run) for result in report.results] == [("auc", False), ("f1", True)]
    assert [result.gate for result in report.obstacles] == ["auc"]
    with pytest.raises(DocumentInvalid):
        world.gates.run(candidate, Stage.STAGING, actor=MAYA, policy_text="kind: gate_policy\n")


def test_a_stage_that_the_policy_does_not_speak_of_never_passes(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path)
    report = world.gates.run(add_version(world.registry), Stage.PRODUCTION, actor=MAYA, policy_text=POLICY)
    assert (report.outcome, report.results) == (Outcome.INCONCLUSIVE, ())


def test_a_champion_may_be_named(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path)
    best = add_version(world.registry, metrics={**GOOD, "auc": 1.0})
    report = world.gates.run(add_version(world.registry), Stage.STAGING, actor=MAYA, champion=best)
    assert report.champion == 1
    assert [result.gate for result in report.obstacles] == ["auc_threshold"]


def test_a_champion_is_of_the_same_model_or_none(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path)
    candidate, other = (
        add_version(world.registry, aliases=["production"]),
        add_version(world.registry, "churn_predictor"),
    )
    with pytest.raises(InvalidInput, match="another model"):
        world.gates.run(candidate, Stage.STAGING, actor=MAYA, champion=other)
    assert world.gates.run(candidate, Stage.STAGING, actor=MAYA, is_first=True).champion is None


def test_files_that_are_gone_stand_in_the_way(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path)
    candidate = add_version(world.registry)
    world.registry.remove_files(candidate)
    report = world.gates.run(candidate, Stage.STAGING, actor=MAYA, policy_text=POLICY.replace("0.99", "0.5"))
    assert report.outcome is Outcome.ERROR
    assert report.obstacles[0].gate == "files"
    assert report.bound["artifact_digest"] is None


def test_who_may_not_run_gates_is_refused(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path)
    with pytest.raises(Forbidden):
        world.gates.run(add_version(world.registry), Stage.STAGING, actor=NOBODY)
    assert world.gates.list_reports() == []


def test_a_registry_that_is_away_ends_the_run_and_keeps_nothing(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path)
    candidate = add_version(world.registry)
    world.registry.faults.fail("get_artifact_digest", Unreachable("Away.", next_step=""))
    with pytest.raises(Unreachable):
        world.gates.run(candidate, Stage.STAGING, actor=MAYA)
    assert world.gates.list_reports() == []


def test_collectors_may_be_chosen_for_one_run(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    class Nothing(MetricsCollector):
        def collect(self, subject: Subject) -> Metrics:
            return Absent(reason="switched off")  # type: ignore[return-value]

    world = build_world(store, clock, tmp_path)
    candidate = add_version(world.registry)
    chosen = [Nothing(world.registry)]
    report = world.gates.run(candidate, Stage.STAGING, actor=MAYA, policy_text=POLICY, collectors=chosen)
    assert report.obstacles[0].message == "switched off"


def test_the_models_own_tier_counts_before_the_versions(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path)
    world.registry.add_model("fraud_detector", tags={"risk": "tier1"})
    report = world.gates.run(add_version(world.registry), Stage.PRODUCTION, actor=MAYA)
    assert report.tier == "tier1"
    assert "shadow_success" in {result.gate for result in report.obstacles}


def test_what_a_move_needs_follows_stage_and_tier(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path)
    rule = world.gates.approval_rule("m", Stage.PRODUCTION, tier="tier1")
    assert (rule.approvals, rule.expires_after_hours, rule.policy_author) == (2, 168, "")
    assert world.gates.policy_revision("m") == "gate_policy/default/1"
    text = (GATE_POLICY.read_default() or "") + "# ours\n"
    proposed = world.documents.propose(MEERA, "gate_policy", "default", text, reason="ours", base=1)
    with store.write() as unit:
        world.documents.activate(unit, proposed, actor=MAYA, change_id=None, reason="", expected=1)
        unit.commit()
    assert world.gates.approval_rule("m", Stage.STAGING, tier="").policy_author == "meera"


def test_a_waiver_lifts_a_gate_for_a_time(any_store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(any_store, clock, tmp_path)
    candidate = add_version(world.registry, metrics={**GOOD, "demographic_parity": 0.3})
    assert not world.gates.run(candidate, Stage.STAGING, actor=MAYA).is_passed
    waiver = world.gates.waive(MEERA, candidate, Stage.STAGING, "fairness_check", reason="small groups", days=2)
    report = world.gates.run(candidate, Stage.STAGING, actor=MAYA)
    assert report.is_passed
    (waived,) = (result for result in report.results if result.waived)
    assert (waived.gate, waived.outcome) == ("fairness_check", Outcome.FAILED)
    assert waived.details["waiver"]["granted_by"] == "meera"
    assert waived.details["waiver"]["reason"] == "small groups"
    clock.advance(days=2)
    assert not world.gates.run(candidate, Stage.STAGING, actor=MAYA).is_passed
    assert not waiver.stands_at(clock.now)


def test_a_gate_that_passes_is_not_waived(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path)
    candidate = add_version(world.registry)
    world.gates.waive(MEERA, candidate, Stage.STAGING, "fairness_check", reason="why not", days=1)
    assert not any(result.waived for result in world.gates.run(candidate, Stage.STAGING, actor=MAYA).results)


def test_a_waiver_is_for_gates_there_are(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path)
    with pytest.raises(NotFound, match="no gate 'vibes'"):
        world.gates.waive(MEERA, add_version(world.registry), Stage.STAGING, "vibes", reason="x", days=1)


def test_reports_never_change(any_store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(any_store, clock, tmp_path)
    world.gates.run(add_version(world.registry), Stage.STAGING, actor=MAYA)
    with pytest.raises((Exception, GatehouseError), match="never change"), any_store.write() as unit:
        unit.connection.execute(update(REPORTS).values(outcome="passed"))


def test_history_is_paged_and_the_newest_of_each_version_is_found(
    any_store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(any_store, clock, tmp_path)
    first = add_version(world.registry, metrics={**GOOD, "auc": 0.7})
    second = add_version(world.registry)
    other = add_version(world.registry, "churn_predictor")
    for version in (first, second, first, other):
        world.gates.run(version, Stage.STAGING, actor=MAYA)
        clock.advance(minutes=1)
    world.gates.run(first, Stage.ARCHIVED, actor=MEERA)
    assert [report.id for report in world.gates.list_reports(model="fraud_detector", version=1)] == [5, 3, 1]
    page = world.gates.list_reports(stage=Stage.STAGING, limit=2)
    assert [report.id for report in page] == [4, 3]
    assert [report.id for report in world.gates.list_reports(stage=Stage.STAGING, before_id=3)] == [2, 1]
    newest = world.gates.list_newest(Stage.STAGING)
    assert [(report.reference, report.id) for report in newest] == [
        ("churn_predictor/1", 4),
        ("fraud_detector/1", 3),
        ("fraud_detector/2", 2),
    ]
    after = world.gates.list_newest(Stage.STAGING, models=["fraud_detector"], after=("fraud_detector", 1), limit=5)
    assert [report.version for report in after] == [2]
    trend = world.gates.list_trend("fraud_detector", Stage.STAGING, "auc_threshold")
    assert [(point.version, point.result.observed) for point in trend] == [(1, 0.7), (2, 0.97), (1, 0.7)]
    matrix = world.gates.get_matrix("fraud_detector", Stage.STAGING)
    assert [report.version for report in matrix.reports] == [2, 1]
    assert matrix.cells["auc_threshold", 1].observed == 0.7
    assert "fairness_check" in matrix.gates
    with pytest.raises(NotFound, match="no gate report 99"):
        world.gates.get_report(99)


def test_every_model_is_judged_on_records_in_a_fixed_number_of_calls(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(store, clock, tmp_path)
    calls = []
    for team, count in (("risk", 3), ("cards", 30)):
        for place in range(count):
            name = f"{team}_{'qwxzvy'[place // 6]}{'bcdfgh'[place % 6]}_scorer"
            add_version(world.registry, name, aliases=["production"])
            add_version(world.registry, name, metrics={**GOOD, "auc": 0.5 if place == 0 else 0.97})
        world.registry.faults.calls.clear()
        reports = world.gates.run_records(Stage.STAGING, actor=MAYA)
        calls.append(len(world.registry.faults.calls))
    assert calls[0] == calls[1]
    assert len(reports) == 33
    assert {report.version for report in reports} == {2}
    failed = [report.model for report in reports if report.outcome is Outcome.FAILED]
    assert failed == ["cards_qb_scorer", "risk_qb_scorer"]
    assert [report.model for report in reports[:2]] == failed, "the worst comes first"
    assert not any(report.is_passed for report in reports)
    assert {result.kind for report in reports for result in report.results} == {
        "name",
        "tags",
        "metric_names",
        "champion",
    }
    assert world.gates.list_reports() == []


def test_a_model_without_a_champion_is_swept_as_a_first_version(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(store, clock, tmp_path)
    add_version(world.registry)
    world.registry.add_model("empty")
    (report,) = world.gates.run_records(Stage.STAGING, actor=MAYA)
    assert (report.champion, report.outcome, report.tier) == (None, Outcome.PASSED, TAGS["risk"])
    assert replace(report, is_sweep=False).is_passed
