import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import InvalidInput
from services.serving.router import Router, place_of

RATIOS = st.floats(0, 1)


def router(ratio: float, salt: str = "7") -> Router:
    return Router(champion=1, candidate=2, candidate_ratio=ratio, salt=salt)


@given(st.text(), RATIOS, RATIOS)
def test_a_growing_ratio_only_adds_keys_to_the_candidate(key: str, one: float, other: float) -> None:
    smaller, larger = sorted((one, other))
    if router(smaller).choose(key) == 2:
        assert router(larger).choose(key) == 2


@given(st.text())
def test_nothing_gets_the_candidate_in_shadow_and_everything_at_the_end(key: str) -> None:
    assert (router(0).choose(key), router(1).choose(key)) == (1, 2)
    assert Router(champion=1).choose(key) == 1


@given(st.text(), st.text())
def test_a_key_has_one_place_from_zero_to_below_one(salt: str, key: str) -> None:
    assert 0 <= place_of(salt, key) < 1
    assert place_of(salt, key) == place_of(salt, key)


def test_places_are_those_of_the_documented_rule() -> None:
    # sha256("41:ada")[:8], as any other language computes it; a change here moves everybody's callers.
    assert place_of("41", "ada") == 0x69101E71C6D1DD37 / 2**64


@pytest.mark.parametrize("ratio", [0.01, 0.05, 0.25, 0.5])
def test_a_share_of_keys_is_that_share_of_many(ratio: float) -> None:
    chosen = [router(ratio).choose(f"customer-{number}") for number in range(20_000)]
    assert chosen.count(2) / len(chosen) == pytest.approx(ratio, abs=4 * (ratio * (1 - ratio) / 20_000) ** 0.5)


def test_another_ramp_begins_with_other_keys() -> None:
    keys = [f"customer-{number}" for number in range(2000)]
    first, second = ({key for key in keys if router(0.1, salt).choose(key) == 2} for salt in ("1", "2"))
    assert len(first & second) < 50


@pytest.mark.parametrize("ratio", [-0.1, 1.1, float("nan")])
def test_a_ratio_that_is_none_is_refused(ratio: float) -> None:
    with pytest.raises(InvalidInput, match="not from 0 to 1"):
        router(ratio)


def test_a_share_for_nobody_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no candidate"):
        Router(champion=1, candidate_ratio=0.5)
