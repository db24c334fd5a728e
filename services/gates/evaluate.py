"""Running the gates of a stage, and looking at what they found before.

The champion and the version are read live; the policy is the one in force; the report is stored whole, with the event
that says so. What was measured is kept as it was measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from services.audit import AuditLog
from services.clock import Clock, to_text
from services.documents.kind import get_kind
from services.documents.library import DEFAULT_NAME
from services.documents.reading import DocumentReader
from services.documents.validation import parse
from services.errors import InvalidInput, NotFound
from services.gates.checks import applicable_gates, judge_gates
from services.gates.collectors.records import read_version_signature
from services.gates.evidence import Collector, Subject, tier_of
from services.gates.gathering import gather
from services.gates.history import GateHistory
from services.gates.outcomes import GateResult, Outcome, judge
from services.gates.policy import GATE_POLICY, GatePolicy
from services.gates.reports import GateReport, digest_report, report_columns
from services.gates.sweep import sweep
from services.gates.vocabulary import read_vocabulary
from services.gates.waivers import Waiver, Waivers, apply_waivers
from services.identity import Identity
from services.identity.actors import Actor, Permission
from services.policies.reading import digest_text
from services.registry.port import RegistryReader
from services.registry.protection import Protection
from services.registry.stages import alias_of
from services.registry.values import ModelVersion, RegisteredModel, Stage
from services.store import Store
from services.store import gates as rows

FILES_GATE = "files"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRule:
    """What a move needs besides its gates.

    Args:
        policy_author: the last editor of the policy in force, who may not approve under it.
    """

    approvals: int
    expires_after_hours: float
    policy_author: str


class Gates(GateHistory):
    """Gate policies, evaluation and waivers.

    Args:
        collectors: what gathers evidence; a gate whose evidence nothing gathers is inconclusive.
    """

    def __init__(
        self,
        store: Store,
        registry: RegistryReader,
        audit: AuditLog,
        identity: Identity,
        documents: DocumentReader,
        collectors: Sequence[Collector],
        *,
        clock: Clock,
    ) -> None:
        super().__init__(store)
        self._registry = registry
        self._audit = audit
        self._identity = identity
        self._documents = documents
        self._collectors = tuple(collectors)
        self._clock = clock
        self.waivers = Waivers(store, audit, identity, clock=clock)

    # Policy

    def get_policy(self, *, at: datetime | None = None) -> GatePolicy:
        """Return the policy in force, now or at a time in the past.

        Raises:
            NotFound: none is.
        """
        revision = self._documents.get_in_force(GATE_POLICY.name, DEFAULT_NAME, at=at)
        author = revision.author if revision.author.partition(":")[0] != "system" else ""
        return GatePolicy(revision=revision.reference, author=author, text=self._documents.parse(revision).value)

    def read_protection(self) -> Protection:
        """Return what the policy in force protects; nothing beyond what always is where none is in force."""
        try:
            protected = self.get_policy().text.protected
        except NotFound:
            return Protection()
        return Protection(aliases=frozenset(protected.aliases), tags=frozenset(protected.tags))

    def policy_revision(self, _model: str) -> str:
        """Return the revision that a promotion of this model is judged by now."""
        return self._documents.get_in_force(GATE_POLICY.name, DEFAULT_NAME).reference

    def approval_rule(self, _model: str, stage: Stage, *, tier: str) -> ApprovalRule:
        """Return how many people have to approve a move, and how long the request lives."""
        policy = self.get_policy()
        return ApprovalRule(
            approvals=policy.count_approvals(stage, tier=tier),
            expires_after_hours=policy.text.expires_after_hours,
            policy_author=policy.author,
        )

    # Running

    def run(
        self,
        version: ModelVersion,
        stage: Stage,
        *,
        actor: Actor,
        champion: ModelVersion | None = None,
        is_first: bool = False,
        policy_text: str | None = None,
        collectors: Sequence[Collector] | None = None,
        evidence_from: str = "",
    ) -> GateReport:
        """Judge a version for a stage, and keep the report.

        Args:
            champion: what it is compared with; the version that the production alias points at unless given.
            is_first: it is compared with nothing, wherever the alias points.
            policy_text: a policy to judge by instead of the one in force, as CI does with its own file.
            collectors: instead of those of this installation.
            evidence_from: where those gather from, when it is the caller's own word; the report is bound to it.

        Raises:
            Forbidden: the actor may not run gates.
            InvalidInput: the champion is a version of another model.
            DocumentInvalid: the policy text has problems.
            NotFound: the version is gone, or no policy is in force.
            Unreachable: the registry does not answer.
        """
        self._identity.demand(actor, Permission.RUN_GATES, subject=version.reference)
        if champion is not None and champion.name != version.name:
            raise InvalidInput(
                f"{champion.reference} is a version of another model than {version.reference}.",
                next_step="Name a version of the same model as the champion.",
            )
        policy = self.get_policy() if policy_text is None else _policy_of_file(policy_text)
        model = self._registry.get_model(version.name)
        champion = self._find_champion(model) if champion is None and not is_first else champion
        subject = self._subject(policy, model, version, champion, stage)
        # Read before anything is measured: what is swapped meanwhile then differs from what the report is bound to.
        bound, lost = self._bind(version, champion)
        standing = self.waivers.list_standing(version, stage)
        evidence = gather(
            subject, self._collectors if collectors is None else collectors, vocabulary=read_vocabulary(self._documents)
        )
        results = judge_gates(subject.gates, evidence)
        if evidence_from:
            bound = {**bound, "evidence_from": evidence_from}
        return self._keep(subject, policy, apply_waivers([*lost, *results], standing), bound, actor)

    def run_records(self, stage: Stage, *, actor: Actor) -> list[GateReport]:
        """Judge the latest version of every model on records alone, in as many calls whatever their number.

        Gates that need files or measurements are left out, so such a report never passes; it is not kept.
        """
        self._identity.demand(actor, Permission.RUN_GATES, subject="models")
        return sweep(
            self._registry,
            self.get_policy(),
            stage,
            vocabulary=read_vocabulary(self._documents),
            actor=actor.name,
            at=self._clock(),
        )

    # Waivers

    def waive(
        self, actor: Actor, version: ModelVersion, stage: Stage, gate: str, *, reason: str, days: float
    ) -> Waiver:
        """Lift a gate for one version for a time; raises as `Waivers.grant`, and `NotFound` for an unknown gate."""
        policy = self.get_policy()
        model = self._registry.get_model(version.name)
        known = [each.gate for each in policy.list_gates(stage, model=version.name, tier=tier_of(model, version))]
        if gate not in known:
            raise NotFound(
                f"The stage {stage.value} has no gate {gate!r} for {version.name}.",
                next_step=f"Its gates are {', '.join(known)}.",
            )
        longest = policy.text.waiver_days
        return self.waivers.grant(actor, version, stage, gate, reason=reason, days=days, longest_days=longest)

    # Shared

    def _subject(
        self,
        policy: GatePolicy,
        model: RegisteredModel,
        version: ModelVersion,
        champion: ModelVersion | None,
        stage: Stage,
    ) -> Subject:
        tier = tier_of(model, version)
        gates = policy.list_gates(stage, model=version.name, tier=tier)
        subject = Subject(candidate=version, model=model, champion=champion, stage=stage, gates=gates)
        return replace(subject, gates=tuple(applicable_gates(subject)))

    def _find_champion(self, model: RegisteredModel) -> ModelVersion | None:
        alias = alias_of(Stage.PRODUCTION)
        assert alias is not None
        number = self._registry.find_alias(model.name, alias)
        return None if number is None else self._registry.get_version(model.name, number)

    def _bind(
        self, version: ModelVersion, champion: ModelVersion | None
    ) -> tuple[Mapping[str, Any], Sequence[GateResult]]:
        """Return what the report is bound to, and a result that stands in the way where the files are gone."""
        bound: dict[str, Any] = {
            "model": version.name,
            "version": version.version,
            "created_at": to_text(version.created_at),
            "artifact_digest": None,
            "signature_digest": read_version_signature(self._registry, version).digest,
            "champion": None if champion is None else champion.version,
            "champion_created_at": None if champion is None else to_text(champion.created_at),
        }
        try:
            bound["artifact_digest"] = self._registry.get_artifact_digest(version)
        except NotFound as error:
            return bound, [_files_lost(error.message)]
        return bound, []

    def _keep(
        self,
        subject: Subject,
        policy: GatePolicy,
        results: Sequence[GateResult],
        bound: Mapping[str, Any],
        actor: Actor,
    ) -> GateReport:
        version = subject.candidate
        report = GateReport(
            id=None,
            model=version.name,
            version=version.version,
            version_created_at=version.created_at,
            stage=subject.stage,
            tier=tier_of(subject.model, version),
            champion=None if subject.champion is None else subject.champion.version,
            outcome=judge(results),
            results=tuple(results),
            policy_revision=policy.revision,
            bound=bound,
            evidence_digest=digest_report(bound, results, policy.revision),
            actor=actor.name,
            at=self._clock(),
        )
        with self._store.write() as unit:
            report_id = rows.add_report(unit, report_columns(report), [result.to_json() for result in results])
            self._audit.record(
                unit,
                actor=actor,
                action="gates:report:recorded",
                subject=version.reference,
                model=version.name,
                after={
                    "report": report_id,
                    "stage": subject.stage.value,
                    "outcome": report.outcome.value,
                    "obstacles": [result.gate for result in report.obstacles],
                    "evidence_digest": report.evidence_digest,
                },
                policy_revision=policy.revision,
            )
            unit.commit()
        return replace(report, id=report_id)


def _policy_of_file(text: str) -> GatePolicy:
    kind = get_kind({GATE_POLICY.name: GATE_POLICY}, GATE_POLICY.name)
    return GatePolicy(revision=digest_text(text), author="", text=parse(kind, text).value)


def _files_lost(message: str) -> GateResult:
    return GateResult(
        gate=FILES_GATE,
        kind="artifacts",
        outcome=Outcome.ERROR,
        observed=None,
        threshold=None,
        unit="",
        message=f"The version's files cannot be read: {message}",
        remedy="Register the model again from a run that still has its files.",
    )
