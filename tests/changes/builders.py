"""A kind of change over the simplest other system there is, a file that holds a number, and people to decide on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.audit import AuditLog
from services.changes import Change, Changes, Execution, Proof
from services.clock import Clock
from services.errors import Unreachable
from services.identity import Identity
from services.identity.actors import Actor, Permission, Role
from services.store import Store, UnitOfWork

MAYA = Actor(name="maya", roles=frozenset({Role.DATA_SCIENTIST}), origin="test")
MEERA = Actor(name="meera", roles=frozenset({Role.RELEASE_MANAGER}), origin="test")
JUN = Actor(name="jun", roles=frozenset({Role.RELEASE_MANAGER}), origin="test")
ADA = Actor(name="ada", roles=frozenset({Role.ADMIN}), origin="test")
WORKER = Actor(name="system:worker", roles=frozenset({Role.ADMIN}), origin="worker")


@dataclass(kw_only=True)
class Dial:
    """Turning a dial: the payload's `to` is written to a file, after a mark that says who wrote it."""

    folder: Path
    audit: AuditLog
    blocker: str = ""
    required_approvals: int = 1
    barred: Mapping[str, str] = field(default_factory=dict)
    executes_on_approval: bool = False
    goes_first: bool = False
    is_away: bool = False
    between_writes: Callable[[], None] = lambda: None
    name: str = "dial"

    @property
    def value(self) -> int:
        path = self.folder / "value"
        return int(path.read_text()) if path.exists() else 0

    @value.setter
    def value(self, value: int) -> None:
        (self.folder / "value").write_text(str(value))

    @property
    def writes(self) -> list[str]:
        path = self.folder / "writes"
        return path.read_text().splitlines() if path.exists() else []

    def subject(self, payload: Mapping[str, Any]) -> str:
        return f"dial/{payload['to']}"

    def model(self, payload: Mapping[str, Any]) -> str | None:
        return "dial"

    def title(self, payload: Mapping[str, Any]) -> str:
        return f"Turn to {payload['to']}"

    def permission_to_request(self, payload: Mapping[str, Any]) -> Permission:
        return Permission.REQUEST_CHANGE

    def permission_to_approve(self, payload: Mapping[str, Any]) -> Permission:
        return Permission.PROMOTE_TO_PRODUCTION

    def prove(self, payload: Mapping[str, Any], actor: Actor) -> Proof:
        return Proof(
            bound=self.bind(payload),
            findings={"looked": True},
            required_approvals=self.required_approvals,
            blocker=self.blocker,
            barred=self.barred,
        )

    def bind(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.is_away:
            raise Unreachable("The dial does not answer.", next_step="Wait.")
        return {"value": self.value}

    def started(self, unit: UnitOfWork, change: Change, actor: Actor) -> None:
        self._record(unit, change, "execution:started", actor)

    def execute(self, change: Change) -> Execution:
        if self.is_away:
            raise Unreachable("The dial does not answer.", next_step="Wait.")
        mark = self.folder / "mark"
        if self.value == change.payload["to"] and mark.exists() and mark.read_text() == change.operation_id:
            return Execution(is_done=True, detail={"value": self.value})
        if self.value != change.bound["value"]:
            return Execution(is_done=False, obstacle=f"The dial stands at {self.value}.")
        mark.write_text(change.operation_id)
        self.between_writes()
        self.value = change.payload["to"]
        with (self.folder / "writes").open("a") as file:
            file.write(f"{self.value}\n")
        return Execution(is_done=True, detail={"value": self.value})

    def closed(self, unit: UnitOfWork, change: Change, actor: Actor) -> None:
        self._record(unit, change, "request:closed", actor)

    def completed(self, unit: UnitOfWork, change: Change, execution: Execution, actor: Actor) -> None:
        self._record(unit, change, "execution:completed", actor)

    def _record(self, unit: UnitOfWork, change: Change, what: str, actor: Actor) -> None:
        self.audit.record(
            unit,
            actor=actor,
            action=f"dial:{what}",
            subject=change.subject,
            model=change.model,
            change_id=change.id,
            after={"state": change.state.value},
        )


@dataclass(kw_only=True)
class World:
    """Changes over one dial."""

    store: Store
    audit: AuditLog
    dial: Dial
    changes: Changes

    def ask(self, to: int = 7, actor: Actor = MAYA) -> Change:
        return self.changes.request("dial", {"to": to}, actor=actor, reason="it is better")

    def approved(self, to: int = 7) -> Change:
        return self.changes.approve(self.ask(to).id, actor=MEERA, reason="looks right")

    def actions(self) -> list[str]:
        return [event.action for event in self.audit.list_events(limit=1000).events]


def build_world(
    store: Store, clock: Clock, folder: Path, reached: Callable[[str], None] = lambda _step: None, **dial: Any
) -> World:
    folder.mkdir(parents=True, exist_ok=True)
    audit = AuditLog(store, clock=clock, home=folder)
    kind = Dial(folder=folder, audit=audit, **dial)
    changes = Changes(store, audit, Identity(store, audit, clock=clock), [kind], clock=clock, reached=reached)
    return World(store=store, audit=audit, dial=kind, changes=changes)
