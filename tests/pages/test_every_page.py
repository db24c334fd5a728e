"""Every page draws for everybody: on an empty installation, on a filled one, and while the registry is down."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app.facade import Gatehouse
from app.ui import session, status
from app.ui.navigation import PAGES
from services.audit import EventQuery
from services.audit.checkpoints import Integrity
from services.identity import Role
from services.identity.actors import Actor
from services.registry.sync import Sync
from services.settings import load_settings
from services.store import registry_index as rows
from tests.browser.seed import make_registry
from tests.servers import free_port

ROOT = Path(__file__).parents[2]
NAMES = [entry.name for entry in PAGES if (ROOT / "pages" / f"{entry.name}.py").exists()]
EVERYBODY = Actor(name="all", roles=frozenset(Role), origin="test")
RELEASE_MANAGER = Actor(name="meera", roles=frozenset({Role.RELEASE_MANAGER}), origin="test")


@pytest.fixture
def gatehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gatehouse]:
    """An empty installation whose registry does not answer, in the place of this process's own."""
    made = Gatehouse(load_settings({}, home=tmp_path, tracking_uri=f"http://127.0.0.1:{free_port()}"))
    for module in (session, status):
        monkeypatch.setattr(module, "get_gatehouse", lambda: made)
    st.cache_data.clear()
    st.cache_resource.clear()
    yield made
    made.close()


def fill(gatehouse: Gatehouse) -> None:
    Sync(make_registry(12), gatehouse.store, signature_state=lambda _mlmodel: "present").run(is_full=True)
    st.cache_data.clear()
    st.cache_resource.clear()


def visit(page: str, monkeypatch: pytest.MonkeyPatch, actor: Actor | None, **params: str) -> AppTest:
    """Run the app's script and go to a page as somebody."""
    monkeypatch.setattr(session, "find_actor", lambda: (actor, None))
    monkeypatch.setattr(session, "current_actor", lambda **_kwargs: actor)
    app = AppTest.from_file(ROOT / "app" / "shell.py", default_timeout=30)
    app.run()
    if page != "overview":
        app.switch_page(f"../pages/{page}.py")
    for key, value in params.items():
        app.query_params[key] = value
    app.run()
    return app


@pytest.mark.parametrize("name", NAMES)
def test_every_page_draws_on_an_empty_installation(
    name: str, gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = visit(name, monkeypatch, RELEASE_MANAGER)
    assert not app.exception
    assert len(app.title) == 1


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("name", NAMES)
def test_every_page_draws_or_refuses_whoever_looks(
    name: str, role: Role, gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(gatehouse)
    app = visit(name, monkeypatch, Actor(name="somebody", roles=frozenset({role}), origin="test"))
    assert not app.exception
    assert len(app.title) == 1


def test_nobody_who_is_not_signed_in_sees_anything_but_the_way_in(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(gatehouse)
    for name in NAMES:
        app = visit(name, monkeypatch, None)
        assert [title.value for title in app.title] == ["Sign in to Gatehouse"]
        assert not app.dataframe


SERVICE = Actor(name="serving", roles=frozenset({Role.SERVICE_ACCOUNT}), origin="test")
SHOWN_TO_ALL = {
    "overview": "each of its parts asks itself",
    "model": "it has nothing to show before a model is chosen, which takes the permission",
    "settings": "everybody sees their own tokens",
    "deployments": "what serves is what a service account may read",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_shown_to_who_may_see_what_is_on_it(
    name: str, gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(gatehouse)
    shown = {}
    for actor in (SERVICE, EVERYBODY):
        app = visit(name, monkeypatch, actor)
        assert not app.exception
        shown[actor.name] = "not shown to you" not in "\n".join(text.value for text in app.markdown)
    assert shown == {"serving": name in SHOWN_TO_ALL, "all": True}


def test_nobody_without_any_permission_sees_what_serves(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    app = visit("deployments", monkeypatch, Actor(name="none", roles=frozenset(), origin="test"))
    assert "Deployments is not shown to you" in "\n".join(text.value for text in app.markdown)
    [event] = gatehouse.audit.list_events(EventQuery(actor="none")).events
    assert (event.action, event.subject) == ("access:permission:refused", "page/Deployments")


def test_a_registry_that_is_down_stands_above_every_page(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(gatehouse)
    with gatehouse.store.write() as unit:
        rows.put_sync_row(unit, error="The registry does not answer.")
        unit.commit()
    st.cache_data.clear()
    st.cache_resource.clear()
    app = visit("catalog", monkeypatch, RELEASE_MANAGER)
    assert any("decisions wait until it answers" in warning.value for warning in app.warning)
    assert app.dataframe


def test_an_index_that_nobody_syncs_any_more_is_called_old(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(gatehouse)
    with gatehouse.store.write() as unit:
        rows.put_sync_row(unit, success_us=1)
        unit.commit()
    st.cache_data.clear()
    st.cache_resource.clear()
    app = visit("catalog", monkeypatch, RELEASE_MANAGER)
    assert any("Start the worker" in warning.value for warning in app.warning)


def test_a_log_that_does_not_verify_stands_above_every_page(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Integrity(size=3, checkpoint=None, problem="Event 2 was changed.")
    monkeypatch.setattr(gatehouse.audit.checkpoints, "get_integrity", lambda: broken)
    app = visit("catalog", monkeypatch, RELEASE_MANAGER)
    assert any("gatehouse audit verify" in error.value for error in app.error)


def test_all_is_well_and_says_nothing(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(gatehouse)
    app = visit("catalog", monkeypatch, RELEASE_MANAGER)
    assert not app.error
    assert not app.warning


@pytest.mark.parametrize(
    "tab", ["Versions", "Metrics", "Story", "Lineage", "Readiness", "Deployments", "Changes", "To fix"]
)
def test_every_tab_of_a_model_draws(tab: str, gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(gatehouse)
    app = visit("model", monkeypatch, RELEASE_MANAGER, name="pricing_detector", tab=tab)
    assert not app.exception
    assert "pricing" in app.title[0].value


@pytest.mark.parametrize(
    "name", ["nothing", "<script>alert(1)</script>", "a" * 300, "line\nbreak", "\u202egnitfihs", "' OR 1=1 --"]
)
def test_a_model_that_is_not_there_is_told_whatever_its_name(
    name: str, gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = visit("model", monkeypatch, RELEASE_MANAGER, name=name)
    assert not app.exception
    assert "There is no model" in "\n".join(text.value for text in app.markdown)


def test_a_deleted_model_shows_what_is_left_of_it(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = make_registry(12)
    sync = Sync(registry, gatehouse.store, signature_state=lambda _mlmodel: "present")
    sync.run(is_full=True)
    registry.remove_model("fraud_detector")
    sync.run(is_full=True)
    app = visit("model", monkeypatch, RELEASE_MANAGER, name="fraud_detector")
    assert not app.exception
    assert len(app.dataframe[0].value) > 1


def test_a_bookmark_with_nonsense_in_it_still_opens(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(gatehouse)
    app = visit("catalog", monkeypatch, RELEASE_MANAGER, view="Nonsense", sort="Nonsense", team="Nobody", tier="x")
    assert not app.exception
