"""Tests that are drawn from a signature, run here through MLflow's own enforcement as the sandbox will run them."""

from __future__ import annotations

import json

import pytest

from services.signatures.signature_tests import SignatureTest, list_signature_tests
from services.signatures.values import Schema, Signature
from tests.signatures.builders import array, columns, tensor, unnamed
from tests.signatures.truth import accepts

SCHEMAS: list[Schema] = [
    columns(amount="double", merchant_id="long", country="string", hour="long", day_of_week="long"),
    columns(a="boolean", b_="integer", c="float", d="datetime", e_="any", f_=array("long"), g_="binary"),
    unnamed("double", "string"),
    columns(a="long"),
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_each_demands_what_mlflow_does(schema: Schema) -> None:
    tests = list_signature_tests(Signature(inputs=schema))
    assert tests[0].name == "a valid example"
    assert tests[0].is_accepted
    for test in tests:
        again = json.loads(json.dumps(test.to_json(), allow_nan=False))
        rebuilt = SignatureTest(
            name=again["name"],
            columns=tuple(again["columns"]),
            dtypes=tuple(again["dtypes"]),
            rows=tuple(tuple(row) for row in again["rows"]),
            is_accepted=again["is_accepted"],
        )
        assert accepts(schema, rebuilt.to_frame()) == test.is_accepted, test


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


@pytest.mark.parametrize("schema", [tensor("int64", -1), columns(a=array("long")), columns(a="binary"), None])
def test_what_has_no_plain_example_has_no_tests(schema: Schema | None) -> None:
    assert list_signature_tests(Signature(inputs=schema, outputs=columns(p="long"))) == ()


def test_wide_signatures_have_a_limited_number_of_tests() -> None:
    schema = columns(**{f"c{index}": "long" for index in range(300)})
    assert len(list_signature_tests(Signature(inputs=schema))) == 200
