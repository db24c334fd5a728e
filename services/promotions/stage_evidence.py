"""What lets a version come to a stage, asked for or found there: its gates, its approvals and what those rest on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from itertools import groupby
from typing import Any

from services.changes import Proof
from services.clock import to_text
from services.gates import GateReport, Gates
from services.gates.evidence import tier_of
from services.identity.actors import Actor
from services.registry.port import RegistryReader
from services.registry.stages import alias_of
from services.registry.values import ModelVersion, Stage

PRODUCTION_ALIAS = alias_of(Stage.PRODUCTION)


class StageEvidence:
    """Gathers the evidence for a version and a stage."""

    def __init__(self, registry: RegistryReader, gates: Gates) -> None:
        self._registry = registry
        self._gates = gates

    def bind(self, version: ModelVersion, stage: Stage) -> Mapping[str, Any]:
        """Read live the version, its bytes, the policy, the tier, waivers that stand, the champion and the alias."""
        alias = alias_of(stage)
        model = self._registry.get_model(version.name)
        waivers = self._gates.waivers.list_standing(version, stage)
        return {
            "model": version.name,
            "version": version.version,
            "created_at": to_text(version.created_at),
            "artifact_digest": self._registry.get_artifact_digest(version),
            "policy_revision": self._gates.policy_revision(version.name),
            "tier": tier_of(model, version),
            "waivers": sorted(waiver.id for waiver in waivers),
            "champion": model.aliases.get(str(PRODUCTION_ALIAS)),
            "alias_points_at": None if alias is None else self._registry.find_alias(version.name, alias),
        }

    def prove(
        self,
        version: ModelVersion,
        stage: Stage,
        *,
        bound: Mapping[str, Any],
        actor: Actor,
        champion: ModelVersion | None = None,
        is_first: bool = False,
    ) -> Proof:
        """Run the gates of the stage.

        Args:
            bound: what was read before, since gates take their time: what moves meanwhile is found on approval.
            champion: what it is compared with; the version that the production alias points at unless given.
            is_first: it is compared with nothing, wherever the alias points.

        Raises:
            Forbidden: the actor may not run gates.
            Unreachable: the registry does not answer.
        """
        report = self._gates.run(version, stage, actor=actor, champion=champion, is_first=is_first)
        tier = tier_of(self._registry.get_model(version.name), version)
        rule = self._gates.approval_rule(version.name, stage, tier=tier)
        barred = {rule.policy_author: "edited the gate policy in force", version.author: "made this version"}
        return Proof(
            bound=bound,
            findings=report.to_json(),
            required_approvals=rule.approvals,
            blocker=_blocker(report),
            barred={name: why for name, why in barred.items() if name},
            policy_revision=report.policy_revision,
            expires_after=timedelta(hours=rule.expires_after_hours),
        )


def _blocker(report: GateReport) -> str:
    if report.is_passed:
        return ""
    held = _tell_obstacles(report)
    return f"The gates {report.outcome}: {held}." if held else f"The gates {report.outcome}."


def _tell_obstacles(report: GateReport) -> str:
    """Return the gates in the way, by outcome where there are several."""
    by_outcome = {
        outcome: ", ".join(result.gate for result in found)
        for outcome, found in groupby(report.obstacles, key=lambda result: result.outcome)
    }
    if len(by_outcome) == 1:
        return by_outcome[report.outcome]
    return "; ".join(f"{held} {outcome}" for outcome, held in by_outcome.items())
