"""A registry with names of three levels and no stages, from registration to going back, on the open-source server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput
from mlflow.sklearn import save_model
from sklearn.linear_model import LogisticRegression

from app.facade import Gatehouse
from services.documents.activation import propose
from services.lineage.loggable import infer_signature
from services.settings import load_settings
from tests.app.running import Home, make_home
from tests.app.test_changes_commands import SHORT
from tests.promotions.builders import MEERA, RAVI

NAME = "ml.risk.parcel_fraud_detector"
CONTEXT = ("--risks", "few", "--improvements", "many", "--context", "spring", "--plan", "ramp")
TO_PRODUCTION = ("--to", "production", "--reason", "better", *CONTEXT)


@pytest.fixture
def home(tmp_path: Path, mlflow_url: str) -> Home:
    made = make_home(tmp_path, MLFLOW_TRACKING_URI=mlflow_url, MLFLOW_REGISTRY_URI="databricks-uc")
    gatehouse = Gatehouse(load_settings({}, home=made.folder, tracking_uri=mlflow_url))
    base = gatehouse.documents.find_head("gate_policy", "default")
    proposed = propose(
        gatehouse.documents, gatehouse.changes, RAVI, "gate_policy", "default", SHORT, reason="ours", base=base
    )
    gatehouse.changes.approve(proposed.id, actor=MEERA, reason="agreed")
    gatehouse.close()
    return made


def answered(home: Home, *arguments: str, token: str = "") -> Any:
    ran = home.run(*arguments, "--json", token=token)
    assert ran.code == 0, ran.out
    return ran.json


def log_run(client: MlflowClient, folder: Path) -> str:
    """Train, measure and log a model that loads, and return the id of its run."""
    features = pd.DataFrame({"amount": [1.0, 9.0, 2.0, 8.0]})
    model = LogisticRegression().fit(features, [0, 1, 0, 1])
    signature = infer_signature(features, model.predict(features))
    save_model(model, str(folder), signature=signature, input_example=features, pip_requirements=[])
    run_id = str(client.create_run("0").info.run_id)
    client.log_metric(run_id, "auc", 0.95)
    client.log_dict(run_id, {"violations": 0, "window": "7 days"}, "sla.json")
    model_id = client.create_logged_model("0", source_run_id=run_id).model_id
    client.log_model_artifacts(model_id, str(folder))
    client.finalize_logged_model(model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
    client.set_terminated(run_id)
    return run_id


@pytest.mark.long
def test_a_version_of_three_levels_is_registered_promoted_pinned_and_gone_back_from_without_a_stage(
    home: Home, mlflow_url: str, tmp_path: Path
) -> None:
    client = MlflowClient(mlflow_url)
    maya, jun = home.add_person("maya", "data_scientist"), home.add_person("jun", "release_manager")
    runs = [log_run(client, tmp_path / part) for part in "ab"]

    flat = home.run("register", "parcel_fraud_detector", "--run", runs[0], "--description", "x", "--json")
    assert (flat.code, flat.json["error"]["kind"]) == (2, "invalid_input")
    for number, run_id in enumerate(runs, 1):
        made = answered(home, "register", NAME, "--run", run_id, "--description", f"number {number}")
        assert (made["name"], made["version"]) == (NAME, number)
        asked = answered(
            home,
            "promotions",
            "request",
            f"{NAME}/{number}",
            "--to",
            "production",
            "--reason",
            "so",
            *CONTEXT,
            token=maya,
        )
        answered(home, "promotions", "approve", str(asked["id"]), "--reason", "agreed", token=jun)
        done = answered(home, "promotions", "execute", str(asked["id"]), token=jun)
        assert done["state"] == "completed"
        assert client.get_model_version_by_alias(NAME, "production").version == str(number)

    pins = answered(home, "pins", "show", NAME)
    assert NAME in str(pins)
    back = answered(home, "rollback", NAME, "--reason", "2 AM", token=jun)
    assert (back["model"], back["from"], back["to"]) == (NAME, 2, 1)
    assert client.get_model_version_by_alias(NAME, "production").version == "1"
    assert {version.current_stage for version in client.search_model_versions(f"name = '{NAME}'")} == {"None"}
    assert answered(home, "drift", "list", "--model", NAME)["drifts"] == []
    assert home.run("names", "lint", NAME).code == 0
    assert answered(home, "lineage", f"{NAME}@production")["nodes"]
    for form in ("yaml", "configmap", "kserve", "env"):
        told = home.run("pins", "export", "--format", form)
        assert told.code == 0
        assert "parcel_fraud_detector" in told.out.lower().replace("-", "_")
    answered(home, "sync")
    assert answered(home, "models", "show", NAME)["name"] == NAME
    story = tmp_path / f"{NAME}.html"
    answered(home, "story", f"{NAME}/1", "--out", str(story))
    assert f"{NAME}/1" in story.read_text()
    assert home.run("readiness", "show", f"models:/{NAME}@production", "--json").json["reference"] == f"{NAME}/1"
    ended = answered(
        home, "deprecate", f"{NAME}/2", "--sunset", "2099-01-01", "--replacement", f"{NAME}/1", "--reason", "x"
    )
    assert (ended["reference"], ended["replacement"]) == (f"{NAME}/2", f"{NAME}/1")
