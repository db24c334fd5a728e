from datetime import timedelta
from pathlib import Path

import pytest

from services.changes import ChangeState
from services.deployments import RampState, Routes
from services.deployments.guardrails import hold
from services.errors import Blocked, Conflict, Forbidden, InvalidInput, NotFound
from services.gates.evidence import Absent, Broken
from services.gates.outcomes import Outcome
from services.shadow.window import Window
from services.store import Store
from services.store import ramps as rows
from tests.changes.builders import ADA, JUN, MAYA, MEERA
from tests.conftest import FakeClock
from tests.deployments.builders import MODEL
from tests.deployments.ramp_builders import PLAN, RampWorld, build_ramps


@pytest.fixture
def ramp(store: Store, clock: FakeClock, tmp_path: Path) -> RampWorld:
    return build_ramps(store, clock, tmp_path)


def state(ramp: RampWorld) -> tuple[RampState, float]:
    found = ramp.ramps.find_latest(MODEL)
    assert found is not None
    return found.state, found.traffic_ratio


def attention(ramp: RampWorld) -> str:
    found = ramp.ramps.find_latest(MODEL)
    assert found is not None
    return found.attention


def test_a_ramp_goes_from_shadow_to_the_pins_by_itself(any_store: Store, clock: FakeClock, tmp_path: Path) -> None:
    ramp = build_ramps(any_store, clock, tmp_path)
    promotion = ramp.approve()
    ramp.start()
    assert state(ramp) == (RampState.RUNNING, 0.0)
    ramp.serve()
    ramp.tick(minutes=59)
    assert state(ramp) == (RampState.RUNNING, 0.0)
    ramp.tick(minutes=1)
    assert state(ramp) == (RampState.RUNNING, 0.1)
    ramp.serve()
    ramp.tick(minutes=30)
    assert state(ramp) == (RampState.RUNNING, 1.0)
    assert ramp.world.pins.get(MODEL).current == 3
    ramp.serve()
    ramp.tick(minutes=30)
    assert state(ramp) == (RampState.COMPLETED, 1.0)
    assert ramp.world.pins.get(MODEL).versions == (4, 3, 2)
    assert ramp.world.registry.find_alias(MODEL, "production") == 4
    assert ramp.world.changes.get(promotion.id).state is ChangeState.COMPLETED
    assert [action for action in ramp.world.actions() if action.startswith("ramp:")] == [
        "ramp:run:started", "ramp:run:advanced", "ramp:run:advanced", "ramp:run:promoting", "ramp:run:completed",
    ]  # fmt: skip


def test_every_step_is_an_entry_with_what_was_measured(ramp: RampWorld) -> None:
    ramp.to_traffic()
    found = ramp.ramps.get_open(MODEL)
    started, advanced = ramp.ramps.list_entries(found.id)
    assert (started.what, started.actor, started.reason) == ("started", "meera", "see how it does")
    assert (advanced.what, advanced.actor, advanced.traffic_ratio) == ("advanced", "system:worker", 0.1)
    assert {result.guardrail: result.outcome for result in advanced.guardrails} == {
        "error_rate": Outcome.PASSED, "latency_p99": Outcome.PASSED, "agreement": Outcome.PASSED,
    }  # fmt: skip


def test_routers_follow_a_ramp(ramp: RampWorld) -> None:
    routes = Routes(ramp.world.store)
    ramp.to_traffic()
    route = routes.find_route(MODEL)
    assert route is not None
    assert (route.champion, route.candidate, route.candidate_ratio) == (3, 4, 0.1)
    ramp.ramps.abort(MODEL, actor=MEERA, reason="enough")
    ended = routes.find_route(MODEL)
    assert ended is not None
    assert (ended.candidate, ended.candidate_ratio) == (None, 0.0)
    assert ended.revision > route.revision


@pytest.mark.parametrize("bad", [{"errors": 60}, {"slow": 60}, {"unlike": 300}], ids=["errors", "latency", "agreement"])
def test_a_guardrail_broken_beyond_doubt_sends_a_ramp_back_before_its_time(
    ramp: RampWorld, bad: dict[str, int]
) -> None:
    ramp.to_traffic()
    ramp.serve(**bad)
    ramp.tick(minutes=1)
    assert state(ramp) == (RampState.ROLLED_BACK, 0.0)
    assert "Broken beyond doubt" in attention(ramp)
    assert ramp.world.pins.get(MODEL).current == 3
    assert ramp.world.actions()[-1] == "ramp:run:rolled_back"


