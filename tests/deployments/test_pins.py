import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.deployments import Pins
from services.deployments.pins import rotate
from services.errors import NotFound
from services.store import Store
from tests.conftest import FakeClock


def move(store: Store, pins: Pins, version: int, *, model: str = "fraud_detector", change_id: int = 1) -> None:
    with store.write() as unit:
        pins.move(unit, model=model, version=version, change_id=change_id, actor="meera")
        unit.commit()


@given(st.lists(st.integers(1, 9), unique=True, max_size=3), st.integers(1, 9))
def test_rotating_puts_the_version_first_pins_none_twice_and_keeps_the_order(pinned: list[int], version: int) -> None:
    current, previous, fallback = rotate(pinned, version)
    rest = [each for each in (previous, fallback) if each is not None]
    assert current == version
    assert rest == [each for each in pinned if each != version][:2]


def test_the_same_move_twice_pins_once(any_store: Store, clock: FakeClock) -> None:
    pins = Pins(any_store, clock=clock)
    move(any_store, pins, 1)
    move(any_store, pins, 2, change_id=2)
    move(any_store, pins, 2, change_id=2)
    assert pins.get("fraud_detector").versions == (2, 1)
    assert len(pins.list_history("fraud_detector")) == 2


def test_pins_are_told_as_they_were_at_any_time(any_store: Store, clock: FakeClock) -> None:
    pins = Pins(any_store, clock=clock)
    before = clock.now
    clock.advance(hours=1)
    move(any_store, pins, 1)
    first = clock.now
    clock.advance(hours=1)
    move(any_store, pins, 2, change_id=2)
    move(any_store, pins, 5, model="churn_predictor", change_id=3)
    assert pins.list_pins(at=before) == {}
    assert {name: found.current for name, found in pins.list_pins(at=first).items()} == {"fraud_detector": 1}
    assert {name: found.current for name, found in pins.list_pins().items()} == {
        "churn_predictor": 5, "fraud_detector": 2,
    }  # fmt: skip
    assert list(pins.list_pins(model="churn_predictor")) == ["churn_predictor"]


def test_history_pages_newest_first(store: Store, clock: FakeClock) -> None:
    pins = Pins(store, clock=clock)
    for version in (1, 2, 3):
        move(store, pins, version, change_id=version)
    newest = pins.list_history("fraud_detector", limit=2)
    assert [found.current for found in newest] == [3, 2]
    assert [found.current for found in pins.list_history("fraud_detector", before_id=newest[-1].id)] == [1]


def test_what_was_never_in_production_has_no_pins(store: Store, clock: FakeClock) -> None:
    pins = Pins(store, clock=clock)
    move(store, pins, 3)
    assert pins.was_current("fraud_detector", 3)
    assert not pins.was_current("fraud_detector", 4)
    assert pins.find("churn_predictor") is None
    with pytest.raises(NotFound, match="churn_predictor has no pins"):
        pins.get("churn_predictor")
