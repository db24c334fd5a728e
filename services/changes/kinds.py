"""What a capability has to say to put its changes under the one protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from services.changes.values import Change, Execution, Proof
from services.identity.actors import Actor, Permission
from services.store import UnitOfWork


class ChangeKind(Protocol):
    """One kind of change.

    Network calls belong in `prove`, `bind` and `execute`; `started` and `completed` are given an open transaction and
    must not leave it.
    """

    @property
    def name(self) -> str:
        """The kind's name, which also begins the names of its events."""

    @property
    def executes_on_approval(self) -> bool:
        """Whether the last approval executes at once, rather than leaving the moment to somebody."""

    @property
    def goes_first(self) -> bool:
        """Whether it starts while another change of its model is being executed, and puts an end to that one."""

    def subject(self, payload: Mapping[str, Any]) -> str:
        """Return the reference that events are filed under."""

    def model(self, payload: Mapping[str, Any]) -> str | None:
        """Return the model it is about, if any."""

    def title(self, payload: Mapping[str, Any]) -> str:
        """Return what is asked, in a few words."""

    def permission_to_request(self, payload: Mapping[str, Any]) -> Permission:
        """Return what the requester must be allowed."""

    def permission_to_approve(self, payload: Mapping[str, Any]) -> Permission:
        """Return what an approver, and whoever executes, must be allowed."""

    def prove(self, payload: Mapping[str, Any], actor: Actor) -> Proof:
        """Gather the evidence, live."""

    def bind(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """Read the bound facts live, in the shape of `Proof.bound`."""

    def started(self, unit: UnitOfWork, change: Change, actor: Actor) -> None:
        """Write what has to stand in the store before execution, with the event that says it started."""

    def execute(self, change: Change) -> Execution:
        """Make it so. Runs again after a crash at any point, so every step must be idempotent."""

    def closed(self, unit: UnitOfWork, change: Change, actor: Actor) -> None:
        """Write what follows from a change that was rejected or cancelled, expired or failed; its event is written."""

    def completed(self, unit: UnitOfWork, change: Change, execution: Execution, actor: Actor) -> None:
        """Write what follows from execution, with the event that says it is done."""
