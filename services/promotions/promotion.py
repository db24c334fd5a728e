"""A promotion: one version to one stage, as a kind of change.

What approvals cover is bound to the version's identity, its artifact bytes, the policy in force, the risk tier, the
waivers that stand, the champion and where the stage's alias points; gate results are kept as they were measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from services.audit import AuditLog
from services.changes import Change, Execution, Proof
from services.changes.records import record_change
from services.clock import Clock, utc_now
from services.errors import Blocked
from services.gates import Gates
from services.identity.actors import Actor, Permission
from services.promotions.breaking import PLAN, Migration, judge_migration
from services.promotions.moves import StageMover
from services.promotions.stage_evidence import StageEvidence
from services.registry.port import Registry
from services.registry.stages import alias_of, check_move
from services.registry.values import ModelVersion, Stage
from services.store import UnitOfWork

RETIRING = frozenset({Stage.ARCHIVED, Stage.NONE})


class StageFollower(Protocol):
    """What has to follow a stage, in the transaction that records the move; pins are one."""

    def stage_moved(self, unit: UnitOfWork, change: Change, stage: Stage, actor: Actor) -> Mapping[str, Any]:
        """Follow, and return what is worth recording."""

    def find_obstacle(self, model: str, version: int) -> str | None:
        """Return why a version cannot be retired, or None."""


class Promotion:
    """The kind of change that moves a stage.

    Payload: model, version, to (a `Stage`), the decision context (risks, improvements, context, plan), and the plan for
    the migration of callers that the version breaks, if it breaks any.
    """

    name = "promotion"
    executes_on_approval = False
    goes_first = False

    def __init__(
        self,
        registry: Registry,
        gates: Gates,
        mover: StageMover,
        audit: AuditLog,
        followers: Sequence[StageFollower],
        *,
        clock: Clock = utc_now,
    ) -> None:
        self._registry = registry
        self._evidence = StageEvidence(registry, gates)
        self._mover = mover
        self._audit = audit
        self._followers = followers
        self._clock = clock

    def subject(self, payload: Mapping[str, Any]) -> str:
        """Return `NAME/VERSION`."""
        return f"{payload['model']}/{payload['version']}"

    def model(self, payload: Mapping[str, Any]) -> str | None:
        """Return the model."""
        return str(payload["model"])

    def title(self, payload: Mapping[str, Any]) -> str:
        """Return what is asked, in a few words."""
        return f"{payload['model']} version {payload['version']} to {payload['to']}"

    def permission_to_request(self, payload: Mapping[str, Any]) -> Permission:
        """Return the permission to ask."""
        return Permission.REQUEST_CHANGE

    def permission_to_approve(self, payload: Mapping[str, Any]) -> Permission:
        """Return the permission that the stage takes."""
        is_retiring = Stage(payload["to"]) in RETIRING
        return Permission.ARCHIVE_MODEL if is_retiring else Permission.PROMOTE_TO_PRODUCTION

    def prove(self, payload: Mapping[str, Any], actor: Actor) -> Proof:
        """Run the gates of the stage on the version as it is now.

        Raises:
            NotFound: the version is gone.
            Blocked: the move is not a legal one, or the version is past its sunset.
            Unreachable: the registry does not answer.
        """
        stage = Stage(payload["to"])
        version = self._registry.get_version(str(payload["model"]), int(payload["version"]))
        check_move(version, stage)
        if alias_of(stage) is not None:
            self._mover.check_may_serve(version)
        bound = self._evidence.bind(version, stage)
        proof = self._evidence.prove(version, stage, bound=bound, actor=actor)
        migration = self._judge_migration(version, stage, bound, payload)
        return replace(
            proof,
            findings={**proof.findings, **({"migration": migration.to_json()} if migration.breaking else {})},
            blocker=_blocker(proof, migration) or self._find_obstacle(version, stage),
        )

    def bind(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """Read the version, its bytes, the policy and the alias, live."""
        version = self._registry.get_version(str(payload["model"]), int(payload["version"]))
        return self._evidence.bind(version, Stage(payload["to"]))

    def started(self, unit: UnitOfWork, change: Change, actor: Actor) -> None:
        """Record the intent."""
        self._record(unit, change, actor, "execution:started", after={"to": change.payload["to"]})

    def execute(self, change: Change) -> Execution:
        """Move the alias from where the approvers saw it, once."""
        model, version = str(change.payload["model"]), int(change.payload["version"])
        stage, replaces = Stage(change.payload["to"]), change.bound["alias_points_at"]
        alias = alias_of(stage)
        found = None if alias is None else self._registry.find_alias(model, alias)
        is_moved = found != replaces and self._mover.is_moved(model, version, stage, change.operation_id)
        if found != replaces and not is_moved:
            return Execution(
                is_done=False,
                obstacle=f"The alias {alias} pointed at {_told(replaces)} when this was approved and points at "
                f"{_told(found)} now.",
            )
        if alias is not None and not is_moved and (sunset := self._find_sunset(model, version)):
            return Execution(is_done=False, obstacle=sunset)
        self._mover.point(model, version, stage, change.operation_id, replaces=replaces)
        return Execution(is_done=True, detail={"replaced": replaces})

    def closed(self, unit: UnitOfWork, change: Change, actor: Actor) -> None:
        """Nothing stands in the store that would have to be taken back."""

    def completed(self, unit: UnitOfWork, change: Change, execution: Execution, actor: Actor) -> None:
        """Let pins follow, and record that it is done."""
        stage = Stage(change.payload["to"])
        followed = [follower.stage_moved(unit, change, stage, actor) for follower in self._followers]
        after: dict[str, Any] = {"version": change.payload["version"], "stage": stage.value}
        for each in followed:
            after.update(each)
        before = {"version": execution.detail["replaced"]}
        self._record(unit, change, actor, "execution:completed", before=before, after=after)

    def _find_sunset(self, model: str, version: int) -> str:
        """Return how a version ended between its approval and now, or nothing."""
        try:
            self._mover.check_may_serve(self._registry.get_version(model, version))
        except Blocked as error:
            return error.message
        return ""

    def _find_obstacle(self, version: ModelVersion, stage: Stage) -> str:
        if stage not in RETIRING:
            return ""
        obstacles = (follower.find_obstacle(version.name, version.version) for follower in self._followers)
        return next(filter(None, obstacles), "")

    def _judge_migration(
        self, version: ModelVersion, stage: Stage, bound: Mapping[str, Any], payload: Mapping[str, Any]
    ) -> Migration:
        if stage is not Stage.PRODUCTION:
            return Migration()
        today = self._clock().date()
        return judge_migration(self._registry, version, bound["alias_points_at"], payload.get(PLAN), today)

    def _record(
        self,
        unit: UnitOfWork,
        change: Change,
        actor: Actor,
        what: str,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any],
    ) -> None:
        record_change(self._audit, unit, change, actor, what, before=before, after=after)


def _blocker(proof: Proof, migration: Migration) -> str:
    told = [proof.blocker] if proof.blocker else []
    if migration.problems:
        told.append(f"A breaking change needs a migration plan. {' '.join(migration.problems)}")
    return " ".join(told)


def _told(version: int | None) -> str:
    return "no version" if version is None else f"version {version}"
