"""Canonical metrics of one evaluated table. A metric that is undefined for the data is left out, never filled in.

Classification and regression follow scikit-learn's definitions; of two classes the positive one is reported, of more
the weighted mean. Ranking: a mean over queries with at least one relevant row; gains of `ndcg` are the labels, and a
row is relevant for `map` and `mrr` when its label is above zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

_DECISION_METRICS = ("precision", "recall", "f1")


def classification_metrics(
    label: pd.Series,
    prediction: pd.Series,
    *,
    positive: Any,
    score: pd.Series | None,
    probabilities: pd.DataFrame | None,
    only: frozenset[str] | None = None,
) -> dict[str, float]:
    """Return accuracy, precision, recall, f1 and, where scores are known, auc, aupr and log_loss.

    `positive` is the class that `score` speaks of, None for more than two classes; `score` is any number that grows
    with it. `probabilities` has one column a class, each row adding up to 1, and alone gives log_loss. `only` names
    the metrics to measure, all by default.
    """
    from sklearn import metrics

    measures: dict[str, Callable[[], float]] = {
        "accuracy": lambda: float((label.to_numpy() == prediction.to_numpy()).mean()),
        **{
            name: partial(_decision_metric, name, label, prediction, positive) for name in ("precision", "recall", "f1")
        },
    }
    seen = set(label.unique())
    if positive is not None and score is not None and len(seen) > 1:
        is_positive = (label == positive).to_numpy()
        measures["auc"] = lambda: _auc(is_positive, score.to_numpy())
        measures["aupr"] = lambda: metrics.average_precision_score(is_positive, score)
    if probabilities is not None and seen <= set(probabilities.columns):
        measures["log_loss"] = lambda: metrics.log_loss(label, probabilities, labels=list(probabilities.columns))
        if positive is None and seen == set(probabilities.columns):
            measures["auc"] = lambda: _auc_one_against_rest(label, probabilities)
    return defined({name: measure() for name, measure in measures.items() if only is None or name in only})


def regression_metrics(label: pd.Series, prediction: pd.Series) -> dict[str, float]:
    """Return mse, rmse, mae, r2 (two rows or more) and mape (where no label is zero).

    >>> regression_metrics(pd.Series([1.0, 2.0]), pd.Series([1.0, 4.0]))["rmse"]
    1.4142135623730951
    """
    error = (prediction - label).to_numpy(dtype=float)
    actual = label.to_numpy(dtype=float)
    mse = float(np.mean(error**2))
    measured = {"mse": mse, "rmse": math.sqrt(mse), "mae": float(np.mean(np.abs(error)))}
    spread = float(np.sum((actual - actual.mean()) ** 2))
    if spread > 0:
        measured["r2"] = 1 - float(np.sum(error**2)) / spread
    if np.all(actual != 0):
        measured["mape"] = float(np.mean(np.abs(error / actual)))
    return defined(measured)


def ranking_metrics(label: pd.Series, score: pd.Series, query: pd.Series) -> dict[str, float]:
    """Return ndcg, map and mrr, each over the whole list of a query.

    Rows of equal score are taken in their worst order, so that a constant score earns nothing.

    >>> ranking_metrics(pd.Series([0, 1, 1]), pd.Series([3.0, 2.0, 1.0]), pd.Series(["a", "a", "a"]))["mrr"]
    0.5
    """
    table = pd.DataFrame({"label": label.to_numpy(dtype=float), "score": score.to_numpy(dtype=float)})
    rows = [_one_query(group) for _, group in table.groupby(query.to_numpy(), sort=True) if (group["label"] > 0).any()]
    if not rows:
        return {}
    return defined({name: float(np.mean([row[name] for row in rows])) for name in rows[0]})


def calibration_psi(probability: pd.Series, happened: pd.Series, *, bins: int = 10) -> float | None:
    """Return the population stability index between what the scores predicted and what happened.

    The rows are put into ten equally filled bins of the score. In each, the predicted mass of "happens" and "does not"
    is the sum of the probabilities and of their complements, the observed mass is the count. The index is
    `sum((q - p) ln(q / p))` over those twice ten cells with 0.5 added to each; 0 is perfectly calibrated.

    >>> calibration_psi(pd.Series([0.5] * 100), pd.Series([True, False] * 50))
    0.0
    """
    if len(probability) < bins:
        return None
    score = probability.to_numpy(dtype=float)
    edges = np.unique(np.quantile(score, np.linspace(0, 1, bins + 1)[1:-1]))
    cell = np.searchsorted(edges, score, side="left")
    outcome = happened.to_numpy(dtype=float)
    predicted = np.concatenate([np.bincount(cell, weights=mass, minlength=bins) for mass in (score, 1 - score)])
    observed = np.concatenate([np.bincount(cell, weights=mass, minlength=bins) for mass in (outcome, 1 - outcome)])
    filled = np.tile(np.bincount(cell, minlength=bins) > 0, 2)
    expected_share, observed_share = (
        (cells[filled] + 0.5) / (cells[filled] + 0.5).sum() for cells in (predicted, observed)
    )
    return float(np.sum((observed_share - expected_share) * np.log(observed_share / expected_share)))


def demographic_parity(favoured: pd.Series, group: pd.Series, *, least_rows: int = 30) -> float | None:
    """Return the largest difference between two groups in the share of positive predictions.

    Groups of fewer than `least_rows` rows say nothing and are left out; None where fewer than two remain.

    >>> demographic_parity(pd.Series([True] * 30 + [False] * 30), pd.Series(["a"] * 30 + ["b"] * 30))
    1.0
    """
    shares = favoured.astype(float).groupby(group.to_numpy()).agg(["mean", "size"])
    shares = shares[shares["size"] >= least_rows]
    return float(shares["mean"].max() - shares["mean"].min()) if len(shares) > 1 else None


def defined(measured: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics whose value is a finite number."""
    return {name: float(value) for name, value in measured.items() if math.isfinite(value)}


