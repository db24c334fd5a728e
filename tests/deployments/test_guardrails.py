import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.deployments.guardrails import GuardrailResult, hold, hold_number
from services.deployments.ramp_plan import RAMP_PLAN, GuardrailsText, RampPlanText
from services.deployments.ticks import Verdict, decide
from services.documents import parse, validate
from services.gates.evidence import Absent, Broken
from services.gates.outcomes import Outcome
from services.shadow.window import Window
from tests.deployments.ramp_builders import PLAN

LIMITS = GuardrailsText(max_error_rate=0.01, max_latency_p99_ms=100, min_agreement=0.85, min_pairs=500)
FAST, SLOW = 90, 310  # bins of about 6 ms and 464 ms


def outcomes(window: Window) -> dict[str, Outcome]:
    return {result.guardrail: result.outcome for result in hold(window, LIMITS)}


def test_good_figures_on_enough_requests_are_kept() -> None:
    window = Window(pairs=1000, valid=1000, agreeing=960, latencies={FAST: 1000})
    assert set(outcomes(window).values()) == {Outcome.PASSED}


def test_nothing_measured_is_neither_kept_nor_broken() -> None:
    assert set(outcomes(Window()).values()) == {Outcome.INCONCLUSIVE}
    # Requests that no answer or latency is known of say nothing of agreement and latency.
    assert outcomes(Window(pairs=5000)) == {
        "error_rate": Outcome.PASSED, "latency_p99": Outcome.INCONCLUSIVE, "agreement": Outcome.INCONCLUSIVE,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "window"),
    [
        ("error_rate", Window(pairs=20, candidate_errors=20)),
        ("latency_p99", Window(pairs=100, latencies={FAST: 70, SLOW: 30})),
        ("agreement", Window(pairs=100, valid=100, agreeing=30)),
    ],
)
def test_what_is_plainly_broken_needs_few_requests(name: str, window: Window) -> None:
    assert outcomes(window)[name] is Outcome.FAILED


def test_figures_within_the_limit_by_chance_are_left_open() -> None:
    window = Window(pairs=600, candidate_errors=5, valid=600, agreeing=520, latencies={FAST: 595, SLOW: 5})
    assert set(outcomes(window).values()) == {Outcome.INCONCLUSIVE}


def test_figures_that_leave_no_doubt_still_take_the_requests_that_the_plan_asks_for() -> None:
    assert outcomes(Window(pairs=499, valid=499, agreeing=499))["agreement"] is Outcome.INCONCLUSIVE
    assert outcomes(Window(pairs=500, valid=500, agreeing=500))["agreement"] is Outcome.PASSED


@given(st.integers(0, 3000), st.data())
def test_more_errors_never_make_an_outcome_better(pairs: int, data: st.DataObject) -> None:
    few = data.draw(st.integers(0, pairs))
    many = data.draw(st.integers(few, pairs))
    better, worse = (outcomes(Window(pairs=pairs, candidate_errors=errors))["error_rate"] for errors in (few, many))
    order = [Outcome.PASSED, Outcome.INCONCLUSIVE, Outcome.FAILED]
    assert order.index(better) <= order.index(worse)


def test_a_candidate_just_within_its_limit_is_seldom_sent_back_however_often_it_is_looked_at() -> None:
    chance = random.Random(5)
    sent_back = 0
    for _ramp in range(200):
        errors = 0
        for look in range(1, 61):
            errors += sum(chance.random() < 0.01 for _request in range(50))
            if outcomes(Window(pairs=50 * look, candidate_errors=errors))["error_rate"] is Outcome.FAILED:
                sent_back += 1
                break
    assert sent_back <= 10  # 5 % at every look together; a plain interval errs three times as often


def test_results_survive_the_store() -> None:
    for result in hold(Window(pairs=3, candidate_errors=1), LIMITS):
        assert GuardrailResult.from_json(result.to_json()) == result


