import pytest

from services.gates.evidence import Held, Probing, Signatures
from services.gates.outcomes import Outcome
from services.signatures.reader import read_signature
from services.signatures.trial_results import TrialOutcome, TrialResult
from tests.gates.builders import EXAMPLE as SAVED_EXAMPLE
from tests.gates.builders import INPUTS, OUTPUTS, gate, judge, mlmodel


def reading(
    inputs: list[dict[str, object]] | None = None, *, outputs: list[dict[str, object]] | None = OUTPUTS
) -> bytes:
    return mlmodel(INPUTS if inputs is None else inputs, outputs).encode()


def signatures(candidate: bytes, champion: bytes | None = None) -> Signatures:
    return Signatures(
        candidate=read_signature(candidate), champion=None if champion is None else read_signature(champion)
    )


BACKWARD = gate(kind="signature", direction="backward", at_worst="compatible")
NEW_REQUIRED = [*INPUTS, {"type": "double", "name": "age", "required": True}]
NEW_OPTIONAL = [*INPUTS, {"type": "double", "name": "age", "required": False}]


def test_a_signature_that_todays_callers_can_use_passes() -> None:
    same = judge(BACKWARD, signatures(reading(), reading()))
    assert (same.outcome, same.observed) == (Outcome.PASSED, "identical")
    assert judge(BACKWARD, signatures(reading(NEW_OPTIONAL), reading())).outcome is Outcome.PASSED


def test_a_signature_that_breaks_todays_callers_fails_with_the_reason() -> None:
    result = judge(BACKWARD, signatures(reading(NEW_REQUIRED), reading()))
    assert (result.outcome, result.observed) == (Outcome.FAILED, "breaking")
    assert "age" in result.message
    assert result.details["changes"]
    assert "optional" in result.remedy


def test_a_direction_says_whose_requests_count() -> None:
    removed = signatures(reading(), reading(NEW_REQUIRED))
    assert judge(BACKWARD, removed).outcome is Outcome.PASSED
    forward = gate(kind="signature", direction="forward", at_worst="compatible")
    assert judge(forward, removed).outcome is Outcome.FAILED


def test_a_signature_that_cannot_be_judged_never_passes() -> None:
    assert judge(BACKWARD, signatures(b"flavors: {}\n", reading())).outcome is Outcome.INCONCLUSIVE
    assert judge(BACKWARD, signatures(reading(), b"flavors: {}\n")).outcome is Outcome.INCONCLUSIVE
    assert judge(BACKWARD, signatures(b"{", reading())).outcome is Outcome.INCONCLUSIVE
    assert judge(BACKWARD, signatures(reading())).outcome is Outcome.INCONCLUSIVE


def test_the_first_version_has_to_declare_both_sides() -> None:
    assert judge(BACKWARD, signatures(reading()), champion=False).outcome is Outcome.PASSED
    for text in (reading(outputs=None), b"flavors: {}\n"):
        result = judge(BACKWARD, signatures(text), champion=False)
        assert result.outcome is Outcome.FAILED
        assert result.remedy == "Log the model with a signature of inputs and outputs."


REQUIREMENTS = gate(
    kind="signature_requirements", required=["signature_present", "inputs_and_outputs", "output_type", "input_example"]
)
EXAMPLE = SAVED_EXAMPLE.encode()


def test_a_signature_has_what_the_gate_demands() -> None:
    result = judge(REQUIREMENTS, signatures(reading() + EXAMPLE))
    assert (result.outcome, result.remedy) == (Outcome.PASSED, "")
    assert set(result.details["requirements"].values()) == {"met"}


@pytest.mark.parametrize(
    ("text", "tags", "unmet"),
    [
        (reading(), {"task": "classification"}, "input_example"),
        (reading(outputs=None) + EXAMPLE, {"task": "classification"}, "inputs_and_outputs"),
        (b"flavors: {}\n" + EXAMPLE, {"task": "classification"}, "signature_present"),
        (reading() + EXAMPLE, {"model_type": "binary_classification"}, "output_type"),
    ],
)
def test_what_a_signature_lacks_fails_with_its_remedy(text: bytes, tags: dict[str, str], unmet: str) -> None:
    result = judge(REQUIREMENTS, signatures(text), tags=tags)
    assert result.outcome is Outcome.FAILED
    assert result.details["requirements"][unmet] == "unmet"
    assert result.remedy


def test_what_is_not_known_of_a_signature_never_passes() -> None:
    result = judge(REQUIREMENTS, signatures(reading() + EXAMPLE), tags={"team": "fraud"})
    assert (result.outcome, result.details["requirements"]["output_type"]) == (Outcome.INCONCLUSIVE, "unknown")
    assert "model_type" in result.remedy
    assert judge(REQUIREMENTS, signatures(b"{")).outcome is Outcome.INCONCLUSIVE
    assert judge(REQUIREMENTS).outcome is Outcome.INCONCLUSIVE


def probing(*outcomes: TrialOutcome) -> Probing:
    held = Held(ratio=1.0, detail="")
    results = tuple(
        TrialResult(name=f"test {at}", is_accepted=True, outcome=outcome, detail="KeyError: 'x'")
        for at, outcome in enumerate(outcomes)
    )
    return Probing(measures={}, calls=1, errors=(), column_order=held, expectations={}, signature_tests=results)


@pytest.mark.parametrize(
    ("outcomes", "outcome"),
    [
        ((TrialOutcome.PASSED, TrialOutcome.PASSED), Outcome.PASSED),
        ((TrialOutcome.PASSED, TrialOutcome.UNKNOWN), Outcome.INCONCLUSIVE),
        ((TrialOutcome.UNKNOWN, TrialOutcome.FAILED), Outcome.FAILED),
        ((), Outcome.INCONCLUSIVE),
    ],
)
def test_signature_tests_pass_only_where_each_of_them_does(
    outcomes: tuple[TrialOutcome, ...], outcome: Outcome
) -> None:
    assert judge(gate(kind="signature_tests"), probing(*outcomes)).outcome is outcome


def test_signature_tests_are_kept_one_by_one() -> None:
    result = judge(gate(kind="signature_tests"), probing(TrialOutcome.PASSED, TrialOutcome.FAILED))
    assert (result.observed, result.threshold, result.unit) == (1, 2, "tests")
    assert result.message == "1 of 2 requests were treated as declared. test 1: KeyError: 'x'"
    assert [test["outcome"] for test in result.details["tests"]] == ["passed", "failed"]