def test_no_data_never_advances(ramp: RampWorld) -> None:
    ramp.approve()
    ramp.start()
    ramp.tick(minutes=60)
    assert state(ramp) == (RampState.PAUSED, 0.0)
    assert "No request has been measured" in attention(ramp)


def test_what_was_answered_in_the_step_before_is_no_data_of_this_one(ramp: RampWorld) -> None:
    ramp.to_traffic()
    ramp.tick(minutes=30)
    assert state(ramp) == (RampState.PAUSED, 0.1)
    assert "No request has been measured" in attention(ramp)


def test_pairs_of_another_candidate_are_no_data_of_this_one(ramp: RampWorld) -> None:
    ramp.approve()
    ramp.start()
    ramp.serve(candidate=2)
    ramp.tick(minutes=60)
    assert state(ramp) == (RampState.PAUSED, 0.0)


@pytest.mark.parametrize(
    ("figures", "told"),
    [({"pairs": 400}, "400 requests are too few"), ({"pairs": 1000, "errors": 10}, "leave it open")],
)
def test_what_is_left_open_pauses_and_asks(ramp: RampWorld, figures: dict[str, int], told: str) -> None:
    ramp.to_traffic()
    ramp.serve(**figures)
    ramp.tick(minutes=30)
    assert state(ramp) == (RampState.PAUSED, 0.1)
    assert told in attention(ramp)


def test_a_paused_ramp_goes_on_when_somebody_says_so_and_is_watched_meanwhile(ramp: RampWorld) -> None:
    ramp.to_traffic()
    ramp.tick(minutes=30)
    resumed = ramp.ramps.resume(MODEL, actor=MEERA, reason="traffic was down")
    assert (resumed.state, resumed.due_at) == (RampState.RUNNING, ramp.clock().replace(minute=0, hour=14))
    ramp.serve()
    ramp.tick(minutes=29)
    assert state(ramp) == (RampState.RUNNING, 0.1)
    ramp.ramps.pause(MODEL, actor=MEERA, reason="Friday evening")
    ramp.tick(minutes=10)
    assert state(ramp) == (RampState.PAUSED, 0.1)
    ramp.serve(errors=100)
    ramp.tick(minutes=1)
    assert state(ramp) == (RampState.ROLLED_BACK, 0.0)


def test_somebody_may_go_on_before_the_time_but_not_over_a_broken_guardrail(ramp: RampWorld) -> None:
    ramp.approve()
    ramp.start()
    advanced = ramp.ramps.advance(MODEL, actor=MEERA, reason="shadowed elsewhere")
    assert (advanced.step, advanced.traffic_ratio) == (1, 0.1)
    results = hold(Window(pairs=1000, candidate_errors=100), ramp.ramps.get_plan(advanced).guardrails)
    with ramp.world.store.write() as unit:
        rows.update_ramp(unit, advanced.id, measured=[result.to_json() for result in results])
        unit.commit()
    with pytest.raises(Blocked, match="breaks error_rate"):
        ramp.ramps.advance(MODEL, actor=MEERA, reason="never mind")


def test_the_last_step_ends_by_itself_only(ramp: RampWorld) -> None:
    ramp.to_traffic()
    ramp.ramps.advance(MODEL, actor=MEERA, reason="sure")
    with pytest.raises(Conflict, match="at its last step"):
        ramp.ramps.advance(MODEL, actor=MEERA, reason="sure")


# What allows it


def test_shadow_needs_no_promotion_and_traffic_waits_for_one(ramp: RampWorld) -> None:
    ramp.start()
    ramp.serve()
    ramp.tick(minutes=60)
    assert state(ramp) == (RampState.PAUSED, 0.0)
    assert "No approved promotion" in attention(ramp)
    with pytest.raises(Blocked, match="No approved promotion"):
        ramp.ramps.advance(MODEL, actor=MEERA, reason="go")
    promotion = ramp.approve()
    ramp.ramps.advance(MODEL, actor=MEERA, reason="it is approved now")
    assert state(ramp) == (RampState.RUNNING, 0.1)
    assert ramp.ramps.get_open(MODEL).change_id == promotion.id


