"""What answers items of the checklist by itself: gates that passed for this very version, and what the log has seen."""

from dataclasses import replace
from pathlib import Path

import pytest

from services.gates.outcomes import GateResult, Outcome
from services.gates.readiness import BACKUP_DAYS
from services.gates.reports import GateReport, report_columns
from services.registry.values import ModelVersion, Stage
from services.store import Store
from services.store import gates as rows
from tests.conftest import FakeClock
from tests.gates.builders import MEERA, World, add_version, build_world


@pytest.fixture
def world(store: Store, clock: FakeClock, tmp_path: Path) -> World:
    return build_world(store, clock, tmp_path)


def result(gate: str, kind: str, outcome: Outcome = Outcome.PASSED) -> GateResult:
    return GateResult(
        gate=gate, kind=kind, outcome=outcome, observed=None, threshold=None, unit="", message="", remedy=""
    )


def report(
    store: Store, clock: FakeClock, version: ModelVersion, *results: GateResult, champion: int | None = 1
) -> None:
    made = GateReport(
        id=None,
        model=version.name,
        version=version.version,
        version_created_at=version.created_at,
        stage=Stage.PRODUCTION,
        tier="",
        champion=champion,
        outcome=Outcome.PASSED,
        results=results,
        policy_revision="r1",
        bound={},
        evidence_digest="sha256:1",
        actor="meera",
        at=clock(),
    )
    with store.write() as unit:
        rows.add_report(unit, report_columns(made), [each.to_json() for each in results])
        unit.commit()
    clock.advance(minutes=1)


def test_gates_that_passed_answer_what_they_tried(world: World, store: Store, clock: FakeClock) -> None:
    version = add_version(world.registry)
    report(store, clock, version, result("shadow_success", "shadow"), result("auc", "champion"))
    told = world.readiness.list_evidence(version)
    assert told["release_strategy"] == (
        "Gates that passed for fraud_detector/1 until 2026-03-01T12:00:00.000000Z: shadow_success."
    )
    assert told["regression_tests"].endswith(": auc.")
    assert "quality_tests" not in told


def test_model_quality_takes_both_of_its_gates(world: World, store: Store, clock: FakeClock) -> None:
    version = add_version(world.registry)
    report(store, clock, version, result("order", "column_order"))
    assert "quality_tests" not in world.readiness.list_evidence(version)
    report(store, clock, version, result("amount", "direction"))
    assert world.readiness.list_evidence(version)["quality_tests"].endswith(": amount, order.")


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.ERROR, Outcome.INCONCLUSIVE])
def test_the_newest_report_counts_and_one_gate_that_did_not_pass_answers_nothing(
    world: World, store: Store, clock: FakeClock, outcome: Outcome
) -> None:
    version = add_version(world.registry)
    report(store, clock, version, result("a", "shadow"))
    report(store, clock, version, result("a", "shadow"), result("b", "shadow", outcome))
    assert "release_strategy" not in world.readiness.list_evidence(version)
    report(store, clock, version, result("a", "shadow"), result("b", "shadow"))
    assert "release_strategy" in world.readiness.list_evidence(version)


def test_nothing_is_compared_where_there_was_no_champion(world: World, store: Store, clock: FakeClock) -> None:
    version = add_version(world.registry)
    report(store, clock, version, result("auc", "champion"), champion=None)
    assert "regression_tests" not in world.readiness.list_evidence(version)


def test_what_was_found_of_another_version_of_the_number_says_nothing(
    world: World, store: Store, clock: FakeClock
) -> None:
    version = add_version(world.registry)
    clock.advance(days=1)
    report(store, clock, replace(version, created_at=clock()), result("a", "shadow"))
    assert "release_strategy" not in world.readiness.list_evidence(version)


def test_a_backup_answers_for_a_month(world: World, store: Store, clock: FakeClock) -> None:
    version = add_version(world.registry)
    assert "data_backup" not in world.readiness.list_evidence(version)
    with store.write() as unit:
        world.audit.record(unit, actor=MEERA, action="store:backup:created", subject="store")
        unit.commit()
    assert world.readiness.list_evidence(version)["data_backup"].endswith("by meera.")
    clock.advance(days=BACKUP_DAYS)
    assert "data_backup" in world.readiness.list_evidence(version)
    clock.advance(seconds=1)
    assert "data_backup" not in world.readiness.list_evidence(version)
