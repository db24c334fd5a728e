import stat
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from services.errors import Conflict, InvalidInput, Unauthenticated
from services.identity import Actor, Permission, Role
from services.identity.passwords import MAX_LENGTH, check_new_password, hash_password, is_outdated, is_password
from services.store import Store
from tests.conftest import FakeClock
from tests.identity.builders import ADMIN, OTHER_PASSWORD, PASSWORD, World, build_world


def prepared(world: World) -> str:
    token = world.identity.credentials.prepare_bootstrap()
    assert token is not None
    return token


def bootstrap(world: World, token: str, name: str = "root") -> None:
    world.identity.credentials.bootstrap(token, name=name, password=PASSWORD, origin="app")


def test_a_fresh_installation_has_a_one_time_token_that_only_its_user_reads(world: World) -> None:
    token = prepared(world)
    path = world.home / "bootstrap-token"
    assert path.read_text().strip() == token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert prepared(world) == token


def test_the_first_admin_is_made_with_it_once(any_store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(any_store, clock, tmp_path)
    token = prepared(world)
    bootstrap(world, token)
    assert world.identity.accounts.get("root").roles == {Role.ADMIN}
    assert world.identity.credentials.prepare_bootstrap() is None
    assert not (world.home / "bootstrap-token").exists()
    with pytest.raises(Unauthenticated, match="was used"):
        bootstrap(world, token, "second")
    assert world.actions("person/root") == ["account:bootstrap:completed"]
    assert world.identity.sign_in.with_password("root", PASSWORD, address="1.1.1.1", origin="app").actor.name == "root"


@pytest.mark.parametrize("token", ["", "guess", "x" * 43])
def test_a_guessed_token_makes_nobody(world: World, token: str) -> None:
    prepared(world)
    with pytest.raises(Unauthenticated):
        bootstrap(world, token)
    assert world.identity.accounts.list_accounts(ADMIN) == []


def test_before_a_token_was_prepared_nobody_is_made(world: World) -> None:
    with pytest.raises(Unauthenticated):
        bootstrap(world, "")


def test_once_there_is_another_admin_the_token_is_dead(world: World) -> None:
    token = prepared(world)
    world.add("cy", Role.ADMIN)
    with pytest.raises(Unauthenticated):
        bootstrap(world, token)


def test_a_lost_or_changed_file_is_replaced_and_the_old_token_is_dead(world: World) -> None:
    old = prepared(world)
    ways: list[Callable[[Path], object]] = [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b"\xff"),
        lambda path: path.write_text("x"),
    ]
    for spoil in ways:
        spoil(world.home / "bootstrap-token")
        new = prepared(world)
        assert new != old
        with pytest.raises(Unauthenticated):
            bootstrap(world, old)
        old = new
    bootstrap(world, old)


def test_two_that_start_at_once_show_the_same_token(any_store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(any_store, clock, tmp_path)
    shown: list[str | None] = []
    together = threading.Barrier(4)

    def start() -> None:
        together.wait()
        shown.append(world.identity.credentials.prepare_bootstrap())

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(shown)) == 1
    bootstrap(world, str(shown[0]))


def test_of_two_at_once_one_becomes_admin(any_store: Store, clock: FakeClock, tmp_path: Path) -> None:
    world = build_world(any_store, clock, tmp_path)
    token = prepared(world)
    refused = []

    def attempt(name: str) -> None:
        try:
            bootstrap(world, token, name)
        except Unauthenticated:
            refused.append(name)

    threads = [threading.Thread(target=attempt, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert len(world.identity.accounts.list_accounts(ADMIN)) == 1


def test_while_an_admin_is_disabled_the_way_in_is_open_again(world: World) -> None:
    bootstrap(world, prepared(world))
    world.identity.accounts.disable(Actor(name="other", roles=frozenset({Role.ADMIN}), origin="t"), "root")
    with pytest.raises(Conflict):
        bootstrap(world, prepared(world))
    bootstrap(world, prepared(world), "second")


def test_a_token_of_today_chooses_a_password(world: World) -> None:
    token = world.add("ada")
    assert world.identity.credentials.choose_password(token, PASSWORD, origin="app") == "ada"
    assert world.identity.accounts.get("ada").signs_in_with == "password"
    event = world.audit.list_events(newest_first=True, limit=1).events[0]
    assert (event.actor, event.action, event.subject) == ("ada", "account:password:changed", "person/ada")


def test_a_limited_or_older_token_does_not(world: World) -> None:
    old = world.add("ada")
    world.clock.advance(days=1)
    limited = world.identity.tokens.issue(ADMIN, "ada", scopes=[Permission.READ_MODEL])
    short = world.identity.tokens.issue(ADMIN, "ada", life=timedelta(seconds=1))
    world.clock.advance(seconds=1)
    for token in (old, limited, short, "nonsense"):
        with pytest.raises(Unauthenticated):
            world.identity.credentials.choose_password(token, PASSWORD, origin="app")


def test_another_password_ends_every_session_and_the_old_one_is_good_for_nothing(world: World) -> None:
    world.add_with_password("ada")
    signed_in = world.identity.sign_in.with_password("ada", PASSWORD, address="1.1.1.1", origin="app")
    token = world.identity.tokens.issue(ADMIN, "ada")
    world.identity.credentials.choose_password(token, OTHER_PASSWORD, origin="app")
    with pytest.raises(Unauthenticated, match="password was changed"):
        world.identity.sessions.get_actor(signed_in.cookie, origin="app")
    with pytest.raises(Unauthenticated):
        world.identity.sign_in.with_password("ada", PASSWORD, address="1.1.1.1", origin="app")
    world.identity.sign_in.with_password("ada", OTHER_PASSWORD, address="1.1.1.1", origin="app")


@pytest.mark.parametrize("password", ["short", "a" * 20, "abababababababababab", "ada is my own name", "x" * 257, ""])
def test_a_plain_password_is_not_accepted(password: str) -> None:
    with pytest.raises(InvalidInput):
        check_new_password("ada", password)


def test_a_bad_password_leaves_the_one_time_token_unused(world: World) -> None:
    token = prepared(world)
    with pytest.raises(InvalidInput):
        world.identity.credentials.bootstrap(token, name="root", password="short", origin="app")
    bootstrap(world, token)


def test_a_password_is_checked_in_one_unicode_form_and_whole() -> None:
    hashed = hash_password("caf\u00e9 au lait, deux sucres")
    assert hashed.startswith("$argon2id$")
    assert is_password("cafe\u0301 au lait, deux sucres", hashed)
    assert not is_password("cafe au lait, deux sucres", hashed)
    longest = "ab cd ef" * (MAX_LENGTH // 8)
    assert is_password(longest, hash_password(longest))
    assert not is_password(longest + "x", hash_password(longest))


def test_without_a_hash_or_with_a_broken_one_no_password_is_right() -> None:
    assert not is_password(PASSWORD, None)
    assert not is_password("no account has this password", None)
    assert not is_password(PASSWORD, "$argon2id$broken")


def test_a_hash_with_weaker_parameters_is_outdated() -> None:
    assert is_outdated(PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD))
    assert not is_outdated(hash_password(PASSWORD))
