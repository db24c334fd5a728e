"""Whose answer a request gets, with versions that answer as they are told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from services.policies.guardrails import MemoryOfBatch
from services.policies.reading import read_policy
from services.serving.deciding import Decisions
from services.serving.engine import Engine, Patience, Reply, Serving
from services.serving.lineup import Lineup
from services.serving.metrics import Metrics
from services.serving.pair_log import PairLog
from services.serving.pairs import Pair
from services.serving.process import Invocation, ModelBusy, ModelDown, ModelTooSlow, Scored
from services.serving.shadowing import Shadow
from services.serving.tally import Loss, Tally
from services.signatures.schema_json import read_schema
from services.signatures.values import Signature
from tests.serving.builders import MODEL, FakeKept, line_up_fakes, rows, says

INPUTS = '[{"type": "double", "name": "a"}, {"type": "double", "name": "b"}]'
SIGNATURE = Signature(inputs=read_schema(INPUTS), outputs=None, params=None)
POLICY = """\
fraud_detector:
  thresholds: {block: 0.7, manual_review: 0.4, allow: 0}
  rules:
  - {name: large, when: {column: a, operator: above, value: 100}, action: manual_review}
  guardrails: {max_daily_blocks_per_customer: 1, customer_column: b}
"""
FAILED = Scored(status=400, mimetype="application/json", latency_ms=1, failure="ValueError: not today", message="m")
REFUSED = Scored(status=400, mimetype="application/json", latency_ms=1, message="Failed to enforce schema")


class CollectedPairs(PairLog):
    """A log that keeps its pairs in memory."""

    def __init__(self, folder: Path, metrics: Metrics, tally: Tally) -> None:
        super().__init__(folder, metrics, tally)
        self.pairs: list[Pair] = []

    def add(self, pair: Pair) -> bool:
        self.pairs.append(pair)
        return True


class World:
    def __init__(self, folder: Path, lineup: Lineup, *, policy: str | None = None, is_strict: bool = False) -> None:
        self.metrics = Metrics(MODEL)
        self.tally = Tally(folder / "tally")
        self.log = CollectedPairs(folder, self.metrics, self.tally)
        self.shadow = Shadow(self.log, self.metrics, self.tally, slices=("a",), timeout_s=5)
        self.engine = Engine(MODEL, self.metrics, self.shadow, patience=Patience(), is_strict=is_strict)
        decisions = None if policy is None else Decisions(read_policy(policy, MODEL), MemoryOfBatch())
        self.engine.serving = Serving(lineup=lineup, decisions=decisions)

    def read(self, name: str, *labels: object) -> float:
        return self.metrics.read(getattr(self.metrics, name), *labels)


def run(world: World, do: Callable[[Engine], Awaitable[Any]]) -> Any:
    """Run with the shadow at work, until it is done with what was offered."""

    async def with_shadow() -> Any:
        world.shadow.start()
        done = await do(world.engine)
        await world.shadow.close()
        return done

    return asyncio.run(with_shadow())


def ask(world: World, *given: Invocation, key: str | None = None) -> list[Reply]:
    async def all_of_them(engine: Engine) -> list[Reply]:
        return [await engine.answer(each, request_id=f"r{n}", key=key) for n, each in enumerate(given)]

    replies: list[Reply] = run(world, all_of_them)
    return replies


def predictions(reply: Reply) -> Any:
    assert reply.status == 200, reply
    return json.loads(reply.body)["predictions"]


@pytest.fixture
def champion() -> FakeKept:
    return FakeKept(version=1, answer=says(0.1), signature=SIGNATURE)


def test_a_candidate_in_shadow_answers_nobody_and_is_paired_with_what_was_answered(
    tmp_path: Path, champion: FakeKept
) -> None:
    candidate = FakeKept(version=2, answer=says(0.9), signature=SIGNATURE)
    world = World(tmp_path, line_up_fakes(champion, candidate))
    (reply,) = ask(world, rows((3, 0)))
    assert (predictions(reply), reply.version) == ([0.1], 1)
    (pair,) = world.log.pairs
    assert (pair.request_id, pair.champion.version, pair.candidate.version) == ("r0", 1, 2)
    assert (pair.champion.given, pair.candidate.given) == ((0.1,), (0.9,))
    assert pair.slices == {"a": ["3.0"]}
    # All that waited has been paired, so nothing would be lost with the process.
    assert world.tally.loss == Loss(requests=0, rows=0)


def test_in_a_ramp_the_key_decides_and_both_versions_score_every_request(tmp_path: Path, champion: FakeKept) -> None:
    candidate = FakeKept(version=2, answer=says(0.9), signature=SIGNATURE)
    world = World(tmp_path, line_up_fakes(champion, candidate, ratio=0.5))

    async def many(engine: Engine) -> list[Reply]:
        return [await engine.answer(rows((n, 0)), request_id="r", key=f"customer-{n % 40}") for n in range(200)]

    replies: list[Reply] = run(world, many)
    by_key: dict[int, set[int | None]] = {}
    for number, reply in enumerate(replies):
        by_key.setdefault(number % 40, set()).add(reply.version)
    assert {len(versions) for versions in by_key.values()} == {1}
    assert {reply.version for reply in replies} == {1, 2}
    assert all(predictions(reply) == [0.1 if reply.version == 1 else 0.9] for reply in replies)
    assert (len(champion.asked), len(candidate.asked), len(world.log.pairs)) == (200, 200, 200)
    assert {(pair.champion.given, pair.candidate.given) for pair in world.log.pairs} == {((0.1,), (0.9,))}


def test_without_a_key_the_same_request_goes_to_the_same_version(tmp_path: Path, champion: FakeKept) -> None:
    candidate = FakeKept(version=2, answer=says(0.9), signature=SIGNATURE)
    world = World(tmp_path, line_up_fakes(champion, candidate, ratio=0.5))
    replies = ask(world, *[rows((n % 20, 0)) for n in range(60)])
    assert [reply.version for reply in replies[:20]] == [reply.version for reply in replies[40:]]
    assert {reply.version for reply in replies} == {1, 2}


@pytest.mark.parametrize(
    "failure",
    [ModelDown("it ended"), ModelBusy("full"), ModelTooSlow("5 s"), lambda _: FAILED, lambda _: REFUSED],
)
def test_what_a_candidate_in_a_ramp_cannot_answer_the_champion_does(
    tmp_path: Path, champion: FakeKept, failure: Any
) -> None:
    candidate = FakeKept(version=2, answer=failure, signature=SIGNATURE)
    world = World(tmp_path, line_up_fakes(champion, candidate, ratio=1.0))
    (reply,) = ask(world, rows((1, 0)))
    assert (predictions(reply), reply.version) == ([0.1], 1)
    (pair,) = world.log.pairs
    assert pair.candidate.error
    assert pair.champion.error is None
    assert (world.read("fallbacks", 2), world.read("errors", 2, "candidate")) == (1, 1)
    # It was asked once, and not again beside the request.
    assert len(candidate.asked) == 1


@pytest.mark.parametrize("failure", [ModelDown("it ended"), ModelTooSlow("5 s"), lambda _: FAILED])
def test_the_failure_of_a_candidate_in_shadow_is_the_error_of_its_side(
    tmp_path: Path, champion: FakeKept, failure: Any
) -> None:
    world = World(tmp_path, line_up_fakes(champion, FakeKept(version=2, answer=failure)))
    (reply,) = ask(world, rows((1, 0)))
    assert predictions(reply) == [0.1]
    assert world.log.pairs[0].candidate.error
    assert world.read("errors", 2, "shadow") == 1


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_a_candidate_that_is_being_loaded_is_not_held_against_it(
    tmp_path: Path, champion: FakeKept, ratio: float
) -> None:
    candidate = FakeKept(version=2, answer=ModelDown("it is being loaded"), is_untried=True)
    world = World(tmp_path, line_up_fakes(champion, candidate, ratio=ratio))
    (reply,) = ask(world, rows((1, 0)))
    assert (predictions(reply), reply.version) == ([0.1], 1)
    assert world.log.pairs == []
    assert world.read("errors", 2, "candidate") == 0
    assert world.read("dropped", "the version is being loaded") == 1


@pytest.mark.parametrize(
    ("failure", "status", "said"),
    [
        (ModelDown("it ended."), 503, "does not answer now: it ended."),
        (ModelBusy("256 requests wait already"), 503, "is busy: 256 requests wait already."),
        (ModelTooSlow("it took longer than 60 seconds"), 504, "did not answer: it took longer than 60 seconds."),
    ],
)
def test_a_champion_that_does_not_answer_is_told_with_what_to_do(
    tmp_path: Path, failure: Exception, status: int, said: str
) -> None:
    world = World(tmp_path, line_up_fakes(FakeKept(version=1, answer=failure)))
    (reply,) = ask(world, rows((1, 0)))
    assert reply.status == status
    assert said in json.loads(reply.body)["message"]
    assert json.loads(reply.body)["next_step"]


def test_nothing_to_serve_is_told(tmp_path: Path, champion: FakeKept) -> None:
    world = World(tmp_path, line_up_fakes(champion))
    world.engine.serving = None
    (reply,) = ask(world, rows((1, 0)))
    assert (reply.status, json.loads(reply.body)["error_code"]) == (503, "UNAVAILABLE")


def test_a_model_that_fails_on_a_request_is_named_with_its_error(tmp_path: Path) -> None:
    world = World(tmp_path, line_up_fakes(FakeKept(version=1, answer=lambda _: FAILED)))
    (reply,) = ask(world, rows((1, 0)))
    assert (reply.status, json.loads(reply.body)["error_code"]) == (400, "BAD_REQUEST")
    assert "fraud_detector/1 failed on this request: ValueError: not today." in json.loads(reply.body)["message"]
    assert world.read("errors", 1, "champion") == 1


def test_a_refusal_says_which_column_and_is_no_evidence(tmp_path: Path) -> None:
    champion = FakeKept(version=1, answer=lambda _: REFUSED, signature=SIGNATURE)
    candidate = FakeKept(version=2, answer=says(0.9))
    world = World(tmp_path, line_up_fakes(champion, candidate))
    missing = Invocation(body=b'{"dataframe_records": [{"a": 1.0}]}', content_type="application/json")
    (reply,) = ask(world, missing)
    said = json.loads(reply.body)
    assert "The column 'b' is not as the model's signature says" in said["message"]
    assert [(each["column"], each["kind"]) for each in said["problems"]] == [("b", "missing")]
    assert (world.log.pairs, candidate.asked) == ([], [])


def test_strict_serving_refuses_what_would_arrive_as_something_else(tmp_path: Path) -> None:
    signature = Signature(inputs=read_schema('[{"type": "long", "name": "a"}]'), outputs=None, params=None)
    champion = FakeKept(version=1, answer=says(0.1), signature=signature)
    halved = Invocation(body=b'{"dataframe_records": [{"a": 0.5}]}', content_type="application/json")
    (reply,) = ask(World(tmp_path, line_up_fakes(champion), is_strict=True), halved)
    assert reply.status == 400
    assert "would reach the model as something else" in json.loads(reply.body)["message"]
    (reply,) = ask(World(tmp_path, line_up_fakes(champion)), halved)
    assert predictions(reply) == [0.1]


# Decisions


def decided(reply: Reply) -> list[Any]:
    assert reply.status == 200, reply
    return [each["action"] for each in json.loads(reply.body)["decisions"]]


def test_the_policy_in_force_decides_on_score_and_columns(tmp_path: Path) -> None:
    champion = FakeKept(version=1, answer=says(0.1, 0.5, 0.1), signature=SIGNATURE)
    (reply,) = ask(World(tmp_path, line_up_fakes(champion), policy=POLICY), rows((1, 1), (1, 2), (500, 3)))
    assert predictions(reply) == [0.1, 0.5, 0.1]
    assert decided(reply) == ["allow", "manual_review", "manual_review"]
    first = json.loads(reply.body)["decisions"][0]
    assert (first["probability"], first["reasons"]) == (0.1, ["low_fraud_probability"])
    assert first["policy_revision"].startswith("sha256:")


def test_the_daily_limit_holds_across_requests(tmp_path: Path) -> None:
    champion = FakeKept(version=1, answer=says(0.9), signature=SIGNATURE)
    world = World(tmp_path, line_up_fakes(champion), policy=POLICY)
    assert [decided(reply) for reply in ask(world, rows((1, 7)), rows((1, 7)), rows((1, 8)))] == [
        ["block"],
        ["manual_review"],
        ["block"],
    ]
    assert (world.read("decisions", "block"), world.read("decisions", "manual_review")) == (2, 1)


def test_a_shadow_does_not_count_blocks_and_both_sides_are_decided_alike(tmp_path: Path) -> None:
    champion = FakeKept(version=1, answer=says(0.9), signature=SIGNATURE)
    candidate = FakeKept(version=2, answer=says(0.9), signature=SIGNATURE)
    world = World(tmp_path, line_up_fakes(champion, candidate), policy=POLICY)
    replies = ask(world, rows((1, 7)), rows((1, 7)))
    assert [decided(reply) for reply in replies] == [["block"], ["manual_review"]]
    sides = [(pair.champion.decisions, pair.candidate.decisions) for pair in world.log.pairs]
    assert sides == [(["block"], ["block"])] * 2


@pytest.mark.parametrize("values", [(1.2,), (), (0.1, 0.2)])
def test_what_cannot_be_decided_is_not_let_through(tmp_path: Path, values: tuple[float, ...]) -> None:
    champion = FakeKept(version=1, answer=says(*values), signature=SIGNATURE)
    (reply,) = ask(World(tmp_path, line_up_fakes(champion), policy=POLICY), rows((1, 1)))
    assert reply.status == 500
    assert "nothing can be decided" in json.loads(reply.body)["message"]


def test_a_request_without_a_column_that_the_policy_needs_is_refused(tmp_path: Path) -> None:
    champion = FakeKept(version=1, answer=says(0.1), signature=None)
    body = Invocation(body=b'{"dataframe_records": [{"b": 1}]}', content_type="application/json")
    (reply,) = ask(World(tmp_path, line_up_fakes(champion), policy=POLICY), body)
    assert reply.status == 400
    assert "no column 'a'" in json.loads(reply.body)["message"]


def test_no_model_writes_decisions_of_its_own(tmp_path: Path) -> None:
    forged = b'{"predictions": [0.9], "decisions": [{"action": "allow"}]}'
    answer = Scored(status=200, mimetype="application/json", latency_ms=1, values=(0.9,), body=forged)
    champion = FakeKept(version=1, answer=lambda _: answer, signature=SIGNATURE)
    (reply,) = ask(World(tmp_path, line_up_fakes(champion), policy=POLICY), rows((1, 1)))
    assert decided(reply) == ["block"]
    assert reply.body.count(b"decisions") == 1


def test_a_full_queue_is_counted_and_nobody_waits_for_it(
    tmp_path: Path, champion: FakeKept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.serving.shadowing.MAX_QUEUED", 3)

    class Stuck(FakeKept):
        async def score(self, invocation: Invocation, *, wants_values: bool, timeout_s: float) -> Scored:
            await asyncio.Event().wait()
            raise AssertionError

    world = World(tmp_path, line_up_fakes(champion, Stuck(version=2, answer=says(0.9))))
    monkeypatch.setattr(world.shadow, "close", lambda: type(world.shadow).close(world.shadow, patience_s=0.01))
    replies = ask(world, *[rows((n, 0)) for n in range(10)])
    assert [predictions(reply) for reply in replies] == [[0.1]] * 10
    assert world.read("dropped", "the queue is full") == 7
    assert world.read("dropped", "the server stopped") == 3
    assert world.tally.loss == Loss(requests=0, rows=0)


def test_what_waits_to_be_paired_would_be_lost_with_the_process(tmp_path: Path, champion: FakeKept) -> None:
    world = World(tmp_path, line_up_fakes(champion, FakeKept(version=2, answer=says(0.9))))

    async def offer() -> Loss:
        for number in range(3):
            await world.engine.answer(rows((number, 0)), request_id=f"r{number}", key=None)
        return world.tally.loss

    # Nothing pairs: the shadow has not been started.
    assert asyncio.run(offer()) == Loss(requests=3, rows=0)
