from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

import gatehouse
from services.errors import InvalidInput, NotFound
from services.lineage.loggable import infer_signature

OLD_FIELDS = {"model_id", "model_name", "version", "model_type", "is_baseline", "run_id", "registration_timestamp"}
NEW_FIELDS = {"model_uri", "model_uuid", "artifact_path", "flavors", "signature", "mlflow_version", "metadata"}


def leads() -> tuple[RandomForestClassifier, pd.DataFrame]:
    features = pd.DataFrame({"age": [25, 30, 35], "income": [50000, 60000, 70000]})
    return RandomForestClassifier(n_estimators=3, random_state=0).fit(features, [0, 1, 1]), features


def test_a_registered_baseline_has_all_old_and_new_fields(tracking: str) -> None:
    model, features = leads()
    signature = infer_signature(features, model.predict(features))
    result = gatehouse.register_baseline(
        model=model,
        model_type="lead_scoring_a",
        metadata={
            "framework": "scikit-learn",
            "dataset_size": np.int64(3),
            "features": ["age"],
            "config": {"depth": [1]},
        },
        signature=signature,
        input_example=features[:2],
        description="first",
    )
    assert set(result) == OLD_FIELDS | NEW_FIELDS
    assert (result["model_id"], result["version"], result["is_baseline"]) == ("lead_scoring_a/1", "1", True)
    assert result["signature"] == "inputs: [age: long, income: long] -> outputs: [prediction: long]"
    assert result["flavors"] == ["python_function", "sklearn"]
    assert result["artifact_path"] == "model"
    assert result["metadata"]["dataset_size"] == 3
    assert json.loads(json.dumps(result)) == result


def test_the_uri_of_a_registration_loads(tracking: str) -> None:
    from mlflow.pyfunc import load_model

    model, features = leads()
    result = gatehouse.register_baseline(model=model, model_type="lead_scoring_b", input_example=features[:2])
    assert result["model_uri"] == f"runs:/{result['run_id']}/model"
    assert (load_model(result["model_uri"]).predict(features) == model.predict(features)).all()
    assert result["signature"] == "inputs: [age: long, income: long] -> outputs: [prediction: long]"


def test_old_calls_with_nothing_but_metadata_still_work(tracking: str) -> None:
    model, _ = leads()
    result = gatehouse.register_baseline(model=model, model_type="lead_scoring_c", metadata={"framework": "sklearn"})
    assert result["signature"] == ""
    assert set(result) >= OLD_FIELDS


def test_metadata_of_any_size_comes_back_by_uuid(tracking: str) -> None:
    model, _ = leads()
    metadata = {"description": "long " * 400_000, "nested": {"list": [1, 2.5, None, True, {"deep": "ü"}]}}
    result = gatehouse.register_baseline(model=model, model_type="lead_scoring_d", metadata=metadata)
    found = gatehouse.get_model_by_uuid(result["model_uuid"])
    assert found is not None
    assert (found.pop("stage"), found.pop("aliases")) == ("None", [])
    assert found == result


def test_short_metadata_is_searchable_among_the_runs(tracking: str) -> None:
    import mlflow

    model, _ = leads()
    result = gatehouse.register_baseline(model=model, model_type="lead_scoring_e", metadata={"corpus": "leads-7"})
    found = mlflow.search_runs(filter_string="params.corpus = 'leads-7'", output_format="list")
    assert [run.info.run_id for run in found] == [result["run_id"]]


def test_an_improved_model_is_the_next_version_of_its_baseline(tracking: str) -> None:
    from mlflow import MlflowClient

    model, features = leads()
    baseline = gatehouse.register_baseline(model=model, model_type="kind", model_name="lead_scoring_f")
    improved = gatehouse.register_improved(
        model=model,
        baseline_id=baseline["model_id"],
        delta_metrics={"accuracy": 0.05},
        contributor="0x1234567890123456789012345678901234567890",
        input_example=features[:1],
    )
    assert (improved["model_id"], improved["is_baseline"], improved["model_type"]) == (
        "lead_scoring_f/2",
        False,
        "kind",
    )
    assert improved["delta_metrics"] == {"accuracy": 0.05}
    tags = MlflowClient().get_model_version("lead_scoring_f", "2").tags
    assert tags["baseline"] == "lead_scoring_f/1"
    found = gatehouse.get_model_by_uuid(improved["model_uuid"])
    assert found is not None
    assert (found.pop("stage"), found.pop("aliases")) == ("None", [])
    assert found == improved


