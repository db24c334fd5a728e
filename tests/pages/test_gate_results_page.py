"""The page of gate results: every latest version judged at once, the worst first, for whoever may run gates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from app.facade import Gatehouse
from app.ui import session, status
from services.identity import Role
from services.identity.actors import Actor
from services.registry.fake import FakeRegistry
from services.settings import load_settings
from tests.gates.builders import add_version
from tests.pages.test_every_page import visit

MAYA = Actor(name="maya", roles=frozenset({Role.DATA_SCIENTIST}), origin="test")
REVIEWER = Actor(name="rui", roles=frozenset({Role.COMPLIANCE_REVIEWER}), origin="test")


@pytest.fixture
def gatehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gatehouse]:
    """An installation over the registry in memory that the contract suite holds to MLflow."""
    made = Gatehouse(load_settings({}, home=tmp_path, tracking_uri=""))
    vars(made)["registry"] = FakeRegistry()
    for module in (session, status):
        monkeypatch.setattr(module, "get_gatehouse", lambda: made)
    st.cache_data.clear()
    st.cache_resource.clear()
    yield made
    made.close()


def test_all_latest_versions_are_judged_when_somebody_asks_the_worst_first(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = gatehouse.registry
    assert isinstance(registry, FakeRegistry)
    add_version(registry, "card_fraud_scorer")
    registry.add_version("untagged_ranker")
    app = visit("gate_results", monkeypatch, MAYA, view="Latest versions")
    assert not app.dataframe
    (button,) = [each for each in app.button if each.label == "Judge all latest versions"]
    button.click().run()
    assert not app.exception
    shown = app.dataframe[0].value
    assert [str(name) for name in shown.iloc[:, 0]] == ["untagged_ranker/1", "card_fraud_scorer/1"]
    assert "standard_tags" in str(shown.iloc[0, 2])
    assert "standard_tags" not in str(shown.iloc[1, 2])
    assert gatehouse.gates.list_reports() == [], "nothing of it is kept"


def test_who_may_not_run_gates_is_told_so(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    app = visit("gate_results", monkeypatch, REVIEWER, view="Latest versions")
    assert not app.exception
    assert "Judge all latest versions" not in {button.label for button in app.button}
    assert "You may not run gates" in "\n".join(each.value for each in app.markdown)


def test_a_model_whose_gates_never_ran_can_be_run_on_the_version_that_was_opened(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = gatehouse.registry
    assert isinstance(registry, FakeRegistry)
    for _ in range(2):
        add_version(registry, "card_fraud_scorer")
    gatehouse.sync.run()
    app = visit("gate_results", monkeypatch, MAYA, model="card_fraud_scorer", version="1")
    (button,) = [each for each in app.button if each.label.startswith("Run gates now")]
    assert button.label == "Run gates now on v1"
    newest = visit("gate_results", monkeypatch, MAYA, model="card_fraud_scorer")
    assert "Run gates now on v2" in {button.label for button in newest.button}


def test_a_model_that_is_not_there_is_told(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    app = visit("gate_results", monkeypatch, MAYA, model="nope")
    (error,) = app.error
    assert "gatehouse models list" in error.value
    assert "Run gates now" not in " ".join(button.label for button in app.button)
