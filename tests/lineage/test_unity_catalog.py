"""Training code that registers in a Unity Catalog, held against the open-source server with names of three levels."""

from __future__ import annotations

from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.models import ModelSignature, infer_signature
from sklearn.linear_model import LogisticRegression

import gatehouse
from services.errors import InvalidInput
from services.lineage.unity_catalog import is_unity_catalog

NAME = "ml.leads.lead_scorer"


@pytest.fixture
def catalog(tracking: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("GATEHOUSE_UNITY_CATALOG", "true")
    return tracking


def leads() -> tuple[LogisticRegression, pd.DataFrame]:
    features = pd.DataFrame({"age": [25.0, 30.0, 35.0, 61.0], "income": [5.0, 6.0, 7.0, 2.0]})
    return LogisticRegression().fit(features, [0, 1, 1, 0]), features


def count_runs() -> int:
    return len(mlflow.search_runs(output_format="list"))


def test_a_model_goes_from_baseline_to_improved_and_is_found_by_uuid_with_its_alias(catalog: str) -> None:
    model, features = leads()
    baseline = gatehouse.register_baseline(
        model=model, model_type="lead_scoring", model_name=NAME, input_example=features[:2]
    )
    assert (baseline["model_id"], baseline["model_name"]) == (f"{NAME}/1", NAME)
    improved = gatehouse.register_improved(
        model=model,
        baseline_id=baseline["model_id"],
        delta_metrics={"auc": 0.1},
        contributor="ada",
        signature=infer_signature(features, model.predict(features)),
    )
    assert improved["model_id"] == f"{NAME}/2"
    client = MlflowClient()
    client.set_registered_model_alias(NAME, "production", "2")
    client.set_registered_model_alias(NAME, "champion", "2")
    found = gatehouse.get_model_by_uuid(improved["model_uuid"])
    assert found is not None
    assert (found["stage"], found["aliases"]) == ("Production", ["champion", "production"])
    assert client.get_model_version(NAME, "2").current_stage == "None", "the alias alone says so"


def test_a_whole_story_registers_under_three_levels(catalog: str) -> None:
    model, features = leads()
    logged = gatehouse.log_story(
        model,
        task="classification",
        train=features,
        test=features,
        test_label=[0, 1, 1, 0],
        register_as="ml.leads.story_teller",
        tuned_from=[f"{NAME}/1"],
    )
    assert (logged.name, logged.version) == ("ml.leads.story_teller", 1)
    assert MlflowClient().get_model_version("ml.leads.story_teller", "1").tags["tuned_from"] == f"{NAME}/1"


@pytest.mark.parametrize("name", ["lead_scorer", "leads.lead_scorer", "ml..lead_scorer", "a.b.c.d"])
def test_another_name_is_refused_before_anything_is_logged(catalog: str, name: str) -> None:
    model, features = leads()
    before = count_runs()
    with pytest.raises(InvalidInput, match="three levels"):
        gatehouse.register_baseline(model=model, model_type="x", model_name=name, input_example=features[:2])
    with pytest.raises(InvalidInput, match="three levels"):
        gatehouse.register_improved(model=model, baseline_id=f"{name}/1", delta_metrics={}, contributor="ada")
    with pytest.raises(InvalidInput, match="three levels"):
        gatehouse.log_story(
            model, task="classification", train=features, test=features, test_label=[0, 1, 1, 0], register_as=name
        )
    assert count_runs() == before


@pytest.mark.parametrize(
    ("signature", "missing"),
    [
        (None, "inputs and outputs"),
        (infer_signature(pd.DataFrame({"age": [1.0]})), "outputs"),
        (ModelSignature(outputs=infer_signature(pd.DataFrame({"a": [1.0]}), np.array([1.0])).outputs), "inputs"),
    ],
)
def test_a_signature_that_lacks_a_side_is_refused_before_anything_is_logged(
    catalog: str, signature: Any, missing: str
) -> None:
    model, _ = leads()
    before = count_runs()
    with pytest.raises(InvalidInput, match=f"lacks its {missing}\\."):
        gatehouse.register_baseline(model=model, model_type="x", model_name=NAME, signature=signature)
    assert count_runs() == before


def test_a_model_that_was_logged_already_answers_for_its_own_signature(catalog: str) -> None:
    model, features = leads()
    with mlflow.start_run():
        bare = mlflow.sklearn.log_model(model, name="bare", serialization_format="cloudpickle", pip_requirements=[])
        whole = mlflow.sklearn.log_model(
            model,
            name="whole",
            serialization_format="cloudpickle",
            pip_requirements=[],
            signature=infer_signature(features, model.predict(features)),
        )
    with pytest.raises(InvalidInput, match="lacks its inputs and outputs"):
        gatehouse.register_baseline(
            model=bare.model_uri, model_type="x", model_name="ml.leads.logged", input_example=features[:2]
        )
    with pytest.raises(InvalidInput, match="lacks its inputs and outputs"):
        gatehouse.log_story(
            bare.model_uri,
            task="classification",
            train=features,
            test=features,
            test_label=[0, 1, 1, 0],
            register_as="ml.leads.logged",
        )
    made = gatehouse.register_baseline(model=whole.model_uri, model_type="x", model_name="ml.leads.logged")
    assert (made["model_id"], made["artifact_path"]) == ("ml.leads.logged/1", "whole")


def test_the_registry_uri_of_mlflow_says_that_it_is_a_unity_catalog(
    tracking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not is_unity_catalog()
    monkeypatch.setattr(mlflow, "get_registry_uri", lambda: "databricks-uc")
    assert is_unity_catalog()
