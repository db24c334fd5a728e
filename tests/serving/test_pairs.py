from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from services.serving.pairs import Pair, Side, names_classes, slices_of, to_rows
from services.signatures.values import Column, Columns, Scalar, Signature, Tensor, Tensors

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def pair(champion: dict[str, Any], candidate: dict[str, Any], **slices: list[str | None]) -> Pair:
    return Pair(
        request_id="r1",
        at=AT,
        champion=Side(version=1, **champion),
        candidate=Side(version=2, **candidate),
        slices=slices,
    )


def test_a_row_of_a_request_is_a_row_of_the_log() -> None:
    rows = to_rows(pair({"given": (0.1, 0.9), "latency_ms": 2.0}, {"given": (0.2, 0.8)}, country=["US", None]))
    assert [row["request_id"] for row in rows] == ["r1-0", "r1-1"]
    assert [(row["champion_score"], row["candidate_score"]) for row in rows] == [(0.1, 0.2), (0.9, 0.8)]
    assert [(row["champion_version"], row["candidate_version"]) for row in rows] == [(1, 2)] * 2
    assert [(row["champion_latency_ms"], row["candidate_latency_ms"]) for row in rows] == [(2.0, None)] * 2
    assert [row["slice_country"] for row in rows] == ["US", None]
    assert {row["champion_error"] for row in rows} == {None}


def test_a_single_row_keeps_the_id_of_its_request() -> None:
    (row,) = to_rows(pair({"given": (0.1,)}, {"given": (0.2,)}))
    assert (row["request_id"], row["ts"]) == ("r1", AT)


def test_a_side_that_failed_has_its_error_on_every_row_and_nothing_else() -> None:
    rows = to_rows(pair({"given": (0.1, 0.9)}, {"error": "it ended"}))
    assert [(row["candidate_score"], row["candidate_decision"], row["candidate_error"]) for row in rows] == [
        (None, None, "it ended")
    ] * 2


def test_both_sides_failing_is_one_row() -> None:
    (row,) = to_rows(pair({"error": "one"}, {"error": "two"}))
    assert (row["champion_error"], row["candidate_error"]) == ("one", "two")


def test_a_wrong_number_of_values_is_an_error_of_that_side() -> None:
    rows = to_rows(pair({"given": (0.1, 0.9)}, {"given": (0.1,)}))
    assert {row["candidate_error"] for row in rows} == {"it gave 1 values for 2 rows"}
    assert {row["candidate_score"] for row in rows} == {None}


def test_an_empty_prediction_is_an_error_of_its_row() -> None:
    rows = to_rows(pair({"given": (0.1, 0.9)}, {"given": (0.1, None)}))
    assert [row["candidate_error"] for row in rows] == [None, "the prediction is empty"]


def test_classes_are_decisions_and_numbers_are_scores() -> None:
    (named,) = to_rows(pair({"given": ("high",)}, {"given": ("low",)}))
    assert (named["champion_decision"], named["champion_score"]) == ("high", None)
    (counted,) = to_rows(pair({"given": (1.0,), "names_classes": True}, {"given": (0.0,), "names_classes": True}))
    assert (counted["champion_decision"], counted["candidate_decision"], counted["champion_score"]) == ("1", "0", None)
    (scored,) = to_rows(pair({"given": (1.0,)}, {"given": (0.0,)}))
    assert (scored["champion_decision"], scored["champion_score"]) == (None, 1.0)


def test_the_decision_of_a_policy_stands_beside_its_score() -> None:
    (row,) = to_rows(pair({"given": (0.9,), "decisions": ["block"]}, {"given": (0.1,), "decisions": ["allow"]}))
    assert (row["champion_decision"], row["champion_score"]) == ("block", 0.9)
    assert (row["candidate_decision"], row["candidate_score"]) == ("allow", 0.1)


@pytest.mark.parametrize(
    ("outputs", "is_class"),
    [
        (Columns(columns=(Column(name=None, type=Scalar.LONG),)), True),
        (Columns(columns=(Column(name=None, type=Scalar.DOUBLE),)), False),
        (Tensors(tensors=(Tensor(name=None, dtype="int64", shape=(-1,)),)), True),
        (Tensors(tensors=(Tensor(name=None, dtype="float64", shape=(-1,)),)), False),
        (None, False),
    ],
)
def test_a_signature_says_whether_numbers_stand_for_classes(outputs: Any, is_class: bool) -> None:
    assert names_classes(Signature(inputs=None, outputs=outputs, params=None)) is is_class
    assert not names_classes(None)


def test_slices_are_the_columns_that_a_request_has_as_text() -> None:
    frame = pd.DataFrame({"country": ["US", None], "age": [1, 2]})
    assert slices_of(frame, ["country", "age", "gone"]) == {"country": ["US", None], "age": ["1", "2"]}
    assert slices_of(None, ["country"]) == {}
