import math
from dataclasses import replace

import pytest

from services.gates.checks import judge_gate
from services.gates.evidence import Broken, Evidence, Metrics, Predictions, Slices
from services.gates.outcomes import Outcome
from services.lineage.slices import SliceMetrics
from services.registry.fake import FakeRegistry
from tests.gates.builders import add_version, gate, judge, subject

ACCURACY = gate(kind="champion", metric="accuracy", tolerance=0.02)
RMSE = gate(kind="champion", metric="rmse", tolerance=0.1, relative=True)


def metrics(candidate: dict[str, float], champion: dict[str, float] | None = None) -> Metrics:
    return Metrics(candidate=candidate, champion=champion)


@pytest.mark.parametrize(
    ("observed", "outcome"), [(0.81, Outcome.PASSED), (0.8, Outcome.PASSED), (0.79, Outcome.FAILED)]
)
def test_a_metric_is_judged_by_its_threshold(observed: float, outcome: Outcome) -> None:
    result = judge(gate(kind="metric", metric="auc", at_least=0.8), metrics({"auc": observed}))
    assert (result.outcome, result.observed, result.threshold) == (outcome, observed, 0.8)


def test_a_metric_is_found_under_its_other_names() -> None:
    assert judge(gate(kind="metric", metric="auc", at_least=0.8), metrics({"roc_auc": 0.9})).observed == 0.9


def test_what_would_make_a_gate_pass_is_told() -> None:
    result = judge(gate(kind="metric", metric="auc", at_least=0.8), metrics({"auc": 0.75}))
    assert result.message == "auc is 0.75; at least 0.8 is asked for."
    assert result.remedy == "Raise auc by 0.05."
    result = judge(gate(kind="metric", metric="mae", at_most=2, unit="EUR"), metrics({"mae": 3.5}))
    assert (result.remedy, result.unit) == ("Lower mae by 1.5 EUR.", "EUR")


def test_numbers_that_look_alike_are_told_apart() -> None:
    result = judge(gate(kind="metric", metric="auc", at_least=0.8), metrics({"auc": 0.7999999999}))
    assert result.message == "auc is 0.7999999999; at least 0.8 is asked for."