@pytest.mark.parametrize(
    ("answer", "is_upper", "outcome"),
    [
        (0.8, True, Outcome.PASSED),
        (0.81, True, Outcome.FAILED),
        (0.8, False, Outcome.PASSED),
        (0.79, False, Outcome.FAILED),
        (Absent(reason="no data"), True, Outcome.INCONCLUSIVE),
        (Broken(reason="refused"), True, Outcome.ERROR),
    ],
)
def test_one_number_is_held_as_it_is(answer: float | Absent | Broken, is_upper: bool, outcome: Outcome) -> None:
    assert hold_number("refunds", answer, limit=0.8, is_upper=is_upper, unit="").outcome is outcome


@pytest.mark.parametrize(
    ("found", "is_due", "verdict"),
    [
        ([Outcome.PASSED, Outcome.PASSED], True, Verdict.ADVANCE),
        ([Outcome.PASSED, Outcome.PASSED], False, Verdict.HOLD),
        ([Outcome.PASSED, Outcome.INCONCLUSIVE], False, Verdict.HOLD),
        ([Outcome.PASSED, Outcome.INCONCLUSIVE], True, Verdict.PAUSE),
        ([Outcome.PASSED, Outcome.ERROR], True, Verdict.PAUSE),
        ([Outcome.FAILED, Outcome.ERROR], False, Verdict.ROLL_BACK),
        ([], True, Verdict.PAUSE),
        ([], False, Verdict.HOLD),
    ],
)
def test_what_becomes_of_a_step(found: list[Outcome], is_due: bool, verdict: Verdict) -> None:
    (some, *_) = hold(Window(), LIMITS)
    results = [GuardrailResult.from_json({**some.to_json(), "outcome": outcome.value}) for outcome in found]
    assert decide(results, is_due=is_due) is verdict


# The plan


def test_the_shipped_plan_has_the_steps_and_limits_of_the_practice() -> None:
    text = RAMP_PLAN.read_default()
    assert text is not None
    plan: RampPlanText = parse(RAMP_PLAN, text).value
    assert [step.traffic_percent for step in plan.steps] == [0, 1, 5, 10, 25, 50, 100]
    assert (plan.steps[0].minutes, plan.steps[1].minutes, plan.check_seconds) == (24 * 60, 60, 30)
    assert plan.guardrails == LIMITS


@pytest.mark.parametrize(
    ("old", "new", "path", "said"),
    [
        ("traffic_percent: 10,", "traffic_percent: 0,", "steps[1].traffic_percent", "gives more than the one before"),
        ("traffic_percent: 100", "traffic_percent: 50", "steps[2].traffic_percent", "the last step gives 100 %"),
        ("traffic_percent: 100", "traffic_percent: 120", "steps[2].traffic_percent", "100"),
        ("max_error_rate: 0.01", "max_error_rate: 0", "guardrails.max_error_rate", "0"),
        ("min_agreement: 0.85", "min_agreement: 1", "guardrails.min_agreement", "1"),
        ("min_pairs: 500", "min_pairs: 0", "guardrails.min_pairs", "1"),
        ("minutes: 60", "minutes: 0", "steps[0].minutes", "0"),
        ("kind: ramp_plan", "kind: ramp_plan\nsteps_count: 3", "steps_count", ""),
    ],
)
def test_a_plan_that_cannot_be_meant_is_told_by_its_line(old: str, new: str, path: str, said: str) -> None:
    (problem,) = validate(RAMP_PLAN, PLAN.replace(old, new))
    assert problem.path == path
    assert said in problem.message


def test_a_query_has_one_limit_and_a_name_of_its_own() -> None:
    queries = "queries:\n  - {guardrail: agreement, query: up}\n"
    problems = validate(RAMP_PLAN, PLAN + queries)
    assert [problem.path for problem in problems] == ["queries[0]", "queries[0].guardrail"]
