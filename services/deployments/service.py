"""Deployments: what serves, and going back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.changes import Change, Changes, ChangeState
from services.deployments.files import write_pins_file
from services.deployments.pins import Pins
from services.deployments.rollback import Rollback
from services.errors import Conflict, InvalidInput, Unreachable
from services.identity.actors import Actor
from services.registry.values import Stage
from services.store import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackOutcome:
    """How going back ended.

    Args:
        remaining: what is left to the worker, such as the alias while the registry is away; empty when nothing is.
    """

    change: Change
    remaining: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the interface's JSON."""
        payload = self.change.payload
        return {
            "model": payload["model"],
            "from": payload["from"],
            "to": payload["to"],
            "state": self.change.state.value,
            "remaining": self.remaining,
        }


class Deployments:
    """What serves, and going back to what did."""

    def __init__(self, pins: Pins, changes: Changes, pins_file: Path) -> None:
        self.pins = pins
        self._changes = changes
        self._pins_file = pins_file

    def roll_back(self, model: str, target: str, *, actor: Actor, reason: str) -> RollbackOutcome:
        """Make a former version serve again, at once.

        Args:
            target: `previous`, `fallback`, or a version that was in production before.

        Raises:
            Forbidden: the actor may not go back.
            NotFound: the model has no pins.
            Blocked: the version was never in production, or is deleted.
            InvalidInput: there is no such pin, or the text is none.
            Conflict: it serves already.
        """
        pinned = self.pins.get(model)
        version = self._target(model, target)
        if version == pinned.current:
            raise Conflict(f"{model}/{version} serves already.", next_step="Choose another version to go back to.")
        payload = {"model": model, "from": pinned.current, "to": version}
        change = self._changes.request(Rollback.name, payload, actor=actor, reason=reason)
        try:
            done = self._changes.execute(change.id, actor=actor)
        except Unreachable:
            done = self._changes.get(change.id)
            if done.state is not ChangeState.EXECUTING:
                raise
            remaining = (
                f"The pins are moved; the registry does not answer, so its alias follows when it does ({done.id})."
            )
        else:
            remaining = ""
        self.write_file()
        return RollbackOutcome(change=done, remaining=remaining)

    def write_file(self) -> Path:
        """Bring the pins file in step with the pins and return where it is.

        Raises:
            Conflict: somebody else writes to it.
        """
        write_pins_file(self._pins_file, self.pins.list_pins())
        return self._pins_file

    def _target(self, model: str, target: str) -> int:
        pinned = self.pins.get(model)
        if target in {"previous", "fallback"}:
            version = pinned.previous if target == "previous" else pinned.fallback
            if version is None:
                raise InvalidInput(
                    f"{model} has no {target} version.",
                    next_step=f"Name a version that was in production; pinned are {_listed(pinned.versions)}.",
                )
            return version
        if not target.isdecimal():
            raise InvalidInput(f"{target!r} is no version.", next_step="Write previous, fallback or a version number.")
        return int(target)


class PinsFollowPromotions:
    """Moves the pins when a promotion to production is recorded."""

    def __init__(self, pins: Pins) -> None:
        self._pins = pins

    def stage_moved(self, unit: UnitOfWork, change: Change, stage: Stage, actor: Actor) -> dict[str, Any]:
        """Make the version current when the stage is production."""
        if stage is not Stage.PRODUCTION:
            return {}
        model, version = str(change.payload["model"]), int(change.payload["version"])
        moved = self._pins.move(unit, model=model, version=version, change_id=change.id, actor=actor.name)
        return {"pins": moved.to_json()}

    def find_obstacle(self, model: str, version: int) -> str | None:
        """Return why a version cannot be retired, or None."""
        pinned = self._pins.find(model)
        if pinned is not None and pinned.current == version:
            return f"{model}/{version} serves now; promote or go back to another version first."
        return None


def _listed(versions: tuple[int, ...]) -> str:
    return ", ".join(str(version) for version in versions)
