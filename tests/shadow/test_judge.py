"""The judge: no data never promotes, intervals decide, and thresholds can be moved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.shadow.figures import (
    Agreement,
    Drift,
    Failures,
    Figures,
    Histogram,
    Labels,
    Latency,
    Regression,
    ScoreDifference,
    Slice,
    Task,
    VersionPair,
)
from services.shadow.judge import Outcome, Verdict, judge
from services.shadow.log_files import Problem
from services.shadow.policy import ShadowPolicy
from services.shadow.statistics import Interval, always_valid_change, always_valid_rate, wilson
from tests.shadow.builders import LAW, coverage, figures, pairs, write_days
from tests.shadow.test_measuring import regression

POLICY = ShadowPolicy()


def good(pairs: int = 5000, agreeing: int = 4900, failed: int = 0, days: int = 5) -> Figures:
    """Return figures of a candidate that can be promoted, unless told otherwise."""
    latency = Latency(
        timed=pairs,
        p95=10.0,
        p99=20.0,
        p95_interval=Interval(estimate=10.0, low=9.0, high=11.0),
        p99_interval=Interval(estimate=20.0, low=18.0, high=22.0),
    )
    return Figures(
        versions=(VersionPair(champion=3, candidate=4, pairs=pairs),) if pairs else (),
        task=Task.BINARY,
        pairs=pairs,
        valid_pairs=pairs - failed,
        invalid={},
        days=days,
        first_at=None,
        last_at=None,
        agreement=Agreement(
            agreeing=agreeing,
            wilson=wilson(agreeing, pairs - failed),
            always_valid=always_valid_rate(agreeing, pairs - failed),
        ),
        difference=ScoreDifference(),
        drift=Drift(),
        latency={"champion": latency, "candidate": latency},
        failures={
            "champion": Failures(),
            "candidate": Failures(errors=failed, always_valid=always_valid_rate(failed, pairs)),
        },
        flow={},
        homogeneity=None,
        kappa=None,
        slices=(),
        mcnemar=None,
        mcnemar_basis=None,
        labels=Labels(),
        regression=Regression(),
        scores=None,
        differences=Histogram(),
        grid=None,
        coverage=coverage(),
    )


def outcomes(figures: Figures, policy: ShadowPolicy = POLICY) -> dict[str, Outcome]:
    return {check.name: check.outcome for check in judge(figures, policy).checks}


def test_a_candidate_that_does_as_well_on_enough_pairs_and_days_is_promoted() -> None:
    found = judge(good(), POLICY)
    assert found.verdict is Verdict.PROMOTE
    assert len(found.reasons) == len(found.checks) == 3


def test_no_data_is_not_yet() -> None:
    found = judge(good(0, 0, days=0), replace(POLICY, min_pairs=0, min_days=0))
    assert (found.verdict, found.reasons) == (Verdict.NOT_YET, ("The log has no pairs.",))


@LAW
@given(
    st.builds(
        ShadowPolicy,
        min_days=st.integers(0, 3),
        min_pairs=st.integers(0, 10),
        min_agreement=st.none() | st.floats(0, 1),
        max_error_rate=st.none() | st.floats(0, 1),
        max_latency_p99_ms=st.none() | st.floats(0, 1e6),
        max_psi=st.none() | st.floats(0, 10),
    )
)
def test_no_policy_promotes_without_a_valid_pair(policy: ShadowPolicy) -> None:
    for nothing in (good(0, 0, days=0), good(3, 0, failed=3, days=0)):
        assert judge(nothing, policy).verdict in {Verdict.NOT_YET, Verdict.STOP}


def test_a_policy_without_thresholds_promotes_nothing() -> None:
    bare = ShadowPolicy(
        min_days=0,
        min_pairs=0,
        min_agreement=None,
        max_error_rate=None,
        max_latency_p99_ms=None,
        max_accuracy_loss=None,
    )
    found = judge(good(), bare)
    assert found.verdict is Verdict.NOT_YET
    assert "names no threshold" in found.reasons[0]


def test_few_days_are_not_yet_and_the_reason_says_how_many() -> None:
    found = judge(good(days=2), POLICY)
    assert found.verdict is Verdict.NOT_YET
    assert found.reasons == ("Valid pairs span 2 days, and 3 are needed.",)


def test_few_pairs_are_not_yet_however_bad_they_are() -> None:
    found = judge(good(499, 0), POLICY)
    assert found.verdict is Verdict.NOT_YET
    assert found.reasons == ("499 of 499 pairs are valid, and 500 are needed.",)


def test_surely_too_little_agreement_stops_even_before_the_days_are_over() -> None:
    found = judge(good(5000, 4000, days=1), POLICY)
    assert found.verdict is Verdict.STOP
    assert found.reasons[0].startswith("Agreement is 80.00%")


def test_an_agreement_that_may_lie_on_either_side_continues() -> None:
    found = judge(good(1000, 905), POLICY)
    assert found.verdict is Verdict.CONTINUE
    assert "not yet known" in found.reasons[0]


def test_a_candidate_that_always_fails_is_stopped_though_no_pair_is_valid() -> None:
    found = judge(good(600, 0, failed=600, days=0), POLICY)
    assert found.verdict is Verdict.STOP
    assert outcomes(good(600, 0, failed=600, days=0))["agreement"] is Outcome.INCONCLUSIVE


def test_few_valid_pairs_that_disagree_do_not_stop() -> None:
    found = judge(good(600, 0, failed=300, days=0), replace(POLICY, max_error_rate=None))
    assert found.verdict is Verdict.NOT_YET


@pytest.mark.parametrize(("champion", "candidate"), [(None, 4), (3, None), (None, None)])
def test_a_log_that_does_not_say_which_versions_it_compares_promotes_none(
    champion: int | None, candidate: int | None
) -> None:
    unsaid = (VersionPair(champion=champion, candidate=candidate, pairs=5000),)
    found = judge(replace(good(), versions=unsaid), POLICY)
    assert found.verdict is Verdict.NOT_YET
    assert "which versions" in found.reasons[0]


def test_a_version_beside_itself_promotes_nothing() -> None:
    itself = (VersionPair(champion=4, candidate=4, pairs=good().pairs),)
    found = judge(replace(good(), versions=itself), POLICY)
    assert found.verdict is Verdict.NOT_YET
    assert found.reasons[0] == "The log compares a version with itself."


def test_versions_that_are_mixed_are_judged_apart() -> None:
    two = (VersionPair(champion=3, candidate=4, pairs=2500), VersionPair(champion=3, candidate=5, pairs=2500))
    for found in (judge(replace(good(), versions=two), POLICY), judge(replace(good(5000, 0), versions=two), POLICY)):
        assert found.verdict is Verdict.NOT_YET
        assert "mixes 2 pairs of versions" in found.reasons[0]


def test_unknown_latency_is_not_passed() -> None:
    unknown = replace(good(), latency={"champion": Latency(), "candidate": Latency()})
    found = judge(unknown, POLICY)
    assert found.verdict is Verdict.CONTINUE
    assert found.reasons == ("The candidate's p99 latency is not known, and has to be at most 100 ms.",)


@pytest.mark.parametrize(
    ("limit", "outcome"), [(22.0, Outcome.PASSED), (20.0, Outcome.INCONCLUSIVE), (17.0, Outcome.FAILED)]
)
def test_a_latency_is_held_to_its_interval(limit: float, outcome: Outcome) -> None:
    assert outcomes(good(), replace(POLICY, max_latency_p99_ms=limit))["latency_p99"] is outcome


@pytest.mark.parametrize(
    ("limit", "outcome"), [(1.3, Outcome.PASSED), (1.0, Outcome.INCONCLUSIVE), (0.8, Outcome.FAILED)]
)
def test_latencies_can_be_held_to_each_other(limit: float, outcome: Outcome) -> None:
    assert outcomes(good(), replace(POLICY, max_latency_ratio=limit))["latency_ratio"] is outcome
    blank = replace(good(), latency={"champion": Latency(), "candidate": Latency()})
    assert outcomes(blank, replace(POLICY, max_latency_ratio=limit))["latency_ratio"] is Outcome.INCONCLUSIVE


def test_drift_of_the_scores_can_be_limited() -> None:
    drifted = replace(good(), drift=Drift(psi=0.3))
    assert judge(drifted, replace(POLICY, max_psi=0.2)).verdict is Verdict.STOP
    assert judge(drifted, replace(POLICY, max_psi=0.4)).verdict is Verdict.PROMOTE
    assert judge(good(), replace(POLICY, max_psi=0.4)).verdict is Verdict.CONTINUE


def labelled(count: int, b: int, c: int) -> Labels:
    return Labels(labelled=count, accuracy_change=always_valid_change(count, b, c, tightest_at=1000))


def test_labels_count_once_there_are_enough() -> None:
    assert "accuracy_loss" not in outcomes(replace(good(), labels=labelled(100, 50, 0)))
    assert judge(replace(good(), labels=labelled(3000, 400, 10)), POLICY).verdict is Verdict.STOP
    assert judge(replace(good(), labels=labelled(3000, 10, 400)), POLICY).verdict is Verdict.PROMOTE
    assert judge(replace(good(), labels=labelled(600, 60, 55)), POLICY).verdict is Verdict.CONTINUE
    assert "accuracy_loss" not in outcomes(replace(good(), labels=Labels(labelled=3000)))


@pytest.mark.parametrize("labels", [Labels(), Labels(labelled=3000), labelled(100, 0, 0)])
def test_a_loss_of_accuracy_that_is_asked_for_and_not_known_promotes_nothing(labels: Labels) -> None:
    asked = ShadowPolicy.naming(max_accuracy_loss=0.02)
    assert judge(replace(good(), labels=labels), POLICY).verdict is Verdict.PROMOTE
    found = judge(replace(good(), labels=labels), asked)
    assert found.verdict is Verdict.CONTINUE
    assert found.reasons == ("The loss of accuracy is not known, and has to be at most 2.00%.",)


def test_a_few_hundred_labels_do_not_prove_that_nothing_was_lost() -> None:
    found = replace(good(), labels=labelled(500, 0, 0))
    assert judge(found, replace(POLICY, max_accuracy_loss=0.005)).verdict is Verdict.CONTINUE
    assert judge(found, replace(POLICY, max_accuracy_loss=0.02)).verdict is Verdict.PROMOTE


def unread(*names: str) -> Figures:
    problems = tuple(Problem(file=name, message="cannot be read as Parquet: torn") for name in names)
    return replace(good(), coverage=coverage(problems=problems))


def test_what_could_not_be_read_keeps_a_candidate_from_promotion_unless_the_policy_lets_it_pass() -> None:
    found = judge(unread("a.parquet"), POLICY)
    assert found.verdict is Verdict.NOT_YET
    assert found.reasons == ("What stands in a.parquet could not be read, and none may pass.",)
    assert judge(unread("a.parquet"), replace(POLICY, max_unread_files=1)).verdict is Verdict.PROMOTE
    two = judge(unread("a.parquet", "b.parquet"), replace(POLICY, max_unread_files=1))
    assert two.reasons == ("What stands in a.parquet and 1 more could not be read, and 1 may pass.",)


def test_what_was_not_read_does_not_keep_a_candidate_from_being_stopped() -> None:
    bad = replace(good(5000, 0), coverage=unread("a.parquet").coverage)
    assert judge(bad, POLICY).verdict is Verdict.STOP


def test_a_file_that_holds_no_pairs_is_not_missed() -> None:
    stray = Problem(file="notes.txt", message="is no .parquet file", rows=0)
    counted = Problem(file="a.parquet", column="label", message="is missing; read as null", is_counted=True)
    assert judge(replace(good(), coverage=coverage(problems=(stray, counted))), POLICY).verdict is Verdict.PROMOTE


def one_slice(value: str | None, pairs: int, agreeing: int) -> Slice:
    return Slice(
        column="slice_country",
        value=value,
        pairs=pairs,
        invalid=0,
        agreeing=agreeing,
        rate=agreeing / pairs,
        low=None,
        high=None,
    )


def test_the_worst_slice_that_is_large_enough_can_be_held_to_a_threshold() -> None:
    policy = replace(POLICY, min_slice_agreement=0.8)
    slices = (one_slice("XX", 20, 0), one_slice("DE", 1000, 500), one_slice("FR", 1000, 990))
    found = judge(replace(good(), slices=slices), policy)
    assert found.verdict is Verdict.STOP
    assert "slice_country is 'DE'" in found.reasons[0]
    assert judge(replace(good(), slices=slices[2:]), policy).verdict is Verdict.PROMOTE
    assert judge(replace(good(), slices=slices[:1]), policy).verdict is Verdict.CONTINUE


def test_a_slice_that_the_candidate_always_fails_on_is_not_passed_over() -> None:
    failing = Slice(
        column="slice_country", value="XX", pairs=3, invalid=1000, agreeing=3, rate=1.0, low=None, high=None
    )
    policy = replace(POLICY, min_slice_agreement=0.8)
    slices = (one_slice("FR", 1000, 990), failing)
    found = judge(replace(good(), slices=slices), policy)
    assert found.verdict is Verdict.CONTINUE
    assert "slice_country is 'XX' is not known" in found.reasons[0]


def test_a_slice_among_many_needs_more_evidence_to_stop_than_one_alone() -> None:
    low = one_slice("DE", 1000, 740)
    policy = replace(POLICY, min_slice_agreement=(always_valid_rate(740, 1000).high or 0.0) + 0.002)
    assert judge(replace(good(), slices=(low,)), policy).verdict is Verdict.STOP
    others = tuple(one_slice(f"C{number}", 1000, 1000) for number in range(40))
    assert judge(replace(good(), slices=(low, *others)), policy).verdict is Verdict.CONTINUE


def regression_figures(mae: float, change: float, labelled: int = 2000) -> Figures:
    spread = Interval(estimate=change, low=change - 0.01, high=change + 0.01)
    return replace(
        good(),
        task=Task.REGRESSION,
        difference=ScoreDifference(pairs=5000, mean_abs=Interval(estimate=3.0, low=2.5, high=3.5)),
        regression=Regression(labelled=labelled, champion_mae=mae, candidate_mae=mae + change, error_change=spread),
    )


def test_a_regression_is_judged_by_its_errors() -> None:
    assert judge(regression_figures(4.0, -0.5), POLICY).verdict is Verdict.PROMOTE
    assert judge(regression_figures(4.0, 0.5), POLICY).verdict is Verdict.STOP
    assert judge(regression_figures(4.0, 0.08), POLICY).verdict is Verdict.CONTINUE
    assert judge(regression_figures(0.0, 0.0), POLICY).verdict is Verdict.CONTINUE


def test_a_regression_without_labels_needs_a_limit_on_its_differences() -> None:
    unlabelled = regression_figures(4.0, -0.5, labelled=10)
    found = judge(unlabelled, POLICY)
    assert found.verdict is Verdict.CONTINUE
    assert "10 pairs have a label" in found.reasons[0]
    assert judge(unlabelled, replace(POLICY, max_mean_abs_difference=5.0)).verdict is Verdict.PROMOTE
    assert judge(unlabelled, replace(POLICY, max_mean_abs_difference=2.0)).verdict is Verdict.STOP
    assert judge(unlabelled, replace(POLICY, max_mean_abs_difference=3.0)).verdict is Verdict.CONTINUE


def test_every_limit_on_a_regression_that_is_named_is_held_to() -> None:
    both = ShadowPolicy.naming(max_mae_increase=0.02, max_mean_abs_difference=2.0)
    assert judge(regression_figures(4.0, -0.5), both).verdict is Verdict.STOP
    both = replace(both, max_mean_abs_difference=5.0)
    assert judge(regression_figures(4.0, -0.5), both).verdict is Verdict.PROMOTE
    few = judge(regression_figures(4.0, -0.5, labelled=10), both)
    assert few.verdict is Verdict.CONTINUE
    assert few.reasons == ("10 pairs have a label to measure errors by, too few.",)
    agreement = replace(regression_figures(4.0, -0.5), agreement=Agreement(always_valid=always_valid_rate(100, 5000)))
    assert judge(agreement, POLICY).verdict is Verdict.PROMOTE
    assert judge(agreement, ShadowPolicy.naming(min_agreement=0.9)).verdict is Verdict.STOP
    slices = replace(regression_figures(4.0, -0.5), slices=(one_slice("DE", 1000, 100),))
    assert judge(slices, replace(POLICY, min_slice_agreement=0.8)).verdict is Verdict.STOP


@LAW
@given(st.integers(500, 20_000), st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.2))
def test_a_stricter_threshold_never_helps(pairs: int, share: float, threshold: float, stricter: float) -> None:
    found = good(pairs, round(pairs * share))
    order = [Verdict.STOP, Verdict.CONTINUE, Verdict.PROMOTE]
    lenient = judge(found, replace(POLICY, min_agreement=threshold)).verdict
    strict = judge(found, replace(POLICY, min_agreement=min(1.0, threshold + stricter))).verdict
    assert order.index(strict) <= order.index(lenient)


def test_a_real_log_of_an_equal_candidate_is_promoted(tmp_path: Path) -> None:
    log = write_days(
        tmp_path / "log",
        days=4,
        rows=600,
        candidate_score=np.full(600, 0.4),
        champion_score=np.full(600, 0.4),
        champion_decision=["allow"] * 600,
        candidate_decision=["allow"] * 600,
    )
    assert judge(figures(log), POLICY).verdict is Verdict.PROMOTE


def test_a_real_regression_is_promoted_by_its_labels(tmp_path: Path) -> None:
    log = tmp_path / "log"
    from tests.shadow.builders import write

    for day in range(1, 5):
        table = regression(500)
        ts = pairs(500, day=f"2026-03-0{day}").column("ts")
        ids = pa.array([f"{day}-{row}" for row in range(500)])
        table = table.set_column(table.column_names.index("ts"), "ts", ts).set_column(0, "request_id", ids)
        write(log, table, day=f"2026-03-0{day}")
    found = judge(figures(log), POLICY)
    assert found.verdict is Verdict.PROMOTE
    assert {check.name for check in found.checks} == {"error_rate", "mae_increase", "latency_p99"}


def test_looking_often_does_not_stop_an_equal_candidate() -> None:
    rng = np.random.default_rng(12)
    stopped = 0
    for _ in range(60):
        agreeing = np.cumsum(rng.random(4000) < 0.9)
        stopped += any(
            judge(good(n, int(agreeing[n - 1])), POLICY).verdict is Verdict.STOP for n in range(500, 4001, 250)
        )
    assert stopped / 60 <= 0.05
