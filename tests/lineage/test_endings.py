from datetime import date

import pytest

from services.lineage.endings import list_endings
from services.lineage.graph import NodeKind
from services.lineage.records import Mark
from services.registry.fake import FakeRegistry
from services.registry.index import Index
from services.registry.sync import Sync
from services.store import Store
from tests.conftest import FakeClock


def index_of(registry: FakeRegistry, store: Store, clock: FakeClock) -> Index:
    Sync(registry, store, clock=clock, signature_state=lambda _text: "present").run()
    return Index(store, clock=clock)


def ending(day: str) -> dict[str, str]:
    return {"deprecated": "true", "sunset_on": day, "replacement_version": "4"}


def test_deprecated_versions_come_with_their_countdown_and_who_still_uses_them(store: Store, clock: FakeClock) -> None:
    registry = FakeRegistry(clock=clock)
    registry.add_version("fraud", tags=ending("2026-03-31"), aliases=["champion"])
    registry.add_version("fraud", tags=ending("2026-03-02"))
    registry.add_version("fraud", tags={"deprecated": "false"})
    registry.add_version("score", tags={"tuned_from": "fraud/1"})
    pin = Mark(kind=NodeKind.PIN, key="fraud/previous", label="previous", name="fraud", version=1)
    second, first = list_endings(index_of(registry, store, clock), "fraud", [pin], today=clock.now.date())
    assert (second.version.version, second.countdown, second.consumers) == (2, "in 1 day", ())
    assert (first.version.version, first.countdown, first.sunset.replacement) == (1, "in 30 days", "fraud/4")
    assert first.consumers == ("@champion", "pin previous", "score/1 was tuned from it")


@pytest.mark.parametrize(
    ("today", "words"),
    [("2026-03-30", "in 1 day"), ("2026-03-31", "today"), ("2026-04-01", "1 day ago"), ("2026-04-02", "2 days ago")],
)
def test_a_countdown_goes_on_past_its_day(store: Store, clock: FakeClock, today: str, words: str) -> None:
    registry = FakeRegistry(clock=clock)
    registry.add_version("fraud", tags=ending("2026-03-31"))
    (found,) = list_endings(index_of(registry, store, clock), "fraud", [], today=date.fromisoformat(today))
    assert found.countdown == words


def test_a_sunset_that_cannot_be_read_is_told_and_comes_first(store: Store, clock: FakeClock) -> None:
    registry = FakeRegistry(clock=clock)
    registry.add_version("fraud", tags=ending("2026-03-31"))
    registry.add_version("fraud", tags=ending("soon"))
    found = list_endings(index_of(registry, store, clock), "fraud", [], today=clock.now.date())
    assert [(each.version.version, each.countdown) for each in found] == [(2, "no readable date"), (1, "in 30 days")]
