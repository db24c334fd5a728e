"""The page of deployments over pins and a ramp that are there, as a release manager and as somebody who only looks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from app.facade import Gatehouse
from app.ui import session, status
from services.clock import utc_now
from services.identity import Role
from services.identity.actors import Actor
from services.settings import load_settings
from tests.changes.builders import MEERA
from tests.conftest import FakeClock
from tests.deployments.builders import speak
from tests.deployments.test_routes import MODEL, pin, ramp
from tests.pages.test_every_page import visit
from tests.servers import free_port


@pytest.fixture
def gatehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gatehouse]:
    """Version 3 of a model in production after 2, and 4 on its way; the registry does not answer."""
    made = Gatehouse(load_settings({}, home=tmp_path, tracking_uri=f"http://127.0.0.1:{free_port()}"))
    for module in (session, status):
        monkeypatch.setattr(module, "get_gatehouse", lambda: made)
    st.cache_data.clear()
    st.cache_resource.clear()
    assert made.documents.list_documents()  # brings the shipped plan into force
    for change_id, version in enumerate((2, 3), 1):
        pin(made.store, FakeClock(), version, change_id=-change_id)
    ramp(made.store, champion=3, candidate=4, traffic_ratio=0.25)
    yield made
    made.close()


def look(monkeypatch: pytest.MonkeyPatch, role: Role, **params: str) -> tuple[set[str], str]:
    """Return the labels of the buttons and all text of the page."""
    actor = Actor(name="somebody", roles=frozenset({role}), origin="test")
    app = visit("deployments", monkeypatch, actor, **params)
    assert not app.exception
    return {button.label for button in app.button}, " ".join(each.value for each in app.markdown)


def test_a_release_manager_sees_the_ramp_and_every_way_back(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    buttons, text = look(monkeypatch, Role.RELEASE_MANAGER, model=MODEL)
    assert {"Roll back to v2 (previous)…", "Abort…", "Pause…", "Advance…"} <= buttons
    assert "25 % of requests get the candidate" in text


def test_who_only_looks_sees_the_ramp_and_no_button_of_it(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    buttons, text = look(monkeypatch, Role.DATA_SCIENTIST, model=MODEL)
    assert not any(label.endswith("…") for label in buttons)
    assert "25 % of requests get the candidate" in text


@pytest.mark.parametrize("params", [{}, {"model": MODEL}])
def test_servers_are_shown_with_what_is_wrong_with_them(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch, params: dict[str, str]
) -> None:
    speak(gatehouse.store, utc_now, "a", 2, candidate=4, candidate_ratio=0.25, problems=["*3* cannot be loaded."])
    app = visit("deployments", monkeypatch, MEERA, **params)
    assert not app.exception
    (shown,) = [frame.value for frame in app.dataframe if "address" in frame.value.columns]
    (row,) = shown.to_dict("records")
    assert row["address"] == "http://127.0.0.1/a"
    assert r"\*3\* cannot be loaded" in " ".join(warning.value for warning in app.warning)


def test_a_model_that_no_server_serves_says_how_to_start_one(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    _buttons, text = look(monkeypatch, Role.RELEASE_MANAGER, model=MODEL)
    assert "No server reports here" in text


def test_the_page_of_all_models_draws(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    look(monkeypatch, Role.RELEASE_MANAGER)
    look(monkeypatch, Role.RELEASE_MANAGER, model="nobody")