def test_code_files_are_kept_with_the_model_and_their_commit_is_recorded(tracking: str, tmp_path: Path) -> None:
    from mlflow import MlflowClient
    from mlflow.artifacts import download_artifacts

    model, _ = leads()
    here = Path(__file__).parent / "builders.py"
    result = gatehouse.register_baseline(model=model, model_type="lead_scoring_g", code_paths=[str(here)])
    folder = download_artifacts(f"models:/{result['model_uuid']}", dst_path=str(tmp_path))
    assert (Path(folder) / "code" / "builders.py").read_bytes() == here.read_bytes()
    tags = MlflowClient().get_run(result["run_id"]).data.tags
    assert len(tags["git_commit"]) == 40
    assert tags["code_paths"] == str(here)


def test_a_uuid_that_nobody_registered_is_not_found(tracking: str) -> None:
    assert gatehouse.get_model_by_uuid("m-" + "0" * 32) is None
    assert gatehouse.get_model_by_uuid("abc' OR name = 'x") is None


def test_a_version_registered_by_other_means_is_found_by_uuid_without_metadata(tracking: str) -> None:
    import mlflow

    model, _ = leads()
    with mlflow.start_run():
        info = mlflow.sklearn.log_model(model, name="m", serialization_format="cloudpickle", pip_requirements=[])
    mlflow.register_model(info.model_uri, "lead_scoring_h")
    found = gatehouse.get_model_by_uuid(info.model_id)
    assert found is not None
    assert (found["model_id"], found["metadata"], found["model_type"]) == ("lead_scoring_h/1", {}, "lead_scoring_h")
    assert (found["artifact_path"], found["model_uri"]) == ("m", f"runs:/{info.run_id}/m")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"baseline_id": "lead_scoring_none/1"}, NotFound, "'lead_scoring_none/1' does not exist"),
        ({"baseline_id": "lead_scoring@champion"}, InvalidInput, "names no version"),
        (
            {"baseline_id": "lead_scoring/1", "delta_metrics": {"auc": float("nan")}},
            InvalidInput,
            "delta of 'auc' is nan",
        ),
    ],
)
def test_an_improvement_on_nothing_is_refused(
    tracking: str, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    model, _ = leads()
    with pytest.raises(error, match=message):
        gatehouse.register_improved(**{"model": model, "delta_metrics": {}, "contributor": "ada", **arguments})


@pytest.mark.parametrize("value", [object(), float("inf"), {1, 2}])
def test_metadata_that_json_cannot_hold_is_refused(tracking: str, value: object) -> None:
    model, _ = leads()
    with pytest.raises(InvalidInput, match="cannot be kept as JSON"):
        gatehouse.register_baseline(model=model, model_type="lead_scoring_i", metadata={"value": value})


def test_a_name_that_cannot_be_registered_is_refused(tracking: str) -> None:
    model, _ = leads()
    with pytest.raises(InvalidInput, match="model name"):
        gatehouse.register_baseline(model=model, model_type="<script>")


def test_the_webhook_says_the_old_keys_and_the_new_ones(tracking: str) -> None:
    model, features = leads()
    result = gatehouse.register_baseline(
        model=model, model_type="lead_scoring_j", metadata={"size": 3}, input_example=features[:1]
    )
    payload = gatehouse.webhook_payload(result)
    assert payload == {
        "model_id": "lead_scoring_j/1",
        "model_name": "lead_scoring_j",
        "version": "1",
        "model_version": "1",
        "mlflow_run_id": result["run_id"],
        "model_uuid": result["model_uuid"],
        "model_uri": result["model_uri"],
        "signature": result["signature"],
        "metadata": {"size": 3},
    }


def test_ten_megabytes_of_metadata_are_kept_whole_and_the_short_values_are_searchable(tracking: str) -> None:
    from mlflow import MlflowClient

    model, _ = leads()
    metadata = {"notes": "é" * 5_000_000, "depth": 3, "a:b?": "odd", "k" * 300: "long", "deep": [[{"x": None}]]}
    metadata |= {f"score_{number}": number for number in range(500)}
    result = gatehouse.register_baseline(model=model, model_type="lead_scoring_heavy", metadata=metadata)
    assert result["metadata"] == metadata
    path = MlflowClient().download_artifacts(result["run_id"], "metadata.json")
    assert json.loads(Path(path).read_text()) == metadata
    params = MlflowClient().get_run(result["run_id"]).data.params
    assert params["depth"] == "3"
    assert not {"notes", "a:b?", "k" * 300, "deep"} & params.keys()
