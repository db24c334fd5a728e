"""Who looks: a cookie stands for a session in the store, and counts for as long as that does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.facade import Gatehouse
from app.ui import session
from services.errors import Unauthenticated
from services.identity import Actor, Role
from services.settings import load_settings
from tests.conftest import FakeClock

ROOT = Actor(name="root", roles=frozenset({Role.ADMIN}), origin="test")
CLAIMS = {"iss": "https://id.example", "sub": "7", "nonce": "n", "email": "mei@example.org", "is_logged_in": True}


class User(dict[str, object]):
    """`st.user` as Streamlit has it."""

    @property
    def is_logged_in(self) -> bool:
        return bool(self["is_logged_in"])

    def to_dict(self) -> dict[str, object]:
        return dict(self)


@pytest.fixture
def gatehouse(tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gatehouse]:
    made = Gatehouse(load_settings({}, home=tmp_path), clock=clock)
    monkeypatch.setattr(session, "get_gatehouse", lambda: made)
    yield made
    made.close()


def look(monkeypatch: pytest.MonkeyPatch, *, cookie: str | None = None, user: User | None = None) -> None:
    cookies = {} if cookie is None else {session.COOKIE: cookie}
    browser = SimpleNamespace(context=SimpleNamespace(cookies=cookies), user=user or User())
    monkeypatch.setattr(session, "st", browser)


def cookie_of_mei(gatehouse: Gatehouse) -> str:
    gatehouse.identity.sign_in.mark_demo(ROOT)
    gatehouse.identity.accounts.add(ROOT, "mei", [Role.DATA_SCIENTIST])
    return gatehouse.identity.sign_in.with_one_click("mei", is_loopback=True, origin="test").cookie


def test_a_cookie_stands_for_its_person_with_the_roles_of_this_moment(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(monkeypatch, cookie=cookie_of_mei(gatehouse))
    assert session.current_actor().roles == {Role.DATA_SCIENTIST}
    gatehouse.identity.accounts.set_roles(ROOT, "mei", [Role.ML_ENGINEER])
    assert session.current_actor().roles == {Role.ML_ENGINEER}


def test_every_look_says_where_it_came_from(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    look(monkeypatch, cookie=cookie_of_mei(gatehouse))
    assert session.current_actor().origin.startswith("app ")


def test_without_a_cookie_nobody_is_there_and_no_session_ended(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(monkeypatch)
    assert session.find_actor() == (None, None)


def test_a_disabled_account_is_out_at_the_next_click_and_told_why(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(monkeypatch, cookie=cookie_of_mei(gatehouse))
    gatehouse.identity.accounts.disable(ROOT, "mei")
    actor, why = session.find_actor()
    assert actor is None
    assert why is not None
    assert "disabled" in why.message


def test_a_made_up_cookie_is_nobody(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    look(monkeypatch, cookie="x" * 43)
    with pytest.raises(Unauthenticated):
        session.current_actor()


def test_a_window_that_only_refreshes_itself_keeps_no_session_alive(
    gatehouse: Gatehouse, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(monkeypatch, cookie=cookie_of_mei(gatehouse))
    for _ in range(3):
        clock.advance(minutes=9)
        session.current_actor(is_active=False)
    clock.advance(minutes=9)
    with pytest.raises(Unauthenticated, match="thirty minutes"):
        session.current_actor(is_active=False)


def test_a_person_of_the_identity_provider_is_told_that_they_have_no_role_yet(
    gatehouse: Gatehouse, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(monkeypatch, user=User(CLAIMS, iat=int(clock.now.timestamp())))
    actor, why = session.find_actor()
    assert actor is None
    assert why is not None
    assert "no role here yet" in why.message


def test_a_person_of_the_identity_provider_is_known_by_their_claims(
    gatehouse: Gatehouse, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(monkeypatch, user=User(CLAIMS, iat=int(clock.now.timestamp())))
    session.find_actor()
    gatehouse.identity.accounts.set_roles(ROOT, "mei@example.org", [Role.DATA_SCIENTIST])
    assert session.current_actor().name == "mei@example.org"


@pytest.mark.parametrize(
    ("client", "address", "headers", "is_loopback"),
    [
        ("127.0.0.1", "127.0.0.1", {}, True),
        ("::1", "localhost", {}, True),
        ("127.0.0.1", "0.0.0.0", {}, False),
        ("127.0.0.1", None, {}, False),
        ("10.0.0.8", "127.0.0.1", {}, False),
        ("127.0.0.1", "127.0.0.1", {"x-forwarded-for": "10.0.0.8"}, False),
    ],
)
def test_only_this_machine_on_a_loopback_address_is_this_machine(
    client: str, address: str | None, headers: dict[str, str], is_loopback: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamlit.get_option", lambda _name: address)
    assert session.is_on_loopback(client, headers) is is_loopback


def test_what_is_done_later_is_done_for_who_is_signed_in_then(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(monkeypatch, cookie=cookie_of_mei(gatehouse))
    asking = session.actor_when_asked()
    assert asking().name == "mei"
    monkeypatch.undo()
    gatehouse.identity.accounts.disable(ROOT, "mei")
    with pytest.raises(Unauthenticated, match="ended because the account was disabled"):
        asking()
