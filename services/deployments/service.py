"""Deployments: what serves, and going back."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from services.audit import Acting
from services.changes import Change, Changes, ChangeState
from services.deployments.pins import Pins
from services.deployments.pins_file import FileState, PinsFile
from services.deployments.rollback import Rollback
from services.deployments.servers import ServerReport, Servers, describe_following
from services.deployments.standbys import Standby, Standbys, StandbyState
from services.errors import Conflict, InvalidInput, Unavailable, Unreachable
from services.identity.actors import Actor
from services.registry.references import MAX_VERSION
from services.registry.values import Stage
from services.signatures.compare import compare
from services.signatures.reader import read_signature
from services.signatures.values import SignatureReading, SignatureState
from services.signatures.verdicts import Comparison, Direction
from services.store import UnitOfWork

_VERSION = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackPreview:
    """What going back would mean.

    Args:
        signature: whether the target takes the requests that the version serving now is sent (forward compatibility).
        standby: how ready the target is.
    """

    model: str
    current: int
    target: int
    signature: Comparison
    standby: Standby

    @property
    def warnings(self) -> tuple[str, ...]:
        """What should give pause, in sentences."""
        told = []
        if not self.signature.verdict.is_pass or not self.signature.json_verdict.is_pass:
            told.append(
                f"Version {self.target} may not take the requests that version {self.current} is sent: "
                f"{self.signature.verdict} for DataFrame callers, {self.signature.json_verdict} for JSON callers."
            )
        if self.standby.state is not StandbyState.WARM:
            why = f" ({self.standby.problem})" if self.standby.problem else ""
            told.append(f"Version {self.target} is {self.standby.state}, not warm{why}: it is fetched and tried first.")
        return tuple(told)

    def to_json(self) -> dict[str, Any]:
        """Return what commands print."""
        return {
            "forward": self.signature.verdict.value,
            "forward_json": self.signature.json_verdict.value,
            "standby": self.standby.state.value,
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackOutcome:
    """How going back ended.

    Args:
        remaining: what is left to do or could not be done, such as the alias while the registry is away.
        servers: the `gatehouse serve` of the model, and what each answered with a few seconds later at the most.
    """

    change: Change
    remaining: tuple[str, ...] = ()
    servers: tuple[ServerReport, ...] = ()

    @property
    def is_back(self) -> bool:
        """Whether the target serves."""
        return self.change.state in {ChangeState.COMPLETED, ChangeState.EXECUTING}

    @property
    def following(self) -> tuple[str, ...]:
        """Whether what serves has followed, in sentences."""
        if not self.is_back:
            return ()
        return describe_following(self.servers, self.change.payload["model"], self.change.payload["to"])

    def to_json(self) -> dict[str, Any]:
        """Return the interface's JSON."""
        payload = self.change.payload
        return {
            "model": payload["model"],
            "from": payload["from"],
            "to": payload["to"],
            "state": self.change.state.value,
            "remaining": list(self.remaining),
            "servers": [
                {
                    "address": server.address,
                    "version": server.version,
                    "follows": not server.is_silent and server.version == payload["to"],
                }
                for server in self.servers
            ],
        }


