"""What the demo's models are trained and evaluated on, kept below the home where it was drawn.

Where scikit-learn ships data that fits (breast cancer, digits, diabetes) it is used; the rest is drawn by the
generators beside this file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

from app.demo import sales, searches, subscribers, transactions
from app.demo.workshop import Material, keep

LIVE_TRANSACTIONS = "demo/transactions_live.parquet"
"""Payments after training, below the home, with two slices: for shadow replay."""
SOME_TRANSACTIONS = "demo/transactions_sample.parquet"
"""Some of them, few enough to time each: the machine would be busy for minutes with all."""
HELD_OUT_SUBSCRIBERS = "demo/subscribers_held_out.parquet"
HELD_OUT_SALES = "demo/sales_held_out.parquet"

OPTIONAL = "device_age_days"
_LIVE_ROWS = 20_000
_SAMPLED = 15


def make_transactions(home: Path) -> Material:
    """Draw training, held-out and live payments and keep them below the home."""
    train = transactions.draw_transactions(12_000, seed=11)
    test = transactions.draw_transactions(6_000, seed=12)
    keep(test, home / "demo", "transactions_held_out")
    live = transactions.draw_transactions(_LIVE_ROWS, seed=13)
    bands = _slices(live).drop(columns="country").add_prefix("slice_")
    live = pd.concat([live, bands], axis=1)
    keep(live, home / "demo", "transactions_live")
    keep(live[::_SAMPLED].reset_index(drop=True), home / "demo", "transactions_sample")
    path, digest = keep(train, home / "demo", "transactions_training")
    columns = [*transactions.FEATURES, OPTIONAL]
    return Material(
        name="transactions",
        train=train[columns],
        train_label=train[transactions.LABEL],
        test=test[columns],
        test_label=test[transactions.LABEL],
        slices=_slices(test),
        fairness_by="country",
        path=path,
        digest=digest,
    )


def _slices(table: pd.DataFrame) -> pd.DataFrame:
    bands = pd.cut(
        table["amount"], [0, 25, 100, 400, np.inf], labels=["0 to 25", "25 to 100", "100 to 400", "above 400"]
    )
    return pd.DataFrame(
        {
            "country": table["country"],
            "time": np.where(table["hour"] < 6, "night", "day"),  # noqa: PLR2004 - night ends at six, as in the generator
            "amount": bands.astype("str"),
        }
    )


def make_subscribers(home: Path) -> Material:
    """Draw subscribers."""
    train, test = subscribers.draw_subscribers(4000, seed=21), subscribers.draw_subscribers(3000, seed=22)
    keep(test, home / "demo", "subscribers_held_out")
    path, digest = keep(train, home / "demo", "subscribers_training")
    features = list(subscribers.FEATURES)
    return Material(
        name="subscribers",
        train=train[features],
        train_label=train[subscribers.LABEL],
        test=test[features],
        test_label=test[subscribers.LABEL],
        slices=test[["plan", "region"]],
        fairness_by="region",
        path=path,
        digest=digest,
    )


def make_sales(home: Path) -> Material:
    """Draw shop days."""
    train, test = sales.draw_sales(3000, seed=31), sales.draw_sales(2000, seed=32)
    keep(test, home / "demo", "sales_held_out")
    path, digest = keep(train, home / "demo", "sales_training")
    features = list(sales.FEATURES)
    return Material(
        name="sales",
        train=train[features],
        train_label=train[sales.LABEL],
        test=test[features],
        test_label=test[sales.LABEL],
        slices=["has_promotion", "day_of_week"],
        path=path,
        digest=digest,
    )


def make_cells(_home: Path) -> Material:
    """Split the breast cancer data: benign samples to learn what is normal, the rest to find anomalies in."""
    data = load_breast_cancer(as_frame=True)
    is_benign = data.target == 1
    benign, rest = data.data[is_benign], data.data[~is_benign]
    return Material(
        name="breast cancer wisconsin",
        train=benign[:250].reset_index(drop=True),
        train_label=None,
        test=pd.concat([benign[250:], rest], ignore_index=True),
        test_label=np.repeat([1, -1], [len(benign) - 250, len(rest)]),
    )


def make_digits(_home: Path) -> Material:
    """Split the digits by their order, which keeps the writers apart."""
    images, digits = load_digits(return_X_y=True)
    images = images / 16
    return Material(
        name="digits", train=images[:1200], train_label=digits[:1200], test=images[1200:], test_label=digits[1200:]
    )


def make_searches(home: Path) -> Material:
    """Draw judged searches."""
    train, test = searches.draw_searches(250, seed=41), searches.draw_searches(150, seed=42)
    keep(test, home / "demo", "searches_held_out")
    path, digest = keep(train, home / "demo", "searches_training")
    features = list(searches.FEATURES)
    return Material(
        name="searches",
        train=train[features],
        train_label=train[searches.LABEL],
        test=test[features],
        test_label=test[searches.LABEL],
        slices=test[["query_length"]],
        query=test[searches.QUERY],
        path=path,
        digest=digest,
    )


def make_patients(_home: Path) -> Material:
    """Split the diabetes data."""
    data = load_diabetes(as_frame=True, scaled=False)
    return Material(
        name="diabetes",
        train=data.data[:300],
        train_label=data.target[:300],
        test=data.data[300:].reset_index(drop=True),
        test_label=data.target[300:],
    )
