"""Small data and models for stories."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder


def transactions(rows: int = 200, *, seed: int = 7) -> tuple[pd.DataFrame, pd.Series]:
    """Payments, and whether each was a fraud: large ones mostly are."""
    generator = np.random.default_rng(seed)
    features = pd.DataFrame(
        {
            "amount": generator.lognormal(3, 1, rows),
            "hour": generator.integers(0, 24, rows),
            "country": generator.choice(["DE", "US"], rows),
        }
    )
    label = (features["amount"] + generator.normal(0, 8, rows) > 25).astype("int64")
    return features, label


def classifier() -> Pipeline:
    columns = make_column_transformer((OneHotEncoder(), ["country"]), remainder="passthrough")
    return make_pipeline(columns, LogisticRegression(max_iter=2000))


def fitted_classifier(rows: int = 200) -> tuple[Any, pd.DataFrame, pd.Series]:
    features, label = transactions(rows)
    return classifier().fit(features, label), features, label
