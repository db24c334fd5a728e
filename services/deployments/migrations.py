"""Pins follow a model to its new name: what serves under the old one is pinned under the new, in the same order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.changes import Change
from services.deployments.pins import Pins
from services.identity.actors import Actor
from services.store import UnitOfWork


class PinsFollowMigrations:
    """Copies the pins when a migration is recorded; the old name keeps its own until its sunset."""

    def __init__(self, pins: Pins) -> None:
        self._pins = pins

    def model_moved(
        self, unit: UnitOfWork, change: Change, old: str, new: str, numbers: Mapping[int, int], actor: Actor
    ) -> Mapping[str, Any]:
        """Pin what the old name pins, given the new number of each old version."""
        pinned = self._pins.find(old)
        followed: Mapping[str, Any] = {}
        # The last that is moved is current, so the fallback comes first.
        for version in reversed(pinned.versions if pinned else ()):
            if version in numbers:
                moved = self._pins.move(
                    unit, model=new, version=numbers[version], change_id=change.id, actor=actor.name
                )
                followed = {"pins": moved.to_json()}
        return followed
