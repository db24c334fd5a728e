"""Judging gates: pure over evidence, the same evidence always the same results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from services.gates import kinds, live_checks, metric_checks, record_checks, signature_checks
from services.gates.evidence import (
    AbTest,
    ChecklistAnswers,
    Evidence,
    EvidenceAbsent,
    EvidenceBroken,
    Files,
    Metrics,
    Predictions,
    Probing,
    Queried,
    RequestLog,
    ServiceLevel,
    ShadowRecord,
    Signatures,
    Slices,
    Story,
    Subject,
)
from services.gates.findings import Finding
from services.gates.outcomes import GateResult, Outcome
from services.lineage.vocabulary import Task

Check = Callable[[Any, Evidence], Finding]

_CHECKS: Mapping[type[kinds.BaseGate], tuple[Check, tuple[type[Any], ...]]] = {
    kinds.MetricGate: (metric_checks.check_metric, (Metrics,)),
    kinds.ChampionGate: (metric_checks.check_champion, (Metrics,)),
    kinds.SliceGate: (metric_checks.check_slices, (Metrics, Slices)),
    kinds.FairnessGate: (metric_checks.check_fairness, (Metrics, Predictions)),
    kinds.CalibrationGate: (metric_checks.check_calibration, (Metrics, Predictions)),
    kinds.SignatureGate: (signature_checks.check_signature, (Signatures,)),
    kinds.SignatureRequirementsGate: (signature_checks.check_requirements, (Signatures,)),
    kinds.SignatureTestsGate: (signature_checks.check_tests, (Probing,)),
    kinds.NameGate: (record_checks.check_name, ()),
    kinds.TagsGate: (record_checks.check_tags, ()),
    kinds.MetricNamesGate: (record_checks.check_metric_names, (Metrics,)),
    kinds.StoryGate: (record_checks.check_story, (Story,)),
    kinds.ArtifactsGate: (record_checks.check_artifacts, (Files,)),
    kinds.ChecklistGate: (record_checks.check_checklist, (ChecklistAnswers,)),
    kinds.NotServingGate: (record_checks.check_not_serving, ()),
    kinds.ProbeGate: (live_checks.check_probe, (Probing,)),
    kinds.ColumnOrderGate: (live_checks.check_column_order, (Probing,)),
    kinds.DirectionGate: (live_checks.check_expectation, (Probing,)),
    kinds.ExampleGate: (live_checks.check_expectation, (Probing,)),
    kinds.LoggingGate: (live_checks.check_logging, (RequestLog,)),
    kinds.PrometheusGate: (live_checks.check_prometheus, (Queried,)),
    kinds.ShadowGate: (live_checks.check_shadow, (ShadowRecord,)),
    kinds.AbTestGate: (live_checks.check_ab_test, (AbTest,)),
    kinds.SlaGate: (live_checks.check_sla, (ServiceLevel,)),
}


def needed_evidence(gates: Sequence[kinds.BaseGate]) -> list[type[Any]]:
    """Return the types of evidence that gates are judged by, each once."""
    return list(dict.fromkeys(kind for gate in gates for kind in _CHECKS[type(gate)][1]))


def applicable_gates(subject: Subject) -> list[kinds.BaseGate]:
    """Return the gates that hold for the task of a model; a model that states none, or one unknown, is held to all."""
    task = subject.find_tag("task").strip()
    is_known = task in {*Task}
    return [gate for gate in subject.gates if not is_known or gate.tasks is None or task in gate.tasks]


def judge_gate(gate: kinds.BaseGate, evidence: Evidence) -> GateResult:
    """Judge one gate. What is absent is inconclusive, what broke is an error."""
    check, _ = _CHECKS[type(gate)]
    try:
        finding = check(gate, evidence)
    except EvidenceAbsent as absent:
        finding = _without(Outcome.INCONCLUSIVE, str(absent), "Provide this evidence and run the gates again.")
    except EvidenceBroken as broken:
        finding = _without(Outcome.ERROR, str(broken), "Mend what is named and run the gates again.")
    kind = gate.kind  # type: ignore[attr-defined]
    return GateResult(
        gate=gate.gate,
        kind=kind,
        outcome=finding.outcome,
        observed=finding.observed,
        threshold=finding.threshold if finding.threshold is not None else _bound(gate),
        unit=finding.unit or getattr(gate, "unit", ""),
        message=finding.message,
        remedy=finding.remedy,
        dry_run=gate.dry_run,
        details=finding.details,
    )


def judge_gates(gates: Sequence[kinds.BaseGate], evidence: Evidence) -> list[GateResult]:
    """Judge gates in order."""
    return [judge_gate(gate, evidence) for gate in gates]


def _without(outcome: Outcome, message: str, remedy: str) -> Finding:
    return Finding(outcome=outcome, observed=None, threshold=None, message=message, remedy=remedy)


def _bound(gate: kinds.BaseGate) -> float | None:
    at_least, at_most = getattr(gate, "at_least", None), getattr(gate, "at_most", None)
    return at_least if at_least is not None else at_most
