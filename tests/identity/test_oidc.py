import threading
from pathlib import Path
from typing import Any

import pytest

from services.clock import to_micros
from services.errors import Forbidden, Unauthenticated
from services.identity import Actor, GroupMapping, Role
from services.store import Store
from services.store.sessions import end_every_session
from tests.conftest import FakeClock
from tests.identity.builders import ADMIN, World, build_world

GROUPS = GroupMapping(
    roles={
        "ml-release": frozenset({Role.RELEASE_MANAGER}),
        "ml-dev": frozenset({Role.ML_ENGINEER, Role.DATA_SCIENTIST}),
    }
)


@pytest.fixture
def mapped(store: Store, clock: FakeClock, tmp_path: Path) -> World:
    return build_world(store, clock, tmp_path, GROUPS)


def claims(world: World, **changed: Any) -> dict[str, Any]:
    given = {
        "iss": "https://id.example",
        "sub": "u-1",
        "nonce": "n-1",
        "iat": int(world.clock.now.timestamp()),
        "email": "Ada@example.com",
        "email_verified": True,
        "groups": ["ml-release", "other"],
    }
    return {name: value for name, value in {**given, **changed}.items() if value is not None}


def enter(world: World, token: dict[str, Any], **options: bool) -> Actor:
    return world.identity.oidc.get_actor(token, origin="app", **options)


