import os
import pwd

import pytest

from services.errors import Forbidden, Unauthenticated
from services.identity import Actor, Permission, Role
from services.store import Store
from tests.conftest import FakeClock
from tests.identity.builders import World, build_world

ADA = Actor(name="ada", roles=frozenset({Role.DATA_SCIENTIST}), origin="app 12ab")


def test_who_may_passes_and_leaves_no_trace(world: World) -> None:
    world.identity.demand(ADA, Permission.READ_MODEL, subject="fraud_detector")
    assert world.actions() == []


@pytest.mark.parametrize("role", Role)
def test_every_permission_a_role_lacks_is_refused_and_recorded(world: World, role: Role) -> None:
    actor = Actor(name="ada", roles=frozenset({role}), origin="test")
    lacking = [permission for permission in Permission if permission not in actor.permissions]
    for permission in lacking:
        with pytest.raises(Forbidden) as refused:
            world.identity.demand(actor, permission, subject="fraud_detector/7")
        assert "fraud_detector/7" in refused.value.message
        assert refused.value.next_step
    assert world.actions("fraud_detector/7") == ["access:permission:refused"] * len(lacking)


def test_a_refusal_says_who_what_and_from_where(world: World) -> None:
    with pytest.raises(Forbidden, match="ada may not manage users"):
        world.identity.demand(ADA, Permission.MANAGE_USERS, subject="person/bob")
    [event] = world.audit.list_events().events
    assert (event.actor, event.subject, event.origin) == ("ada", "person/bob", "app 12ab")
    assert event.after == {"permission": "manage_users", "roles": ["data_scientist"]}


@pytest.mark.parametrize("name", ["x" * 5000, "é" * 5000, "a\0b"])
def test_a_name_that_no_event_could_carry_is_refused_and_recorded_too(world: World, name: str) -> None:
    with pytest.raises(Forbidden):
        world.identity.accounts.disable(ADA, name)
    [event] = world.audit.list_events().events
    assert event.action == "access:permission:refused"
    assert event.subject.startswith(f"person/{name[0]}")


def test_a_refusal_by_rule_is_recorded_and_raised_as_given(world: World) -> None:
    error = Forbidden("You asked for it yourself.", next_step="Ask another.")
    with pytest.raises(Forbidden) as refused:
        world.identity.refuse(ADA, "change/4", error)
    assert refused.value is error
    assert world.actions("change/4") == ["access:permission:refused"]


def test_the_systems_user_is_an_admin_on_an_embedded_store(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "mallory")
    actor = world.identity.get_caller(None, origin="cli")
    assert actor.name == f"local:{pwd.getpwuid(os.geteuid()).pw_name}"
    assert actor.roles == {Role.ADMIN}
    assert Permission.PROMOTE_TO_PRODUCTION not in actor.permissions


def test_an_id_that_nobody_has_named_acts_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clusters run containers under ids of their own choosing."""
    monkeypatch.setattr(os, "geteuid", lambda: 1_000_730_000)
    assert world.identity.get_caller(None, origin="cli").name == "local:1000730000"


def test_a_shared_store_demands_a_token(postgres_store: Store, clock: FakeClock, tmp_path: object) -> None:
    world = build_world(postgres_store, clock, tmp_path)  # type: ignore[arg-type]
    with pytest.raises(Unauthenticated, match="asks who you are"):
        world.identity.get_caller(None, origin="cli")
    token = world.add("ada")
    assert world.identity.get_caller(token, origin="cli").name == "ada"
