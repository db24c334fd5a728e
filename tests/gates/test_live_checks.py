import pytest

from services.gates.evidence import (
    Absent,
    AbTest,
    Arm,
    Broken,
    Held,
    Probing,
    Queried,
    RequestLog,
    ServiceLevel,
    ShadowRecord,
)
from services.gates.outcomes import Outcome
from tests.gates.builders import gate, judge


def probing(**changes: object) -> Probing:
    values: dict[str, object] = {
        "measures": {"p95_ms": 20.0, "p99_ms": None, "memory_mb": 300.0, "cold_start_s": 1.0, "error_rate": 0.0},
        "calls": 100,
        "errors": [],
        "column_order": Held(ratio=1.0, detail=""),
        "expectations": {},
    }
    return Probing(**{**values, **changes})  # type: ignore[arg-type]


def test_what_the_sandbox_measured_is_judged_in_its_unit() -> None:
    result = judge(gate(kind="probe", measure="p95_ms", at_most=25), probing())
    assert (result.outcome, result.observed, result.unit) == (Outcome.PASSED, 20.0, "ms")
    assert judge(gate(kind="probe", measure="memory_mb", at_most=100), probing()).remedy == "Lower memory_mb by 200 MB."


def test_what_could_not_be_measured_is_inconclusive_with_the_errors() -> None:
    result = judge(gate(kind="probe", measure="p99_ms", at_most=50), probing(errors=["ValueError: no"]))
    assert result.outcome is Outcome.INCONCLUSIVE
    assert "ValueError: no" in result.message
    assert "every call failed" in judge(gate(kind="probe", measure="p99_ms", at_most=50), probing()).message


@pytest.mark.parametrize(
    ("ratio", "outcome"), [(1.0, Outcome.PASSED), (0.0, Outcome.FAILED), (None, Outcome.INCONCLUSIVE)]
)
def test_predictions_may_not_depend_on_the_order_of_columns(ratio: float | None, outcome: Outcome) -> None:
    held = Held(ratio=ratio, detail="as found")
    assert judge(gate(kind="column_order"), probing(column_order=held)).outcome is outcome


def test_expectations_hold_for_a_share_of_the_rows() -> None:
    direction = gate(kind="direction", column="amount", step=1, direction="increases", held_at_least=0.9)
    assert judge(direction, probing(expectations={"g": Held(ratio=0.95, detail="")})).outcome is Outcome.PASSED
    assert judge(direction, probing(expectations={"g": Held(ratio=0.85, detail="x")})).outcome is Outcome.FAILED
    assert judge(direction, probing(expectations={"g": Held(ratio=None, detail="x")})).outcome is Outcome.INCONCLUSIVE
    assert judge(direction, probing()).outcome is Outcome.INCONCLUSIVE
    example = gate(kind="example", row={"amount": 5}, at_most=0.3)
    assert judge(example, probing(expectations={"g": Held(ratio=0.0, detail="")})).outcome is Outcome.FAILED
    assert judge(example, probing(expectations={"g": Held(ratio=1.0, detail="")})).outcome is Outcome.PASSED


def test_requests_have_to_be_recorded() -> None:
    logging = gate(kind="logging", at_least=1)
    assert judge(logging, RequestLog(requests=10, recorded=10)).outcome is Outcome.PASSED
    assert judge(logging, RequestLog(requests=10, recorded=9)).outcome is Outcome.FAILED
    assert judge(logging, RequestLog(requests=0, recorded=0)).outcome is Outcome.INCONCLUSIVE


def test_an_answer_of_prometheus_is_judged_by_gate() -> None:
    query = gate(kind="prometheus", query="up", at_most=0.01)
    assert judge(query, Queried(answers={"g": 0.005})).outcome is Outcome.PASSED
    assert judge(query, Queried(answers={"g": 0.02})).outcome is Outcome.FAILED
    assert judge(query, Queried(answers={"g": Absent(reason="no data")})).outcome is Outcome.INCONCLUSIVE
    assert judge(query, Queried(answers={"g": Broken(reason="bad query")})).outcome is Outcome.ERROR
    assert judge(query, Queried(answers={})).outcome is Outcome.INCONCLUSIVE


SHADOW = ShadowRecord(
    days=3.5, pairs=5000, agreement=0.95, agreement_low=0.94, agreement_high=0.96, candidate_error_rate=0.002
)


@pytest.mark.parametrize(
    ("measure", "bound", "observed", "outcome"),
    [
        ("days", {"at_least": 3}, 3.5, Outcome.PASSED),
        ("pairs", {"at_least": 10_000}, 5000, Outcome.FAILED),
        ("agreement", {"at_least": 0.945}, 0.94, Outcome.FAILED),
        ("agreement", {"at_most": 0.97}, 0.96, Outcome.PASSED),
        ("candidate_error_rate", {"at_most": 0.001}, 0.002, Outcome.FAILED),
    ],
)
def test_a_shadow_is_judged_by_what_is_sure(
    measure: str, bound: dict[str, float], observed: float, outcome: Outcome
) -> None:
    result = judge(gate(kind="shadow", measure=measure, **bound), SHADOW)
    assert (result.observed, result.outcome) == (observed, outcome)


def arms(control: float, treatment: float, samples: int = 10_000, variance: float = 0.25) -> AbTest:
    return AbTest(
        metric="conversion",
        control=Arm(samples=samples, mean=control, variance=variance),
        treatment=Arm(samples=samples, mean=treatment, variance=variance),
    )


LIFT = gate(kind="ab_test", measure="lift", at_least=0)
SIGNIFICANT = gate(kind="ab_test", measure="p_value", at_most=0.05, planned_samples=20_000)


def test_an_ab_test_needs_a_lift_and_a_sure_one() -> None:
    clear = arms(0.50, 0.55)
    assert judge(LIFT, clear).observed == pytest.approx(0.1)
    assert judge(LIFT, clear).outcome is Outcome.PASSED
    assert judge(SIGNIFICANT, clear).outcome is Outcome.PASSED
    assert judge(LIFT, arms(0.50, 0.45)).outcome is Outcome.FAILED
    assert judge(SIGNIFICANT, arms(0.50, 0.501)).outcome is Outcome.FAILED


def test_an_ab_test_that_says_nothing_is_inconclusive() -> None:
    assert judge(LIFT, arms(0.0, 0.5)).outcome is Outcome.INCONCLUSIVE
    assert judge(LIFT, arms(0.1, 0.2, samples=0)).outcome is Outcome.INCONCLUSIVE
    assert judge(SIGNIFICANT, arms(0.5, 0.6, samples=1)).outcome is Outcome.INCONCLUSIVE
    assert judge(SIGNIFICANT, arms(1.0, 1.0, variance=0.0)).outcome is Outcome.INCONCLUSIVE


def test_violations_of_the_service_level_are_counted() -> None:
    sla = gate(kind="sla", at_most=0)
    assert judge(sla, ServiceLevel(violations=0, window="7 d")).outcome is Outcome.PASSED
    result = judge(sla, ServiceLevel(violations=2, window="7 d"))
    assert (result.outcome, result.details["window"]) == (Outcome.FAILED, "7 d")