class Deployments:
    """What serves, and going back to what did.

    Args:
        servers: asked after going back whether they have followed.
        find_mlmodel: the MLmodel file of a version as the index has it, so that nothing need answer.
    """

    def __init__(
        self,
        pins: Pins,
        changes: Changes,
        standbys: Standbys,
        pins_file: PinsFile,
        servers: Servers,
        *,
        find_mlmodel: Callable[[str, int], bytes | None],
    ) -> None:
        self.pins = pins
        self._changes = changes
        self._standbys = standbys
        self._pins_file = pins_file
        self._servers = servers
        self._find_mlmodel = find_mlmodel

    def preview(self, model: str, target: str) -> RollbackPreview:
        """Return what going back would mean, without asking the registry.

        Raises:
            NotFound: the model has no pins.
            InvalidInput: there is no such pin, or the text is none.
            Conflict: it serves already.
        """
        current, version = self._resolve(model, target)
        signature = compare(
            self._read_signature(model, version), self._read_signature(model, current), Direction.FORWARD
        )
        standby = self._standbys.find(model, version)
        return RollbackPreview(model=model, current=current, target=version, signature=signature, standby=standby)

    def roll_back(self, model: str, target: str, *, actor: Actor, reason: str) -> RollbackOutcome:
        """Make a former version serve again, at once, and see whether the running servers follow.

        Args:
            target: `previous`, `fallback`, or a version that was in production before.

        Raises:
            Forbidden: the actor may not go back.
            NotFound: the model has no pins.
            Blocked: the version was never in production, is deleted, or does not load and score.
            InvalidInput: there is no such pin, or the text is none.
            Conflict: it serves already.
        """
        current, version = self._resolve(model, target)
        payload = {"model": model, "from": current, "to": version}
        change = self._changes.request(Rollback.name, payload, actor=actor, reason=reason)
        remaining = _untried(change)
        try:
            done = self._changes.execute(change.id, actor=actor)
        except Unreachable:
            done = self._changes.get(change.id)
            if done.state is not ChangeState.EXECUTING:
                raise
            remaining.append(
                f"The pins are moved; the registry does not answer, so its alias follows when it does ({done.id})."
            )
        if done.state is ChangeState.FAILED:
            remaining.append(done.blocker)
        remaining += self._try_to_write_file()
        outcome = RollbackOutcome(change=done, remaining=tuple(remaining))
        if not outcome.is_back:
            return outcome
        return replace(outcome, servers=tuple(self._servers.await_version(model, version)))

    def write_file(self) -> Path:
        """Bring the pins file in step with the pins and return where it is.

        Raises:
            Conflict: somebody else writes to it.
            Unavailable: it cannot be written.
        """
        self._pins_file.write(self.pins.list_pins())
        return self._pins_file.path

    def keep_file(self, *, actor: Acting) -> FileState:
        """Look at the pins file and bring it in step unless somebody edited it; raises as `write_file`."""
        return self._pins_file.keep(self.pins.list_pins(), actor=actor)

    def _try_to_write_file(self) -> list[str]:
        # Serving follows the store; the worker writes the file as soon as it can.
        try:
            self.write_file()
        except (Conflict, Unavailable) as error:
            return [error.message]
        return []

    def _resolve(self, model: str, target: str) -> tuple[int, int]:
        """Return the version that serves and the one that is meant."""
        pinned = self.pins.get(model)
        if target in {"previous", "fallback"}:
            version = pinned.previous if target == "previous" else pinned.fallback
            if version is None:
                raise InvalidInput(
                    f"{model} has no {target} version.",
                    next_step=f"Name a version that was in production; pinned are {_listed(pinned.versions)}.",
                )
        elif _VERSION.fullmatch(target) and int(target) <= MAX_VERSION:
            version = int(target)
        else:
            raise InvalidInput(f"{target!r} is no version.", next_step="Write previous, fallback or a version number.")
        if version == pinned.current:
            raise Conflict(f"{model}/{version} serves already.", next_step="Choose another version to go back to.")
        return pinned.current, version

    def _read_signature(self, model: str, version: int) -> SignatureReading:
        mlmodel = self._find_mlmodel(model, version)
        if mlmodel is None:
            return SignatureReading(state=SignatureState.UNREADABLE, reason="Its MLmodel file has not been read yet.")
        return read_signature(mlmodel)


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


def _untried(change: Change) -> list[str]:
    """Return what could not be said of the target before it was made to serve."""
    health = change.findings["health"]
    if health == StandbyState.WARM.value:
        return []
    return [f"Version {change.payload['to']} could not be tried before: {change.findings['health_problem']}"]


def _listed(versions: Sequence[int]) -> str:
    return ", ".join(str(version) for version in versions)
