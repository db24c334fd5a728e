import pytest

from services.errors import Blocked, Conflict, Unreachable
from services.promotions.moves import WAS_PRODUCTION_TAG, StageMover
from services.registry.fake import FakeRegistry
from services.registry.tags import CHECKPOINT_TAG, OPERATION_TAG
from services.registry.values import Stage
from tests.conftest import FakeClock


def registry_with(versions: int = 3, production: int | None = None) -> FakeRegistry:
    registry = FakeRegistry()
    registry.add_model("fraud_detector")
    for _ in range(versions):
        registry.create_version("fraud_detector", source="models:/m-1", run_id=None, description="")
    if production is not None:
        registry.set_alias("fraud_detector", "production", production)
        registry.set_stage("fraud_detector", production, Stage.PRODUCTION)
    return registry


def move(registry: FakeRegistry, version: int, *, replaces: int | None, legacy_stages: bool = True) -> int | None:
    mover = StageMover(registry, legacy_stages=legacy_stages, sign=lambda: "a signed checkpoint")
    return mover.point("fraud_detector", version, Stage.PRODUCTION, "op-1", replaces=replaces)


def stage(registry: FakeRegistry, version: int) -> Stage:
    return registry.get_version("fraud_detector", version).stage


def test_the_alias_and_the_legacy_stage_follow_and_the_version_before_is_kept_archived() -> None:
    registry = registry_with(production=1)
    assert move(registry, 2, replaces=1) == 1
    assert registry.find_alias("fraud_detector", "production") == 2
    assert (stage(registry, 1), stage(registry, 2)) == (Stage.ARCHIVED, Stage.PRODUCTION)
    assert registry.get_version("fraud_detector", 1).tags[WAS_PRODUCTION_TAG] == "true"
    assert registry.get_version("fraud_detector", 2).tags[OPERATION_TAG] == "op-1"
    assert registry.get_version("fraud_detector", 2).tags[CHECKPOINT_TAG] == "a signed checkpoint"


def test_moving_twice_is_moving_once() -> None:
    registry = registry_with(production=1)
    move(registry, 2, replaces=1)
    once = [registry.get_version("fraud_detector", number) for number in (1, 2, 3)]
    assert move(registry, 2, replaces=1) == 2
    assert [registry.get_version("fraud_detector", number).tags for number in (1, 2, 3)] == [v.tags for v in once]
    assert stage(registry, 1) is Stage.ARCHIVED


def test_a_move_interrupted_after_the_alias_still_retires_the_version_before() -> None:
    registry = registry_with(production=1)
    registry.set_alias("fraud_detector", "production", 2)
    move(registry, 2, replaces=1)
    assert stage(registry, 1) is Stage.ARCHIVED


def test_legacy_stages_stay_where_they_are_when_they_are_off() -> None:
    registry = registry_with(production=1)
    move(registry, 2, replaces=1, legacy_stages=False)
    assert (stage(registry, 1), stage(registry, 2)) == (Stage.PRODUCTION, Stage.NONE)
    assert registry.get_version("fraud_detector", 1).tags[WAS_PRODUCTION_TAG] == "true"


def test_a_version_before_that_was_deleted_is_no_obstacle() -> None:
    registry = registry_with(production=1)
    registry.remove_version("fraud_detector", 1)
    move(registry, 2, replaces=1)
    assert registry.find_alias("fraud_detector", "production") == 2


def test_the_first_version_in_production_replaces_none() -> None:
    registry = registry_with()
    assert move(registry, 1, replaces=None) is None
    assert stage(registry, 1) is Stage.PRODUCTION


def test_somebody_who_moves_the_alias_at_the_same_moment_is_noticed() -> None:
    registry = registry_with(production=1)
    set_alias = registry.set_alias

    def set_alias_and_lose(name: str, alias: str, version: int) -> None:
        set_alias(name, alias, version)
        set_alias(name, alias, 3)

    registry.set_alias = set_alias_and_lose  # type: ignore[method-assign]
    with pytest.raises(Conflict, match="was set to 2 and points at 3"):
        move(registry, 2, replaces=1)


def test_a_version_that_moves_on_gives_up_its_other_alias_and_no_version_gives_up_its_own() -> None:
    registry = registry_with(production=1)
    registry.set_alias("fraud_detector", "staging", 2)
    move(registry, 2, replaces=1)
    assert registry.get_model("fraud_detector").aliases == {"production": 2}
    registry.set_alias("fraud_detector", "staging", 3)
    move(registry, 2, replaces=1)
    assert registry.get_model("fraud_detector").aliases == {"production": 2, "staging": 3}


def test_an_operation_knows_its_own_mark_only() -> None:
    registry = registry_with(production=1)
    mover = StageMover(registry, legacy_stages=True, sign=lambda: "a signed checkpoint")
    assert not mover.is_moved("fraud_detector", 2, Stage.PRODUCTION, "op-1")
    move(registry, 2, replaces=1)
    assert mover.is_moved("fraud_detector", 2, Stage.PRODUCTION, "op-1")
    assert not mover.is_moved("fraud_detector", 2, Stage.PRODUCTION, "op-2")
    registry.set_alias("fraud_detector", "production", 3)
    assert not mover.is_moved("fraud_detector", 2, Stage.PRODUCTION, "op-1")


def test_a_registry_that_is_away_is_not_taken_for_done() -> None:
    registry = registry_with(production=1)
    registry.faults.fail("set_alias", Unreachable("away", next_step="wait"))
    with pytest.raises(Unreachable):
        move(registry, 2, replaces=1)


def test_a_version_past_its_sunset_may_not_serve_and_one_before_it_may() -> None:
    registry = registry_with()
    registry.set_version_tag("fraud_detector", 1, "deprecated", "true")
    registry.set_version_tag("fraud_detector", 1, "sunset_on", "2026-03-02")
    version = registry.get_version("fraud_detector", 1)
    clock = FakeClock()
    mover = StageMover(registry, legacy_stages=True, sign=str, clock=clock)
    mover.check_may_serve(version)
    clock.advance(days=1)
    with pytest.raises(Blocked, match="fraud_detector/1 is deprecated and past its sunset"):
        mover.check_may_serve(version)
