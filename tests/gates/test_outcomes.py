import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gates.outcomes import GateResult, Outcome, judge, worst


def result(outcome: Outcome, *, dry_run: bool = False, waived: bool = False) -> GateResult:
    return GateResult(
        gate="g",
        kind="metric",
        outcome=outcome,
        observed=1.0,
        threshold=2.0,
        unit="",
        message="m",
        remedy="r",
        dry_run=dry_run,
        waived=waived,
    )


def test_outcomes_are_ordered_from_passed_to_failed() -> None:
    order = [Outcome.PASSED, Outcome.INCONCLUSIVE, Outcome.ERROR, Outcome.FAILED]
    for milder, worse in itertools.combinations(order, 2):
        assert worst([worse, milder]) is worst([milder, worse]) is worse


@given(st.lists(st.sampled_from(Outcome), min_size=1))
def test_the_worst_passes_only_where_all_pass(outcomes: list[Outcome]) -> None:
    assert (worst(outcomes) is Outcome.PASSED) == all(outcome is Outcome.PASSED for outcome in outcomes)


def test_the_worst_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no outcome"):
        worst([])


@pytest.mark.parametrize(
    "results",
    [[], [result(Outcome.PASSED, dry_run=True)], [result(Outcome.FAILED, waived=True)]],
)
def test_where_nothing_decides_the_report_is_inconclusive(results: list[GateResult]) -> None:
    assert judge(results) is Outcome.INCONCLUSIVE


def test_dry_runs_and_waived_results_do_not_decide() -> None:
    passed = result(Outcome.PASSED)
    assert judge([passed, result(Outcome.FAILED, dry_run=True), result(Outcome.ERROR, waived=True)]) is Outcome.PASSED
    assert judge([passed, result(Outcome.INCONCLUSIVE)]) is Outcome.INCONCLUSIVE


def test_the_json_of_a_result_has_the_interfaces_keys() -> None:
    document = result(Outcome.FAILED).to_json()
    keys = {"gate", "kind", "outcome", "observed", "threshold", "unit", "message", "dry_run", "waived"}
    assert keys <= set(document)
    assert document["outcome"] == "failed"
