"""Bins stand in the order of their values, nest where they have to, and are the same wherever they are computed."""

from __future__ import annotations

import math

import duckdb
import numpy as np
import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from services.shadow.bins import (
    LATENCY_ERROR,
    MAX_LATENCY_MS,
    UNSOUND_LATENCY_BIN,
    ZERO_LATENCY_BIN,
    atom_of_bin,
    difference_bin_sql,
    difference_of_bin,
    latency_bin_sql,
    latency_of_bin,
    score_bin_sql,
    score_of_bin,
)
from tests.shadow.builders import LAW

DATABASE = duckdb.connect()
SCORES = st.one_of(
    st.floats(0, 1),
    st.floats(-1e100, 1e100),
    st.floats(0, 1e-3),
    st.floats(0.999, 1),
    st.sampled_from([0.0, -0.0, 1.0]),
)


def bins(expression: str, values: list[float]) -> np.ndarray:
    table = pa.table({"x": pa.array(values, pa.float64())})
    with DATABASE.cursor() as connection:
        connection.register("given", table)
        found = connection.sql(f"SELECT {expression} AS bin FROM given").to_arrow_table()
    numbers: np.ndarray = found.column("bin").to_numpy().astype(np.int64)
    return numbers


@LAW
@given(st.lists(SCORES, min_size=2, max_size=50))
@example(
    [5e-324, 2.0**-24, 2.0**-18, 2.0**-12, 1 / 64, 0.5, 63 / 64, 1 - 2.0**-12, 1 - 2.0**-18, 1 - 2.0**-53, 1.0, 2.0]
)
@example([-1e100, -1.0, -1e-300, -0.0, 0.0, 5e-324])
def test_bins_of_scores_stand_in_the_order_of_scores(scores: list[float]) -> None:
    found = bins(score_bin_sql("x"), sorted(scores))
    assert (np.diff(found) >= 0).all()


@LAW
@given(st.lists(SCORES, min_size=1, max_size=50))
def test_the_middle_of_a_bin_lies_in_the_bin(scores: list[float]) -> None:
    found = bins(score_bin_sql("x"), scores)
    assert bins(score_bin_sql("x"), score_of_bin(found).tolist()).tolist() == found.tolist()


@LAW
@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_within_0_and_1_the_middle_is_never_further_than_half_a_bin(scores: list[float]) -> None:
    middle = score_of_bin(bins(score_bin_sql("x"), scores))
    assert (np.abs(middle - scores) <= 1 / 2048).all()


@LAW
@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.sampled_from([2, 32, 1024]))
def test_equal_parts_of_0_to_1_are_made_of_whole_bins(scores: list[float], parts: int) -> None:
    middle = score_of_bin(bins(score_bin_sql("x"), scores))
    assert np.minimum(np.floor(np.array(middle) * parts), parts - 1).tolist() == [
        min(math.floor(score * parts), parts - 1) for score in scores
    ]


def test_exactly_0_and_exactly_1_are_atoms() -> None:
    found = bins(score_bin_sql("x"), [0.0, -0.0, 1.0, 0.5])
    np.testing.assert_array_equal(atom_of_bin(found), [0.0, 0.0, 1.0, np.nan])


@LAW
@given(st.lists(st.floats(-1e100, 1e100), min_size=2, max_size=50))
def test_bins_of_differences_stand_in_order_and_hold_their_middle(differences: list[float]) -> None:
    found = bins(difference_bin_sql("x"), sorted(differences))
    assert (np.diff(found) >= 0).all()
    assert bins(difference_bin_sql("x"), difference_of_bin(found).tolist()).tolist() == found.tolist()


def test_no_difference_has_a_bin_of_its_own() -> None:
    assert bins(difference_bin_sql("x"), [0.0, -0.0, 5e-324, -5e-324]).tolist() == [0, 0, 1, -1]


@LAW
@given(st.floats(1e-30, MAX_LATENCY_MS))
@example(1.0)
@example(1.02)
def test_a_latency_read_back_is_off_by_less_than_one_percent(latency_ms: float) -> None:
    (found,) = latency_of_bin(bins(latency_bin_sql("x"), [latency_ms]))
    assert abs(found - latency_ms) <= latency_ms * LATENCY_ERROR * (1 + 1e-9)


def test_latencies_that_cannot_be_are_told_from_those_that_are_zero() -> None:
    found = bins(latency_bin_sql("x"), [0.0, -0.0, -1.0, math.nan, math.inf, -math.inf, 1e300])
    assert found.tolist() == [ZERO_LATENCY_BIN] * 2 + [UNSOUND_LATENCY_BIN] * 5
    assert latency_of_bin(np.array([ZERO_LATENCY_BIN])).tolist() == [0.0]
