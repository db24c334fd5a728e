import dataclasses
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import InvalidInput
from services.policies.deciding import Decider
from services.policies.decisions import Decision, to_json
from services.policies.guardrails import MemoryOfBatch
from tests.conftest import FakeClock
from tests.policies.builders import CARDS, GENERAL, cards, decider, general

US = {"amount": 100.0, "country": "US", "merchant_age_days": 400}


def said(decision: Decision) -> tuple[str, tuple[str, ...]]:
    return decision.action, decision.reasons


@pytest.mark.parametrize(
    ("score", "row", "action", "reasons"),
    [
        (0.7, {}, "block", ["high_fraud_probability"]),
        (0.6999, {}, "manual_review", ["moderate_fraud_probability"]),
        (0.4, {}, "manual_review", ["moderate_fraud_probability"]),
        (0.3999, {}, "allow", ["low_fraud_probability"]),
        (0.0, {}, "allow", ["low_fraud_probability"]),
        (1, {}, "block", ["high_fraud_probability"]),
        (0.1, {"amount": 10_000}, "allow", ["low_fraud_probability"]),
        (0.1, {"amount": 10_000.01}, "manual_review", ["low_fraud_probability", "high_value_transaction"]),
        (0.9, {"amount": 20_000}, "manual_review", ["high_fraud_probability", "high_value_transaction"]),
        (0.1, {"country": "NG"}, "manual_review", ["low_fraud_probability", "strict_mode_country"]),
        (0.9, {"country": "PK"}, "block", ["high_fraud_probability", "strict_mode_country"]),
        (0.1, {"country": "ng"}, "allow", ["low_fraud_probability"]),
        (
            0.5,
            {"country": "PK", "amount": 20_000},
            "manual_review",
            ["moderate_fraud_probability", "high_value_transaction", "strict_mode_country"],
        ),
        (0.1, {"merchant_age_days": 30}, "extra_verification", ["low_fraud_probability", "new_merchant"]),
        (0.1, {"merchant_age_days": 31}, "allow", ["low_fraud_probability"]),
        (0.5, {"merchant_age_days": 1}, "manual_review", ["moderate_fraud_probability", "new_merchant"]),
        (
            0.1,
            {"merchant_age_days": 1, "country": "NG"},
            "manual_review",
            ["low_fraud_probability", "strict_mode_country", "new_merchant"],
        ),
    ],
)
def test_card_payments_are_decided_as_their_document_says(
    score: float, row: dict[str, Any], action: str, reasons: list[str]
) -> None:
    decision = decider().decide(score, {**US, **row})
    assert said(decision) == (action, tuple(reasons))
    assert decision.probability == score
    assert decision.policy_revision == "2.1"


def test_a_flag_that_is_off_takes_its_rule_away() -> None:
    off = decider(cards(CARDS.replace("enable_geo_blocking: true", "enable_geo_blocking: false")))
    assert said(off.decide(0.1, {**US, "country": "NG"})) == ("allow", ("low_fraud_probability",))
    assert off.policy.columns == {"amount", "merchant_age_days"}


def test_a_decision_says_which_rule_won() -> None:
    by = decider()
    assert by.decide(0.9, US).won_by == "threshold"
    assert by.decide(0.1, {**US, "country": "NG", "merchant_age_days": 1}).won_by == "strict_mode_country"
    assert by.decide(0.5, {**US, "amount": 20_000}).won_by == "threshold"


def test_an_absent_column_is_refused_or_told_and_never_passed_over() -> None:
    by = decider()
    decision = by.decide(0.1, {"amount": 1.0, "country": "US"})
    assert decision.notes == ("The rule new_merchant was not applied: there is no column merchant_age_days.",)
    with pytest.raises(InvalidInput, match="no column 'country', which the rule strict_mode_country needs"):
        by.decide(0.1, {"amount": 1.0})
    frame = pd.DataFrame({"score": [0.1], "amount": [1.0], "country": ["US"]})
    assert by.decide_frame(frame).notes[0] == decision.notes[0]
    with pytest.raises(InvalidInput, match="no column 'amount'"):
        by.decide_frame(frame[["score", "country"]])
    with pytest.raises(InvalidInput, match="no column 'score'"):
        by.decide_frame(frame[["amount", "country"]])


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT, np.float32("nan"), Decimal("nan")])
def test_a_missing_value_never_lets_through_and_never_undoes(missing: Any) -> None:
    by = decider()
    row = {**US, "amount": missing}
    mild = by.decide(0.1, row)
    assert said(mild) == ("manual_review", ("low_fraud_probability", "high_value_transaction_unknown"))
    strict = by.decide(0.9, row)
    assert said(strict) == ("block", ("high_fraud_probability", "high_value_transaction_unknown"))
    optional = by.decide(0.1, {**US, "merchant_age_days": missing})
    assert said(optional) == ("allow", ("low_fraud_probability", "new_merchant_unknown"))


