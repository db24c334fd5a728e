from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from services.errors import InvalidInput
from services.lineage.evaluation import evaluate
from services.lineage.loggable import open_loggable
from services.lineage.predictions import read_output
from services.lineage.vocabulary import Task
from tests.lineage.builders import fitted_classifier


def test_a_slice_is_measured_on_its_own_rows() -> None:
    model, features, label = fitted_classifier(300)
    output = open_loggable(model).output(features, Task.CLASSIFICATION)
    found = evaluate(
        output, task=Task.CLASSIFICATION, label=label, slices={"country": features["country"]}, fairness_by="country"
    )
    german = (features["country"] == "DE").to_numpy()
    alone = evaluate(
        open_loggable(model).output(features[german], Task.CLASSIFICATION),
        task=Task.CLASSIFICATION,
        label=label[german],
    )
    assert found.slices[0].value == "DE"
    assert found.slices[0].rows == german.sum()
    assert {name: value for name, value in alone.metrics.items() if name != "calibration_psi"} == found.slices[
        0
    ].metrics
    assert found.positive == 1
    rates = [(model.predict(features[mask]) == 1).mean() for mask in (german, ~german)]
    assert found.metrics["demographic_parity"] == pytest.approx(abs(rates[0] - rates[1]))


def test_the_score_of_more_than_two_classes_is_the_confidence_and_is_calibrated_against_being_right() -> None:
    probabilities = np.tile([0.6, 0.2, 0.2], (20, 1))
    output = read_output(probabilities, Task.CLASSIFICATION, classes=("a", "b", "c"))
    found = evaluate(output, task=Task.CLASSIFICATION, label=["a"] * 12 + ["b"] * 4 + ["c"] * 4)
    assert found.positive is None
    assert found.metrics["calibration_psi"] == pytest.approx(0, abs=1e-12)


def test_anomalies_without_labels_have_a_rate_and_with_labels_all_metrics() -> None:
    output = read_output([-1, 1, 1, 1], Task.ANOMALY_DETECTION)
    assert evaluate(output, task=Task.ANOMALY_DETECTION, label=None).metrics == {"anomaly_rate": 0.25}
    known = evaluate(output, task=Task.ANOMALY_DETECTION, label=[-1, 1, 1, -1]).metrics
    assert known == pytest.approx({"accuracy": 0.75, "precision": 1.0, "recall": 0.5, "f1": 2 / 3})


def test_a_ranking_is_measured_by_query_within_a_slice_too() -> None:
    output = read_output([3.0, 2.0, 1.0, 2.0], Task.RANKING)
    slices = {"page": pd.Series(["x", "x", "y", "y"])}
    found = evaluate(
        output, task=Task.RANKING, label=[1, 0, 0, 1], query=pd.Series([1, 1, 2, 2], index=[9, 8, 7, 6]), slices=slices
    )
    assert [part.metrics["mrr"] for part in found.slices] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        (Task.CLASSIFICATION, {"label": None}, "evaluated without labels"),
        (Task.CLASSIFICATION, {"label": [0, None]}, "labels of the test data are missing"),
        (Task.RANKING, {"label": [0, 1]}, "each row's query"),
        (Task.CLASSIFICATION, {"label": [0, 1], "fairness_by": "age"}, "'age', which is not among the slices"),
    ],
)
def test_what_the_task_needs_is_asked_for(task: Task, options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        evaluate(read_output([0, 1], task), task=task, **options)  # type: ignore[arg-type]


def test_no_rows_are_no_evaluation() -> None:
    with pytest.raises(InvalidInput, match="has no rows"):
        evaluate(read_output([], Task.CLASSIFICATION), task=Task.CLASSIFICATION, label=[])
