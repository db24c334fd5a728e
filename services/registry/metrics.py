"""Metrics of a version: those of its run, and over them those of its logged model."""

from __future__ import annotations

import math
from collections.abc import Mapping


def merge_metrics(run: Mapping[str, float], logged: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics of a version.

    MLflow 3.17 keeps a logged model's NaN as 0, and its run's as NaN: where the two say so, it was NaN.

    >>> merge_metrics({"auc": 0.5, "f1": math.nan}, {"auc": 0.9, "f1": 0.0})
    {'auc': 0.9, 'f1': nan}
    """
    merged = {**run, **logged}
    lost = (key for key, value in logged.items() if value == 0 and math.isnan(run.get(key, 0)))
    return {**merged, **dict.fromkeys(lost, math.nan)}
