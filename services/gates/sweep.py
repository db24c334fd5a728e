"""Every model's latest version judged on records alone, in a fixed number of calls whatever the number of models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from services.clock import to_text
from services.gates.checks import applicable_gates, judge_gates, needed_evidence
from services.gates.evidence import Evidence, Metrics, Subject, tier_of
from services.gates.outcomes import judge
from services.gates.policy import GatePolicy
from services.gates.reports import GateReport, digest_report
from services.lineage.vocabulary import Vocabulary
from services.registry.metrics import merge_metrics
from services.registry.port import RecordReader
from services.registry.stages import alias_of
from services.registry.values import ModelVersion, RegisteredModel, Stage


def sweep(
    registry: RecordReader, policy: GatePolicy, stage: Stage, *, vocabulary: Vocabulary, actor: str, at: datetime
) -> list[GateReport]:
    """Return a report for the latest version of every model, the worst first; models without versions are left out."""
    models = {model.name: model for model in registry.list_models()}
    latest, champions = _pick_versions(models, registry.list_versions())
    metrics = _read_metrics(registry, [*latest.values(), *champions.values()])
    reports = []
    for name, version in sorted(latest.items()):
        champion = champions.get(name)
        subject = _subject(policy, models[name], version, champion, stage)
        known = Metrics(
            candidate=metrics[version.reference],
            champion=None if champion is None else metrics[champion.reference],
        )
        evidence = Evidence(subject=subject, items={Metrics: known}, vocabulary=vocabulary)
        reports.append(_report(policy, subject, evidence, actor, at))
    return sorted(reports, key=lambda report: (-report.outcome.rank, report.model))


def _pick_versions(
    models: Mapping[str, RegisteredModel], versions: Iterable[ModelVersion]
) -> tuple[dict[str, ModelVersion], dict[str, ModelVersion]]:
    production = alias_of(Stage.PRODUCTION)
    latest: dict[str, ModelVersion] = {}
    champions: dict[str, ModelVersion] = {}
    for version in versions:
        model = models.get(version.name)
        if model is None:
            continue
        aliases = tuple(sorted(alias for alias, number in model.aliases.items() if number == version.version))
        named = replace(version, aliases=aliases)
        if version.name not in latest or version.version > latest[version.name].version:
            latest[version.name] = named
        if production in aliases:
            champions[version.name] = named
    return latest, champions


def _read_metrics(registry: RecordReader, versions: Iterable[ModelVersion]) -> dict[str, Mapping[str, float]]:
    versions = list(versions)
    run_ids = sorted({version.run_id for version in versions if version.run_id})
    model_ids = sorted({version.model_id for version in versions if version.model_id})
    runs = {run.run_id: run.metrics for run in registry.list_runs(run_ids)}
    logged = {model.model_id: model.metrics for model in registry.list_logged_models(model_ids)}
    return {
        version.reference: merge_metrics(runs.get(version.run_id or "", {}), logged.get(version.model_id or "", {}))
        for version in versions
    }


def _subject(
    policy: GatePolicy, model: RegisteredModel, version: ModelVersion, champion: ModelVersion | None, stage: Stage
) -> Subject:
    tier = tier_of(model, version)
    gates = policy.list_gates(stage, model=model.name, tier=tier)
    subject = Subject(candidate=version, model=model, champion=champion, stage=stage, gates=gates)
    on_records = [gate for gate in applicable_gates(subject) if set(needed_evidence([gate])) <= {Metrics}]
    return replace(subject, gates=tuple(on_records))


def _report(policy: GatePolicy, subject: Subject, evidence: Evidence, actor: str, at: datetime) -> GateReport:
    version, champion = subject.candidate, subject.champion
    results = tuple(judge_gates(subject.gates, evidence))
    bound = {"model": version.name, "version": version.version, "created_at": to_text(version.created_at)}
    return GateReport(
        id=None,
        model=version.name,
        version=version.version,
        version_created_at=version.created_at,
        stage=subject.stage,
        tier=tier_of(subject.model, version),
        champion=None if champion is None else champion.version,
        outcome=judge(results),
        results=results,
        policy_revision=policy.revision,
        bound=bound,
        evidence_digest=digest_report(bound, results, policy.revision),
        actor=actor,
        at=at,
        is_sweep=True,
    )
