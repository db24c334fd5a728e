"""Promotions as their users see them: ask for one, and read it in the words of the interface."""

from __future__ import annotations

from typing import Any

from services.changes import Change, Changes
from services.errors import InvalidInput
from services.identity.actors import Actor
from services.promotions.breaking import PLAN
from services.promotions.promotion import Promotion
from services.registry.port import RegistryReader
from services.registry.references import Reference, resolve_reference
from services.registry.values import Stage
from services.signatures.migration import MigrationPlan

_STAGES = {stage.value.lower(): stage for stage in Stage}


class Promotions:
    """Asking for promotions; deciding on them is `Changes`."""

    def __init__(self, registry: RegistryReader, changes: Changes) -> None:
        self._registry = registry
        self._changes = changes

    def request(
        self,
        reference: Reference,
        stage: Stage,
        *,
        actor: Actor,
        reason: str,
        risks: str = "",
        improvements: str = "",
        context: str = "",
        plan: str = "",
        migration_plan: MigrationPlan | None = None,
    ) -> Change:
        """Ask for a version to be moved to a stage; its gates run at once.

        Args:
            migration_plan: needed where the version breaks callers of the one in production.

        Raises:
            Forbidden: the actor may not ask.
            NotFound: the version does not exist.
            Blocked: the move is not a legal one.
            InvalidInput: no reason was given.
            Unreachable: the registry does not answer.
        """
        version = resolve_reference(self._registry, reference)
        payload: dict[str, Any] = {
            "model": version.name,
            "version": version.version,
            "to": stage.value,
            "risks": risks,
            "improvements": improvements,
            "context": context,
            "plan": plan,
        }
        if migration_plan is not None:
            payload[PLAN] = migration_plan.to_json()
        return self._changes.request(Promotion.name, payload, actor=actor, reason=reason)


def parse_stage(text: str) -> Stage:
    """Return the stage a text names, whatever its case.

    Raises:
        InvalidInput: it names none.
    """
    stage = _STAGES.get(text.strip().lower())
    if stage is None:
        raise InvalidInput(f"{text!r} is no stage.", next_step=f"The stages are {', '.join(_STAGES)}.")
    return stage


def to_json(change: Change) -> dict[str, Any]:
    """Return a promotion in the JSON of the interface."""
    moved = {name: change.payload[name] for name in ("model", "version")}
    return {**change.to_json(), **moved, "to": str(change.payload["to"]).lower()}
