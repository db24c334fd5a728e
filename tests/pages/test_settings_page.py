"""The settings page as an admin and as somebody else: accounts, tokens, and where people are signed in."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app.facade import Gatehouse
from app.ui import session, status
from services.errors import Unauthenticated
from services.identity import Role
from services.identity.actors import Actor
from services.settings import load_settings
from tests.pages.test_every_page import visit

ROOT = Actor(name="root", roles=frozenset({Role.ADMIN}), origin="test")
MEERA = Actor(name="meera", roles=frozenset({Role.RELEASE_MANAGER}), origin="test")


@pytest.fixture
def gatehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gatehouse]:
    """A demo, in which people sign in with one click; there is no registry."""
    made = Gatehouse(load_settings({}, home=tmp_path, tracking_uri=""))
    for module in (session, status):
        monkeypatch.setattr(module, "get_gatehouse", lambda: made)
    st.cache_data.clear()
    st.cache_resource.clear()
    made.identity.sign_in.mark_demo(ROOT)
    made.identity.accounts.add(ROOT, "meera", [Role.RELEASE_MANAGER])
    yield made
    made.close()


def press(app: AppTest, label: str) -> None:
    (button,) = (button for button in app.button if button.label == label)
    button.click().run()


def test_people_see_where_they_are_signed_in_and_end_it_everywhere(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_click = partial(gatehouse.identity.sign_in.with_one_click, "meera", is_loopback=True)
    cookies = [one_click(origin=origin).cookie for origin in ("here", "there")]
    app = visit("settings", monkeypatch, MEERA)
    assert app.segmented_control[0].options == ["Tokens", "My sessions"]
    app.segmented_control[0].set_value("My sessions").run()
    assert not app.exception
    press(app, "Sign out everywhere")
    assert "Signed in nowhere" in " ".join(each.value for each in app.markdown)
    for cookie in cookies:
        with pytest.raises(Unauthenticated):
            gatehouse.identity.sessions.get_actor(cookie, origin="test")
    last = gatehouse.audit.list_events(newest_first=True, limit=1).events[0]
    assert (last.actor, last.action, last.after) == ("meera", "session:everywhere:ended", {"sessions": 2})


def select(app: AppTest, table: str) -> None:
    """Select the first row of a table, as a click would."""
    app.session_state[table] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    app.run()


@pytest.mark.parametrize("by", [MEERA, ROOT], ids=["one's own", "as admin"])
def test_one_session_is_ended_and_the_others_go_on(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch, by: Actor
) -> None:
    one_click = partial(gatehouse.identity.sign_in.with_one_click, "meera", is_loopback=True)
    first, second = one_click(origin="here").cookie, one_click(origin="there").cookie
    app = visit("settings", monkeypatch, by)
    if by is MEERA:
        app.segmented_control[0].set_value("My sessions").run()
    else:
        select(app, "people_table")
    assert "End this session" not in [button.label for button in app.button]
    select(app, "sessions_meera")
    press(app, "End this session")
    assert not app.exception
    with pytest.raises(Unauthenticated, match=f"ended by {by.name}"):
        gatehouse.identity.sessions.get_actor(first, origin="test")
    assert gatehouse.identity.sessions.get_actor(second, origin="test").name == "meera"
    last = gatehouse.audit.list_events(newest_first=True, limit=1).events[0]
    assert (last.actor, last.action, last.subject) == (by.name, "session:sign_in:ended", "person/meera")


def test_an_admin_adds_somebody_and_the_token_is_shown_once(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = visit("settings", monkeypatch, ROOT)
    app.text_input[0].set_value("jun")
    (roles,) = (each for each in app.multiselect if each.label == "Roles")
    roles.set_value(["release_manager"])
    press(app, "Add")
    (token,) = (code.value for code in app.code)
    assert gatehouse.identity.get_caller(token, origin="test").name == "jun"
    app.run()
    assert not app.code