@pytest.mark.parametrize("observed", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_inconclusive(observed: float) -> None:
    assert (
        judge(gate(kind="metric", metric="auc", at_least=0.8), metrics({"auc": observed})).outcome
        is Outcome.INCONCLUSIVE
    )
    assert judge(ACCURACY, metrics({"accuracy": observed}, {"accuracy": 0.9})).outcome is Outcome.INCONCLUSIVE
    assert judge(ACCURACY, metrics({"accuracy": 0.9}, {"accuracy": observed})).outcome is Outcome.INCONCLUSIVE


def test_a_metric_that_was_not_logged_is_inconclusive() -> None:
    result = judge(gate(kind="metric", metric="auc", at_least=0.8), metrics({}), tags={})
    assert result.outcome is Outcome.INCONCLUSIVE
    assert result.observed is None
    assert result.threshold == 0.8
    assert "the tag task" in result.message
    assert judge(ACCURACY, metrics({"accuracy": 0.9}, {})).message == "The champion, version 1, has no metric accuracy."


@pytest.mark.parametrize(
    ("observed", "outcome"), [(0.9, Outcome.PASSED), (0.88, Outcome.PASSED), (0.8799, Outcome.FAILED)]
)
def test_a_candidate_may_be_worse_than_the_champion_by_the_tolerance(observed: float, outcome: Outcome) -> None:
    result = judge(ACCURACY, metrics({"accuracy": observed}, {"accuracy": 0.9}))
    assert result.outcome is outcome
    assert result.threshold == pytest.approx(0.88)
    assert result.details["champion_value"] == 0.9


@pytest.mark.parametrize(("observed", "outcome"), [(11.0, Outcome.PASSED), (11.01, Outcome.FAILED)])
def test_an_error_may_be_higher_by_a_share_of_the_champions(observed: float, outcome: Outcome) -> None:
    result = judge(RMSE, metrics({"rmse": observed}, {"rmse": 10.0}))
    assert result.outcome is outcome
    assert ("Lower rmse" in result.remedy) is (outcome is Outcome.FAILED)


def test_a_metric_of_ones_own_is_judged_the_way_the_policy_says() -> None:
    own = gate(kind="champion", metric="regret", tolerance=0, higher_is_better=False)
    assert judge(own, metrics({"regret": 2.0}, {"regret": 1.0})).outcome is Outcome.FAILED
    assert judge(own, metrics({"regret": 0.5}, {"regret": 1.0})).outcome is Outcome.PASSED


def test_a_relative_tolerance_is_of_the_size_of_a_negative_value() -> None:
    own = gate(kind="champion", metric="r2", tolerance=0.1, relative=True)
    assert judge(own, metrics({"r2": -1.1}, {"r2": -1.0})).outcome is Outcome.PASSED
    assert judge(own, metrics({"r2": -1.2}, {"r2": -1.0})).outcome is Outcome.FAILED


def test_the_first_version_has_only_to_be_measured_where_the_policy_says_so() -> None:
    assert judge(ACCURACY, metrics({"accuracy": 0.9}), champion=False).outcome is Outcome.INCONCLUSIVE
    content = gate(kind="champion", metric="accuracy", tolerance=0.02, without_champion="measured")
    assert judge(content, metrics({"accuracy": 0.1}), champion=False).outcome is Outcome.PASSED
    assert judge(content, metrics({}), champion=False).outcome is Outcome.INCONCLUSIVE
    assert judge(content, metrics({"accuracy": math.nan}), champion=False).outcome is Outcome.INCONCLUSIVE


def parts(**accuracy: float) -> Slices:
    return Slices(
        parts=[
            SliceMetrics(column="country", value=value, rows=50, metrics={"accuracy": each})
            for value, each in accuracy.items()
        ]
    )


def test_the_worst_slice_decides() -> None:
    found = parts(US=0.9, NG=0.7)
    result = judge(gate(kind="slices", metric="accuracy", at_least=0.8, min_rows=10), found, metrics({}))
    assert (result.outcome, result.observed) == (Outcome.FAILED, 0.7)
    assert "country=NG" in result.message
    assert [each["value"] for each in result.details["slices"]] == ["NG", "US"]
    lower = gate(kind="slices", metric="accuracy", at_most=0.8, min_rows=10)
    assert judge(lower, found, metrics({})).observed == 0.9


def test_a_slice_may_fall_behind_the_whole_by_a_gap() -> None:
    gap = gate(kind="slices", metric="accuracy", max_gap=0.1, min_rows=10)
    result = judge(gap, parts(US=0.9, NG=0.75), metrics({"accuracy": 0.88}))
    assert result.outcome is Outcome.FAILED
    assert result.observed == pytest.approx(0.13)
    assert judge(gap, parts(US=0.9, NG=0.8), metrics({"accuracy": 0.88})).outcome is Outcome.PASSED
    assert judge(gap, parts(US=0.9), metrics({})).outcome is Outcome.INCONCLUSIVE


def test_slices_that_are_too_small_or_of_another_column_decide_nothing() -> None:
    small = judge(gate(kind="slices", metric="accuracy", at_least=0.8, min_rows=51), parts(NG=0.1), metrics({}))
    assert small.outcome is Outcome.INCONCLUSIVE
    other = gate(kind="slices", metric="accuracy", at_least=0.8, min_rows=1, columns=["age"])
    assert judge(other, parts(NG=0.1), metrics({})).outcome is Outcome.INCONCLUSIVE
    unsure = judge(
        gate(kind="slices", metric="accuracy", at_least=0.8, min_rows=1), parts(NG=math.nan, US=1), metrics({})
    )
    assert unsure.outcome is Outcome.INCONCLUSIVE


FAIR = gate(kind="fairness", at_most=0.1, min_rows=30)


def predictions(**parity: float | None) -> Predictions:
    return Predictions(rows=100, demographic_parity=parity, calibration_psi=0.2)


def test_fairness_is_taken_as_logged_or_else_computed() -> None:
    logged = judge(FAIR, metrics({"demographic_parity_difference": 0.05}), predictions(country=0.9))
    assert (logged.outcome, logged.observed, logged.details["source"]) == (Outcome.PASSED, 0.05, "logged")
    computed = judge(FAIR, metrics({}), predictions(country=0.05, age=0.3, tiny=None))
    assert (computed.outcome, computed.observed) == (Outcome.FAILED, 0.3)
    assert "by age" in computed.message


def test_fairness_by_named_groups_is_always_computed() -> None:
    named = gate(kind="fairness", at_most=0.1, min_rows=30, columns=["country"])
    assert judge(named, metrics({"demographic_parity": 0.0}), predictions(country=0.2)).outcome is Outcome.FAILED
    missing = gate(kind="fairness", at_most=0.1, min_rows=30, columns=["country", "age"])
    assert judge(missing, metrics({}), predictions(country=0.0)).outcome is Outcome.INCONCLUSIVE


def test_fairness_without_groups_is_inconclusive() -> None:
    assert judge(FAIR, metrics({}), predictions()).outcome is Outcome.INCONCLUSIVE
    assert judge(FAIR, metrics({}), predictions(country=None)).outcome is Outcome.INCONCLUSIVE


def test_calibration_is_taken_as_logged_or_else_computed() -> None:
    calibration = gate(kind="calibration", at_most=0.1)
    assert judge(calibration, metrics({"calibration_psi": 0.05}), predictions()).outcome is Outcome.PASSED
    assert judge(calibration, metrics({}), predictions()).observed == 0.2
    none = Predictions(rows=1, demographic_parity={}, calibration_psi=None)
    assert judge(calibration, metrics({}), none).outcome is Outcome.INCONCLUSIVE


def test_evidence_that_broke_is_an_error_with_its_reason() -> None:
    registry = FakeRegistry()
    candidate = add_version(registry)
    about = subject(registry, candidate, gates=[ACCURACY])
    result = judge_gate(ACCURACY, Evidence(subject=about, items={Metrics: Broken(reason="The registry was away.")}))
    assert (result.outcome, result.message) == (Outcome.ERROR, "The registry was away.")


def test_evidence_that_nothing_gathers_is_inconclusive() -> None:
    result = judge(ACCURACY)
    assert (result.outcome, result.message) == (Outcome.INCONCLUSIVE, "Nothing here gathers metrics.")


def test_a_slice_that_lacks_the_metric_does_not_let_the_others_pass() -> None:
    by_country = gate(kind="slices", metric="accuracy", at_least=0.8, min_rows=10)
    unmeasured = SliceMetrics(column="country", value="NG", rows=50, metrics={"auc": 0.9})
    result = judge(by_country, Slices(parts=[*parts(US=0.9).parts, unmeasured]), metrics({}))
    assert result.outcome is Outcome.INCONCLUSIVE
    assert "country=NG of 50 rows has no metric accuracy" in result.message
    few = replace(unmeasured, rows=9)
    assert judge(by_country, Slices(parts=[*parts(US=0.9).parts, few]), metrics({})).outcome is Outcome.PASSED


def test_every_column_that_a_slice_gate_names_has_to_be_measured() -> None:
    two = gate(kind="slices", metric="accuracy", at_least=0.8, min_rows=10, columns=["country", "age"])
    result = judge(two, parts(US=0.9), metrics({}))
    assert result.outcome is Outcome.INCONCLUSIVE
    assert "No slice by age" in result.message
