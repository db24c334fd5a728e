from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from services.lineage.metrics import (
    calibration_psi,
    classification_metrics,
    demographic_parity,
    ranking_metrics,
    regression_metrics,
)

LABEL = pd.Series([0, 1, 1, 0, 1, 0])
SCORE = pd.Series([0.1, 0.8, 0.4, 0.3, 0.9, 0.6])
PREDICTION = (SCORE >= 0.5).astype(int)
BOTH = pd.DataFrame({0: 1 - SCORE, 1: SCORE})


def test_two_classes_are_measured_as_scikit_learn_measures_them() -> None:
    measured = classification_metrics(LABEL, PREDICTION, positive=1, score=SCORE, probabilities=BOTH)
    assert measured == pytest.approx(
        {
            "accuracy": reference.accuracy_score(LABEL, PREDICTION),
            "precision": reference.precision_score(LABEL, PREDICTION),
            "recall": reference.recall_score(LABEL, PREDICTION),
            "f1": reference.f1_score(LABEL, PREDICTION),
            "auc": reference.roc_auc_score(LABEL, SCORE),
            "aupr": reference.average_precision_score(LABEL, SCORE),
            "log_loss": reference.log_loss(LABEL, SCORE),
        }
    )


def test_three_classes_are_measured_by_the_weighted_mean_and_one_against_the_rest() -> None:
    label = pd.Series(["a", "b", "c", "a"])
    probabilities = pd.DataFrame(
        [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.3, 0.3, 0.4], [0.1, 0.8, 0.1]], columns=list("abc")
    )
    measured = classification_metrics(
        label, pd.Series(["a", "b", "c", "b"]), positive=None, score=None, probabilities=probabilities
    )
    assert measured["recall"] == pytest.approx(0.75)
    assert measured["auc"] == pytest.approx(
        reference.roc_auc_score(label, probabilities, multi_class="ovr", average="weighted")
    )
    assert "aupr" not in measured


def test_what_one_class_alone_leaves_undefined_is_left_out() -> None:
    label = pd.Series([1, 1])
    measured = classification_metrics(
        label, pd.Series([0, 0]), positive=1, score=pd.Series([0.1, 0.2]), probabilities=None
    )
    assert measured == {"accuracy": 0.0, "recall": 0.0, "f1": 0.0}


def test_only_the_metrics_asked_for_are_measured() -> None:
    measured = classification_metrics(
        LABEL, PREDICTION, positive=1, score=SCORE, probabilities=BOTH, only=frozenset({"auc"})
    )
    assert set(measured) == {"auc"}


def test_a_label_that_the_model_does_not_know_leaves_log_loss_out() -> None:
    measured = classification_metrics(
        pd.Series([0, 1, 2, 0, 1, 2]), PREDICTION, positive=None, score=None, probabilities=BOTH
    )
    assert set(measured) == {"accuracy", "precision", "recall", "f1"}


def test_a_regression_is_measured_as_scikit_learn_measures_it() -> None:
    label, prediction = pd.Series([1.0, 2.0, 4.0]), pd.Series([1.5, 2.0, 3.0])
    assert regression_metrics(label, prediction) == pytest.approx(
        {
            "mse": reference.mean_squared_error(label, prediction),
            "rmse": reference.root_mean_squared_error(label, prediction),
            "mae": reference.mean_absolute_error(label, prediction),
            "r2": reference.r2_score(label, prediction),
            "mape": reference.mean_absolute_percentage_error(label, prediction),
        }
    )


def test_a_zero_among_the_labels_leaves_mape_out_and_a_constant_label_r2() -> None:
    assert set(regression_metrics(pd.Series([0.0, 0.0]), pd.Series([1.0, 2.0]))) == {"mse", "rmse", "mae"}


def test_rankings_agree_with_scikit_learn_where_no_scores_are_equal() -> None:
    label = pd.Series([0, 2, 1, 0, 1, 0])
    score = pd.Series([0.9, 0.5, 0.4, 0.3, 0.7, 0.2])
    query = pd.Series(["a", "a", "a", "b", "b", "b"])
    measured = ranking_metrics(label, score, query)
    expected = [reference.ndcg_score([label[part]], [score[part]]) for part in ([0, 1, 2], [3, 4, 5])]
    assert measured["ndcg"] == pytest.approx(np.mean(expected))
    assert measured["map"] == pytest.approx(((1 / 2 + 2 / 3) / 2 + 1) / 2)
    assert measured["mrr"] == pytest.approx((1 / 2 + 1) / 2)


def test_a_constant_score_earns_a_ranking_nothing() -> None:
    constant = pd.Series([1.0, 1.0, 1.0])
    assert ranking_metrics(pd.Series([1, 0, 0]), constant, pd.Series([1, 1, 1]))["mrr"] == pytest.approx(1 / 3)


def test_queries_without_a_relevant_row_say_nothing() -> None:
    assert ranking_metrics(pd.Series([0, 0]), pd.Series([1.0, 2.0]), pd.Series([1, 1])) == {}


def test_scores_that_are_right_on_average_in_every_bin_are_calibrated() -> None:
    score = pd.Series(np.repeat([0.2, 0.5, 0.8], 100))
    happened = pd.Series(np.concatenate([np.arange(100) < count for count in (20, 50, 80)]))
    assert calibration_psi(score, happened) == pytest.approx(0, abs=1e-12)


def test_scores_that_are_twice_too_high_everywhere_are_not_calibrated() -> None:
    score = pd.Series(np.linspace(0.1, 0.9, 400))
    happened = pd.Series(np.random.default_rng(1).random(400) < score / 2)
    found = calibration_psi(score, happened)
    assert found is not None
    assert found > 0.1


def test_fewer_rows_than_bins_say_nothing_about_calibration() -> None:
    assert calibration_psi(pd.Series([0.5]), pd.Series([True])) is None


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=10, max_size=200))
def test_calibration_psi_is_a_number_of_at_least_zero(rows: list[tuple[float, bool]]) -> None:
    found = calibration_psi(pd.Series([score for score, _ in rows]), pd.Series([label for _, label in rows]))
    assert found is not None
    assert math.isfinite(found)
    assert found >= -1e-12


def test_demographic_parity_is_the_widest_gap_between_groups_of_enough_rows() -> None:
    favoured = pd.Series([True] * 20 + [False] * 20 + [True] * 40 + [False] * 3)
    group = pd.Series(["a"] * 40 + ["b"] * 40 + ["c"] * 3)
    assert demographic_parity(favoured, group) == pytest.approx(0.5)
    assert demographic_parity(favoured[:40], group[:40]) is None
