"""What nobody approved: told on the overview and on its model's page, deleted models too, and decided there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app import ui
from app.facade import Gatehouse
from app.ui import session, status
from services.identity import Role
from services.identity.actors import Actor
from services.registry.drift_values import DriftState
from services.registry.fake import FakeRegistry
from services.registry.sync import Sync
from services.settings import load_settings
from tests.pages.test_every_page import RELEASE_MANAGER, visit

READER = Actor(name="ria", roles=frozenset({Role.COMPLIANCE_REVIEWER}), origin="test")
WORKER = Actor(name="system:worker", roles=frozenset(), origin="worker")


@pytest.fixture
def registry() -> FakeRegistry:
    made = FakeRegistry()
    for _ in range(2):
        made.add_version("fraud_detector", mlmodel="signature: {}")
    made.add_version("churn_predictor", mlmodel="signature: {}")
    made.set_alias("fraud_detector", "production", 1)
    return made


@pytest.fixture
def gatehouse(tmp_path: Path, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gatehouse]:
    made = Gatehouse(load_settings({}, home=tmp_path, tracking_uri="http://127.0.0.1:1"))
    monkeypatch.setattr(made, "registry", registry)
    for module in (session, status):
        monkeypatch.setattr(module, "get_gatehouse", lambda: made)
    look(made, registry)
    registry.set_alias("fraud_detector", "production", 2)
    registry.remove_model("churn_predictor")
    look(made, registry)
    yield made
    made.close()


def look(gatehouse: Gatehouse, registry: FakeRegistry) -> None:
    Sync(registry, gatehouse.store, signature_state=lambda _: "present").run(is_full=True)
    gatehouse.drifts.detect(actor=WORKER)
    st.cache_data.clear()
    st.cache_resource.clear()


def said(app: AppTest) -> str:
    return " ".join(text.value for text in app.markdown).replace("\\", "")


def confirm(app: AppTest, key: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Click a button and confirm in the drawer, which the browser alone keeps open."""
    asked: list[ui.Confirmation] = []
    monkeypatch.setattr(ui, "open_drawer", asked.append)
    app.button(key=key).click().run()
    assert not app.exception
    asked[0].run(RELEASE_MANAGER, reason)


def keys(app: AppTest) -> set[str]:
    return {button.key for button in app.button if button.key and button.key.startswith(("adopt_", "revert_"))}


def test_the_overview_lists_all_of_it_deleted_models_too(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    app = visit("overview", monkeypatch, RELEASE_MANAGER)
    assert not app.exception
    assert "2 models in the registry differ" in app.warning[0].value
    (table,) = (frame.value for frame in app.dataframe if "found" in frame.value)
    assert sorted(table["model"]) == ["churn_predictor", "fraud_detector"]
    assert next(metric.value for metric in app.metric if metric.label == "Drift") == "2"


def test_a_model_says_what_drifted_and_who_may_decide(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    app = visit("model", monkeypatch, RELEASE_MANAGER, name="fraud_detector")
    assert "points at version 2; version 1 was approved" in said(app)
    (drift,) = gatehouse.drifts.list_drifts(model="fraud_detector")
    assert keys(app) == {f"adopt_{drift.id}", f"revert_{drift.id}"}
    looked = visit("model", monkeypatch, READER, name="fraud_detector")
    assert "points at version 2; version 1 was approved" in said(looked)
    assert keys(looked) == set()


def test_a_deleted_model_says_so_and_can_be_adopted_but_not_reverted(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = visit("model", monkeypatch, RELEASE_MANAGER, name="churn_predictor")
    (drift,) = gatehouse.drifts.list_drifts(model="churn_predictor")
    assert "was deleted from the registry" in said(app)
    assert keys(app) == {f"adopt_{drift.id}"}
    confirm(app, f"adopt_{drift.id}", "retired with its product", monkeypatch)
    assert [change.title for change in gatehouse.changes.list_changes(model="churn_predictor")] == [
        "Adopt: churn_predictor was deleted from the registry."
    ]


def test_a_moved_alias_is_written_back_from_the_page(
    gatehouse: Gatehouse, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = visit("model", monkeypatch, RELEASE_MANAGER, name="fraud_detector")
    (drift,) = gatehouse.drifts.list_drifts(model="fraud_detector")
    confirm(app, f"revert_{drift.id}", "nobody approved it", monkeypatch)
    assert registry.find_alias("fraud_detector", "production") == 1
    assert gatehouse.drifts.get_drift(drift.id).state is DriftState.REVERTED
    assert keys(visit("model", monkeypatch, RELEASE_MANAGER, name="fraud_detector")) == set()
