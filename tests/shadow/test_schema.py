"""What a paired log may hold when it is written."""

from __future__ import annotations

import pyarrow as pa
import pytest

from services.errors import InvalidInput
from services.shadow.schema import LOG_SCHEMA, fit_to_schema
from tests.shadow.builders import pairs, without

ONE = {"request_id": ["a"], "ts": pa.array([0], pa.timestamp("us", "UTC"))}


def test_columns_that_are_not_given_become_null() -> None:
    fitting = fit_to_schema(pa.table(ONE))
    assert fitting.column_names == LOG_SCHEMA.names
    assert fitting.column("candidate_score").null_count == 1


def test_columns_stand_in_the_order_of_the_schema_and_slices_come_last() -> None:
    table = pairs(3, slice_a=["x"] * 3)
    shuffled = table.select(sorted(table.column_names, reverse=True))
    assert fit_to_schema(shuffled).column_names == [*LOG_SCHEMA.names, "slice_a", "slice_country"]


def test_a_time_without_a_zone_is_utc_and_nanoseconds_are_cut_off() -> None:
    naive = fit_to_schema(pa.table({**ONE, "ts": pa.array([1_999], pa.timestamp("ns"))}))
    assert naive.column("ts").cast(pa.int64()).to_pylist() == [1]
    zoned = fit_to_schema(pa.table({**ONE, "ts": pa.array([7], pa.timestamp("us", "Asia/Tokyo"))}))
    assert zoned.column("ts").cast(pa.int64()).to_pylist() == [7]


def test_a_stranger_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match="'score'"):
        fit_to_schema(pa.table({**ONE, "score": [0.5]}))


def test_a_column_that_is_there_twice_is_refused() -> None:
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["request_id", "request_id"])
    with pytest.raises(InvalidInput, match="twice"):
        fit_to_schema(table)


@pytest.mark.parametrize("column", ["request_id", "ts"])
def test_a_row_needs_an_id_and_a_time(column: str) -> None:
    with pytest.raises(InvalidInput, match=f"1 rows have no {column}"):
        fit_to_schema(without(pa.table(ONE), column))


def test_a_column_that_does_not_convert_is_named() -> None:
    with pytest.raises(InvalidInput, match="candidate_score holds string"):
        fit_to_schema(pa.table({**ONE, "candidate_score": ["high"]}))
