from dataclasses import replace
from pathlib import Path

import pytest

from services.errors import Conflict, Forbidden, GatehouseError, InvalidInput, NotFound
from services.gates.waivers import Waivers
from services.identity.actors import Actor, Role
from services.registry.fake import FakeRegistry
from services.registry.values import ModelVersion, Stage
from services.store import Store
from tests.conftest import FakeClock
from tests.gates.builders import MAYA, MEERA, add_version, build_world

OWNER = Actor(name="maya", roles=frozenset({Role.RELEASE_MANAGER}), origin="test")


def build(store: Store, clock: FakeClock, folder: Path) -> tuple[Waivers, ModelVersion]:
    return build_world(store, clock, folder).gates.waivers, add_version(FakeRegistry())


def test_a_waiver_is_granted_listed_and_revoked(any_store: Store, clock: FakeClock, tmp_path: Path) -> None:
    waivers, version = build(any_store, clock, tmp_path)
    granted = waivers.grant(MEERA, version, Stage.STAGING, "auc", reason=" known ", days=1, longest_days=3)
    assert (granted.reason, granted.granted_by) == ("known", "meera")
    assert waivers.list_waivers(model=version.name, version=1, stage=Stage.STAGING) == [granted]
    revoked = waivers.revoke(MEERA, granted.id, reason="mended")
    assert revoked.revoked_by == "meera"
    assert waivers.list_waivers() == []
    assert [each.id for each in waivers.list_waivers(only_standing=False)] == [granted.id]
    assert waivers.list_waivers(only_standing=False, before_id=granted.id) == []
    with pytest.raises(Conflict, match="has ended"):
        waivers.revoke(MEERA, granted.id, reason="again")
    actions = build_world(any_store, clock, tmp_path).list_actions()
    assert actions[-2:] == ["gate:waiver:granted", "gate:waiver:revoked"]


@pytest.mark.parametrize(
    ("actor", "reason", "days", "error"),
    [
        (MAYA, "known", 1, Forbidden),
        (OWNER, "known", 1, Forbidden),
        (MEERA, "  ", 1, InvalidInput),
        (MEERA, "x" * 5000, 1, InvalidInput),
        (MEERA, "known", 4, InvalidInput),
        (MEERA, "known", 0, InvalidInput),
        (MEERA, "known", float("nan"), InvalidInput),
    ],
)
def test_a_waiver_takes_somebody_else_a_reason_and_an_end(
    store: Store, clock: FakeClock, tmp_path: Path, actor: Actor, reason: str, days: float, error: type[GatehouseError]
) -> None:
    waivers, version = build(store, clock, tmp_path)
    with pytest.raises(error):
        waivers.grant(actor, version, Stage.STAGING, "auc", reason=reason, days=days, longest_days=3)
    assert waivers.list_waivers(only_standing=False) == []


def test_a_waiver_that_is_not_there_is_named(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    waivers, _ = build(store, clock, tmp_path)
    with pytest.raises(NotFound, match="no waiver 7"):
        waivers.revoke(MEERA, 7, reason="x")


def test_a_waiver_does_not_pass_to_a_version_that_takes_the_number_of_a_deleted_one(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    world = build_world(store, clock, tmp_path)
    version = add_version(world.registry)
    waivers = world.gates.waivers
    granted = waivers.grant(MEERA, version, Stage.STAGING, "auc", reason="known", days=1, longest_days=3)
    assert waivers.list_standing(version, Stage.STAGING) == [granted]
    clock.advance(hours=1)
    assert waivers.list_standing(replace(version, created_at=clock()), Stage.STAGING) == []


def test_who_made_a_version_is_known_under_other_names_too(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    waivers, version = build(store, clock, tmp_path)
    for made in (replace(version, author="Maya"), replace(version, author="", tags={"owner": "maya@bank.example"})):
        with pytest.raises(Forbidden, match="made"):
            waivers.grant(OWNER, made, Stage.STAGING, "auc", reason="known", days=1, longest_days=3)
