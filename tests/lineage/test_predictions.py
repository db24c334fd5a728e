from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from services.errors import InvalidInput
from services.lineage.predictions import predictions_table, read_output
from services.lineage.vocabulary import Task


def test_a_table_with_named_columns_is_taken_at_its_word() -> None:
    answer = pd.DataFrame({"prediction": [1, 0], "probability": [0.9, 0.2]}, index=[5, 6])
    output = read_output(answer, Task.CLASSIFICATION)
    assert output.prediction.tolist() == [1, 0]
    assert output.score.tolist() == [0.9, 0.2]
    assert read_output(answer[["prediction"]], Task.CLASSIFICATION).score.isna().all()


def test_one_column_a_class_is_read_as_probabilities() -> None:
    output = read_output(np.array([[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]]), Task.CLASSIFICATION, classes=("a", "b", "c"))
    assert output.prediction.tolist() == ["c", "a"]
    assert output.score.tolist() == [0.7, 0.5]


def test_fractions_in_one_column_are_the_probability_of_the_positive_class() -> None:
    output = read_output(pd.Series([0.2, 0.7]), Task.CLASSIFICATION)
    assert output.prediction.tolist() == [0, 1]
    assert output.score.tolist() == [0.2, 0.7]


def test_whole_numbers_are_classes_without_a_score() -> None:
    output = read_output(np.array([[1.0], [0.0]]), Task.CLASSIFICATION)
    assert output.prediction.tolist() == [1.0, 0.0]
    assert output.score.isna().all()


def test_a_number_that_is_predicted_is_its_own_score() -> None:
    assert read_output([3.5, 4.0], Task.REGRESSION).score.tolist() == [3.5, 4.0]


def test_several_nameless_columns_of_a_regression_are_refused() -> None:
    with pytest.raises(InvalidInput, match="answers 2 columns"):
        read_output(np.zeros((3, 2)), Task.REGRESSION)


def test_the_table_holds_prediction_score_label_and_slices_as_text() -> None:
    output = read_output(pd.Series([0.2, 0.7]), Task.CLASSIFICATION)
    table = predictions_table(output, [0, 1], {"hour": pd.Series([3, None], index=[8, 9])})
    assert table.columns.tolist() == ["prediction", "score", "label", "slice_hour"]
    assert table["slice_hour"].tolist() == ["3.0", "missing"]


def test_labels_and_slices_of_another_length_are_refused() -> None:
    output = read_output([0, 1], Task.CLASSIFICATION)
    with pytest.raises(InvalidInput, match="'label' has 3 rows where the evaluated data has 2"):
        predictions_table(output, [0, 1, 1], {})
    with pytest.raises(InvalidInput, match="'hour' has 1 rows"):
        predictions_table(output, [0, 1], {"hour": pd.Series([3])})


def test_a_slice_of_too_many_values_is_refused() -> None:
    output = read_output(list(range(60)), Task.REGRESSION)
    with pytest.raises(InvalidInput, match="'customer' has 60 values"):
        predictions_table(output, None, {"customer": pd.Series(range(60))})
