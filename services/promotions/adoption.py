"""Deciding on drift: adopting what somebody did past Gatehouse is a change like any other, reverting it is an act.

Payload of an adoption: drift, model, version, what (a sentence); the drift as found is what approvals are bound to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.changes import Change, Changes, Execution, Proof
from services.errors import Blocked, NotFound
from services.gates import Gates
from services.identity import Actor, Identity, Permission
from services.promotions.moves import StageMover
from services.promotions.promotion import StageFollower
from services.promotions.stage_evidence import StageEvidence
from services.registry.drift import Drifts
from services.registry.drift_values import Drift, DriftState
from services.registry.port import RegistryReader
from services.registry.stages import alias_of
from services.registry.values import ModelVersion, Stage
from services.registry.writes import Watched
from services.store import UnitOfWork


class Adoption:
    """The kind of change that makes drift ours."""

    name = "adoption"
    executes_on_approval = True
    goes_first = False

    def __init__(
        self,
        registry: RegistryReader,
        drifts: Drifts,
        gates: Gates,
        mover: StageMover,
        followers: Sequence[StageFollower],
    ) -> None:
        self._registry = registry
        self._evidence = StageEvidence(registry, gates)
        self._drifts = drifts
        self._mover = mover
        self._followers = followers

    def subject(self, payload: Mapping[str, Any]) -> str:
        """Return the reference of what drifted."""
        return f"{payload['model']}/{payload['version']}" if payload["version"] else str(payload["model"])

    def model(self, payload: Mapping[str, Any]) -> str | None:
        """Return the model."""
        return str(payload["model"])

    def title(self, payload: Mapping[str, Any]) -> str:
        """Return what is asked, in a few words."""
        return f"Adopt: {payload['what']}"

    def permission_to_request(self, payload: Mapping[str, Any]) -> Permission:
        """Return the permission to ask."""
        return Permission.REQUEST_CHANGE

    def permission_to_approve(self, payload: Mapping[str, Any]) -> Permission:
        """Return the permission that doing it here would have taken."""
        return Permission.PROMOTE_TO_PRODUCTION

    def prove(self, payload: Mapping[str, Any], actor: Actor) -> Proof:
        """Look at the drift; what brings a version to production passes the gates that a promotion passes.

        Raises:
            NotFound: there is none with this id, or the version found is gone.
            Blocked: it would pin a version past its sunset.
            Unreachable: the registry does not answer.
        """
        drift = self._drifts.get_drift(payload["drift"])
        if drift.state is not DriftState.OPEN:
            blocker = f"The drift was {drift.state} already."
            return Proof(bound=self.bind(payload), findings={}, required_approvals=1, blocker=blocker)
        if not _is_serving(drift):
            return Proof(bound=self.bind(payload), findings={}, required_approvals=1)
        version = self._registry.get_version(drift.model, int(str(drift.found)))
        self._mover.check_may_serve(version)
        champion = self._find_replaced(drift)
        return self._evidence.prove(
            version,
            Stage.PRODUCTION,
            bound=self.bind(payload),
            actor=actor,
            champion=champion,
            # The alias points at the version itself, which is no comparison.
            is_first=champion is None,
        )

    def bind(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what was found against what was approved, and for an alias what it says at this moment."""
        drift = self._drifts.get_drift(payload["drift"])
        approved = self._drifts.find_approved(drift)
        bound = {"state": drift.state.value, "approved": approved, "found": drift.found}
        if drift.kind is not Watched.ALIAS:
            return bound
        # The drift is what the last sync saw.
        points_at = {"alias_points_at": self._registry.find_alias(drift.model, drift.key)}
        if not _is_serving(drift):
            return {**bound, **points_at}
        version = self._registry.get_version(drift.model, int(str(drift.found)))
        return {**self._evidence.bind(version, Stage.PRODUCTION), **bound, **points_at}

    def _find_replaced(self, drift: Drift) -> ModelVersion | None:
        """Return what the alias should point at, which the version found there is compared with."""
        if drift.approved is None:
            return None
        try:
            return self._registry.get_version(drift.model, int(drift.approved))
        except NotFound:
            return None

    def started(self, unit: UnitOfWork, change: Change, actor: Actor) -> None:
        """Nothing stands in the store before it is adopted."""

    def execute(self, change: Change) -> Execution:
        """Return at once: the registry is as found already, and `completed` writes our side."""
        return Execution(is_done=True)

    def closed(self, unit: UnitOfWork, change: Change, actor: Actor) -> None:
        """The drift stays open."""

    def completed(self, unit: UnitOfWork, change: Change, execution: Execution, actor: Actor) -> None:
        """Hold what was found as approved; pins follow where it is what serves."""
        drift = self._drifts.get_open(change.payload["drift"])
        self._drifts.adopt(unit, drift, actor=actor, reason=change.reason, change_id=change.id)
        if _is_serving(drift):
            for follower in self._followers:
                follower.stage_moved(unit, change, Stage.PRODUCTION, actor)


def _is_serving(drift: Drift) -> bool:
    """Return whether adopting it pins another version."""
    return drift.kind is Watched.ALIAS and drift.key == alias_of(Stage.PRODUCTION) and drift.found is not None


class DriftDecisions:
    """What people can do about drift."""

    def __init__(self, drifts: Drifts, changes: Changes, identity: Identity) -> None:
        self._drifts = drifts
        self._changes = changes
        self._identity = identity

    def adopt(self, drift_id: int, *, actor: Actor, reason: str) -> Change:
        """Ask for a drift to be made ours; somebody else approves it.

        Raises:
            Forbidden: the actor may not ask.
            NotFound: there is no such drift.
            Conflict: it is closed already.
            Blocked: it is an edit of the pins file.
        """
        drift = self._drifts.get_open(drift_id)
        if drift.kind is Watched.PINS:
            raise Blocked(
                f"{drift.describe()} What a file says cannot be adopted: the registry would not follow.",
                next_step="Go to that version with `gatehouse rollback` or a promotion, or revert the drift.",
            )
        payload = {
            "drift": drift.id,
            "model": drift.model,
            "version": int(drift.found) if drift.kind is Watched.ALIAS and drift.found else drift.version,
            "what": drift.describe(),
        }
        return self._changes.request(Adoption.name, payload, actor=actor, reason=reason)

    def revert(self, drift_id: int, *, actor: Actor, reason: str) -> Drift:
        """Write back to the registry what was approved.

        Raises:
            Forbidden: the actor may not move stages.
            Blocked: it cannot be written back.
            Conflict: it is closed already, or has moved again.
            Unreachable: the registry does not answer.
        """
        drift = self._drifts.get_open(drift_id)
        self._identity.demand(actor, Permission.PROMOTE_TO_PRODUCTION, subject=drift.subject)
        return self._drifts.revert(drift_id, actor=actor, reason=reason)
