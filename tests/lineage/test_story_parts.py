"""The small parts of a story: slice names, importance, plots, card, signature text, Git."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.utils import validation
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from services.errors import InvalidInput
from services.lineage.context import CardText
from services.lineage.evaluation import Evaluation
from services.lineage.git_state import find_git_state
from services.lineage.importance import permutation_importance
from services.lineage.loggable import infer_signature
from services.lineage.model_card import write_model_card
from services.lineage.plots import plot_calibration, plot_confusion, plot_importance, plot_shap, save_plot
from services.lineage.predictions import read_output
from services.lineage.signature_text import describe_signature
from services.lineage.slices import SliceMetrics, named_metrics, read_slices, slice_metric_name, slices_document
from services.lineage.story_files import write_json
from services.lineage.vocabulary import Task

PNG = b"\x89PNG\r\n"


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_two_slices_never_share_a_metric_name(one: tuple[str, str], other: tuple[str, str]) -> None:
    names = {slice_metric_name(column, value, "auc") for column, value in (one, other)}
    assert len(names) == len({one, other})


@example("")
@example(".")
@example("..")
@given(st.text())
def test_a_slice_metric_has_a_name_that_mlflow_takes(value: str) -> None:
    check: Callable[[str], None] = validation._validate_metric_name
    check(slice_metric_name("country", value, "auc"))


def test_slices_come_back_from_their_file(tmp_path: Path) -> None:
    parts = (SliceMetrics(column="country", value="<b>", rows=3, metrics={"auc": 0.5}),)
    write_json(tmp_path / "slices.json", slices_document(parts))
    assert read_slices((tmp_path / "slices.json").read_bytes()) == parts


@pytest.mark.parametrize(
    "content", [b"{", b"[1]", b'[{"slice": "a"}]', b'[{"slice":"a","value":"b","rows":1,"metrics":[]}]']
)
def test_a_file_that_is_no_list_of_slices_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"slices\.json"):
        read_slices(content)


def test_a_slice_name_too_long_for_mlflow_is_kept_in_the_file_alone() -> None:
    assert named_metrics([SliceMetrics(column="c", value="v" * 300, rows=1, metrics={"auc": 1.0})]) == {}


def test_only_the_column_that_the_measure_depends_on_is_important() -> None:
    features = pd.DataFrame({"noise": np.arange(50), "signal": np.arange(50.0)})
    table = permutation_importance(
        features,
        lambda rows: read_output(rows["signal"], Task.REGRESSION),
        lambda output: -float((output.prediction - features["signal"]).abs().mean()),
    )
    assert table["feature"].tolist() == ["signal", "noise"]
    assert table["importance"][1] == 0
    assert table["importance"][0] > 0


def test_columns_of_an_array_are_named_by_their_place() -> None:
    features = np.column_stack([np.zeros(20), np.arange(20.0)])
    table = permutation_importance(
        features,
        lambda rows: read_output(rows[:, 1], Task.REGRESSION),
        lambda output: -float(np.abs(output.prediction - features[:, 1]).sum()),
    )
    assert table["feature"].tolist() == ["1", "0"]


def test_every_plot_is_a_png(tmp_path: Path) -> None:
    label = pd.Series(["a", "b", "a", "b"])
    importance = pd.DataFrame({"feature": ["x", "<script>$"], "importance": [1.0, 0.5]})
    figures = [
        plot_importance(importance, "auc"),
        plot_confusion(label, pd.Series(["a", "a", "b", "b"])),
        plot_confusion(pd.Series(range(30)), pd.Series(range(30))),
        plot_calibration(pd.Series([0.1, 0.4, 0.6, 0.9]), label == "a"),
    ]
    for number, figure in enumerate(figures):
        path = tmp_path / "plots" / f"{number}.png"
        save_plot(figure, path)
        assert path.read_bytes().startswith(PNG)


def test_without_shap_there_is_no_shap_plot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.lineage.plots.find_spec", lambda _name: None)
    assert plot_shap(object(), pd.DataFrame({"a": [1]})) is None


def test_a_model_that_shap_cannot_explain_has_no_shap_plot(monkeypatch: pytest.MonkeyPatch) -> None:
    shap = ModuleType("shap")
    monkeypatch.setattr("services.lineage.plots.find_spec", lambda _name: object())
    monkeypatch.setitem(sys.modules, "shap", shap)
    assert plot_shap(object(), pd.DataFrame({"a": [1]})) is None


def test_a_shap_that_cannot_be_imported_ends_no_story(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.lineage.plots.find_spec", lambda _name: object())
    monkeypatch.setitem(sys.modules, "shap", None)
    assert plot_shap(object(), pd.DataFrame({"a": [1]})) is None


@pytest.mark.parametrize("steps", [(), (StandardScaler(),)])
def test_where_shap_is_installed_trees_and_pipelines_are_explained(steps: tuple[Any, ...]) -> None:
    pytest.importorskip("shap")
    features = pd.DataFrame({"a": [0.0, 1.0] * 30, "b": np.linspace(0, 1, 60)})
    model = make_pipeline(*steps, RandomForestClassifier(n_estimators=5, random_state=0)).fit(features, features["a"])
    figure = plot_shap(model if steps else model[-1], features)
    assert figure is not None
    assert figure.axes


def test_the_card_tells_what_was_written_and_measured_and_no_more() -> None:
    evaluation = Evaluation(
        task=Task.CLASSIFICATION,
        table=pd.DataFrame(),
        metrics={"auc": 0.91234},
        slices=(
            SliceMetrics(column="country", value="a|b\n", rows=1200, metrics={"auc": 0.8}),
            SliceMetrics(column="country", value="c", rows=3, metrics={}),
        ),
    )
    card = write_model_card(
        title="fraud_detector",
        card=CardText(purpose="Find fraud."),
        evaluation=evaluation,
        train_rows=1000,
        test_rows=200,
        signature="inputs: [a: long]",
    )
    assert "# fraud_detector" in card
    assert "## Purpose\n\nFind fraud." in card
    assert "Limitations" not in card
    assert "| auc | 0.9123 |" in card
    assert "| country = a\\|b | 1,200 | 0.8000 |" in card
    assert "| country = c | 3 | undefined |" in card


def test_a_signature_is_told_in_one_line() -> None:
    features = pd.DataFrame({"age": [1, 2], "income": [1.0, None]})
    assert describe_signature(infer_signature(features, np.array([0, 1]))) == (
        "inputs: [age: long, income: double?] -> outputs: [prediction: long]"
    )
    assert describe_signature(infer_signature(np.zeros((2, 4)), np.array([0, 1]))) == (
        "inputs: [float64 (-1, 4)] -> outputs: [int64 (-1,)]"
    )
    assert describe_signature(None) == ""


def test_the_commit_of_a_checkout_is_found_and_nothing_outside_one(tmp_path: Path) -> None:
    assert find_git_state(tmp_path) is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "-q", "-b", "trunk"], check=True)
    assert find_git_state(tmp_path) is None
    (tmp_path / "train.py").write_text("1")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "first"], check=True)
    state = find_git_state(tmp_path)
    assert state is not None
    assert (len(state.commit), state.branch, state.is_changed) == (40, "trunk", False)
    (tmp_path / "train.py").write_text("2")
    subprocess.run([*git, "checkout", "-q", "--detach"], check=True)
    changed = find_git_state(tmp_path)
    assert changed is not None
    assert (changed.branch, changed.is_changed) == ("", True)


def test_without_git_nothing_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_git_state(tmp_path) is None
