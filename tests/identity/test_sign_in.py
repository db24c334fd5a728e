import threading
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from sqlalchemy import text

from services.errors import Blocked, Conflict, Forbidden, NotFound, Unauthenticated
from services.identity import Actor, Role
from services.identity.attempts import MAX_FROM_ADDRESS, MAX_FROM_ADDRESS_ON_ACCOUNT, MAX_ON_ACCOUNT
from services.identity.sessions import SignedIn
from services.store import Store, accounts
from tests.conftest import FakeClock
from tests.identity.builders import ADMIN, OTHER_PASSWORD, PASSWORD, World, build_world


def attempt(world: World, name: str = "ada", password: str = PASSWORD, address: str = "1.1.1.1") -> SignedIn:
    return world.identity.sign_in.with_password(name, password, address=address, origin="app")


def test_the_right_password_signs_in(any_store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(any_store, clock, tmp_path)
    world.add_with_password("ada", Role.RELEASE_MANAGER)
    session = attempt(world)
    assert session.actor == Actor(name="ada", roles=frozenset({Role.RELEASE_MANAGER}), origin="app")
    assert world.actions("person/ada")[-1] == "session:sign_in:succeeded"


def test_an_unknown_name_and_a_wrong_password_are_told_alike(world: World) -> None:
    world.add_with_password("ada")
    world.add("bob")
    messages = set()
    for name, password in (("ada", OTHER_PASSWORD), ("nobody", PASSWORD), ("bob", PASSWORD), ("ada", ""), ("", "")):
        with pytest.raises(Unauthenticated) as refused:
            attempt(world, name, password)
        messages.add((refused.value.message, refused.value.next_step))
    assert len(messages) == 1


def test_a_failed_attempt_is_an_event_that_holds_nothing_that_was_typed(world: World) -> None:
    world.add_with_password("ada")
    for name in ("ada", "my secret typed into the wrong field"):
        with pytest.raises(Unauthenticated):
            attempt(world, name, OTHER_PASSWORD)
    assert world.actions("person/ada")[-1] == "session:sign_in:refused"
    assert world.actions("person/unknown") == ["session:sign_in:refused"]
    with world.store.read() as unit:
        kept = repr(unit.connection.execute(text("SELECT leaf FROM audit_event")).all())
        kept += repr(unit.connection.execute(text("SELECT key FROM sign_in_attempt")).all())
    assert "my secret" not in kept
    assert OTHER_PASSWORD not in kept


def test_a_name_that_no_database_takes_is_refused_like_any_other(
    any_store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(any_store, clock, tmp_path)
    for name in ("a\0b", "\ud800", "x" * 5000, "Ada"):
        with pytest.raises(Unauthenticated, match="name or the password"):
            attempt(world, name)


def test_after_five_failures_even_the_right_password_waits(world: World) -> None:
    world.add_with_password("ada")
    for _ in range(MAX_FROM_ADDRESS_ON_ACCOUNT):
        with pytest.raises(Unauthenticated):
            attempt(world, password=OTHER_PASSWORD)
        world.clock.advance(seconds=10)
    with pytest.raises(Blocked) as blocked:
        attempt(world)
    assert blocked.value.next_step == "Try again in 15 minutes."
    assert attempt(world, address="2.2.2.2").actor.name == "ada"
    world.clock.advance(minutes=14, seconds=11)
    assert attempt(world).actor.name == "ada"


def test_a_success_forgets_the_failures_before_it(world: World) -> None:
    world.add_with_password("ada")
    for _ in range(3):
        for _ in range(MAX_FROM_ADDRESS_ON_ACCOUNT - 1):
            with pytest.raises(Unauthenticated):
                attempt(world, password=OTHER_PASSWORD)
        attempt(world)


def test_successes_count_against_nobody(world: World) -> None:
    world.add_with_password("ada")
    for second in range(3):
        world.clock.advance(seconds=second + 1)
        attempt(world)
    with world.store.read() as unit:
        assert unit.connection.scalar(text("SELECT count(*) FROM sign_in_attempt")) == 0


def count_until_blocked(world: World, **by: object) -> int:
    tried = 0
    while True:
        chosen = {key: value(tried) for key, value in by.items()}  # type: ignore[operator]
        try:
            attempt(world, password="", **chosen)
        except Unauthenticated:
            tried += 1
        except Blocked:
            return tried


def test_one_address_may_not_try_every_name(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.identity.sign_in.is_password", lambda *_: False)
    assert count_until_blocked(world, name=lambda tried: f"name{tried}") == MAX_FROM_ADDRESS


def test_many_addresses_may_not_try_one_name_for_ever(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.identity.sign_in.is_password", lambda *_: False)
    assert count_until_blocked(world, address=lambda tried: f"10.0.0.{tried}") == MAX_ON_ACCOUNT


def test_many_at_once_do_not_slip_through(any_store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(any_store, clock, tmp_path)
    world.add_with_password("ada")
    outcomes = []

    def guess() -> None:
        try:
            attempt(world, password=OTHER_PASSWORD)
        except (Unauthenticated, Blocked) as error:
            outcomes.append(type(error))

    threads = [threading.Thread(target=guess) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(Unauthenticated) == MAX_FROM_ADDRESS_ON_ACCOUNT
    assert outcomes.count(Blocked) == 12 - MAX_FROM_ADDRESS_ON_ACCOUNT


@pytest.mark.parametrize("what", ["disabled", "password"])
def test_what_changes_while_the_password_is_checked_counts(
    world: World, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    world.add_with_password("ada")

    def changed_meanwhile(*_: object) -> bool:
        if what == "disabled":
            world.identity.accounts.disable(ADMIN, "ada")
        else:
            token = world.identity.tokens.issue(ADMIN, "ada")
            world.identity.credentials.choose_password(token, OTHER_PASSWORD, origin="test")
        return True

    monkeypatch.setattr("services.identity.sign_in.is_password", changed_meanwhile)
    with pytest.raises(Unauthenticated):
        attempt(world)


def test_an_outdated_hash_is_made_anew_at_sign_in(world: World) -> None:
    world.add_with_password("ada")
    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    with world.store.write() as unit:
        accounts.update_account(unit, "ada", password_hash=weak)
        unit.commit()
    attempt(world)
    with world.store.read() as unit:
        row = accounts.find_account(unit, "ada")
    assert row is not None
    assert row.password_hash != weak
    attempt(world)


def test_one_click_is_for_a_demo_on_this_machine(world: World) -> None:
    click = world.identity.sign_in.with_one_click
    world.identity.sign_in.mark_demo(ADMIN)
    world.identity.sign_in.mark_demo(ADMIN)
    world.add("mei", Role.RELEASE_MANAGER)
    assert click("mei", is_loopback=True, origin="app").actor.roles == {Role.RELEASE_MANAGER}
    with pytest.raises(Forbidden, match="one click"):
        click("mei", is_loopback=False, origin="app")
    with pytest.raises(NotFound):
        click("nobody", is_loopback=True, origin="app")
    world.identity.accounts.disable(ADMIN, "mei")
    with pytest.raises(Forbidden, match="disabled"):
        click("mei", is_loopback=True, origin="app")
    assert world.actions("installation") == ["installation:demo:marked", "access:permission:refused"]
    assert "access:permission:refused" in world.actions("person/mei")


def test_without_the_mark_one_click_is_refused_and_recorded(world: World) -> None:
    world.add("mei")
    assert not world.identity.sign_in.is_demo()
    with pytest.raises(Forbidden):
        world.identity.sign_in.with_one_click("mei", is_loopback=True, origin="app")
    assert world.actions("installation") == ["access:permission:refused"]


def test_a_store_in_use_cannot_become_a_demo(world: World) -> None:
    with pytest.raises(Forbidden):
        world.identity.sign_in.mark_demo(Actor(name="ada", roles=frozenset({Role.DATA_SCIENTIST}), origin="t"))
    world.add("ada")
    with pytest.raises(Conflict, match="holds accounts"):
        world.identity.sign_in.mark_demo(ADMIN)
