import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from services.errors import Forbidden, InvalidInput, NotFound, Unauthenticated, Unreachable
from services.identity import Actor, Permission, Role
from services.identity.opaque import TOKEN_PATTERN
from services.store import Store
from tests.conftest import FakeClock
from tests.identity.builders import ADMIN, World, build_world

ADA = Actor(name="ada", roles=frozenset({Role.DATA_SCIENTIST}), origin="test")


def test_a_token_acts_as_its_account(any_store: Store, clock: FakeClock, tmp_path: object) -> None:
    world = build_world(any_store, clock, tmp_path)  # type: ignore[arg-type]
    token = world.add("ada", Role.RELEASE_MANAGER)
    actor = world.identity.actor_from_token(token, origin="cli 1")
    assert actor == Actor(name="ada", roles=frozenset({Role.RELEASE_MANAGER}), origin="cli 1")


def test_a_token_is_kept_as_a_hash(world: World) -> None:
    token = world.add("ada")
    assert TOKEN_PATTERN.fullmatch(token)
    with world.store.read() as unit:
        rows = unit.connection.execute(text("SELECT * FROM api_token")).all()
        events = unit.connection.execute(text("SELECT leaf FROM audit_event")).all()
    secret = token.split("_", 2)[2]
    assert secret not in repr(rows) + repr(events)


@pytest.mark.parametrize(
    "token", ["", "nonsense", "gth_000000000000_" + "a" * 43, "gth_" + "x" * 100, "' OR 1=1 --", "gth_\x00"]
)
def test_an_unknown_token_is_refused(world: World, token: str) -> None:
    with pytest.raises(Unauthenticated, match="not known"):
        world.identity.actor_from_token(token, origin="cli")


def test_a_token_with_another_secret_is_refused(world: World) -> None:
    token = world.add("ada")
    forged = token[:-1] + ("A" if token[-1] != "A" else "B")
    with pytest.raises(Unauthenticated, match="not known"):
        world.identity.actor_from_token(forged, origin="cli")


def test_a_person_is_added_with_a_token_or_not_at_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    account, token = world.identity.add_person(ADMIN, "eve", [Role.DATA_SCIENTIST])
    assert world.identity.actor_from_token(token, origin="cli").roles == account.roles

    def fail(*_arguments: object, **_options: object) -> None:
        raise Unreachable("The disk is full.", next_step="Make room.")

    monkeypatch.setattr("services.identity.tokens.rows.add_token", fail)
    with pytest.raises(Unreachable):
        world.identity.add_person(ADMIN, "bob", [Role.DATA_SCIENTIST])
    with pytest.raises(NotFound):
        world.identity.accounts.get("bob")
    assert world.actions("person/bob") == []


def test_a_token_expires(world: World) -> None:
    world.add("ada")
    token = world.identity.tokens.issue(ADMIN, "ada", life=timedelta(days=2))
    world.clock.advance(days=2, seconds=-1)
    world.identity.actor_from_token(token, origin="cli")
    world.clock.advance(seconds=1)
    with pytest.raises(Unauthenticated, match="expired on 2026-03-03"):
        world.identity.actor_from_token(token, origin="cli")


@pytest.mark.parametrize("life", [timedelta(0), timedelta(seconds=-1), timedelta(days=367)])
def test_a_life_without_end_or_beginning_is_refused(world: World, life: timedelta) -> None:
    with pytest.raises(InvalidInput):
        world.identity.tokens.issue(ADMIN, "ada", life=life)


def test_scopes_limit_what_the_account_may_and_never_widen_it(world: World) -> None:
    world.add("ada", Role.DATA_SCIENTIST)
    scopes = [Permission.READ_MODEL, Permission.MANAGE_USERS]
    token = world.identity.tokens.issue(ADMIN, "ada", scopes=scopes)
    assert world.identity.actor_from_token(token, origin="cli").permissions == {Permission.READ_MODEL}
    with pytest.raises(InvalidInput, match="without any permission"):
        world.identity.tokens.issue(ADMIN, "ada", scopes=[])


def test_a_name_without_an_account_becomes_a_service_account(world: World) -> None:
    token = world.identity.tokens.issue(ADMIN, "ci")
    assert world.identity.actor_from_token(token, origin="cli").permissions == {Permission.READ_PRODUCTION_MODEL}
    assert world.actions("person/ci") == ["account:person:added"]


