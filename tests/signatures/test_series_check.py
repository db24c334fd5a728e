"""Every source dtype against every target type: our check and the installed MLflow must agree, cell by cell."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from services.signatures.check import check
from services.signatures.values import AnyType, Scalar, Signature, Type
from tests.signatures.builders import array, mapping, obj
from tests.signatures.truth import accepts, single

NUMBERS = [
    *(f"{kind}{bits}" for kind in ("int", "uint", "Int", "UInt") for bits in (8, 16, 32, 64)),
    *("float16", "float32", "float64", "Float32", "Float64", "complex64", "complex128", "longdouble"),
]
ARROW: list[tuple[Any, list[Any]]] = [
    (pa.int64(), [1, 2]),
    (pa.int32(), [1]),
    (pa.int32(), [1, None]),
    (pa.float64(), [1.5]),
    (pa.float32(), [1.5]),
    (pa.string(), ["a"]),
    (pa.bool_(), [True]),
    (pa.timestamp("us"), [0]),
    (pa.timestamp("us", "UTC"), [0]),
    (pa.date32(), [0]),
    (pa.binary(), [b"a"]),
    (pa.decimal128(5, 2), [decimal.Decimal("1.5")]),
    (pa.list_(pa.int64()), [[1]]),
    (pa.struct([("a", pa.int64())]), [{"a": 1}]),
    (pa.null(), [None]),
]


def objects(*values: Any) -> pd.Series[Any]:
    return pd.Series(list(values), dtype=object)


def moments(unit: str) -> pd.Series[Any]:
    return pd.Series(np.array(["2024-01-01"], dtype=f"datetime64[{unit}]"))


SOURCES: dict[str, pd.Series[Any]] = {
    "bool": pd.Series([True, False]),
    "nullable boolean": pd.Series([True, False], dtype="boolean"),
    "nullable boolean with NA": pd.Series([True, None], dtype="boolean"),
    "object of bool and None": objects(True, None),
    **{name: pd.Series([1, 2, 5], dtype=name) for name in NUMBERS},
    "int64 of 0 and 1": pd.Series([0, 1, 1]),
    "int32 of 0 and 1": pd.Series([0, 1], dtype="int32"),
    "uint64 of 0 and 1": pd.Series([0, 1], dtype="uint64"),
    "Int64 of 0 and 1": pd.Series([0, 1], dtype="Int64"),
    "Int32 with NA": pd.Series([1, None], dtype="Int32"),
    "Int64 with NA": pd.Series([1, None], dtype="Int64"),
    "Float64 with NA": pd.Series([1, None], dtype="Float64"),
    "whole float64 with NaN": pd.Series([1.0, np.nan]),
    "float64 with fractions": pd.Series([1.5]),
    "empty float64": pd.Series([], dtype="float64"),
    "empty int64": pd.Series([], dtype="int64"),
    "empty object": pd.Series([], dtype=object),
    "str": pd.Series(["a", "b"]),
    "string with NA": pd.Series(["a", None], dtype="string"),
    "string of pyarrow": pd.Series(["a"], dtype="string[pyarrow]"),
    "object str": objects("a", "b"),
    "object str and None": objects("a", None),
    "numbers as text": pd.Series(["1", "2"]),
    "times as text": pd.Series(["2024-01-01"]),
    "object times as text": objects("2024-01-01"),
    "object numbers as text": objects("1", "2.5"),
    "object bytes": objects(b"a", b"b"),
    "datetime64[ns]": moments("ns"),
    "datetime64[us]": moments("us"),
    "datetime64[s]": moments("s"),
    "datetime64[s] out of range": pd.Series(np.array(["9999-01-01"], dtype="datetime64[s]")),
    "datetime with zone": moments("ns").dt.tz_localize("UTC"),
    "object datetime": objects(dt.datetime(2024, 1, 1)),  # noqa: DTZ001 - MLflow takes times without zone
    "object datetime with zone": objects(dt.datetime(2024, 1, 1, tzinfo=dt.UTC)),
    "object date": objects(dt.date(2024, 1, 1)),
    "object date and None": objects(dt.date(2024, 1, 1), None),
    "object Decimal": objects(decimal.Decimal("1.5")),
    "object Decimal NaN": objects(decimal.Decimal("NaN"), None),
    "object int": objects(1, 2),
    "object int and None": objects(1, None),
    "object float": objects(1.5),
    "object float32": objects(np.float32(1.5)),
    "object int32": objects(np.int32(1)),
    "object mixed": objects(1, "a"),
    "object all None": objects(None, None),
    "list": pd.Series([[1], [2]]),
    "dict": pd.Series([{"a": 1}]),
    "beyond uint64": pd.Series([2**70]),
    "beyond int64": pd.Series([2**63]),
    "category of text": pd.Series(["a"], dtype="category"),
    "category of numbers": pd.Series([1], dtype="category"),
    "timedelta": pd.Series(pd.to_timedelta([1])),
    "period": pd.Series(pd.period_range("2024", "2025", freq="Y")),
    "interval": pd.Series(pd.interval_range(0, 2)),
    "sparse float": pd.Series(pd.arrays.SparseArray([1.0, 0.0])),
    "sparse int": pd.Series(pd.arrays.SparseArray([1, 0])),
    "sparse object": pd.Series(pd.arrays.SparseArray(["a", "b"], dtype=object)),
    **{f"arrow {of}": pd.Series(pa.array(values, type=of), dtype=pd.ArrowDtype(of)) for of, values in ARROW},
}
TARGETS: list[Type] = [
    *Scalar,
    AnyType(),
    array("long"),
    array("double"),
    array("string"),
    mapping("long"),
    obj(a="long"),
]


@pytest.mark.parametrize("source", SOURCES)
def test_a_column_of_every_dtype_is_judged_as_mlflow_judges_it(source: str) -> None:
    for target in TARGETS:
        for is_required in (True, False):
            schema = single(target, is_required=is_required)
            frame = pd.DataFrame({"x": SOURCES[source]})
            ours = check(Signature(inputs=schema), frame)
            assert ours.ok == accepts(schema, frame), (source, target, is_required, ours.problems)


def test_whole_numbers_that_miss_values_are_told_as_missing_values() -> None:
    found = check(Signature(inputs=single(Scalar.LONG)), pd.DataFrame({"x": [1.0, np.nan]}))
    assert [(problem.kind, problem.found) for problem in found.problems] == [("null", "float64 with 1 missing")]
    assert "never" not in found.problems[0].fix
    assert "double" in found.problems[0].fix


def test_nullable_numbers_and_truth_values_that_miss_values_are_told_as_missing_values() -> None:
    for dtype, target in (("Int64", Scalar.LONG), ("Int32", Scalar.INTEGER), ("boolean", Scalar.BOOLEAN)):
        frame = pd.DataFrame({"x": pd.Series([1, None], dtype=dtype)})
        found = check(Signature(inputs=single(target)), frame)
        assert [problem.kind for problem in found.problems] == ["null"]


def test_fractions_that_miss_values_are_told_as_another_type() -> None:
    found = check(Signature(inputs=single(Scalar.LONG)), pd.DataFrame({"x": [1.5, np.nan]}))
    assert [(problem.kind, problem.found) for problem in found.problems] == [("type", "float64")]


def test_an_object_column_is_told_by_what_it_holds() -> None:
    found = check(Signature(inputs=single(Scalar.LONG)), pd.DataFrame({"x": objects(1, "a")}))
    assert found.problems[0].found == "object of mixed-integer"