@pytest.mark.parametrize("score", [None, float("nan"), -0.1, 1.1, float("inf"), "0.5", pd.NA, [0.5]])
def test_nothing_is_decided_on_what_is_no_score(score: Any) -> None:
    with pytest.raises(InvalidInput):
        decider().decide(score, US)
    frame = pd.DataFrame([{**US, "score": 0.5}, {**US, "score": score}])
    with pytest.raises(InvalidInput):
        decider().decide_frame(frame)


def test_the_first_row_without_a_score_is_named() -> None:
    frame = pd.DataFrame([{**US, "score": 0.5}, {**US, "score": 1.5}, {**US, "score": np.nan}])
    with pytest.raises(InvalidInput, match=r"row 2 is 1\.5; 2 of 3"):
        decider().decide_frame(frame)
    with pytest.raises(InvalidInput, match="row 3 is missing"):
        decider().decide_frame(frame.assign(score=[0.1, 0.2, np.nan]))


@pytest.mark.parametrize(
    ("column", "value"), [("amount", "1000"), ("country", 7), ("amount", [1]), ("amount", 10**400), ("country", b"US")]
)
def test_a_value_of_another_type_is_refused_by_row_and_by_frame(column: str, value: Any) -> None:
    row = {**US, column: value}
    with pytest.raises(InvalidInput, match=repr(column)):
        decider().decide(0.1, row)
    with pytest.raises(InvalidInput, match=repr(column)):
        decider().decide_frame(pd.DataFrame([{**row, "score": 0.1}]))


def test_a_switch_is_no_number_and_no_text() -> None:
    row = {"revenue": 1, "years": 9, "plan": "x", "is_staff": 1, "complaints": 0, "country": "US", "email": None}
    with pytest.raises(InvalidInput, match="'is_staff'"):
        decider(general()).decide(0.1, row)
    with pytest.raises(InvalidInput, match="'is_staff'"):
        decider(general()).decide_frame(pd.DataFrame([{**row, "score": 0.1}]))


def test_rules_over_any_columns_apply_in_their_order() -> None:
    by = decider(general())
    row = {"revenue": 10, "years": 9, "plan": "gold", "is_staff": False, "complaints": 0, "country": "DE", "email": "x"}
    assert said(by.decide(0.9, row)) == ("gift", ("likely_to_leave", "loyal_customer", "eu"))
    assert said(by.decide(0.6, {**row, "complaints": 3})) == ("discount", ("discount_threshold", "eu"))
    assert said(by.decide(0.6, {**row, "years": 1, "revenue": 1000})) == (
        "call",
        ("discount_threshold", "large_account", "eu"),
    )
    assert by.decide(0.1, {**row, "email": None}).action == "call"
    assert by.policy.revision == "1"


def test_the_policy_of_a_file_that_states_no_version_is_named_by_its_digest() -> None:
    text = GENERAL.replace("  version: 1\n", "")
    assert general(text).revision == general(text).digest
    assert general(text).digest.startswith("sha256:")


def test_a_customer_is_blocked_at_most_so_often_a_day() -> None:
    by, memory = decider(), MemoryOfBatch()
    clock = FakeClock()
    row = {**US, "customer_id": "c1"}
    decisions = [by.decide(0.9, row, memory=memory, at=clock.now) for _ in range(4)]
    assert [each.action for each in decisions] == ["block", "block", "block", "manual_review"]
    assert decisions[0].blocked_until == clock.now + timedelta(hours=24)
    assert decisions[3].reasons == ("high_fraud_probability", "daily_block_limit")
    assert decisions[3].won_by == "guardrail"
    assert decisions[3].blocked_until is None
    assert by.decide(0.9, {**row, "customer_id": "c2"}, memory=memory, at=clock.now).action == "block"
    assert by.decide(0.9, row, memory=memory, at=clock.now + timedelta(days=1)).action == "block"


