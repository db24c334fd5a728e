"""Signing in and out over HTTP, against the real identity service on a temporary store."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount

from app.facade import Gatehouse
from app.ui.session import COOKIE
from app.web import accounts
from app.web.forms import error_response
from app.web.headers import SecurityHeaders
from services.errors import GatehouseError
from services.identity import Role, system_actor
from services.identity.actors import Actor
from services.identity.attempts import MAX_FROM_ADDRESS_ON_ACCOUNT
from services.logs import begin_request
from services.settings import load_settings
from tests.web.client import Client

PASSWORD = "correct horse battery staple"
ROOT = Actor(name="root", roles=frozenset({Role.ADMIN}), origin="test")


@pytest.fixture
def gatehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gatehouse]:
    made = Gatehouse(load_settings({}, home=tmp_path))
    monkeypatch.setattr(accounts, "get_gatehouse", lambda: made)
    yield made
    made.close()


@pytest.fixture
def client(gatehouse: Gatehouse) -> Client:
    token = gatehouse.identity.credentials.prepare_bootstrap()
    assert token is not None
    gatehouse.identity.credentials.bootstrap(token, name="root", password=PASSWORD, origin="test")
    return browser()


def browser() -> Client:
    api = Starlette(routes=accounts.ROUTES, exception_handlers={GatehouseError: error_response})
    app = Starlette(routes=[Mount("/api", api)], middleware=[Middleware(SecurityHeaders)])
    return Client(app)


def sign_in(client: Client, password: str = PASSWORD, **headers: str) -> int:
    answer = client.post("/api/sign-in", data={"name": "root", "password": password}, headers=headers)
    return int(answer.status_code)


def test_the_right_password_sets_a_cookie_that_scripts_cannot_read_and_sites_cannot_send(client: Client) -> None:
    answer = client.post("/api/sign-in", data={"name": "root", "password": PASSWORD})
    assert answer.status_code == 204
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith(COOKIE)
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_a_request_has_one_id_of_its_own_in_all_its_events(client: Client, gatehouse: Gatehouse) -> None:
    begin_request("the server")
    assert [sign_in(client), sign_in(client, "wrong")] == [204, 401]
    events = gatehouse.audit.list_events(newest_first=True, limit=2).events
    origins = [event.origin for event in events]
    assert all(re.fullmatch("app [0-9a-f]{8}", origin) for origin in origins)
    assert origins[0] != origins[1]


def test_the_cookie_stands_for_the_person(client: Client, gatehouse: Gatehouse) -> None:
    sign_in(client)
    actor = gatehouse.identity.sessions.get_actor(client.cookies[COOKIE], origin="app")
    assert actor.name == "root"


def test_the_cookie_says_nothing_that_could_be_guessed(client: Client) -> None:
    sign_in(client)
    first = client.cookies[COOKIE]
    sign_in(client)
    assert len(first) >= 43
    assert client.cookies[COOKIE] != first


def test_over_https_the_cookie_never_travels_without_it(client: Client) -> None:
    secure = Client(client.app, host="https://gate.example")
    answer = secure.post("/api/sign-in", data={"name": "root", "password": PASSWORD})
    assert "secure" in answer.headers["set-cookie"].lower()
    assert "max-age" in answer.headers["strict-transport-security"]


def test_a_wrong_password_is_refused_in_two_sentences_and_sets_nothing(client: Client) -> None:
    answer = client.post("/api/sign-in", data={"name": "root", "password": "wrong"})
    assert answer.status_code == 401
    assert set(answer.json()["error"]) == {"kind", "message", "next_step"}
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://localhost:9999", "null", "", "https://localhost:8501.evil.example"]
)
@pytest.mark.parametrize("path", ["sign-in", "sign-out", "sign-in/demo", "bootstrap", "password"])
def test_another_origin_is_refused_by_every_form(client: Client, origin: str, path: str) -> None:
    answer = client.post(f"/api/{path}", data={"name": "root", "password": PASSWORD}, headers={"origin": origin})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_request_that_names_no_origin_is_refused(client: Client) -> None:
    del client.headers["origin"]
    assert sign_in(client) == 403


def test_signing_out_ends_the_session_in_the_store_too(client: Client, gatehouse: Gatehouse) -> None:
    sign_in(client)
    cookie = client.cookies[COOKIE]
    answer = client.post("/api/sign-out")
    assert answer.status_code == 204
    assert COOKIE not in client.cookies
    with pytest.raises(GatehouseError):
        gatehouse.identity.sessions.get_actor(cookie, origin="app")


def test_signing_out_twice_is_fine(client: Client) -> None:
    assert client.post("/api/sign-out").status_code == 204
    assert client.post("/api/sign-out").status_code == 204


def test_the_one_time_token_makes_the_first_admin_and_signs_them_in(gatehouse: Gatehouse) -> None:
    token = gatehouse.identity.credentials.prepare_bootstrap()
    assert token is not None
    client = browser()
    form = {"token": token, "name": "ada", "password": PASSWORD}
    assert client.post("/api/bootstrap", data=form).status_code == 204
    assert gatehouse.identity.sessions.get_actor(client.cookies[COOKIE], origin="app").roles == {Role.ADMIN}
    assert browser().post("/api/bootstrap", data={**form, "name": "eve"}).status_code == 401


def test_an_api_token_chooses_a_password_and_signs_in(client: Client, gatehouse: Gatehouse) -> None:
    gatehouse.identity.accounts.add(ROOT, "mei", [Role.DATA_SCIENTIST])
    token = gatehouse.identity.tokens.issue(ROOT, "mei")
    answer = client.post("/api/password", data={"token": token, "password": PASSWORD})
    assert answer.status_code == 204
    assert gatehouse.identity.sessions.get_actor(client.cookies[COOKIE], origin="app").name == "mei"


def test_one_click_is_refused_where_there_is_no_demo(client: Client) -> None:
    answer = client.post("/api/sign-in/demo", data={"name": "root"})
    assert answer.status_code == 403


def test_one_click_needs_an_app_that_only_this_machine_reaches(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    gatehouse.identity.sign_in.mark_demo(ROOT)
    gatehouse.identity.accounts.add(ROOT, "mei", [Role.DATA_SCIENTIST])
    client = browser()
    assert client.post("/api/sign-in/demo", data={"name": "mei"}).status_code == 403
    monkeypatch.setattr(accounts, "is_on_loopback", lambda _client, _headers: True)
    assert client.post("/api/sign-in/demo", data={"name": "mei"}).status_code == 204
    assert client.post("/api/sign-in/demo", data={"name": "nobody"}).status_code == 404
    assert system_actor("app").name not in client.cookies[COOKIE]


def test_a_form_that_is_too_large_or_empty_or_malformed_is_refused(client: Client) -> None:
    assert sign_in(client, password="x" * 10_000) == 400
    assert client.post("/api/sign-in", data={"name": "root"}).status_code == 400
    assert client.post("/api/sign-in", content=b"\xff\xfe=1").status_code == 400
    assert client.post("/api/sign-in", content=b"&".join(b"a=1" for _ in range(99))).status_code == 400


def test_forms_are_posted_and_never_got(client: Client) -> None:
    assert client.get("/api/sign-in").status_code == 405


def test_unknown_addresses_below_api_are_not_found(client: Client) -> None:
    assert client.get("/api/anything").status_code == 404


@pytest.mark.parametrize("behind_proxy", ["yes", "no"])
def test_behind_a_proxy_attempts_are_counted_by_whom_the_proxy_saw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behind_proxy: str
) -> None:
    gatehouse = Gatehouse(load_settings({"GATEHOUSE_BEHIND_PROXY": behind_proxy}, home=tmp_path))
    monkeypatch.setattr(accounts, "get_gatehouse", lambda: gatehouse)
    token = gatehouse.identity.credentials.prepare_bootstrap()
    assert token is not None
    gatehouse.identity.credentials.bootstrap(token, name="root", password=PASSWORD, origin="test")
    client = browser()
    for number in range(MAX_FROM_ADDRESS_ON_ACCOUNT):
        # What the caller says of itself changes; what the proxy adds does not.
        assert sign_in(client, "guessed wrong", **{"x-forwarded-for": f"10.0.0.{number}, 203.0.113.9"}) == 401
    refused = sign_in(client, **{"x-forwarded-for": "10.0.0.9, 203.0.113.9"})
    assert refused not in {204, 401}
    answer = sign_in(client, **{"x-forwarded-for": "203.0.113.10"})
    assert answer == (204 if behind_proxy == "yes" else refused)
    gatehouse.close()
