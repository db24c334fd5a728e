"""Search results from a stated generator: queries, each with a list of documents that people judged 0 to 3.

A document's worth is the sum of 1.0 times the text score, 0.8 where the title matches, 0.6 times the logarithm of one
plus the clicks where the text score is above its mean, -0.5 a year of age, and a standard normal draw that no column
shows. The lowest 60 % of all documents are judged 0, those up to 80 % 1, up to 93 % 2, and the best 3.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

FEATURES = ("text_score", "title_matches", "clicks_30d", "age_days")
LABEL = "judgement"
QUERY = "query_id"

_DOCUMENTS = 12
_LONG_QUERY = 3
_JUDGED_UP_TO = (0, 0.6, 0.8, 0.93, 1)


def draw_searches(queries: int, *, seed: int) -> pd.DataFrame:
    """Draw judged results, twelve a query.

    Columns: `query_id` int64, `query_length` str (`short` or `long`), `text_score` float64, `title_matches` bool,
    `clicks_30d` int64, `age_days` int64, `judgement` int64.
    """
    draw = np.random.default_rng(seed)
    rows = queries * _DOCUMENTS
    words = draw.integers(1, 7, queries)
    table = pd.DataFrame(
        {
            QUERY: np.repeat(np.arange(queries), _DOCUMENTS),
            "query_length": np.repeat(np.where(words > _LONG_QUERY, "long", "short"), _DOCUMENTS),
            "text_score": draw.normal(0, 1, rows).round(4),
            "title_matches": draw.random(rows) < 0.3,  # noqa: PLR2004 - the generator's own figure
            "clicks_30d": draw.negative_binomial(1, 0.08, rows),
            "age_days": draw.exponential(300, rows).astype("int64"),
        }
    )
    is_relevant_text = table["text_score"] > 0
    worth = (
        table["text_score"]
        + 0.8 * table["title_matches"]
        + 0.6 * np.log1p(table["clicks_30d"]) * is_relevant_text
        - 0.5 * table["age_days"] / 365
        + draw.normal(0, 1, rows)
    )
    table[LABEL] = pd.qcut(worth, _JUDGED_UP_TO, labels=False).astype("int64")
    return table