def test_the_promotion_of_another_version_allows_nothing(ramp: RampWorld) -> None:
    ramp.approve(version=2)
    ramp.start()
    with pytest.raises(Blocked, match="No approved promotion"):
        ramp.ramps.advance(MODEL, actor=MEERA, reason="go")


def test_a_plan_that_begins_with_traffic_needs_its_promotion_first(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    ramp = build_ramps(store, clock, tmp_path, plan=PLAN.replace("  - {traffic_percent: 0, minutes: 60}\n", ""))
    with pytest.raises(Blocked, match="No approved promotion"):
        ramp.start()
    ramp.approve()
    ramp.start(candidate=None)
    assert state(ramp) == (RampState.RUNNING, 0.1)


def test_a_promotion_that_is_taken_back_takes_the_traffic_back(ramp: RampWorld) -> None:
    promotion = ramp.to_traffic()
    ramp.world.changes.cancel(promotion.id, actor=MAYA, reason="found a bug")
    ramp.serve()
    ramp.tick(seconds=5)
    assert state(ramp) == (RampState.ROLLED_BACK, 0.0)
    assert "cancelled" in attention(ramp)


def test_evidence_that_changed_lets_no_share_grow(ramp: RampWorld) -> None:
    promotion = ramp.to_traffic()
    ramp.world.registry.set_alias(MODEL, "production", 1)
    ramp.serve()
    ramp.tick(minutes=30)
    assert ramp.world.changes.get(promotion.id).state is ChangeState.VOID
    assert state(ramp) == (RampState.PAUSED, 0.1)
    ramp.tick(seconds=5)
    assert state(ramp) == (RampState.ROLLED_BACK, 0.0)


def test_a_promotion_that_ends_before_the_ramp_would_is_told_before(ramp: RampWorld) -> None:
    ramp.approve()
    ramp.start()
    ramp.clock.advance(days=6, hours=23, minutes=30)
    ramp.serve()
    ramp.tick()
    assert state(ramp) == (RampState.PAUSED, 0.0)
    assert "before the ramp would end" in attention(ramp)


def test_a_promotion_executed_meanwhile_completes_the_ramp(ramp: RampWorld) -> None:
    promotion = ramp.to_traffic()
    ramp.world.changes.execute(promotion.id, actor=JUN)
    assert state(ramp)[0] is RampState.COMPLETED
    assert ramp.world.pins.get(MODEL).current == 4


def test_going_back_ends_the_ramp_from_what_served(ramp: RampWorld) -> None:
    ramp.to_traffic()
    ramp.world.deployments.roll_back(MODEL, "previous", actor=MEERA, reason="3 is bad as well")
    assert state(ramp) == (RampState.OVERTAKEN, 0.0)
    assert ramp.world.pins.get(MODEL).current == 2


def test_the_registry_being_away_holds_a_ramp_and_says_so(ramp: RampWorld) -> None:
    ramp.to_traffic()
    ramp.serve()
    ramp.world.registry.faults.fail()
    ramp.tick(minutes=30)
    assert state(ramp) == (RampState.RUNNING, 0.1)
    assert "tried again" in attention(ramp)
    ramp.world.registry.faults.heal()
    ramp.tick(minutes=1)
    assert state(ramp) == (RampState.RUNNING, 1.0)
    assert attention(ramp) == ""


def test_a_registry_that_is_away_at_the_end_completes_the_ramp_when_it_is_back(ramp: RampWorld) -> None:
    ramp.to_traffic()
    ramp.serve()
    ramp.tick(minutes=30)
    ramp.serve()
    ramp.world.registry.faults.fail("set_alias")
    ramp.tick(minutes=30)
    assert state(ramp) == (RampState.PROMOTING, 1.0)
    assert "tried again" in attention(ramp)
    ramp.world.registry.faults.heal()
    ramp.clock.advance(minutes=3)
    ramp.world.changes.recover()
    assert state(ramp) == (RampState.COMPLETED, 1.0)


# Prometheus


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (0.5, RampState.RUNNING),
        (0.9, RampState.ROLLED_BACK),
        (Absent(reason="Prometheus has no data for the query."), RampState.PAUSED),
        (Broken(reason="Prometheus refused the query"), RampState.PAUSED),
    ],
)
def test_a_query_is_a_guardrail_too(
    store: Store, clock: FakeClock, tmp_path: Path, answer: float | Absent | Broken, expected: RampState
) -> None:
    asked = []

    def ask(query: str) -> float | Absent | Broken:
        asked.append(query)
        return answer

    query = 'queries:\n  - {guardrail: refunds, query: "refunds{v=\\"{version}\\"}", at_most: 0.8}\n'
    ramp = build_ramps(store, clock, tmp_path, plan=PLAN + query, ask=ask)
    ramp.approve()
    ramp.start()
    ramp.serve()
    ramp.tick(minutes=60)
    assert state(ramp)[0] is expected
    assert asked == ['refunds{v="4"}']


