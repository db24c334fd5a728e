"""Conforming: what is cast, what is refused, and that nothing is lost without leave."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.errors import InvalidInput
from services.signatures.conform import conform, conform_chunks, text_columns
from services.signatures.values import Schema, Signature, Type
from tests.signatures.builders import array, columns, frames, mapping, mutated, obj, schemas, tensor, tensors, unnamed
from tests.signatures.test_series_check import SOURCES, TARGETS, objects
from tests.signatures.truth import accepts, single


def conformed(schema: Schema, frame: pd.DataFrame, **options: Any) -> tuple[pd.DataFrame, list[str]]:
    """Return the conformed table, which MLflow must take, and what was done."""
    found = conform(Signature(inputs=schema), frame, **options)
    assert found.ok, found.problems
    assert found.frame is not None
    assert accepts(schema, found.frame)
    again = conform(Signature(inputs=schema), found.frame, **options)
    assert again.adjustments == ()
    return found.frame, [f"{change.column}: {change.what}" for change in found.adjustments]


def refused(schema: Schema, frame: pd.DataFrame, **options: Any) -> str:
    found = conform(Signature(inputs=schema), frame, **options)
    assert not found.ok
    assert found.frame is None
    assert len(found.problems) == 1
    return found.problems[0].found


def test_columns_are_put_into_order_and_what_is_extra_is_left_out() -> None:
    frame, done = conformed(columns(a="long", b="string"), pd.DataFrame({"z": [0], "b": ["x"], "a": [1]}))
    assert list(frame.columns) == ["a", "b"]
    assert done == ["*: left out, as it is not declared: z", "*: columns put into the declared order"]


def test_data_that_fits_is_left_as_it_is() -> None:
    given_frame = pd.DataFrame({"a": [1], "b": ["x"]}, index=[7])
    frame, done = conformed(columns(a="long", b="string", c_="long"), given_frame)
    assert done == []
    pd.testing.assert_frame_equal(frame, given_frame)


LOSSLESS: list[tuple[pd.Series[Any], str, list[Any], str]] = [
    (pd.Series([1, 2]), "double", [1.0, 2.0], "float64"),
    (pd.Series([2**53, -(2**53)]), "double", [2.0**53, -(2.0**53)], "float64"),
    (pd.Series([2**54]), "double", [2.0**54], "float64"),
    (pd.Series([1, 2]), "integer", [1, 2], "int32"),
    (pd.Series([1.0, -2.0]), "long", [1, -2], "int64"),
    (pd.Series([True, False]), "double", [1.0, 0.0], "float64"),
    (pd.Series([True, False]), "long", [1, 0], "int64"),
    (pd.Series([1, 0]), "boolean", [True, False], "bool"),
    (pd.Series([1.0, 0.0]), "boolean", [True, False], "bool"),
    (pd.Series([0.5, np.nan]), "float", [0.5, np.nan], "float32"),
    (pd.Series([1, None], dtype="Int64"), "double", [1.0, np.nan], "float64"),
    (pd.Series([1, 2], dtype="uint64"), "long", [1, 2], "int64"),
    (pd.Series([True, None], dtype="boolean"), "double", [1.0, np.nan], "float64"),
    (pd.Series(["1", "-2"]), "long", [1, -2], "int64"),
    (pd.Series(["1.5", "1e3", None]), "double", [1.5, 1000.0, np.nan], "float64"),
    (objects("1.5", 2), "double", [1.5, 2.0], "float64"),
    (objects(decimal.Decimal(5)), "long", [5], "int64"),
    (objects(1, None), "double", [1.0, np.nan], "float64"),
    (pd.Series(["True", " false"]), "boolean", [True, False], "bool"),
    (
        pd.Series(["2024-01-02", "2024-01-02T03:04:05"]),
        "datetime",
        ["2024-01-02", "2024-01-02 03:04:05"],
        "datetime64[ns]",
    ),
    (pd.Series(["b", "a"], dtype="category"), "string", ["b", "a"], "str"),
    (pd.Series([7, 5], dtype="category"), "long", [7, 5], "int64"),
    (pd.Series(["x"], dtype="category"), "string", ["x"], "str"),
]


@pytest.mark.parametrize(("series", "of", "values", "dtype"), LOSSLESS)
def test_casts_that_lose_nothing_are_made_and_listed(
    series: pd.Series[Any], of: str, values: list[Any], dtype: str
) -> None:
    frame, done = conformed(columns(a=of), pd.DataFrame({"a": series}))
    pd.testing.assert_series_equal(frame["a"], pd.Series(values, dtype=dtype, name="a"))
    assert len(done) == 1
    assert done[0].startswith(f"a: {series.dtype}")


LOSSLESS_OBJECTS = [
    (objects(decimal.Decimal("0.1"), None), "double", "float64"),
    (objects(dt.date(2024, 1, 2), None), "datetime", "datetime64[ns]"),
    (objects(1, 2), "long", "int64"),
]


@pytest.mark.parametrize(("series", "of", "dtype"), LOSSLESS_OBJECTS)
def test_objects_that_mlflow_would_cast_are_written_out(series: pd.Series[Any], of: str, dtype: str) -> None:
    frame, done = conformed(columns(a=of), pd.DataFrame({"a": series}))
    assert str(frame["a"].dtype) == dtype
    assert done == [f"a: object written out as {dtype}"]


LOSING: list[tuple[pd.Series[Any], str, str, list[Any]]] = [
    (pd.Series([1.5, 2.0, -2.5]), "long", "the fraction of 1.5 (and 1 more)", [1, 2, -2]),
    (pd.Series([0.1, 0.5]), "float", "digits of 0.1", [np.float32(0.1), 0.5]),
    (pd.Series([2**53 + 1]), "double", "digits of 9007199254740993", [2.0**53]),
    (pd.Series([2**24 + 1], dtype="int32"), "float", "digits of 16777217", [2.0**24]),
    (
        objects(decimal.Decimal("0.1234567890123456789")),
        "double",
        "digits of 0.1234567890123456789",
        [0.12345678901234568],
    ),
    (pd.Series([0, 5, -1]), "boolean", "what 5 says beyond true (and 1 more)", [False, True, True]),
    (pd.Series([7, 8]), "string", "how 7 was written", ["7", "8"]),
    (pd.Series(["2024-01-02T03:04:05+01:00"]), "datetime", "the time zone", ["2024-01-02 02:04:05"]),
    (pd.Series(pd.to_datetime(["2024-01-02T03:04:05+01:00"])), "datetime", "the time zone", ["2024-01-02 02:04:05"]),
    (objects(dt.datetime(2024, 1, 2, 3, tzinfo=dt.UTC)), "datetime", "the time zone", ["2024-01-02 03:00:00"]),
]


@pytest.mark.parametrize(("series", "of", "loses", "values"), LOSING)
def test_casts_that_lose_something_need_leave_for_that_column(
    series: pd.Series[Any], of: str, loses: str, values: list[Any]
) -> None:
    data = pd.DataFrame({"a": series})
    assert f"a cast would lose {loses}" in refused(columns(a=of), data)
    frame, _ = conformed(columns(a=of), data, allow=["a"])
    expected = [str(value) for value in values] if of == "datetime" else values
    assert [str(value) if of == "datetime" else value for value in frame["a"]] == expected
    done = conform(Signature(inputs=columns(a=of)), data, allow=["a"]).adjustments
    assert loses in done[0].lost


NEVER: list[tuple[pd.Series[Any], str, str]] = [
    (pd.Series([1.0, np.nan]), "long", "never made 0"),
    (pd.Series([1, None], dtype="Int64"), "long", "1 values are missing"),
    (pd.Series([True, None], dtype="boolean"), "boolean", "1 values are missing"),
    (pd.Series(["1", "abc"]), "double", "'abc' is not a number"),
    (pd.Series(["1", "nan"]), "double", "'nan' is not a number"),
    (pd.Series(["x", "y"]), "long", "'x' is not a number (and 1 more)"),
    (pd.Series([2**40]), "integer", "1099511627776 is out of the range of int32"),
    (pd.Series([-(2**40)]), "integer", "-1099511627776 is out of the range of int32"),
    (pd.Series([2.0**63]), "long", "out of the range of int64"),
    (pd.Series([2**63], dtype="uint64"), "long", "out of the range of int64"),
    (pd.Series([np.inf]), "long", "inf is not a whole number"),
    (pd.Series([1e300]), "float", "1e+300 is out of the range of float32"),
    (pd.Series(["yes"]), "boolean", "'yes' is neither true nor false"),
    (pd.Series([5]), "datetime", "int64 is not a time"),
    (pd.Series(["monday"]), "datetime", "'monday' is not an ISO 8601 time"),
    (pd.Series(["9999-01-01"]), "datetime", "out of the range"),
    (pd.Series(["red", "blue"], dtype="category"), "long", "is not a number"),
    (pd.Series(["red", None], dtype="category"), "long", "'red' is not a number"),
    (pd.Series([1]), "binary", "is not bytes"),
    (pd.Series(pd.to_timedelta([1])), "string", "no one way"),
    (pd.Series(pd.to_timedelta([1])), "double", "is not a number"),
    (pd.Series(pd.period_range("2024", "2024", freq="Y")), "double", "is not a number"),
    (objects([1]), "double", "[1] is not a number"),
    (objects(1, "a"), "long", "'a' is not a number"),
]


@pytest.mark.parametrize(("series", "of", "reason"), NEVER)
def test_what_would_have_to_be_invented_is_refused_even_with_leave(
    series: pd.Series[Any], of: str, reason: str
) -> None:
    for allow in ([], ["a"]):
        assert reason in refused(columns(a=of), pd.DataFrame({"a": series}), allow=allow)


def test_missing_columns_are_filled_with_declared_defaults_only() -> None:
    schema = columns(a="long", age_="double", kind="string")
    data = pd.DataFrame({"a": [1, 2]})
    assert refused(schema, data) == "nothing"
    frame, done = conformed(columns(a="long", age_="double"), data)
    assert (list(frame.columns), done) == (["a"], [])
    found = conform(Signature(inputs=schema), data, defaults={"age": 30, "kind": "UNKNOWN"})
    assert found.frame is not None
    assert found.frame.to_dict("list") == {"a": [1, 2], "age": [30.0, 30.0], "kind": ["UNKNOWN", "UNKNOWN"]}
    assert "age: filled with the declared default 30" in [f"{done.column}: {done.what}" for done in found.adjustments]
    assert accepts(schema, found.frame)


def test_a_default_of_another_type_is_refused() -> None:
    assert "not a number" in refused(columns(a="long"), pd.DataFrame({"b": [1]}), defaults={"a": "many"})


def test_names_that_nobody_declared_are_refused() -> None:
    for options in ({"allow": ["typo"]}, {"defaults": {"typo": 1}}):
        with pytest.raises(InvalidInput, match="no column 'typo'"):
            conform(Signature(inputs=columns(a="long")), pd.DataFrame({"a": [1]}), **options)


def test_a_name_that_comes_twice_is_refused() -> None:
    assert refused(columns(a="long"), pd.DataFrame([[1, 2]], columns=["a", "a"])) == "several of that name"


def test_a_signature_without_inputs_conforms_nothing() -> None:
    with pytest.raises(InvalidInput, match="declares no inputs"):
        conform(Signature(), pd.DataFrame())


def test_unnamed_columns_are_taken_by_position() -> None:
    frame, done = conformed(unnamed("double", "long"), pd.DataFrame({"x": [1], "y": [2], "z": [3]}))
    assert frame.to_dict("list") == {"x": [1.0], "y": [2]}
    assert done[0] == "*: columns after the first 2 left out"
    assert refused(unnamed("double", "long"), pd.DataFrame({"x": [1]})) == "1 columns"
    frame, _ = conformed(unnamed("double", "long"), pd.DataFrame([[1, 2]], columns=["x", "x"]))
    assert frame.columns.equals(pd.RangeIndex(2))


NESTED: list[tuple[Type, Any, Any]] = [
    (obj(a="double"), {"a": 5}, {"a": 5.0}),
    (obj(a="long"), {"a": 5.0}, {"a": 5}),
    (obj(a="float"), {"a": 0.5}, {"a": np.float32(0.5)}),
    (obj(a="integer"), {"a": 5}, {"a": np.int32(5)}),
    (obj(a="datetime"), {"a": "2024-01-02"}, {"a": np.datetime64("2024-01-02", "ns")}),
    (obj(a="datetime"), {"a": pd.Timestamp("2024-01-02").as_unit("ns")}, {"a": np.datetime64("2024-01-02", "ns")}),
    (obj(a="double", b_="long"), {"a": 5, "b": None}, {"a": 5.0, "b": None}),
    (obj(a="double"), {"a": 5, "gone": None}, {"a": 5.0}),
    (array("double"), [1, 2], [1.0, 2.0]),
    (array("long"), (1, 2), [1, 2]),
    (array(obj(a="double")), [{"a": 5}, {"a": 0.5}], [{"a": 5.0}, {"a": 0.5}]),
    (array(array("double")), [[5]], [[5.0]]),
    (mapping("double"), {"k": 5}, {"k": 5.0}),
    (mapping("double"), [("k", 5)], {"k": 5.0}),
    (mapping("any"), [("k", 5)], {"k": 5}),
    (array("string"), np.array(["a", "b"], dtype=object), np.array(["a", "b"], dtype=object)),
]


def one_cell(value: Any) -> pd.DataFrame:
    cells = np.empty(1, dtype=object)
    cells[0] = value
    return pd.DataFrame({"x": cells})


@pytest.mark.parametrize(("of", "value", "expected"), NESTED)
def test_nested_values_are_cast_where_nothing_is_lost(of: Type, value: Any, expected: Any) -> None:
    frame, _ = conformed(single(of), one_cell(value))
    assert str(frame["x"][0]) == str(expected)


@pytest.mark.parametrize(
    ("of", "value", "reason"),
    [
        (obj(a="long"), {"a": 0.5}, "would lose the fraction of 0.5 in row 0.a"),
        (obj(a="long"), {"a": 1, "b": 2}, "would lose the undeclared property 'b' in row 0"),
        (obj(a="float"), {"a": 0.1}, "would lose digits of 0.1"),
        (array("long"), [1, 2.5], "would lose the fraction of 2.5"),
    ],
)
def test_nested_values_that_would_lose_something_need_leave(of: Type, value: Any, reason: str) -> None:
    assert reason in refused(single(of), one_cell(value))
    conformed(single(of), one_cell(value), allow=["x"])


@pytest.mark.parametrize(
    ("of", "value", "reason"),
    [
        (obj(a="long"), {}, "lacks the required property 'a'"),
        (obj(a="long"), {"a": None}, "row 0.a is null"),
        (obj(a="long"), {"a": [1]}, "row 0.a is list"),
        (obj(a="long"), {"a": "x"}, "'x' is not a number"),
        (obj(a="long"), [1], "is no object but list"),
        (array("long"), 5, "is no list but int"),
        (array(obj(a="long")), [1], "row 0[0] is no object but int"),
        (array("long"), [1, None], "missing"),
        (mapping("long"), [("k", 1), ("k", 2)], "is no map but list"),
        (mapping("long"), {1: 1}, "key that is no text"),
        (mapping("long"), {"k": "x"}, "not a number"),
    ],
)
def test_nested_values_without_a_place_in_the_type_are_refused(of: Type, value: Any, reason: str) -> None:
    assert reason in refused(single(of), one_cell(value), allow=["x"])


def test_tables_in_place_of_an_array_get_one_dtype() -> None:
    frame, done = conformed(tensor("float32", -1, 2), pd.DataFrame({"a": [0.5], "b": [1]}, index=[5]))
    assert (frame.dtypes == "float32").all()
    assert done == ["a: float64 cast to float32", "b: int64 cast to float32", "*: rows labelled anew from 0"]
    assert "digits of 0.1" in refused(tensor("float32", -1, 2), pd.DataFrame({"a": [0.1], "b": [1.0]}))
    assert "not a number" in refused(tensor("uint8", -1, 2), pd.DataFrame({"a": ["x"], "b": [1]}))
    frame, _ = conformed(tensor("uint8", -1, 2), pd.DataFrame({"a": [200], "b": [1]}))
    assert (frame.dtypes == "uint8").all()
    frame, _ = conformed(tensor("bool", -1, 2), pd.DataFrame({"a": [1], "b": [True]}))
    assert (frame.dtypes == "bool").all()
    conformed(tensors(x=("float32", (-1,))), pd.DataFrame({"x": [0.5]}))
    assert "a table of 3 columns" in refused(tensor("float32", -1, 2), pd.DataFrame(np.zeros((1, 3), dtype="float32")))


def test_chunks_are_conformed_one_by_one() -> None:
    signature = Signature(inputs=columns(a="double"))
    chunks = (pd.DataFrame({"a": values}) for values in ([1, 2], ["3"], ["x"]))
    assert [part.ok for part in conform_chunks(signature, chunks)] == [True, True, False]


def test_columns_of_text_are_read_from_csv_as_text() -> None:
    signature = Signature(inputs=columns(a="string", b="long", c="datetime", d="binary"))
    assert text_columns(signature) == {"a", "c", "d"}
    assert text_columns(Signature(inputs=tensor("int64", -1))) == frozenset()


def test_the_outcome_is_written_as_json() -> None:
    found = conform(Signature(inputs=columns(a="long")), pd.DataFrame({"a": [1.5]}), allow=["a"]).to_json()
    assert found["ok"] is True
    assert found["changes"] == [{"column": "a", "what": "float64 cast to int64", "lost": "the fraction of 1.5"}]


@pytest.mark.parametrize("source", SOURCES)
def test_every_dtype_conforms_or_is_refused_and_nothing_else(source: str) -> None:
    for target in TARGETS:
        schema, frame = single(target), pd.DataFrame({"x": SOURCES[source]})
        for allow in ([], ["x"]):
            found = conform(Signature(inputs=schema), frame, allow=allow)
            if found.frame is not None:
                assert accepts(schema, found.frame), (source, target)
                assert conform(Signature(inputs=schema), found.frame, allow=allow).adjustments == ()


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_what_conforms_is_taken_by_mlflow_and_conforms_again_without_change(data: st.DataObject) -> None:
    old = data.draw(schemas())
    schema = data.draw(mutated(old))
    frame = data.draw(frames(old))
    allow = [str(column.name) for column in schema.columns] if data.draw(st.booleans()) else []
    found = conform(Signature(inputs=schema), frame, allow=allow)
    if found.frame is not None:
        assert accepts(schema, found.frame)
        again = conform(Signature(inputs=schema), found.frame, allow=allow)
        assert again.adjustments == ()
