from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from app.demo import sales, searches, subscribers, transactions
from app.demo.transactions import draw_transactions

DRAWERS = [draw_transactions, subscribers.draw_subscribers, sales.draw_sales, searches.draw_searches]


@pytest.mark.parametrize("draw", DRAWERS)
def test_the_same_seed_draws_the_same_rows_and_another_seed_others(draw: Callable[..., pd.DataFrame]) -> None:
    first = draw(200, seed=5)
    pd.testing.assert_frame_equal(first, draw(200, seed=5))
    assert not first.equals(draw(200, seed=6))


def test_payments_have_the_columns_and_types_that_the_users_model_reads() -> None:
    table = draw_transactions(500, seed=1)
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == {
        "ts": "datetime64[us, UTC]",
        "customer_id": "str",
        "amount": "float64",
        "merchant_id": "int64",
        "merchant_age_days": "int64",
        "country": "str",
        "hour": "int64",
        "day_of_week": "int64",
        "device_age_days": "float64",
        "is_fraud": "int64",
    }
    assert table["hour"].between(0, 23).all()
    assert table["day_of_week"].between(0, 6).all()
    assert set(table["country"]) <= set(transactions.COUNTRIES)
    assert (table["ts"].dt.hour == table["hour"]).all()
    assert (table["ts"].dt.day_of_week == table["day_of_week"]).all()
    assert table["ts"].is_monotonic_increasing


def test_fraud_is_rare_and_commoner_at_night_with_large_amounts_and_on_new_devices() -> None:
    table = draw_transactions(20_000, seed=2)
    rate = table["is_fraud"].mean()
    assert 0.03 < rate < 0.12
    assert table["is_fraud"][table["hour"] < 6].mean() > 2 * rate
    assert table["is_fraud"][table["device_age_days"] < 7].mean() > 2 * rate
    assert table["is_fraud"][table["amount"] > 150].mean() > 2 * rate


def test_the_age_of_a_device_is_missing_at_a_guest_check_out() -> None:
    assert 0.15 < draw_transactions(5000, seed=3)["device_age_days"].isna().mean() < 0.25


def test_subscribers_with_long_tenure_and_much_spend_rarely_leave() -> None:
    table = subscribers.draw_subscribers(8000, seed=1)
    loyal = table[(table["tenure_days"] > 700) & (table["total_spend"] > 200)]
    new = table[(table["tenure_days"] < 60) & (table["days_since_last_login"] > 20)]
    assert loyal["has_left"].mean() < 0.3
    assert new["has_left"].mean() > 0.5


def test_promotions_sell_and_sundays_do_not() -> None:
    table = sales.draw_sales(6000, seed=1)
    units = table.groupby("has_promotion")["units"].mean()
    assert units[True] > 1.2 * units[False]
    assert table.groupby("day_of_week")["units"].mean().idxmin() == 6


def test_most_documents_are_judged_irrelevant_and_few_excellent() -> None:
    shares = searches.draw_searches(400, seed=1)["judgement"].value_counts(normalize=True)
    assert shares[0] == pytest.approx(0.6, abs=0.01)
    assert shares[3] == pytest.approx(0.07, abs=0.01)
