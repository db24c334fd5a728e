from __future__ import annotations

from pathlib import Path

import pytest

from services.audit import AuditLog
from services.errors import InvalidInput, Unreachable
from services.identity import Actor, Identity, Role
from services.lineage.registering import Registrations
from services.registry.fake import FakeRegistry
from services.signatures.reader import read_signature
from services.store import Store
from tests.conftest import FakeClock
from tests.gates.builders import mlmodel

RAVI = Actor(name="ravi", roles=frozenset({Role.ML_ENGINEER}), origin="test")
INPUTS = """'[{"name": "amount", "type": "double"}]'"""
OUTPUTS = """'[{"type": "long"}]'"""


class World:
    def __init__(self, store: Store, clock: FakeClock, home: Path) -> None:
        self.registry = FakeRegistry(clock=clock)
        self.audit = AuditLog(store, clock=clock, home=home)
        self.identity = Identity(store, self.audit, clock=clock, home=home)
        self.store, self.clock = store, clock

    def register(self, name: str, mlmodel: str | None, *, is_unity_catalog: bool = False) -> str:
        registrations = Registrations(
            self.store,
            self.registry,
            self.audit,
            self.identity,
            tracking_uri="",
            signature_state=lambda text: read_signature(text).state.value,
            is_unity_catalog=is_unity_catalog,
            clock=self.clock,
        )
        files = {} if mlmodel is None else {"MLmodel": mlmodel.encode()}
        source = self.registry.add_logged_model(f"m-{'a' * 32}", files=files)
        return registrations.register(name, actor=RAVI, source=source, description="First").reference


@pytest.fixture
def world(store: Store, clock: FakeClock, tmp_path: Path) -> World:
    return World(store, clock, tmp_path)


@pytest.mark.parametrize(
    ("text", "gap"),
    [
        ("flavors: {}\n", "has none"),
        (f"signature:\n  inputs: {INPUTS}\n", "does not declare its outputs"),
        (f"signature:\n  outputs: {OUTPUTS}\n", "does not declare its inputs"),
        ("signature: [", "has no MLmodel file that can be read"),
        (None, "has no MLmodel file that can be read"),
    ],
)
def test_a_version_without_a_full_signature_is_refused_before_anything_is_written(
    world: World, text: str | None, gap: str
) -> None:
    with pytest.raises(InvalidInput, match=gap):
        world.register("fraud_detector", text)
    assert not {"create_model", "create_version"} & set(world.registry.faults.calls)
    assert not world.audit.list_events().events


def test_a_version_with_a_full_signature_is_registered_and_recorded(world: World) -> None:
    assert world.register("fraud_detector", mlmodel()) == "fraud_detector/1"
    assert [event.action for event in world.audit.list_events().events] == ["version:registry:registered"]


def test_a_registry_that_goes_away_is_not_taken_for_a_missing_signature(world: World) -> None:
    world.registry.faults.fail_once("read_file", Unreachable("The registry does not answer.", next_step="Start it."))
    with pytest.raises(Unreachable):
        world.register("fraud_detector", mlmodel())


@pytest.mark.parametrize(
    "name", ["fraud_detector", "risk.fraud_detector", "a.b.c.fraud_detector", "ml..fraud_detector"]
)
def test_a_unity_catalog_takes_names_of_three_levels_alone(world: World, name: str) -> None:
    world.registry.add_model(name)
    with pytest.raises(InvalidInput, match="three levels"):
        world.register(name, mlmodel(), is_unity_catalog=True)
    assert world.register("ml.risk.fraud_detector", mlmodel(), is_unity_catalog=True) == "ml.risk.fraud_detector/1"
