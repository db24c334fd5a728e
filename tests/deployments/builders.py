"""Deployments over a registry in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.audit import AuditLog
from services.changes import Changes
from services.deployments import Deployments, Pins, Rollback
from services.identity import Identity
from services.promotions import StageMover
from services.registry.fake import FakeRegistry
from services.store import Store
from tests.conftest import FakeClock
from tests.promotions.test_moves import registry_with


@dataclass(kw_only=True)
class World:
    """Three versions of one model, and pins that tests set."""

    store: Store
    registry: FakeRegistry
    pins: Pins
    changes: Changes
    deployments: Deployments

    def pin(self, *versions: int, model: str = "fraud_detector") -> None:
        """Put versions into production one after the other, as promotions do."""
        for number, version in enumerate(versions, 1):
            with self.store.write() as unit:
                self.pins.move(unit, model=model, version=version, change_id=-number, actor="meera")
                unit.commit()
            self.registry.set_alias(model, "production", version)


def build_world(store: Store, clock: FakeClock, folder: Path) -> World:
    registry = registry_with(4)
    audit = AuditLog(store, clock=clock, home=folder)
    pins = Pins(store, clock=clock)
    mover = StageMover(registry, legacy_stages=True, sign=lambda: audit.checkpoints.write().note)
    rollback = Rollback(registry, pins, mover, audit)
    changes = Changes(store, audit, Identity(store, audit, clock=clock, home=folder), [rollback], clock=clock)
    deployments = Deployments(pins, changes, folder / "pins.yaml")
    return World(store=store, registry=registry, pins=pins, changes=changes, deployments=deployments)
