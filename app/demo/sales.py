"""Daily sales of shops from a stated generator.

A shop sells a Poisson number of units on a day, whose logarithm of the mean is the sum of

- the size of the shop, drawn once for each of 24 from a normal of mean 4 and standard deviation 0.4;
- the day of the week: -0.25 on Mondays, rising by 0.07 a day to Saturday, -0.6 on Sundays;
- 0.25 times the cosine of the distance from December in months;
- -0.9 times the logarithm of the price over 10;
- 0.35 with a promotion, and 0.2 more on Fridays and Saturdays;
- 0.012 a degree above 20.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

FEATURES = ("shop_id", "day_of_week", "month", "price", "has_promotion", "temperature")
LABEL = "units"

_WORLD_SEED = 20260302
_SHOPS = 24
_SUNDAY = 6
_FRIDAY = 4
_WARM = 20


def draw_sales(rows: int, *, seed: int) -> pd.DataFrame:
    """Draw shop days.

    Columns: `shop_id` int64, `day_of_week` int64 (0 is Monday), `month` int64, `price` float64, `has_promotion` bool,
    `temperature` float64, `units` float64.
    """
    size = np.random.default_rng(_WORLD_SEED).normal(4, 0.4, _SHOPS)
    draw = np.random.default_rng(seed)
    month = draw.integers(1, 13, rows)
    table = pd.DataFrame(
        {
            "shop_id": draw.integers(0, _SHOPS, rows),
            "day_of_week": draw.integers(0, 7, rows),
            "month": month,
            "price": draw.normal(10, 1.5, rows).clip(5, 16).round(2),
            "has_promotion": draw.random(rows) < 0.25,  # noqa: PLR2004 - the generator's own figure
            "temperature": (12 - 11 * np.cos((month - 1) / 6 * np.pi) + draw.normal(0, 4, rows)).round(1),
        }
    )
    mean = np.exp(size[table["shop_id"].to_numpy()] + _pull(table))
    table[LABEL] = draw.poisson(mean).astype(float)
    return table


def _pull(table: pd.DataFrame) -> np.ndarray:
    day = table["day_of_week"]
    is_weekend_shopping = day.between(_FRIDAY, _SUNDAY - 1)
    return np.asarray(
        np.where(day == _SUNDAY, -0.6, -0.25 + 0.07 * day)
        + 0.25 * np.cos((table["month"] - 12) / 6 * np.pi)
        - 0.9 * np.log(table["price"] / 10)
        + table["has_promotion"] * (0.35 + 0.2 * is_weekend_shopping)
        + 0.012 * (table["temperature"] - _WARM).clip(lower=0)
    )