def test_people_issue_tokens_for_themselves_but_not_with_a_token(world: World) -> None:
    token = world.add("ada")
    own = world.identity.tokens.issue(ADA, "ada")
    assert world.identity.actor_from_token(own, origin="cli").name == "ada"
    limited = world.identity.tokens.issue(ADMIN, "ada", scopes=[Permission.READ_MODEL])
    with pytest.raises(Forbidden):
        world.identity.tokens.issue(world.identity.actor_from_token(limited, origin="cli"), "ada")
    world.identity.accounts.add(ADMIN, "bob", [Role.RELEASE_MANAGER])
    with pytest.raises(Forbidden):
        world.identity.tokens.issue(world.identity.actor_from_token(token, origin="cli"), "bob")


def test_a_revoked_token_is_refused_at_once(world: World) -> None:
    token = world.add("ada")
    other = world.identity.tokens.issue(ADMIN, "ada")
    token_id = token.split("_")[1]
    assert world.identity.tokens.revoke(ADMIN, token_id, reason="leaked") == [token_id]
    assert world.identity.tokens.revoke(ADMIN, token_id) == []
    with pytest.raises(Unauthenticated, match="was revoked"):
        world.identity.actor_from_token(token, origin="cli")
    assert world.identity.actor_from_token(other, origin="cli").name == "ada"
    assert world.actions(f"token/{token_id}") == ["token:secret:issued", "token:secret:revoked"]


def test_a_token_that_is_revoked_twice_at_once_is_on_record_once(
    any_store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(any_store, clock, tmp_path)
    token_id = world.add("ada").split("_")[1]
    revoked: list[str] = []
    together = threading.Barrier(4)

    def revoke() -> None:
        together.wait()
        revoked.extend(world.identity.tokens.revoke(ADMIN, token_id))

    threads = [threading.Thread(target=revoke) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert revoked == [token_id]
    assert world.actions(f"token/{token_id}").count("token:secret:revoked") == 1


def test_a_token_is_revoked_by_itself_and_all_of_an_account_by_name(world: World) -> None:
    token = world.add("ada")
    more = [world.identity.tokens.issue(ADMIN, "ada") for _ in range(2)]
    assert len(world.identity.tokens.revoke(ADA, token)) == 1
    assert len(world.identity.tokens.revoke(ADMIN, "ada")) == 2
    for each in more:
        with pytest.raises(Unauthenticated):
            world.identity.actor_from_token(each, origin="cli")


def test_others_tokens_are_neither_revoked_nor_listed(world: World) -> None:
    world.add("ada")
    token = world.add("bob")
    with pytest.raises(Forbidden):
        world.identity.tokens.revoke(ADA, token)
    for account in (None, "bob"):
        with pytest.raises(Forbidden):
            world.identity.tokens.list_tokens(ADA, account=account)
    assert len(world.identity.tokens.list_tokens(ADA, account="ada")) == 1
    with pytest.raises(NotFound):
        world.identity.tokens.revoke(ADMIN, "nobody")


def test_tokens_are_listed_page_by_page_with_their_last_use(world: World) -> None:
    tokens = sorted(world.add(name) for name in ("ada", "bob", "cy"))
    world.identity.actor_from_token(tokens[1], origin="cli")
    listed = world.identity.tokens.list_tokens(ADMIN, limit=2)
    assert [token.id for token in listed] == [token.split("_")[1] for token in tokens[:2]]
    assert [token.used_at for token in listed] == [None, world.clock.now]
    assert [token.id for token in world.identity.tokens.list_tokens(ADMIN, after=listed[-1].id)] == [
        tokens[2].split("_")[1]
    ]
    assert listed[0].created_by == "root"


def test_the_last_use_is_written_once_a_minute(world: World) -> None:
    token = world.add("ada")
    used = []
    for _ in range(4):
        world.identity.actor_from_token(token, origin="cli")
        used.append(world.identity.tokens.list_tokens(ADMIN)[0].used_at)
        world.clock.advance(seconds=40)
    assert used[0] == used[1]
    assert used[1] != used[2]
