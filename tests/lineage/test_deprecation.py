from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from services.audit import AuditLog
from services.errors import Blocked, Conflict, Forbidden, InvalidInput, Unreachable
from services.identity import Actor, Identity, Role
from services.lineage.deprecation import Deprecations
from services.lineage.sunset import find_sunset, strip_description
from services.registry.fake import FakeRegistry
from services.registry.values import ModelVersion
from services.store import Store
from tests.conftest import FakeClock

RAVI = Actor(name="ravi", roles=frozenset({Role.ML_ENGINEER}), origin="test")
MEERA = Actor(name="meera", roles=frozenset({Role.RELEASE_MANAGER}), origin="test")
MAYA = Actor(name="maya", roles=frozenset({Role.DATA_SCIENTIST}), origin="test")
WORKER = Actor(name="system:worker", roles=frozenset(), origin="worker")


class World:
    def __init__(self, store: Store, clock: FakeClock, home: Path) -> None:
        self.registry = FakeRegistry(clock=clock)
        self.clock = clock
        self.store = store
        self.audit = AuditLog(store, clock=clock, home=home)
        identity = Identity(store, self.audit, clock=clock, home=home)
        self.deprecations = Deprecations(self.registry, store, self.audit, identity, clock=clock)

    def actions(self) -> list[str]:
        return [event.action for event in self.audit.list_events().events]


@pytest.fixture
def world(store: Store, clock: FakeClock, tmp_path: Path) -> World:
    return World(store, clock, tmp_path)


def declare(world: World, version: ModelVersion, **given: Any) -> ModelVersion:
    terms = {"sunset": date(2026, 6, 1), "replacement": None, "reason": "Superseded", **given}
    return world.deprecations.declare(terms.pop("actor", RAVI), version, **terms)


def test_a_deprecated_version_says_so_in_tags_and_description(world: World) -> None:
    old = world.registry.add_version("fraud", description="Baseline")
    new = world.registry.add_version("fraud")
    found = declare(world, old, replacement=new)
    assert found.tags.items() >= {"deprecated": "true", "sunset_on": "2026-06-01", "replacement_version": "2"}.items()
    assert found.description == "[DEPRECATED - sunset 2026-06-01] Baseline"
    sunset = find_sunset("fraud", found.tags)
    assert sunset is not None
    assert (sunset.on, sunset.replacement, sunset.days_left(date(2026, 5, 31))) == (date(2026, 6, 1), "fraud/2", 1)
    assert world.actions() == ["version:deprecation:started", "version:deprecation:declared"]


def test_deprecating_again_changes_the_terms_and_keeps_one_notice(world: World) -> None:
    old = world.registry.add_version("fraud", description="Baseline")
    other = world.registry.add_version("fraud_scorer")
    once = declare(world, old, replacement=other)
    assert once.tags["replacement_version"] == "fraud_scorer/1"
    twice = declare(world, once, sunset=date(2027, 1, 1))
    assert twice.description == "[DEPRECATED - sunset 2027-01-01] Baseline"
    assert "replacement_version" not in twice.tags


def test_what_broke_off_half_way_is_finished_by_the_same_call(world: World) -> None:
    old = world.registry.add_version("fraud", description="Baseline")
    world.registry.faults.fail_once("set_version_description", Unreachable("Down.", next_step="Wait."))
    with pytest.raises(Unreachable):
        declare(world, old)
    found = declare(world, world.registry.get_version("fraud", 1))
    assert found.description == "[DEPRECATED - sunset 2026-06-01] Baseline"
    assert world.actions()[-1] == "version:deprecation:declared"


def test_a_deprecation_can_be_withdrawn(world: World) -> None:
    old = declare(world, world.registry.add_version("fraud", description="Baseline"))
    found = world.deprecations.withdraw(MEERA, old, reason="Still needed")
    assert found.description == "Baseline"
    assert find_sunset("fraud", found.tags) is None
    with pytest.raises(Conflict, match="fraud/1 is not deprecated"):
        world.deprecations.withdraw(MEERA, found, reason="Again")


