"""Tokens of a real identity on a real store, with a clock of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import Forbidden, GatehouseError, Unauthenticated, Unreachable
from services.identity import Identity
from services.identity.actors import Permission
from services.serving.access import FRESH_S, GRACE_S, RateLimit, TokenGate
from tests.serving.builders import ADMIN, MODEL, ServedHome


class Seconds:
    """A clock that only goes forward, when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class World:
    def __init__(self, home: ServedHome) -> None:
        self.identity = home.identity
        self.seconds = Seconds()
        self.gate = TokenGate(self.identity, MODEL, seconds=self.seconds)
        self.token = self.identity.tokens.issue(ADMIN, "scorer")

    def admit(self, header: str | None = None) -> str:
        header = f"Bearer {self.token}" if header is None else header
        return asyncio.run(self.gate.admit(header, origin="serve 1"))


@pytest.fixture
def world(home: ServedHome) -> World:
    return World(home)


@contextmanager
def store_away() -> Iterator[None]:
    with patch.object(Identity, "actor_from_token", side_effect=Unreachable("It is away.", next_step="Wait.")):
        yield


def refused(world: World, header: str | None = None) -> GatehouseError:
    with pytest.raises(GatehouseError) as caught:
        world.admit(header)
    return caught.value


def test_a_service_account_is_let_in(world: World) -> None:
    assert world.admit() == "scorer"
    assert world.admit(f"bearer {world.token}") == "scorer"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "Bearer gth_nonsense"])
def test_without_a_good_token_nobody_is_let_in(world: World, header: str) -> None:
    assert isinstance(refused(world, header), Unauthenticated)


def test_a_token_that_may_not_read_production_models_is_refused_and_that_is_an_event(
    home: ServedHome, world: World
) -> None:
    limited = world.identity.tokens.issue(ADMIN, "narrow", scopes=[Permission.READ_METRICS])
    for _ in range(3):
        assert isinstance(refused(world, f"Bearer {limited}"), Forbidden)
    actions = [event.action for event in home.audit.list_events(limit=100).events]
    # Asked thrice, looked up once.
    assert actions.count("access:permission:refused") == 1


def test_a_revoked_token_is_refused_within_seconds(world: World) -> None:
    world.admit()
    world.identity.tokens.revoke(ADMIN, world.token)
    world.seconds.now += FRESH_S
    assert isinstance(refused(world), Unauthenticated)


def test_while_the_store_is_away_whoever_was_let_in_lately_goes_on_and_nobody_new_does(world: World) -> None:
    world.admit()
    with store_away():
        world.seconds.now += GRACE_S - 1
        assert world.admit() == "scorer"
        assert isinstance(refused(world, "Bearer gth_another"), Unreachable)
        world.seconds.now += 2
        assert isinstance(refused(world), Unreachable)


def test_while_the_store_is_away_a_refusal_stays_one(world: World) -> None:
    world.identity.tokens.revoke(ADMIN, world.token)
    assert isinstance(refused(world), Unauthenticated)
    with store_away():
        world.seconds.now += FRESH_S
        assert isinstance(refused(world), Unreachable)


def test_a_caller_has_so_many_requests_a_second_and_no_more() -> None:
    seconds = Seconds()
    limit = RateLimit(2.0, seconds=seconds)
    assert [limit.take("a") for _ in range(2)] == [0.0, 0.0]
    assert limit.take("a") == pytest.approx(0.5)
    assert limit.take("b") == 0.0
    seconds.now += 0.5
    assert limit.take("a") == 0.0
    assert limit.take("a") > 0


def test_without_a_limit_everything_is_taken() -> None:
    assert {RateLimit(None).take("a") for _ in range(100)} == {0.0}


@given(st.floats(0.1, 50), st.lists(st.floats(0, 2), max_size=60))
def test_no_span_of_time_lets_more_through_than_the_rate_and_one_burst(rate: float, pauses: list[float]) -> None:
    seconds = Seconds()
    limit, taken = RateLimit(rate, seconds=seconds), 0
    for pause in pauses:
        seconds.now += pause
        taken += limit.take("a") == 0
    assert taken <= seconds.now * rate + max(1.0, rate) + 1e-6
