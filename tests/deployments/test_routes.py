from typing import Any

from services.deployments import Pins, Route, Routes
from services.store import Store
from services.store import ramps as rows
from tests.conftest import FakeClock

MODEL = "fraud_detector"


def pin(store: Store, clock: FakeClock, version: int, *, change_id: int, model: str = MODEL) -> None:
    with store.write() as unit:
        Pins(store, clock=clock).move(unit, model=model, version=version, change_id=change_id, actor="meera")
        unit.commit()


def ramp(store: Store, *, champion: int, candidate: int, traffic_ratio: float, is_open: bool = True) -> int:
    values: dict[str, Any] = {
        "model": MODEL, "champion": champion, "candidate": candidate, "state": "running", "is_open": is_open,
        "step": 0, "traffic_ratio": traffic_ratio, "step_started_us": 0, "due_us": 0, "checked_us": 0, "attention": "",
        "measured": [], "plan_revision": "ramp_plan/default/1", "actor": "meera", "started_us": 0,
    }  # fmt: skip
    with store.write() as unit:
        ramp_id = rows.add_ramp(unit, values)
        same = {name: values[name] for name in ("model", "step", "traffic_ratio", "actor", "measured")}
        rows.add_entry(unit, {**same, "ramp_id": ramp_id, "what": "started", "reason": "", "at_us": 0})
        unit.commit()
    return ramp_id


def test_nothing_pinned_is_no_route(any_store: Store) -> None:
    assert Routes(any_store).find_route(MODEL) is None


def test_a_pinned_version_answers_everything(any_store: Store, clock: FakeClock) -> None:
    pin(any_store, clock, 3, change_id=1)
    route = Routes(any_store).find_route(MODEL)
    assert route == Route(model=MODEL, champion=3, candidate=None, candidate_ratio=0.0, plan_id=None, revision=1)


def test_an_open_ramp_brings_its_candidate_in(any_store: Store, clock: FakeClock) -> None:
    pin(any_store, clock, 3, change_id=1)
    ramp(any_store, champion=3, candidate=7, traffic_ratio=0.5, is_open=False)
    ramp_id = ramp(any_store, champion=3, candidate=4, traffic_ratio=0.25)
    route = Routes(any_store).find_route(MODEL)
    assert route is not None
    assert (route.candidate, route.candidate_ratio, route.plan_id) == (4, 0.25, ramp_id)


def test_a_ramp_from_another_version_than_serves_reaches_nobody(any_store: Store, clock: FakeClock) -> None:
    pin(any_store, clock, 3, change_id=1)
    ramp(any_store, champion=3, candidate=4, traffic_ratio=0.25)
    pin(any_store, clock, 2, change_id=2)
    route = Routes(any_store).find_route(MODEL)
    assert route is not None
    assert (route.champion, route.candidate, route.candidate_ratio) == (2, None, 0.0)


def test_every_change_of_pins_or_ramp_moves_the_revision_up(any_store: Store, clock: FakeClock) -> None:
    revisions = []

    def note() -> None:
        route = Routes(any_store).find_route(MODEL)
        assert route is not None
        revisions.append(route.revision)

    pin(any_store, clock, 3, change_id=1)
    note()
    ramp(any_store, champion=3, candidate=4, traffic_ratio=0.0)
    note()
    pin(any_store, clock, 4, change_id=2)
    note()
    ramp(any_store, champion=3, candidate=4, traffic_ratio=0.0, is_open=False)
    note()
    assert revisions == sorted(set(revisions))