def test_a_sunset_may_be_today(world: World) -> None:
    version = world.registry.add_version("fraud")
    assert declare(world, version, sunset=world.clock().date()).tags["sunset_on"] == "2026-03-01"


def test_only_who_writes_or_archives_models_may_deprecate(world: World) -> None:
    version = world.registry.add_version("fraud")
    declare(world, version, actor=MEERA)
    with pytest.raises(Forbidden):
        declare(world, version, actor=MAYA)
    with pytest.raises(Forbidden):
        world.deprecations.withdraw(MAYA, version, reason="x")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sunset": date(2026, 2, 28)}, "2026-02-28 is past"),
        ({"reason": " "}, "reason is needed"),
        ({"reason": "x" * 4001}, "4001 characters"),
    ],
)
def test_terms_that_make_no_sense_are_refused_and_nothing_is_written(
    world: World, given: dict[str, Any], message: str
) -> None:
    version = world.registry.add_version("fraud")
    with pytest.raises(InvalidInput, match=message):
        declare(world, version, **given)
    assert world.actions() == []
    assert world.registry.get_version("fraud", 1).tags == version.tags


def test_a_version_is_replaced_neither_by_itself_nor_by_a_deprecated_one(world: World) -> None:
    one, two = world.registry.add_version("fraud"), world.registry.add_version("fraud")
    with pytest.raises(InvalidInput, match="cannot replace itself"):
        declare(world, one, replacement=one)
    with pytest.raises(InvalidInput, match="fraud/2 is deprecated too"):
        declare(world, one, replacement=declare(world, two))


def test_a_version_may_serve_until_its_sunset(world: World) -> None:
    version = declare(world, world.registry.add_version("fraud"), sunset=date(2026, 3, 2))
    world.deprecations.check_may_serve(version)
    world.clock.advance(days=1)
    with pytest.raises(Blocked, match="past its sunset"):
        world.deprecations.check_may_serve(version)


@pytest.mark.parametrize("tags", [{"deprecated": "true"}, {"deprecated": "TRUE", "sunset_on": "soon"}])
def test_a_deprecation_without_a_readable_date_counts_as_come(world: World, tags: dict[str, str]) -> None:
    version = world.registry.add_version("fraud", tags=tags)
    with pytest.raises(Blocked, match="no readable date"):
        world.deprecations.check_may_serve(version)


def test_what_is_not_deprecated_may_serve(world: World) -> None:
    world.deprecations.check_may_serve(world.registry.add_version("fraud", tags={"deprecated": "false"}))


def test_a_sunset_is_reminded_of_once_a_threshold(world: World) -> None:
    version = declare(world, world.registry.add_version("fraud"), sunset=date(2026, 4, 15))
    far = world.deprecations.remind([version], actor=WORKER)
    assert far == []
    world.clock.advance(days=20)
    for _ in range(3):
        (reminder,) = world.deprecations.remind([version], actor=WORKER)
        assert reminder.days_left == 25
    assert world.actions().count("version:sunset:near") == 1
    world.clock.advance(days=12)
    world.deprecations.remind([version], actor=WORKER)
    assert world.actions().count("version:sunset:near") == 2
    world.clock.advance(days=30)
    world.deprecations.remind([version], actor=WORKER)
    world.deprecations.remind([version], actor=WORKER)
    assert world.actions().count("version:sunset:reached") == 1


def test_versions_without_a_readable_sunset_are_not_reminded_of(world: World) -> None:
    versions = [world.registry.add_version("fraud"), world.registry.add_version("fraud", tags={"deprecated": "true"})]
    assert world.deprecations.remind(versions, actor=WORKER) == []


def test_a_description_that_only_looks_like_a_notice_keeps_its_words() -> None:
    assert strip_description("Baseline [DEPRECATED - sunset 2026-01-01] x").startswith("Baseline")
    assert strip_description("[DEPRECATED] by hand") == "[DEPRECATED] by hand"
