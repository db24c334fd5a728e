"""Card payments from a stated generator, with the columns the users' fraud model reads.

A payment is a fraud with the probability `1 / (1 + exp(-x))`, where `x` is the sum of

- -5.0, and a standard normal draw times 0.35 that no column shows;
- 1.6 times the logarithm of the amount in standard deviations;
- 2.0 at night (before six), and 1.5 more where the amount is above 150;
- the risk of the merchant, drawn once for each of 240 from a normal of standard deviation 1.5;
- 3.2 on a device known for less than a week, 0.6 at a guest check-out, where the age of the device is not known;
- 0.3 in a country other than the customer's own, and 0.2 on weekends.

Customers, merchants and payments are drawn from generators whose seeds stand below, so the same rows come out anywhere.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

FEATURES = ("amount", "merchant_id", "country", "hour", "day_of_week")
LABEL = "is_fraud"
COUNTRIES = {"US": 0.44, "UK": 0.16, "DE": 0.15, "IN": 0.12, "BR": 0.07, "NG": 0.03, "PK": 0.03}

_WORLD_SEED = 20260301
_MONDAY = pd.Timestamp("2026-01-05", tz="UTC")
_CUSTOMERS = 1500
_MERCHANTS = 240
_NIGHT_ENDS = 6
_WEEKEND_BEGINS = 5
_LARGE = 150
_NEW_DEVICE_DAYS = 7


def draw_transactions(rows: int, *, seed: int) -> pd.DataFrame:
    """Draw payments.

    Columns: `ts` datetime64[us, UTC] in the week from 5 January 2026, `customer_id` str, `amount` float64,
    `merchant_id` int64, `merchant_age_days` int64, `country` str, `hour` int64 and `day_of_week` int64 (0 is Monday)
    of `ts`, `device_age_days` float64 (missing at a guest check-out), `is_fraud` int64. Rows are in the order of `ts`.
    """
    world = np.random.default_rng(_WORLD_SEED)
    names = list(COUNTRIES)
    homes = world.choice(names, _CUSTOMERS, p=list(COUNTRIES.values()))
    merchant_risk = world.normal(0, 1.5, _MERCHANTS)
    merchant_age = world.exponential(500, _MERCHANTS).astype("int64")

    draw = np.random.default_rng(seed)
    customer = draw.integers(0, _CUSTOMERS, rows)
    is_abroad = draw.random(rows) < 0.08  # noqa: PLR2004 - the generator's own figures, as its docstring states them
    merchant = draw.integers(0, _MERCHANTS, rows)
    hour, day = draw.choice(24, rows, p=_hours()), draw.integers(0, 7, rows)
    seconds = (day * 24 + hour) * 3600 + draw.integers(0, 3600, rows)
    table = pd.DataFrame(
        {
            "ts": (_MONDAY + pd.to_timedelta(seconds, unit="s")).as_unit("us"),
            "customer_id": [f"c{number:04d}" for number in customer],
            "amount": draw.lognormal(3.6, 1.0, rows).round(2),
            "merchant_id": merchant,
            "merchant_age_days": merchant_age[merchant],
            "country": np.where(is_abroad, draw.choice(names, rows), homes[customer]),
            "hour": hour,
            "day_of_week": day,
            "device_age_days": draw.exponential(120, rows).round(1),
        }
    )
    is_guest = draw.random(rows) < 0.2  # noqa: PLR2004 - as above
    table.loc[is_guest, "device_age_days"] = np.nan
    x = _suspicion(table, is_abroad, merchant_risk) + draw.normal(0, 0.35, rows)
    table[LABEL] = (draw.random(rows) < 1 / (1 + np.exp(-x))).astype("int64")
    return table.sort_values("ts", ignore_index=True)


def _suspicion(table: pd.DataFrame, is_abroad: np.ndarray, merchant_risk: np.ndarray) -> np.ndarray:
    is_night = (table["hour"] < _NIGHT_ENDS).to_numpy()
    is_large = (table["amount"] > _LARGE).to_numpy()
    age = table["device_age_days"].to_numpy()
    return np.asarray(
        -5.0
        + 1.6 * (np.log(table["amount"]).to_numpy() - 3.6)
        + 2.0 * is_night
        + 1.5 * (is_night & is_large)
        + merchant_risk[table["merchant_id"].to_numpy()]
        + 3.2 * (age < _NEW_DEVICE_DAYS)
        + 0.6 * np.isnan(age)
        + 0.3 * is_abroad
        + 0.2 * (table["day_of_week"] >= _WEEKEND_BEGINS).to_numpy()
    )


def _hours() -> np.ndarray:
    """Return how payments spread over the day: few at night, most around noon and in the evening."""
    weight: np.ndarray = np.array([2, 1, 1, 1, 1, 2, 3, 5, 6, 6, 7, 8, 9, 8, 7, 7, 7, 8, 9, 9, 8, 6, 4, 3], dtype=float)
    return np.asarray(weight / weight.sum())
