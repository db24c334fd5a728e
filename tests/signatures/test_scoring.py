"""JSON requests: what the scoring server takes, and what it alters in silence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.errors import InvalidInput
from services.signatures.scoring import check_request, find_arrived, is_altered
from services.signatures.values import Schema, Signature
from tests.signatures.builders import array, columns, mapping, obj, param, tensor, tensors, unnamed
from tests.signatures.truth import accepts_json, accepts_params


def split(**cells: Any) -> dict[str, Any]:
    return {"dataframe_split": {"columns": list(cells), "data": [list(cells.values())]}}


@pytest.mark.parametrize(
    ("of", "sent", "told"),
    [
        ("long", 0.5, "0.5 arrives as 0"),
        ("integer", 2**40, "1099511627776 arrives as 0"),
        ("boolean", "no", '"no" arrives as True'),
        ("double", 2**53 + 1, "9007199254740993 arrives as 9007199254740992.0"),
        ("double", True, "true arrives as 1.0"),
        ("float", 1e300, "1e+300 arrives as inf"),
        ("string", 5, "5 arrives as 5"),
        ("datetime", 5, "5 arrives as 1970-01-01"),
        ("binary", "Ynl0Z", '"Ynl0Z"'),
    ],
)
def test_what_arrives_as_something_else_is_told(of: str, sent: Any, told: str) -> None:
    schema, request = columns(a=of), split(a=sent)
    found = check_request(Signature(inputs=schema), request)
    assert found.ok == accepts_json(schema, request)
    assert told in found.problems[0].found or not found.ok
    assert is_altered(found) == found.ok


@pytest.mark.parametrize(
    ("of", "sent"),
    [
        ("long", 5),
        ("double", 5),
        ("float", 0.1),
        ("boolean", False),
        ("string", "x"),
        ("string", None),
        ("binary", "Ynl0ZXM="),
        ("datetime", "2024-01-01"),
        ("double", None),
    ],
)
def test_what_arrives_as_it_was_sent_is_no_problem(of: str, sent: Any) -> None:
    assert check_request(Signature(inputs=columns(a=of)), split(a=sent)).problems == ()


def test_a_missing_truth_value_arrives_as_false() -> None:
    found = check_request(Signature(inputs=columns(a="boolean")), {"dataframe_records": [{"a": True}, {"a": None}]})
    assert "null arrives as False" in found.problems[0].found


def test_several_altered_values_are_counted() -> None:
    request = {"dataframe_records": [{"a": 0.5}, {"a": 1.5}, {"a": 2}]}
    found = check_request(Signature(inputs=columns(a="long")), request)
    assert "(and 1 more like it)" in found.problems[0].found


REQUESTS: list[dict[str, Any]] = [
    {},
    {"dataframe_split": {}, "inputs": []},
    {"dataframe_split": [1]},
    {"dataframe_split": {"columns": ["a"]}},
    {"dataframe_split": {"columns": ["a"], "data": [[1]], "odd": 1}},
    {"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}},
    {"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}},
    {"dataframe_split": {"columns": ["a"], "data": [[1]], "index": [5]}},
    {"dataframe_split": {"data": [[1.5, 2.5]]}},
    {"dataframe_split": {"columns": ["a"], "data": [["x"]]}},
    {"dataframe_split": {"columns": ["a"], "data": [[[1.0, 2.0]]]}},
    {"dataframe_split": {"columns": ["a", "b"], "data": [[1, "x"]]}},
    {"dataframe_records": {"a": 1}},
    {"dataframe_records": [1, 2]},
    {"dataframe_records": [{"a": 1, "b": "x"}, {"a": 2}]},
    {"dataframe_records": [{"a": "2024-01-01T00:00:00", "b": "x"}]},
    {"dataframe_records": [{"a": {"k": 1}, "b": "x"}]},
    {"inputs": {"a": [1, 2], "b": ["x", "y"]}},
    {"inputs": {"a": 1, "b": "x"}},
    {"inputs": {"a": [1, 2], "c": [1]}},
    {"inputs": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]},
    {"inputs": [{"a": {"k": 1}, "b": "x"}]},
    {"inputs": {"a": {"k": 1}, "b": "x"}},
    {"inputs": [1, 2]},
    {"inputs": [1.5, 2.5]},
    {"inputs": [[1.5, 2.5]]},
    {"inputs": [[1.5], [2.5, 3.5]]},
    {"inputs": 5},
    {"inputs": "x"},
    {"inputs": None},
    {"inputs": {"a": [[1.5, 2.5]]}},
    {"inputs": {"a": [1.5, 2.5], "b": [1.5]}},
    {"instances": [1.5, 2.5]},
    {"instances": [[1.5, 2.5]]},
    {"instances": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]},
    {"instances": [{"a": 1.5}, {"a": 2.5}]},
    {"instances": [{"a": [1, 2]}, {"a": [3, 4]}]},
    {"instances": [{"a": 1, "b": "x"}, {"a": 2}]},
    {"instances": [{"a": {"k": 1}, "b": "x"}]},
    {"instances": {"a": [1, 2], "b": ["x"]}},
    {"inputs": []},
    {"instances": []},
    {"instances": {"a": [1, 2], "b": [1]}},
    {"instances": {"a": [1], "b": ["x", "y"]}},
    {"instances": {"a": 1.5, "b": [1.5]}},
    {"instances": {"a": 1.5}},
    {"inputs": {"a": [1.5], "b": [1.5, 2.5]}},
]
SCHEMAS: list[Schema] = [
    columns(a="long", b="string"),
    columns(a="double"),
    columns(a_="long", b_="string"),
    columns(a="string"),
    columns(a="boolean"),
    columns(a="datetime", b="string"),
    columns(a=array("long")),
    columns(a=array("double")),
    columns(a=obj(k="long"), b="string"),
    columns(a=mapping("long"), b="string"),
    columns(a="any"),
    columns(a="binary"),
    unnamed("double"),
    unnamed("double", "double"),
    unnamed(array("double")),
    tensor("float64", -1),
    tensor("float64", -1, 2),
    tensor("int64", -1),
    tensor("str", -1),
    tensor("object", -1),
    tensors(a=("float64", (-1,))),
    tensors(a=("float64", (-1, 2))),
    tensors(a=("float64", (-1,)), b=("float64", (-1,))),
    tensors(a=("float64", ())),
    tensors(a=("float64", ()), b=("float64", (-1,))),
    columns(a=array("long"), b="string", c_="string"),
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_every_form_of_request_is_taken_or_refused_as_the_scoring_server_does(schema: Schema) -> None:
    for request in REQUESTS:
        if len(request) != 1:
            continue
        copied = json.loads(json.dumps(request))
        found = check_request(Signature(inputs=schema), copied)
        assert found.ok == accepts_json(schema, request), (request, found.problems)


def test_a_request_has_exactly_one_form() -> None:
    signature = Signature(inputs=columns(a="long"))
    assert "none of them" in check_request(signature, {"a": 1}).problems[0].found
    assert "dataframe_split, inputs" in check_request(signature, REQUESTS[1]).problems[0].found
    assert find_arrived(signature, {"a": 1}) is None
    assert find_arrived(Signature(), split(a=1)) is None


def test_numbers_cut_off_in_arrays_are_told() -> None:
    found = check_request(Signature(inputs=tensor("int64", -1)), {"inputs": [0.5, 2]})
    assert (found.ok, found.problems[0].found) == (True, "0.5 arrives as 0")
    found = check_request(Signature(inputs=columns(a="long")), {"inputs": {"a": [0.5]}})
    assert (found.ok, found.problems[0].found) == (True, "0.5 arrives as 0")
    assert check_request(Signature(inputs=tensor("float32", -1)), {"inputs": [0.1]}).problems == ()


@pytest.mark.parametrize("given", [None, {}, [], "x", 0])
def test_params_that_are_no_mapping_are_refused_where_params_are_declared(given: Any) -> None:
    declared = (param("t", "double", 0.5),)
    for params, accepted in ((declared, accepts_params(declared, given)), (None, True)):
        signature = Signature(inputs=columns(a="long"), params=params)
        assert check_request(signature, {**split(a=1), "params": given}).ok == accepted


def test_params_of_a_request_are_checked() -> None:
    signature = Signature(inputs=columns(a="long"), params=(param("t", "double", 0.5),))
    good, bad = {**split(a=1), "params": {"t": 1, "odd": 2}}, {**split(a=1), "params": {"t": "x"}}
    assert check_request(signature, good).ok
    assert [problem.column for problem in check_request(signature, bad).problems] == ["params.t"]


def test_a_signature_without_inputs_has_nothing_to_check_against() -> None:
    with pytest.raises(InvalidInput):
        check_request(Signature(), split(a=1))