def _decision_metric(name: str, label: pd.Series, prediction: pd.Series, positive: Any) -> float:
    """Return precision, recall or f1 of the positive class, or of every class weighted by its rows."""
    truth, answer = label.to_numpy(), prediction.to_numpy()
    classes = sorted(set(truth) | set(answer)) if positive is None else [positive]
    values, rows = [], []
    for each in classes:
        is_true, is_answered = truth == each, answer == each
        hits, true, answered = int((is_true & is_answered).sum()), int(is_true.sum()), int(is_answered.sum())
        part, whole = {"precision": (hits, answered), "recall": (hits, true), "f1": (2 * hits, true + answered)}[name]
        values.append(part / whole if whole else math.nan)
        rows.append(true)
    if positive is not None:
        return values[0]
    known = [(value, weight) for value, weight in zip(values, rows, strict=True) if not math.isnan(value)]
    return sum(value * weight for value, weight in known) / sum(weight for _, weight in known)


def _auc(is_positive: np.ndarray, score: np.ndarray) -> float:
    """Return the share of pairs of a positive and a negative row that the score orders right, ties counting half."""
    ranks = rankdata(score)
    positives = int(is_positive.sum())
    pairs = positives * (len(score) - positives)
    return float((ranks[is_positive].sum() - positives * (positives + 1) / 2) / pairs)


def _auc_one_against_rest(label: pd.Series, probabilities: pd.DataFrame) -> float:
    truth = label.to_numpy()
    classes = list(probabilities.columns)
    values = [_auc(truth == each, probabilities[each].to_numpy()) for each in classes]
    return float(np.average(values, weights=[int((truth == each).sum()) for each in classes]))


def _one_query(group: pd.DataFrame) -> dict[str, float]:
    order = np.lexsort((group["label"].to_numpy(), -group["score"].to_numpy()))
    gains = group["label"].to_numpy()[order]
    discounts = 1 / np.log2(np.arange(2, len(gains) + 2))
    relevant = gains > 0
    ranks = np.flatnonzero(relevant) + 1
    precision_at_hits = np.cumsum(relevant)[relevant] / ranks
    return {
        "ndcg": float((gains * discounts).sum() / (np.sort(gains)[::-1] * discounts).sum()),
        "map": float(precision_at_hits.mean()),
        "mrr": float(1 / ranks[0]),
    }