# Who, and what cannot be meant


def test_one_ramp_of_a_model_goes_on_at_a_time(ramp: RampWorld) -> None:
    ramp.start()
    with pytest.raises(Conflict, match="goes on already"):
        ramp.start(candidate=2)
    ramp.ramps.abort(MODEL, actor=MEERA, reason="wrong one")
    ramp.start(candidate=2)


def test_who_may_not_promote_ramps_nothing(ramp: RampWorld) -> None:
    for actor in (MAYA, ADA):
        with pytest.raises(Forbidden):
            ramp.ramps.start(MODEL, candidate=4, actor=actor, reason="go")
    ramp.start()
    for act in (ramp.ramps.advance, ramp.ramps.pause, ramp.ramps.resume, ramp.ramps.abort):
        with pytest.raises(Forbidden):
            act(MODEL, actor=MAYA, reason="go")


def test_a_candidate_that_does_not_load_is_refused(ramp: RampWorld) -> None:
    ramp.world.bench.broken[4] = "The model failed while loading: no such column"
    with pytest.raises(Blocked, match="does not load and score"):
        ramp.start()
    assert ramp.ramps.find_latest(MODEL) is None


def test_a_candidate_past_its_sunset_is_refused_and_one_before_it_is_not(ramp: RampWorld) -> None:
    today = ramp.world.clock.now.date()
    for key, value in {"deprecated": "true", "sunset_on": today.isoformat()}.items():
        ramp.world.registry.set_version_tag(MODEL, 4, key, value)
    with pytest.raises(Blocked, match=f"{MODEL}/4 is deprecated and past its sunset"):
        ramp.start()
    assert ramp.ramps.find_latest(MODEL) is None
    ramp.world.registry.set_version_tag(MODEL, 4, "sunset_on", (today + timedelta(days=1)).isoformat())
    ramp.start()
    assert ramp.ramps.find_latest(MODEL) is not None


def test_what_cannot_be_meant_is_refused(ramp: RampWorld) -> None:
    with pytest.raises(Conflict, match="serves already"):
        ramp.start(candidate=3)
    with pytest.raises(NotFound):
        ramp.start(candidate=9)
    with pytest.raises(InvalidInput, match="No candidate was named"):
        ramp.start(candidate=None)
    with pytest.raises(InvalidInput, match="A reason is needed"):
        ramp.ramps.start(MODEL, candidate=4, actor=MEERA, reason=" ")
    with pytest.raises(NotFound, match="has no ramp"):
        ramp.ramps.abort(MODEL, actor=MEERA, reason="stop")
    ramp.start()
    with pytest.raises(Conflict, match="not paused"):
        ramp.ramps.resume(MODEL, actor=MEERA, reason="go")


def test_a_plan_for_the_model_comes_before_the_default_and_a_later_one_is_for_later_ramps(ramp: RampWorld) -> None:
    own = PLAN.replace("minutes: 60", "minutes: 5")
    revision = ramp.documents.propose(MAYA, "ramp_plan", MODEL, own, reason="fast", base=None)
    ramp.start()
    with ramp.world.store.write() as unit:
        ramp.documents.activate(unit, revision, actor=JUN, change_id=None, reason="fast", expected=None)
        unit.commit()
    assert ramp.ramps.get_plan(ramp.ramps.get_open(MODEL)).steps[0].minutes == 60
    ramp.ramps.abort(MODEL, actor=MEERA, reason="by the new plan")
    ramp.start()
    assert ramp.ramps.get_open(MODEL).plan_revision == f"ramp_plan/{MODEL}/1"