def test_the_first_sight_of_a_token_makes_account_and_session(
    any_store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(any_store, clock, tmp_path, GROUPS)
    token = claims(world)
    assert enter(world, token) == Actor(name="ada@example.com", roles=frozenset({Role.RELEASE_MANAGER}), origin="app")
    enter(world, token)
    assert world.identity.accounts.get("ada@example.com").signs_in_with == "oidc"
    assert world.actions("person/ada@example.com") == ["account:person:added", "session:sign_in:succeeded"]


def test_a_replayed_token_is_refused_after_signing_out(mapped: World) -> None:
    token = claims(mapped)
    enter(mapped, token)
    mapped.identity.oidc.sign_out(token, origin="app")
    for _ in range(2):
        with pytest.raises(Unauthenticated, match="signed out"):
            enter(mapped, token)
    assert enter(mapped, claims(mapped, nonce="n-2")).name == "ada@example.com"


def test_a_restored_backup_that_knows_of_no_signing_out_lets_nobody_back_in(mapped: World) -> None:
    token = claims(mapped)
    mapped.clock.advance(minutes=1)
    with mapped.store.write() as unit:
        end_every_session(unit, now_us=to_micros(mapped.clock()), reason="a backup was restored")
        unit.commit()
    with pytest.raises(Unauthenticated, match="before a backup was restored"):
        enter(mapped, token)
    assert enter(mapped, claims(mapped, nonce="n-2")).name == "ada@example.com"


def test_the_limits_of_a_session_hold_for_a_token_that_would_last_longer(mapped: World) -> None:
    token = claims(mapped)
    enter(mapped, token)
    mapped.clock.advance(minutes=31)
    with pytest.raises(Unauthenticated, match="thirty minutes"):
        enter(mapped, token)


def test_an_old_token_begins_no_session(mapped: World) -> None:
    token = claims(mapped)
    mapped.clock.advance(hours=8)
    with pytest.raises(Unauthenticated, match="too old"):
        enter(mapped, token)
    late = claims(mapped, nonce="n-2")
    mapped.clock.advance(hours=7, minutes=50)
    enter(mapped, late)
    mapped.clock.advance(minutes=10)
    with pytest.raises(Unauthenticated, match="eight hours"):
        enter(mapped, late)


def test_a_token_from_the_future_begins_no_session(mapped: World) -> None:
    now = int(mapped.clock.now.timestamp())
    with pytest.raises(Unauthenticated, match="future"):
        enter(mapped, claims(mapped, iat=now + 301))
    enter(mapped, claims(mapped, iat=now + 299))


@pytest.mark.parametrize(
    "lacking",
    [
        *({name: None} for name in ("iss", "sub", "nonce", "iat")),
        *({"iat": moment} for moment in ("soon", 10**18, -1)),
        {"sub": ""},
    ],
)
def test_a_token_that_identifies_no_sign_in_is_refused(mapped: World, lacking: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated, match="identifies no sign-in"):
        enter(mapped, claims(mapped, **lacking))


def test_groups_decide_roles_at_every_sign_in(mapped: World) -> None:
    enter(mapped, claims(mapped))
    actor = enter(mapped, claims(mapped, nonce="n-2", groups=["ml-dev"]))
    assert actor.roles == {Role.ML_ENGINEER, Role.DATA_SCIENTIST}
    assert "account:roles:changed" in mapped.actions("person/ada@example.com")
    assert enter(mapped, claims(mapped, nonce="n-3", groups="ml-release")).roles == {Role.RELEASE_MANAGER}


@pytest.mark.parametrize("groups", [[], ["other"], None, 7, [{"a": 1}], {"ml-release": True}])
def test_without_a_group_that_stands_for_a_role_nobody_enters(mapped: World, groups: Any) -> None:
    with pytest.raises(Forbidden, match="no role here yet"):
        enter(mapped, claims(mapped, groups=groups))
    assert mapped.actions("person/ada@example.com")[-1] == "access:permission:refused"


def test_losing_every_group_takes_the_way_in(mapped: World) -> None:
    enter(mapped, claims(mapped))
    with pytest.raises(Forbidden):
        enter(mapped, claims(mapped, nonce="n-2", groups=[]))
    assert mapped.identity.accounts.get("ada@example.com").roles == frozenset()


def test_without_a_mapping_an_admin_gives_the_role(world: World) -> None:
    with pytest.raises(Forbidden, match="no role here yet"):
        enter(world, claims(world))
    world.identity.accounts.set_roles(ADMIN, "ada@example.com", [Role.DATA_SCIENTIST])
    assert enter(world, claims(world, groups=["ml-release"])).roles == {Role.DATA_SCIENTIST}


def test_an_address_that_equals_another_accounts_name_is_no_claim_on_it(mapped: World) -> None:
    mapped.add("ada@example.com", Role.ADMIN)
    with pytest.raises(Forbidden, match="belongs to another account"):
        enter(mapped, claims(mapped))
    with pytest.raises(Forbidden, match="belongs to another account"):
        enter(mapped, claims(mapped, sub="u-2"))


def test_the_same_person_keeps_the_account_when_the_address_changes(mapped: World) -> None:
    enter(mapped, claims(mapped))
    assert enter(mapped, claims(mapped, nonce="n-2", email="ada@new.example")).name == "ada@example.com"


def test_the_same_subject_of_another_issuer_is_another_person(mapped: World) -> None:
    enter(mapped, claims(mapped))
    with pytest.raises(Forbidden, match="belongs to another"):
        enter(mapped, claims(mapped, iss="https://evil.example"))


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"email_verified": False, "preferred_username": "Ada"}, "ada"),
        ({"email": None, "preferred_username": "ada.l"}, "ada.l"),
        ({"email": None}, "u-1"),
        ({"email_verified": None}, "ada@example.com"),
    ],
)
def test_the_name_comes_from_what_is_verified(mapped: World, given: dict[str, Any], name: str) -> None:
    assert enter(mapped, claims(mapped, **given)).name == name


def test_a_disabled_account_does_not_enter_and_its_sessions_end(mapped: World) -> None:
    token = claims(mapped)
    enter(mapped, token)
    mapped.identity.accounts.disable(ADMIN, "ada@example.com")
    with pytest.raises(Unauthenticated, match="disabled"):
        enter(mapped, token)
    with pytest.raises(Forbidden, match="disabled"):
        enter(mapped, claims(mapped, nonce="n-2"))


def test_two_tabs_at_once_share_one_session(any_store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(any_store, clock, tmp_path, GROUPS)
    token = claims(world)
    names = []
    tabs = [threading.Thread(target=lambda: names.append(enter(world, token).name)) for _ in range(4)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    assert names == ["ada@example.com"] * 4
    assert world.actions("person/ada@example.com").count("session:sign_in:succeeded") == 1
