"""Checking tables and arrays: the verdict of MLflow, and every problem beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from services.errors import InvalidInput
from services.signatures.check import check
from services.signatures.values import Schema, Signature, Type
from tests.signatures.builders import array, columns, mapping, obj, tensor, tensors, unnamed
from tests.signatures.truth import accepts, single


def problems(schema: Schema, data: Any) -> list[tuple[str, str, bool]]:
    """Return column, kind and whether it is a refusal; the whole must agree with MLflow."""
    found = check(Signature(inputs=schema), data)
    assert found.ok == accepts(schema, data)
    assert all(problem.fix.endswith((".", ")", "'", "]")) for problem in found.problems)
    return [(problem.column, problem.kind, problem.is_refusal) for problem in found.problems]


def test_data_that_fits_has_no_problems() -> None:
    assert problems(columns(a="long", b_="string"), pd.DataFrame({"a": [1], "b": ["x"]})) == []


def test_all_problems_are_told_not_only_the_first() -> None:
    frame = pd.DataFrame({"extra": [1], "c": ["x"], "a": ["x"]})
    assert problems(columns(a="long", b="double", c="string", d_="long"), frame) == [
        ("a", "type", True),
        ("b", "missing", True),
        ("extra", "extra", False),
        ("c", "order", False),
    ]


def test_names_are_case_sensitive() -> None:
    assert problems(columns(amount="long"), pd.DataFrame({"Amount": [1]}))[0] == ("amount", "missing", True)


def test_a_declared_column_that_comes_twice_is_refused() -> None:
    frame = pd.DataFrame([[1, 2]], columns=["a", "a"])
    assert problems(columns(a="long"), frame) == [("a", "extra", True)]
    assert problems(columns(b_="long"), frame) == [("a", "extra", False), ("a", "extra", False)]
    assert problems(unnamed("long"), frame) == [("0", "extra", True), ("a", "extra", False)]


def test_unnamed_columns_are_counted_and_taken_by_position() -> None:
    frame = pd.DataFrame({"x": [1], "y": ["a"], "z": [1]})
    assert problems(unnamed("long", "string"), frame) == [("z", "extra", False)]
    assert problems(unnamed("string", "long"), frame) == [
        ("0", "type", True),
        ("1", "type", True),
        ("z", "extra", False),
    ]
    assert problems(unnamed("long", "string", "long", "long"), frame) == [("3", "missing", True)]


def test_an_array_stands_for_unnamed_columns() -> None:
    assert problems(unnamed("double", "double"), np.zeros((2, 2))) == []
    assert problems(unnamed("double"), np.zeros((2, 2, 2))) == [("*", "type", True)]


def test_a_mapping_of_arrays_stands_for_columns() -> None:
    assert problems(columns(a="long"), {"a": np.array([1, 2])}) == []
    assert problems(columns(a=array("long")), {"a": np.array([1, 2])}) == []
    assert problems(columns(a="long"), {"a": np.array([1]), "b": np.array([1, 2])}) == [("*", "type", True)]


@pytest.mark.parametrize(
    ("of", "value", "path", "kind"),
    [
        (obj(a="long"), {"a": "x"}, "x.a", "type"),
        (obj(a="long"), {}, "x.a", "missing"),
        (obj(a="long"), {"a": 1, "b": 1}, "x.b", "extra"),
        (obj(a="long"), {"a": None}, "x.a", "null"),
        (obj(a="long"), [1], "x.", "type"),
        (obj(a=obj(b=array("long"))), {"a": {"b": [1, "x"]}}, "x.a.b[1]", "type"),
        (array("long"), [1, None], "x[1]", "null"),
        (array("double"), [0.5, "x"], "x[1]", "type"),
        (array("long"), np.array([1.5]), "x.", "type"),
        (array("long"), 5, "x.", "type"),
        (array("long"), np.array(5), "x.", "type"),
        (array(array("long")), np.array([[1.5]]), "x[0]", "type"),
        (array(array("long")), [[1], None], "x[1]", "null"),
        (array(mapping("long")), [{"k": "x"}], "x[0]{k}", "type"),
        (mapping("long"), {"k": "x"}, "x{k}", "type"),
        (mapping("long"), {1: 1}, "x.", "type"),
        (mapping("long"), None, "x.", "null"),
    ],
)
def test_what_is_wrong_inside_a_value_is_told_with_its_path(of: Type, value: Any, path: str, kind: str) -> None:
    cells = np.empty(1, dtype=object)
    cells[0] = value
    found = problems(single(of), pd.DataFrame({"x": cells}))
    assert found == [(path.rstrip("."), kind, True)]


def test_the_row_of_a_nested_problem_is_told() -> None:
    frame = pd.DataFrame({"x": [[1], [2], ["a"]]})
    assert check(Signature(inputs=single(array("long"))), frame).problems[0].found == "str in row 2"


def test_lists_of_differing_lengths_inside_an_array_are_refused() -> None:
    ragged = np.empty(2, dtype=object)
    ragged[0], ragged[1] = [1], [1, 2]
    cells = np.empty(1, dtype=object)
    cells[0] = ragged
    assert problems(single(array(array("long"))), pd.DataFrame({"x": cells})) == [("x", "type", True)]


TENSOR_DATA: list[Any] = [
    np.zeros((2, 3), dtype="float32"),
    np.zeros((2, 3), dtype="float64"),
    np.zeros((2,), dtype="float32"),
    np.zeros((2, 1), dtype="float32"),
    np.array(["a", "bc"]),
    np.array([[1], [1, 2]], dtype=object),
    {"x": np.zeros((2,), dtype="float32")},
    {"x": [1.0]},
    {"y": np.zeros((2,), dtype="float32")},
    {"x": np.zeros((2,), dtype="float32"), "y": np.zeros((2,))},
    pd.DataFrame({"x": np.zeros(2, dtype="float32")}),
    pd.DataFrame({"x": [1.5, 2.5]}, index=[1, 2]),
    pd.DataFrame({"x": [1.5, 2.5]}, index=[0, 0]),
    pd.DataFrame({"x": ["1.5", "2"]}),
    pd.DataFrame({"x": ["a", "2"]}),
    pd.DataFrame({"x": [None, 1.0]}, dtype=object),
    pd.DataFrame({"x": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]}),
    pd.DataFrame({"x": [[1.0, 2.0], [4.0]]}),
    pd.DataFrame({"x": [[], []]}),
    pd.DataFrame({"x": [np.zeros(3), np.zeros(3)]}),
    pd.DataFrame({"x": [np.zeros(6), np.zeros(6)]}),
    pd.DataFrame(np.zeros((2, 3), dtype="float32")),
    pd.DataFrame(np.zeros((2, 3), dtype="float64")),
    pd.DataFrame(np.zeros((2, 2), dtype="float32")),
    pd.DataFrame({"x": [], "y": []}),
    pd.DataFrame([[1.0, 2.0]], columns=["x", "x"]),
]
TENSOR_SCHEMAS: list[Schema] = [
    tensor("float32", -1),
    tensor("float32", -1, 1),
    tensor("float32", -1, 3),
    tensor("float32", 2, 3),
    tensor("float32", -1, -1),
    tensor("float64", -1, 3),
    tensor("float32"),
    tensor("str", -1),
    tensor("object", -1),
    tensors(x=("float32", (-1,))),
    tensors(x=("float32", (-1, 3))),
    tensors(x=("float32", (-1,)), y=("float64", (-1,))),
]


@pytest.mark.parametrize("schema", TENSOR_SCHEMAS, ids=str)
def test_arrays_and_tables_in_their_place_are_judged_as_mlflow_judges_them(schema: Schema) -> None:
    for data in TENSOR_DATA:
        problems(schema, data)


def test_what_is_wrong_with_an_array_is_told() -> None:
    def found(schema: Schema, data: Any) -> list[str]:
        return [problem.found for problem in check(Signature(inputs=schema), data).problems]

    assert found(tensor("float32", -1, 3), np.zeros((2, 4), dtype="float32")) == ["shape [2, 4]"]
    assert found(tensor("float32", -1), np.zeros(2)) == ["dtype float64"]
    assert found(tensor("float32", -1), {"x": np.zeros(2)}) == ["a mapping of arrays"]
    assert found(tensors(x=("float32", (-1,))), {"x": [1.0]}) == ["a list, not an array"]
    assert found(tensor("float32", -1, 3), pd.DataFrame({"x": [1.0], "y": [1.0]})) == ["a table of 2 columns"]


def test_a_signature_without_inputs_has_nothing_to_check_against() -> None:
    with pytest.raises(InvalidInput, match="declares no inputs"):
        check(Signature(outputs=columns(a="long")), pd.DataFrame())


def test_the_json_has_the_form_of_the_public_interface() -> None:
    found = check(Signature(inputs=columns(a="double")), pd.DataFrame({"a": [5]})).to_json()
    assert found == {
        "ok": False,
        "problems": [
            {
                "column": "a",
                "kind": "type",
                "expected": "double",
                "found": "int64",
                "fix": "Cast it where nothing is lost: frame['a'] = frame['a'].astype('float64').",
                "is_refusal": True,
            }
        ],
    }


@pytest.mark.parametrize(
    ("series", "of", "fix"),
    [
        (pd.Series(["a"], dtype="category"), "string", "never by the order"),
        (pd.Series(["2024-01-01"]), "datetime", "pd.to_datetime"),
        (pd.Series(["x"]), "boolean", "astype('bool')"),
        (pd.Series([1]), "binary", "Send 'x' as binary"),
        (pd.Series([1.0, None]), "long", "declare it as double"),
        (pd.Series([True, None], dtype="boolean"), "boolean", "declare it as optional"),
    ],
)
def test_each_problem_says_what_to_write(series: pd.Series[Any], of: str, fix: str) -> None:
    found = check(Signature(inputs=columns(x=of)), pd.DataFrame({"x": series}))
    assert fix in found.problems[0].fix


def test_undeclared_columns_are_told_up_to_a_number() -> None:
    frame = pd.DataFrame([range(100)], columns=[f"c{index}" for index in range(100)])
    assert len(check(Signature(inputs=columns(c0="long")), frame).problems) == 20
