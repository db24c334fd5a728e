from collections.abc import Callable

import pytest

from services.errors import Conflict, Forbidden, InvalidInput, NotFound, Unauthenticated
from services.identity import Actor, Role
from services.store import Store
from tests.conftest import FakeClock
from tests.identity.builders import ADMIN, PASSWORD, World, build_world

Use = Callable[[], object]

ADA = Actor(name="ada", roles=frozenset({Role.DATA_SCIENTIST}), origin="test")


def test_an_account_is_added_with_its_roles_and_an_event(any_store: Store, clock: FakeClock, tmp_path: object) -> None:
    world = build_world(any_store, clock, tmp_path)  # type: ignore[arg-type]
    added = world.identity.accounts.add(ADMIN, "ada", [Role.ML_ENGINEER, Role.DATA_SCIENTIST])
    assert added == world.identity.accounts.get("ada")
    assert added.roles == {Role.ML_ENGINEER, Role.DATA_SCIENTIST}
    assert added.signs_in_with == "nothing"
    assert world.actions("person/ada") == ["account:person:added"]


@pytest.mark.parametrize("name", ["", "Ada", "a b", "local:root", "system:worker", "-a", "a/b", "ä", "a" * 129, "a\n"])
def test_an_odd_name_is_refused(world: World, name: str) -> None:
    with pytest.raises(InvalidInput):
        world.identity.accounts.add(ADMIN, name, [Role.ADMIN])


@pytest.mark.parametrize("name", ["ada", "ada@example.com", "ci-bot_2", "0x", "a+b"])
def test_a_usual_name_is_taken(world: World, name: str) -> None:
    assert world.identity.accounts.add(ADMIN, name, [Role.ADMIN]).name == name


def test_a_name_is_given_once(world: World) -> None:
    world.add("ada")
    with pytest.raises(Conflict, match="'ada' already"):
        world.identity.accounts.add(ADMIN, "ada", [Role.ADMIN])


def test_an_account_without_a_role_is_refused(world: World) -> None:
    with pytest.raises(InvalidInput, match="needs a role"):
        world.identity.accounts.add(ADMIN, "ada", [])


def test_accounts_are_listed_page_by_page_for_admins_and_reviewers(world: World) -> None:
    for name in ("cy", "ada", "bob"):
        world.add(name)
    accounts = world.identity.accounts
    assert [account.name for account in accounts.list_accounts(ADMIN, limit=2)] == ["ada", "bob"]
    assert [account.name for account in accounts.list_accounts(ADMIN, after="bob")] == ["cy"]
    reviewer = Actor(name="rev", roles=frozenset({Role.COMPLIANCE_REVIEWER}), origin="test")
    assert len(accounts.list_accounts(reviewer)) == 3
    with pytest.raises(Forbidden):
        accounts.list_accounts(ADA)


def test_roles_are_replaced_and_the_event_tells_both(world: World) -> None:
    token = world.add("ada", Role.ML_ENGINEER)
    world.identity.accounts.set_roles(ADMIN, "ada", [Role.RELEASE_MANAGER], reason="new team")
    assert world.identity.actor_from_token(token, origin="t").roles == {Role.RELEASE_MANAGER}
    event = world.audit.list_events(newest_first=True, limit=1).events[0]
    assert (event.action, event.reason) == ("account:roles:changed", "new team")
    assert (event.before, event.after) == ({"roles": ["ml_engineer"]}, {"roles": ["release_manager"]})


def test_a_disabled_account_can_do_nothing_until_it_is_enabled(world: World) -> None:
    token = world.add("ada")
    world.identity.credentials.choose_password(token, PASSWORD, origin="test")
    cookie = world.identity.sign_in.with_password("ada", PASSWORD, address="1.1.1.1", origin="app").cookie
    disabled = world.identity.accounts.disable(ADMIN, "ada", reason="left")
    assert disabled.disabled_at == world.clock.now
    attempts: list[Use] = [
        lambda: world.identity.actor_from_token(token, origin="t"),
        lambda: world.identity.sessions.get_actor(cookie, origin="app"),
        lambda: world.identity.sign_in.with_password("ada", PASSWORD, address="1.1.1.1", origin="app"),
        lambda: world.identity.credentials.choose_password(token, PASSWORD, origin="app"),
    ]
    for attempt in attempts:
        with pytest.raises(Unauthenticated):
            attempt()
    with pytest.raises(Conflict, match="disabled"):
        world.identity.tokens.issue(ADMIN, "ada")
    world.identity.accounts.enable(ADMIN, "ada")
    assert world.identity.actor_from_token(token, origin="t").name == "ada"
    with pytest.raises(Unauthenticated):
        world.identity.sessions.get_actor(cookie, origin="app")
    assert world.actions("person/ada")[-3:] == [
        "account:person:disabled",
        "session:sign_in:refused",
        "account:person:enabled",
    ]


def test_disabling_twice_is_one_event(world: World) -> None:
    world.add("ada")
    for _ in range(2):
        world.identity.accounts.disable(ADMIN, "ada")
    assert world.actions("person/ada").count("account:person:disabled") == 1


def test_nobody_changes_their_own_account(world: World) -> None:
    world.identity.accounts.add(ADMIN, "root", [Role.ADMIN])
    accounts = world.identity.accounts
    changes: list[Use] = [
        lambda: accounts.set_roles(ADMIN, "root", [Role.ADMIN, Role.RELEASE_MANAGER]),
        lambda: accounts.disable(ADMIN, "root"),
        lambda: accounts.enable(ADMIN, "root"),
    ]
    for change in changes:
        with pytest.raises(Forbidden, match="their own"):
            change()
    assert world.actions("person/root").count("access:permission:refused") == 3
    assert accounts.get("root").roles == {Role.ADMIN}


def test_only_an_admin_changes_accounts(world: World) -> None:
    world.add("bob")
    accounts = world.identity.accounts
    changes: list[Use] = [
        lambda: accounts.add(ADA, "cy", [Role.ADMIN]),
        lambda: accounts.set_roles(ADA, "bob", [Role.ADMIN]),
        lambda: accounts.disable(ADA, "bob"),
        lambda: accounts.enable(ADA, "bob"),
    ]
    for change in changes:
        with pytest.raises(Forbidden):
            change()
    assert accounts.get("bob").roles == {Role.DATA_SCIENTIST}


def test_an_unknown_account_is_not_found(world: World) -> None:
    accounts = world.identity.accounts
    uses: list[Use] = [
        lambda: accounts.get("nobody"),
        lambda: accounts.set_roles(ADMIN, "nobody", [Role.ADMIN]),
        lambda: accounts.disable(ADMIN, "nobody"),
    ]
    for use in uses:
        with pytest.raises(NotFound, match="'nobody'"):
            use()
