"""Subscribers from a stated generator, with the columns of the users' churn tests (tenure, spend, last login).

A subscriber leaves with the probability `1 / (1 + exp(-x))`, where `x` is the sum of

- 0.2, and a standard normal draw times 0.5 that no column shows;
- 1.1 a month since the last login, at most 4 months;
- -1.3 times the tenure in years, at most 4 years;
- -0.5 times the logarithm of one plus the spend, less 3;
- 0.35 a support ticket, twice that on the free plan;
- 0.5 on the free plan, -0.5 on the family plan.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

FEATURES = ("tenure_days", "total_spend", "days_since_last_login", "plan", "support_tickets")
LABEL = "has_left"
REGIONS = ("north", "south", "east", "west")
PLANS = {"free": 0.4, "basic": 0.4, "family": 0.2}

_LONGEST_ABSENCE_DAYS = 120
_LONGEST_TENURE_DAYS = 1460


def draw_subscribers(rows: int, *, seed: int) -> pd.DataFrame:
    """Draw subscribers.

    Columns: `tenure_days` int64, `total_spend` float64, `days_since_last_login` int64, `plan` str,
    `support_tickets` int64, `region` str (which decides nothing), `has_left` int64.
    """
    draw = np.random.default_rng(seed)
    plan = draw.choice(list(PLANS), rows, p=list(PLANS.values()))
    tenure = draw.exponential(420, rows).astype("int64") + 1
    monthly = np.select([plan == "free", plan == "basic"], [0.4, 9.0], 24.0) * draw.lognormal(0, 0.5, rows)
    table = pd.DataFrame(
        {
            "tenure_days": tenure,
            "total_spend": (tenure / 30 * monthly).round(2),
            "days_since_last_login": draw.exponential(18, rows).astype("int64"),
            "plan": plan,
            "support_tickets": draw.poisson(0.8, rows),
            "region": draw.choice(REGIONS, rows),
        }
    )
    x = _restlessness(table) + draw.normal(0, 0.5, rows)
    table[LABEL] = (draw.random(rows) < 1 / (1 + np.exp(-x))).astype("int64")
    return table


def _restlessness(table: pd.DataFrame) -> np.ndarray:
    is_free = (table["plan"] == "free").to_numpy()
    return np.asarray(
        0.2
        + 1.1 * table["days_since_last_login"].clip(upper=_LONGEST_ABSENCE_DAYS) / 30
        - 1.3 * table["tenure_days"].clip(upper=_LONGEST_TENURE_DAYS) / 365
        - 0.5 * (np.log1p(table["total_spend"]) - 3)
        + 0.35 * table["support_tickets"] * (1 + is_free)
        + 0.5 * is_free
        - 0.5 * (table["plan"] == "family")
    )
