import pytest
from sqlalchemy import text

from services.errors import Forbidden, NotFound, Unauthenticated
from services.identity import Actor, Role
from services.identity.sessions import SignedIn
from services.store import Store, accounts
from tests.conftest import FakeClock
from tests.identity.builders import ADMIN, PASSWORD, World, build_world


def signed_in(world: World, name: str = "ada") -> SignedIn:
    return world.identity.sign_in.with_password(name, PASSWORD, address="1.1.1.1", origin="app 1")


def test_a_session_is_who_signed_in_with_the_roles_of_now(any_store: Store, clock: FakeClock, tmp_path: object) -> None:
    world = build_world(any_store, clock, tmp_path)  # type: ignore[arg-type]
    world.add_with_password("ada", Role.ML_ENGINEER)
    session = signed_in(world)
    assert world.identity.sessions.get_actor(session.cookie, origin="app 2") == Actor(
        name="ada", roles=frozenset({Role.ML_ENGINEER}), origin="app 2"
    )
    world.identity.accounts.set_roles(ADMIN, "ada", [Role.RELEASE_MANAGER])
    assert world.identity.sessions.get_actor(session.cookie, origin="app 3").roles == {Role.RELEASE_MANAGER}


def test_the_cookie_is_kept_as_a_hash(world: World) -> None:
    world.add_with_password("ada")
    session = signed_in(world)
    with world.store.read() as unit:
        rows = unit.connection.execute(text("SELECT * FROM session")).all()
        events = unit.connection.execute(text("SELECT leaf FROM audit_event")).all()
    assert session.cookie not in repr(rows) + repr(events)
    with pytest.raises(Unauthenticated):
        world.identity.sessions.get_actor(rows[0][0], origin="app")


@pytest.mark.parametrize("cookie", ["", "guess", "x" * 43, "\x00"])
def test_an_unknown_cookie_is_nobody(world: World, cookie: str) -> None:
    with pytest.raises(Unauthenticated, match="Nobody is signed in"):
        world.identity.sessions.get_actor(cookie, origin="app")


def test_a_session_lasts_eight_hours_however_much_it_is_used(world: World) -> None:
    world.add_with_password("ada")
    session = signed_in(world)
    for _ in range(31):
        world.clock.advance(minutes=15)
        world.identity.sessions.get_actor(session.cookie, origin="app")
    world.clock.advance(minutes=14, seconds=59)
    world.identity.sessions.get_actor(session.cookie, origin="app")
    world.clock.advance(seconds=1)
    with pytest.raises(Unauthenticated, match="eight hours"):
        world.identity.sessions.get_actor(session.cookie, origin="app")


def test_a_session_ends_when_it_is_not_used_for_thirty_minutes(world: World) -> None:
    world.add_with_password("ada")
    session = signed_in(world)
    world.clock.advance(minutes=29)
    world.identity.sessions.get_actor(session.cookie, origin="app")
    world.clock.advance(minutes=30)
    with pytest.raises(Unauthenticated, match="thirty minutes"):
        world.identity.sessions.get_actor(session.cookie, origin="app")
    assert world.identity.sessions.list_open(ADMIN, "ada") == []


def test_a_page_that_refreshes_itself_keeps_no_session_alive(world: World) -> None:
    world.add_with_password("ada")
    session = signed_in(world)
    for _ in range(29):
        world.clock.advance(minutes=1)
        world.identity.sessions.get_actor(session.cookie, origin="app", is_active=False)
    world.clock.advance(minutes=1)
    with pytest.raises(Unauthenticated, match="thirty minutes"):
        world.identity.sessions.get_actor(session.cookie, origin="app", is_active=False)


def test_signing_out_ends_this_session_in_every_tab_and_no_other(world: World) -> None:
    world.add_with_password("ada")
    here, there = signed_in(world), signed_in(world)
    world.identity.sessions.sign_out(here.cookie, origin="app")
    for _tab in range(2):
        with pytest.raises(Unauthenticated, match="You signed out"):
            world.identity.sessions.get_actor(here.cookie, origin="app")
    assert world.identity.sessions.get_actor(there.cookie, origin="app").name == "ada"
    world.identity.sessions.sign_out(here.cookie, origin="app")
    world.identity.sessions.sign_out("never", origin="app")
    assert world.actions("person/ada").count("session:sign_in:ended") == 1


def test_signing_out_everywhere_ends_all_sessions(world: World) -> None:
    world.add_with_password("ada")
    sessions = [signed_in(world) for _ in range(3)]
    assert world.identity.sessions.end_all(sessions[0].actor, "ada") == 3
    for session in sessions:
        with pytest.raises(Unauthenticated, match="everywhere"):
            world.identity.sessions.get_actor(session.cookie, origin="app")
    assert world.actions("person/ada")[-1] == "session:everywhere:ended"


def test_people_see_and_end_their_own_sessions_and_admins_all(world: World) -> None:
    world.add_with_password("ada")
    session = signed_in(world)
    bob = Actor(name="bob", roles=frozenset({Role.RELEASE_MANAGER}), origin="t")
    sessions = world.identity.sessions
    [listed] = sessions.list_open(session.actor, "ada")
    assert (listed.way, listed.origin, listed.started_at) == ("password", "app 1", world.clock.now)
    for meddle in (
        lambda: sessions.list_open(bob, "ada"),
        lambda: sessions.end_one(bob, listed.id),
        lambda: sessions.end_all(bob, "ada"),
    ):
        with pytest.raises(Forbidden):
            meddle()
    sessions.end_one(ADMIN, listed.id)
    sessions.end_one(ADMIN, listed.id)
    with pytest.raises(Unauthenticated, match="ended by root"):
        sessions.get_actor(session.cookie, origin="app")
    with pytest.raises(NotFound):
        sessions.end_one(ADMIN, "nothing")


def test_a_session_that_two_end_at_once_ends_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add_with_password("ada")
    session = signed_in(world)
    sessions = world.identity.sessions
    [listed] = sessions.list_open(session.actor, "ada")
    demand = sessions._demand_over

    def demand_late(actor: Actor, account: str) -> None:
        demand(actor, account)
        monkeypatch.undo()
        sessions.end_one(session.actor, listed.id)

    monkeypatch.setattr(sessions, "_demand_over", demand_late)
    sessions.end_one(ADMIN, listed.id)
    assert world.actions("person/ada").count("session:sign_in:ended") == 1
    with pytest.raises(Unauthenticated, match="ended by ada"):
        sessions.get_actor(session.cookie, origin="app")


def test_the_id_of_a_session_signs_nobody_in(world: World) -> None:
    world.add_with_password("ada")
    session = signed_in(world)
    [listed] = world.identity.sessions.list_open(session.actor, "ada")
    with pytest.raises(Unauthenticated):
        world.identity.sessions.get_actor(listed.id, origin="app")


def test_sessions_that_are_long_over_are_forgotten(world: World) -> None:
    world.add_with_password("ada")
    signed_in(world)
    world.clock.advance(days=31)
    signed_in(world)
    with world.store.read() as unit:
        assert unit.connection.scalar(text("SELECT count(*) FROM session")) == 1


def test_a_session_of_an_account_that_is_disabled_without_ending_it_is_refused(world: World) -> None:
    world.add_with_password("ada")
    session = signed_in(world)
    with world.store.write() as unit:
        accounts.update_account(unit, "ada", disabled_us=1)
        unit.commit()
    with pytest.raises(Unauthenticated, match="ada is disabled"):
        world.identity.sessions.get_actor(session.cookie, origin="app")