def test_a_limit_that_cannot_be_applied_is_told() -> None:
    by = decider()
    for decision in (by.decide(0.9, US, memory=MemoryOfBatch()), by.decide(0.9, {**US, "customer_id": "c"})):
        assert decision.action == "block"
        assert decision.notes == ("The daily limit of blocks was not applied: there is no value in customer_id.",)
    frame = pd.DataFrame([{**US, "score": 0.9, "customer_id": None}])
    assert len(by.decide_frame(frame, memory=MemoryOfBatch()).notes) == 1
    assert len(by.decide_frame(frame).notes) == 1


def test_rows_of_a_frame_have_their_own_times() -> None:
    rows = [{**US, "score": 0.9, "customer_id": "c", "ts": f"2026-03-0{day}T12:00:00Z"} for day in (1, 1, 1, 1, 2)]
    frame = pd.DataFrame([*rows, {**rows[0], "ts": None}])
    clock = FakeClock()
    batch = Decider(cards(), clock=clock).decide_frame(frame, memory=MemoryOfBatch())
    assert list(batch.actions[:5]) == ["block", "block", "block", "manual_review", "block"]
    assert batch[4].at.day == 2
    assert batch[5].at == clock.now
    for wrong in ("yesterday", 7):
        with pytest.raises(InvalidInput, match="'ts' does not hold times"):
            decider().decide_frame(frame.assign(ts=wrong))


def test_a_batch_is_a_sequence_of_decisions() -> None:
    frame = pd.DataFrame([{**US, "score": 0.9}, {**US, "score": 0.1}])
    batch = decider().decide_frame(frame)
    assert len(batch) == 2
    assert [each.action for each in batch[:1]] == ["block"]
    assert list(batch.reasons) == [("high_fraud_probability",), ("low_fraud_probability",)]
    assert list(decider().decide_frame(frame[:0]).reasons) == []


def test_the_json_of_a_decision_has_the_interfaces_keys() -> None:
    clock = FakeClock()
    decision = decider().decide(0.9, US, at=clock.now)
    assert to_json(decision) == {
        "action": "block",
        "probability": 0.9,
        "reasons": ["high_fraud_probability"],
        "policy_revision": "2.1",
        "won_by": "threshold",
        "at": "2026-03-01T12:00:00.000000Z",
        "blocked_until": "2026-03-02T12:00:00.000000Z",
    }


CELLS = {
    "revenue": st.none() | st.floats(0, 2000) | st.just(1000.0),
    "years": st.none() | st.integers(0, 9),
    "plan": st.none() | st.sampled_from(["gold", "silver", "tin"]),
    "is_staff": st.none() | st.booleans(),
    "complaints": st.none() | st.integers(0, 5),
    "country": st.none() | st.sampled_from(["DE", "FR", "US"]),
    "email": st.none() | st.just("x"),
    "score": st.floats(0, 1) | st.sampled_from([0.8, 0.5, 0.0, 1.0]),
}


@settings(deadline=None)
@given(
    st.lists(st.fixed_dictionaries(CELLS), min_size=1, max_size=12), st.sampled_from(["object", "infer", "category"])
)
def test_a_frame_is_decided_as_its_rows_are(rows: list[dict[str, Any]], how: str) -> None:
    frame = pd.DataFrame(rows, dtype=object)
    if how != "object":
        frame = frame.infer_objects().convert_dtypes()
    if how == "category":
        frame["country"] = frame["country"].astype("category")
        frame["plan"] = frame["plan"].astype("category")
    by = decider(general())
    batch = by.decide_frame(frame)
    at = batch[0].at
    expected = [by.decide(row["score"], row, at=at) for row in rows]
    assert list(batch) == [dataclasses.replace(each, notes=batch.notes) for each in expected]
    assert [tuple(reasons) for reasons in batch.reasons] == [each.reasons for each in expected]
    assert list(batch.actions) == [each.action for each in expected]


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from(["a", "b"]), st.integers(0, 3)), max_size=20))
def test_limits_hold_alike_for_rows_and_frames(cases: list[tuple[float, str, int]]) -> None:
    by, memory, clock = decider(), MemoryOfBatch(), FakeClock()
    times = [clock.now + timedelta(days=days) for _, _, days in cases]
    rows: list[dict[str, Any]] = [{**US, "score": score, "customer_id": who} for score, who, _ in cases]
    frame = pd.DataFrame(rows, columns=[*US, "score", "customer_id"]).assign(
        ts=pd.Series(times, dtype="datetime64[us, UTC]")
    )
    expected = [by.decide(row["score"], row, memory=memory, at=at).action for row, at in zip(rows, times, strict=True)]
    assert list(by.decide_frame(frame, memory=MemoryOfBatch()).actions) == expected
