from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingRegressor, IsolationForest, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import gatehouse
from services.errors import InvalidInput
from services.lineage import artifacts
from services.lineage.slices import read_slices
from services.lineage.vocabulary import lint_metrics
from tests.lineage.builders import fitted_classifier, transactions

STORY = {artifacts.LINEAGE, artifacts.DECISION_CONTEXT, artifacts.MODEL_CARD, artifacts.SLICES, artifacts.PREDICTIONS}


def run_files(run_id: str, folder: Path) -> dict[str, Path]:
    from mlflow.artifacts import download_artifacts

    root = Path(download_artifacts(run_id=run_id, dst_path=str(folder)))
    return {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}


def test_one_call_logs_the_full_story_of_a_classifier(tracking: str, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    model, features, label = fitted_classifier()
    held_out, truth = transactions(150, seed=8)
    story = gatehouse.log_story(
        model,
        task="classification",
        train=features,
        train_label=label,
        test=held_out,
        test_label=truth,
        slices=["country"],
        fairness_by="country",
        dataset_name="payments",
        lineage=gatehouse.Lineage(
            git_commit="c0ffee",
            git_branch="main",
            dataset_commit="data-v2",
            feature_views={"txn": "v5"},
            dataset_path="s3://x",
        ),
        decision=gatehouse.DecisionContext(reason="More fraud", risks="More reviews", approver="@meera"),
        card=gatehouse.CardText(purpose="Find fraud."),
        params={"use_geo": True},
        tags={"team": "fraud", "risk": "tier1"},
        tuned_from=["story_fraud/1"],
        register_as="story_fraud",
        description="Logistic baseline",
    )
    client = MlflowClient()
    run = client.get_run(story.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["auc"] == story.metrics["auc"] > 0.9
    assert run.data.metrics["slice/country/DE/accuracy"] > 0.5
    assert {"calibration_psi", "demographic_parity", "log_loss"} <= set(story.metrics)
    assert lint_metrics(story.metrics) == []
    assert (
        run.data.params.items()
        >= {"use_geo": "True", "feature_store_txn_view": "v5", "logisticregression__C": "1.0"}.items()
    )
    assert (
        run.data.tags.items() >= {"git_commit": "c0ffee", "mlflow.source.git.commit": "c0ffee", "team": "fraud"}.items()
    )
    contexts = {entry.tags[0].value: entry.dataset.name for entry in run.inputs.dataset_inputs}  # type: ignore[union-attr]
    assert contexts == {"training": "payments (training)", "testing": "payments (held out)"}
    version = client.get_model_version("story_fraud", str(story.version))
    assert version.source == f"models:/{story.model_id}"
    assert version.description == "Logistic baseline"
    assert version.tags.items() >= {"tuned_from": "story_fraud/1", "risk": "tier1", "task": "classification"}.items()
    logged = client.get_logged_model(story.model_id)
    assert {metric.dataset_name for metric in logged.metrics or []} == {"payments (held out)"}
    assert logged.params["logisticregression__C"] == "1.0"

    files = run_files(story.run_id, tmp_path)
    plots = {artifacts.IMPORTANCE_PLOT, artifacts.CONFUSION_PLOT, artifacts.CALIBRATION_PLOT}
    assert set(files) >= STORY | plots | {artifacts.IMPORTANCE_TABLE}
    table = pd.read_parquet(files[artifacts.PREDICTIONS])
    assert table.columns.tolist() == ["prediction", "score", "label", "slice_country"]
    assert (table["prediction"] == model.predict(held_out)).all()
    assert read_slices(files[artifacts.SLICES].read_bytes())[0].rows == (held_out["country"] == "DE").sum()
    assert json.loads(files[artifacts.LINEAGE].read_text())["parents"] == {"tuned_from": ["story_fraud/1"]}
    assert json.loads(files[artifacts.DECISION_CONTEXT].read_text())["risks_identified"] == "More reviews"
    assert pd.read_csv(files[artifacts.IMPORTANCE_TABLE])["feature"][0] == "amount"


def test_the_logged_classifier_loads_and_answers_as_its_signature_says(tracking: str) -> None:
    from mlflow.pyfunc import load_model

    model, features, label = fitted_classifier()
    story = gatehouse.log_story(
        model, task="classification", train=features, train_label=label, test=features, test_label=label
    )
    loaded: Any = load_model(story.model_uri)
    assert (loaded.predict(features) == model.predict(features)).all()
    assert loaded.get_raw_model().predict_proba(features).shape == (len(features), 2)
    assert [str(column.type) for column in loaded.metadata.signature.outputs] == ["DataType.long"]
    assert loaded.metadata.get_input_schema().input_names() == ["amount", "hour", "country"]


def test_a_classifier_is_logged_to_answer_with_probabilities_where_asked(tracking: str) -> None:
    from mlflow.pyfunc import load_model

    model, features, label = fitted_classifier()
    story = gatehouse.log_story(
        model, task="classification", train=features, test=features, test_label=label, probabilities=True
    )
    loaded: Any = load_model(story.model_uri)
    assert (loaded.predict(features) == model.predict_proba(features)).all()
    assert loaded.metadata.signature.outputs.is_tensor_spec()
    assert story.metrics["accuracy"] == (model.predict(features) == label).mean()


def test_what_has_no_probabilities_cannot_answer_with_them(tracking: str) -> None:
    features, _ = transactions()
    with pytest.raises(InvalidInput, match="IsolationForest has no predict_proba"):
        gatehouse.log_story(
            IsolationForest(), task="anomaly_detection", train=features, test=features, probabilities=True
        )


def test_an_open_run_is_written_to_and_left_open(tracking: str) -> None:
    import mlflow

    model, features, label = fitted_classifier()
    with mlflow.start_run() as run:
        story = gatehouse.log_story(model, task="classification", train=features, test=features, test_label=label)
        assert story.run_id == run.info.run_id
        assert mlflow.active_run() is not None


def test_a_mistake_in_the_data_writes_nothing(tracking: str) -> None:
    import mlflow

    model, features, label = fitted_classifier()
    before = len(mlflow.search_runs(output_format="list"))
    with pytest.raises(InvalidInput, match="no column 'region'"):
        gatehouse.log_story(
            model, task="classification", train=features, test=features, test_label=label, slices=["region"]
        )
    with pytest.raises(InvalidInput, match="'clustering' is not a task"):
        gatehouse.log_story(model, task="clustering", train=features, test=features, test_label=label)
    with pytest.raises(InvalidInput, match="object is neither an estimator"):
        gatehouse.log_story(object(), task="classification", train=features, test=features, test_label=label)
    assert len(mlflow.search_runs(output_format="list")) == before


def test_trees_are_saved_in_the_format_that_runs_no_code(tracking: str) -> None:
    from mlflow.models import get_model_info

    features, label = transactions()
    numbers = features[["amount", "hour"]]
    forest = RandomForestClassifier(n_estimators=5, random_state=0).fit(numbers, label)
    story = gatehouse.log_story(forest, task="classification", train=numbers, test=numbers, test_label=label)
    assert get_model_info(story.model_uri).flavors["sklearn"]["serialization_format"] == "skops"


def test_an_estimator_with_code_of_its_own_is_logged_too(tracking: str) -> None:
    features, label = transactions()
    model = make_pipeline(FunctionTransformer(lambda rows: rows[["amount"]]), LogisticRegression()).fit(features, label)
    story = gatehouse.log_story(model, task="classification", train=features, test=features, test_label=label)
    assert story.metrics["auc"] > 0.9


def test_a_regression_has_its_own_metrics_and_no_confusion(tracking: str, tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    features = pd.DataFrame({"price": generator.random(120), "promo": generator.integers(0, 2, 120)})
    demand = 100 - 40 * features["price"] + 10 * features["promo"]
    model = HistGradientBoostingRegressor(max_iter=20).fit(features, demand)
    story = gatehouse.log_story(model, task="regression", train=features, test=features, test_label=demand)
    assert set(story.metrics) == {"mse", "rmse", "mae", "r2", "mape"}
    files = run_files(story.run_id, tmp_path)
    assert artifacts.CONFUSION_PLOT not in files
    assert artifacts.IMPORTANCE_PLOT in files


def test_a_ranking_is_measured_by_query(tracking: str) -> None:
    generator = np.random.default_rng(4)
    features = pd.DataFrame({"match": generator.random(100), "age": generator.random(100)})
    relevance = (features["match"] * 3).astype(int)
    model = HistGradientBoostingRegressor(max_iter=20).fit(features, relevance)
    story = gatehouse.log_story(
        model, task="ranking", train=features, test=features, test_label=relevance, query=np.repeat(range(10), 10)
    )
    assert set(story.metrics) == {"ndcg", "map", "mrr"}
    assert story.metrics["ndcg"] > 0.9


def test_anomalies_without_labels_are_logged_with_their_rate(tracking: str, tmp_path: Path) -> None:
    features = pd.DataFrame({"a": np.append(np.zeros(60), 9.0), "b": np.append(np.zeros(60), 9.0)})
    model = IsolationForest(n_estimators=10, random_state=0, contamination=0.02).fit(features)
    story = gatehouse.log_story(model, task="anomaly_detection", train=features, test=features)
    assert set(story.metrics) == {"anomaly_rate"}
    table = pd.read_parquet(run_files(story.run_id, tmp_path)[artifacts.PREDICTIONS])
    assert table["score"].idxmax() == 60
    assert table["prediction"][60] == -1
    assert table["label"].isna().all()


def test_images_are_logged_as_tensors(tracking: str) -> None:
    from mlflow.models import get_model_info

    images, digits = load_digits(n_class=3, return_X_y=True)
    model = LogisticRegression(max_iter=500).fit(images, digits)
    story = gatehouse.log_story(
        model, task="classification", train=images, train_label=digits, test=images[:100], test_label=digits[:100]
    )
    assert get_model_info(story.model_uri).signature.inputs.is_tensor_spec()
    assert {"auc", "log_loss", "calibration_psi"} <= set(story.metrics)


def python_model() -> Any:
    from mlflow.pyfunc.model import PythonModel

    class Threshold(PythonModel):  # type: ignore[misc, unused-ignore]
        def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
            score = (model_input["amount"] / 50).clip(0, 1)
            return pd.DataFrame({"prediction": (score >= 0.5).astype("int64"), "score": score})

    return Threshold()


def test_any_python_model_is_logged_the_same_way(tracking: str) -> None:
    features, label = transactions()
    story = gatehouse.log_story(
        python_model(), task="classification", train=features, test=features, test_label=label, slices=["country"]
    )
    assert story.metrics["auc"] > 0.9


def test_a_model_of_any_flavor_is_told_about_by_its_uri(tracking: str) -> None:
    import mlflow

    features, label = transactions()
    with mlflow.start_run():
        info = mlflow.pyfunc.log_model(name="other", python_model=python_model())
    story = gatehouse.log_story(
        info.model_uri, task="classification", train=features, test=features, test_label=label, register_as="story_uri"
    )
    assert story.model_id == info.model_id
    assert story.version == 1
    assert "auc" in {metric.key for metric in mlflow.MlflowClient().get_logged_model(info.model_id).metrics or []}


def test_a_value_too_long_for_a_parameter_does_not_stop_the_story(tracking: str) -> None:
    model, features, label = fitted_classifier()
    story = gatehouse.log_story(
        model, task="classification", train=features, test=features, test_label=label, params={"query": "x" * 7000}
    )
    assert story.metrics["auc"] > 0.9
