"""Tests that are drawn from a signature, run here through MLflow's own enforcement as the sandbox will run them."""

from __future__ import annotations

import pytest

from services.jobs.probe import Tried
from services.signatures.signature_tests import SignatureTest, judge_tests, list_signature_tests
from services.signatures.trial_results import TrialOutcome
from services.signatures.values import Schema, Signature
from tests.signatures.builders import array, columns, mapping, obj, tensor, tensors, unnamed
from tests.signatures.truth import accepts

SCHEMAS: list[Schema] = [
    columns(amount="double", merchant_id="long", country="string", hour="long", day_of_week="long"),
    columns(a="boolean", b_="integer", c="float", d="datetime", e_="any", f_=array("long"), g_="binary"),
    columns(a=array(array("long")), b=obj(zip="string", street_="string"), c=mapping("double"), d="binary"),
    columns(a_=array("string"), b_=obj(zip="string")),
    unnamed("double", "string"),
    columns(a="long"),
    tensor("int64", -1),
    tensor("float32", -1, 28, 28),
    tensor("bool", -1, 2),
    tensor("object", -1),
    tensor("str", -1),
    tensors(x=("float64", (-1, 3)), y=("int32", (-1,))),
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_each_demands_what_mlflow_does(schema: Schema) -> None:
    tests = list_signature_tests(Signature(inputs=schema))
    assert tests[0].name == "a valid example"
    assert tests[0].is_accepted
    assert len({test.name for test in tests}) == len(tests)
    for test in tests:
        assert accepts(schema, test.data) == test.is_accepted, test


def test_every_required_column_left_out_must_fail_and_every_optional_one_must_not() -> None:
    tests = {
        test.name: test.is_accepted for test in list_signature_tests(Signature(inputs=columns(a="long", b_="long")))
    }
    assert tests == {
        "a valid example": True,
        "without a": False,
        "without the optional b": True,
        "a of another type": False,
        "b of another type": False,
    }


def test_a_signature_without_inputs_has_no_tests() -> None:
    assert list_signature_tests(Signature(outputs=columns(p="long"))) == ()


def test_wide_signatures_have_a_limited_number_of_tests() -> None:
    schema = columns(**{f"c{index}": "long" for index in range(300)})
    assert len(list_signature_tests(Signature(inputs=schema))) == 200


def tried(test: SignatureTest, *, is_taken: bool, is_made_up: bool = False, is_mlflow: bool = True) -> Tried:
    error = "" if is_taken else "KeyError: 'x'"
    return Tried(
        name=test.name,
        is_taken=is_taken,
        is_made_up=is_made_up,
        is_refused_by_mlflow=is_mlflow and not is_taken,
        error=error,
    )


def test_what_was_expected_passes_and_what_was_not_fails() -> None:
    valid, without = list_signature_tests(Signature(inputs=columns(a="long")))[:2]
    held = judge_tests([valid, without], [tried(valid, is_taken=True), tried(without, is_taken=False)])
    assert [result.outcome for result in held] == [TrialOutcome.PASSED, TrialOutcome.PASSED]
    broken = judge_tests([valid, without], [tried(valid, is_taken=False), tried(without, is_taken=True)])
    assert [result.outcome for result in broken] == [TrialOutcome.FAILED, TrialOutcome.FAILED]
    assert broken[1].to_json() == {
        "name": "without a",
        "expected": "refused",
        "outcome": "failed",
        "detail": "The model took it.",
    }


def test_made_up_values_that_only_the_model_cannot_use_and_what_was_never_tried_are_unknown() -> None:
    valid, without = list_signature_tests(Signature(inputs=columns(a="long")))[:2]
    (result, untried) = judge_tests([valid, without], [tried(valid, is_taken=False, is_made_up=True, is_mlflow=False)])
    assert (result.outcome, untried.outcome) == (TrialOutcome.UNKNOWN, TrialOutcome.UNKNOWN)
    by_mlflow = judge_tests([valid], [tried(valid, is_taken=False, is_made_up=True)])
    assert by_mlflow[0].outcome is TrialOutcome.FAILED
    own_example = judge_tests([valid], [tried(valid, is_taken=False, is_mlflow=False)])
    assert own_example[0].outcome is TrialOutcome.FAILED
