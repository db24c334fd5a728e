"""A policy-aware model is logged with stock MLflow, loaded back, and follows the policy in force without a restart."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC

import gatehouse as face
from app.facade import Gatehouse
from services.documents.activation import propose
from services.errors import InvalidInput, NotFound, Unreachable
from services.identity.actors import Actor, Role
from services.policies.document import DECISION_POLICY
from services.settings import load_settings
from tests.policies.builders import CARDS

MODEL = "fraud_detector"
REQUIREMENTS = ["scikit-learn"]


@dataclass(kw_only=True)
class World:
    gatehouse: Gatehouse
    home: Path

    def bring_into_force(self, text: str) -> None:
        documents, changes = self.gatehouse.documents, self.gatehouse.changes
        maya = Actor(name="maya", roles=frozenset({Role.DATA_SCIENTIST}), origin="test")
        jun = Actor(name="jun", roles=frozenset({Role.RELEASE_MANAGER}), origin="test")
        base = documents.find_head(DECISION_POLICY.name, MODEL)
        change = propose(documents, changes, maya, DECISION_POLICY.name, MODEL, text, reason="tuned", base=base)
        changes.approve(change.id, actor=jun, reason="agreed")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    home = tmp_path / "home"
    monkeypatch.setenv("GATEHOUSE_HOME", str(home))
    monkeypatch.delenv("GATEHOUSE_STORE_URL", raising=False)
    gatehouse = Gatehouse(load_settings({}, home=home))
    made = World(gatehouse=gatehouse, home=home)
    made.bring_into_force(CARDS)
    yield made
    gatehouse.close()


def payments() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "amount": [5.0, 900.0, 20_000.0, 7.0],
            "hour": [12.0, 3.0, 3.0, 13.0],
            "country": ["US", "US", "US", "NG"],
            "customer_id": ["a", "a", "b", "c"],
        }
    )


def fit(estimator: Any = None) -> Any:
    frame = payments()[["amount", "hour"]]
    return (estimator or LogisticRegression(C=1e9, max_iter=5000)).fit(frame, [0, 1, 1, 0])


def log(mlflow_url: str, model: Any, wrapper: Any, *, folder: Path) -> Any:
    """Log a model, then the policy-aware one over it, to a real server; return what stock MLflow loads."""
    mlflow.set_tracking_uri(mlflow_url)
    inner = folder / "inner"
    inputs = payments()[["amount", "hour"]]
    mlflow.sklearn.save_model(
        model, inner, signature=infer_signature(inputs, model.predict(inputs)), pip_requirements=REQUIREMENTS
    )
    with mlflow.start_run():
        logged = mlflow.pyfunc.log_model(
            name="decides", python_model=wrapper, artifacts={"model": str(inner)}, pip_requirements=REQUIREMENTS
        )
    return mlflow.pyfunc.load_model(logged.model_uri)


def test_it_is_logged_and_loaded_by_stock_mlflow_and_follows_a_new_revision(
    world: World, mlflow_url: str, tmp_path: Path
) -> None:
    model = fit()
    loaded = log(mlflow_url, model, face.PolicyModel(MODEL, refresh_seconds=0), folder=tmp_path)
    decided = loaded.predict(payments())
    scores = model.predict_proba(payments()[["amount", "hour"]])[:, 1]
    assert np.allclose(decided["probability"], scores)
    assert list(decided["action"]) == ["allow", "block", "manual_review", "manual_review"]
    assert decided["reasons"][2] == ["high_fraud_probability", "high_value_transaction"]
    assert decided["won_by"][3] == "strict_mode_country"
    assert set(decided["policy_revision"]) == {f"decision_policy/{MODEL}/1"}
    world.bring_into_force(CARDS.replace('["NG", "PK"]', '["PK"]'))
    again = loaded.predict(payments())
    assert set(again["policy_revision"]) == {f"decision_policy/{MODEL}/2"}
    assert again["action"][3] == "allow"


def test_while_the_store_is_away_the_last_good_one_decides_and_says_so(
    world: World, mlflow_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = log(mlflow_url, fit(), face.PolicyModel(MODEL), folder=tmp_path)
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path / "nowhere"))
    decided = loaded.predict(payments())
    assert list(decided["action"]) == ["allow", "block", "manual_review", "manual_review"]
    assert "There is no governance store" in decided["note"][0]
    assert f"Decided by decision_policy/{MODEL}/1, from when the model was logged." in decided["note"][0]
    assert not (tmp_path / "nowhere" / "gatehouse.db").exists(), "asking for a store makes none"


def test_blocks_are_counted_in_the_store_and_the_limit_holds_over_calls(world: World) -> None:
    wrapper = face.PolicyModel(MODEL)
    rows = payments().iloc[[1, 1]].reset_index(drop=True)
    actions = [list(wrapper.decide(rows, np.array([0.9, 0.9]))["action"]) for _ in range(2)]
    assert actions == [["block", "block"], ["block", "manual_review"]]
    other_process = face.PolicyModel(MODEL)
    assert list(other_process.decide(rows, np.array([0.9, 0.9]))["action"]) == ["manual_review"] * 2


def test_a_model_without_scores_is_refused(world: World, mlflow_url: str, tmp_path: Path) -> None:
    labels = log(mlflow_url, fit(LinearSVC()), face.PolicyModel(MODEL), folder=tmp_path)
    with pytest.raises(InvalidInput, match="rather than with scores"):
        labels.predict(payments())
    outside = log(mlflow_url, fit(LinearRegression()), face.PolicyModel(MODEL), folder=tmp_path / "other")
    with pytest.raises(InvalidInput, match="not from 0 to 1"):
        outside.predict(payments())


def test_making_one_needs_a_policy(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFound):
        face.PolicyModel("another_model")
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(Unreachable, match="no governance store"):
        face.PolicyModel(MODEL)
    decided = face.PolicyModel(MODEL, policy=CARDS).decide(payments(), np.array([0.1, 0.9, 0.1, 0.1]))
    assert set(decided["policy_revision"]) == {"2.1"}
