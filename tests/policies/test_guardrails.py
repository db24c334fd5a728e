import threading
from datetime import timedelta

from services.clock import to_micros
from services.policies.guardrails import MemoryOfStore
from services.store import Store
from tests.conftest import FakeClock
from tests.policies.builders import CARDS, cards, decider

ROW = {"amount": 1.0, "country": "US", "merchant_age_days": 400, "customer_id": "c1"}


def test_blocks_are_remembered_across_processes_and_lift_by_themselves(any_store: Store, clock: FakeClock) -> None:
    memories = [MemoryOfStore(any_store, "fraud_detector") for _ in range(4)]
    actions = [decider().decide(0.9, ROW, memory=memory, at=clock.now).action for memory in memories]
    assert actions == ["block", "block", "block", "manual_review"]
    standing = memories[0].find_block("c1", at=clock.now)
    assert standing is not None
    assert (standing.since, standing.until) == (clock.now, clock.now + timedelta(hours=24))
    assert memories[0].find_block("c1", at=clock.now + timedelta(hours=24)) is None
    assert memories[0].find_block("c2", at=clock.now) is None
    assert MemoryOfStore(any_store, "other").find_block("c1", at=clock.now) is None


def test_a_clock_set_back_does_not_shorten_a_block(any_store: Store, clock: FakeClock) -> None:
    memory = MemoryOfStore(any_store, "m")
    rail = cards().guardrail
    assert rail is not None
    for hours in (6, 2):
        assert memory.claim(rail, "c", to_micros(clock.now + timedelta(hours=hours)))
    standing = memory.find_block("c", at=clock.now)
    assert standing is not None
    assert standing.until == clock.now + timedelta(hours=30)


def test_without_an_end_nothing_stands_after_the_moment(any_store: Store, clock: FakeClock) -> None:
    memory = MemoryOfStore(any_store, "m")
    rail = cards(CARDS.replace("    auto_unblock_after_hours: 24\n", "")).guardrail
    assert rail is not None
    assert memory.claim(rail, "c", to_micros(clock.now))
    assert memory.find_block("c", at=clock.now) is None


def test_what_ended_is_forgotten(any_store: Store, clock: FakeClock) -> None:
    memory = MemoryOfStore(any_store, "m")
    rail = cards().guardrail
    assert rail is not None
    memory.claim(rail, "old", to_micros(clock.now - timedelta(days=9)))
    memory.claim(rail, "new", to_micros(clock.now))
    assert memory.forget_before(clock.now - timedelta(days=7)) == 1
    assert memory.find_block("new", at=clock.now) is not None


def test_an_unlimited_guardrail_counts_without_refusing(any_store: Store, clock: FakeClock) -> None:
    memory = MemoryOfStore(any_store, "m")
    rail = cards(CARDS.replace("    max_daily_blocks_per_customer: 3\n", "")).guardrail
    assert rail is not None
    assert all(memory.claim(rail, "c", to_micros(clock.now)) for _ in range(5))


def test_two_processes_at_once_never_grant_more_than_the_limit(any_store: Store, clock: FakeClock) -> None:
    rail = cards().guardrail
    assert rail is not None
    granted: list[bool] = []

    def claim() -> None:
        memory = MemoryOfStore(any_store, "m")
        granted.extend(memory.claim(rail, "c", to_micros(clock.now)) for _ in range(5))

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) == 3
