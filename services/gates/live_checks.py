"""Checks on what was measured by running the model: sandbox, monitoring, shadow, A/B test."""

from __future__ import annotations

from services.gates.evidence import (
    Absent,
    AbTest,
    Evidence,
    EvidenceAbsent,
    Held,
    Probing,
    Queried,
    RequestLog,
    ServiceLevel,
    ShadowRecord,
    known,
)
from services.gates.findings import Finding, judge_bounds, judge_flag, tell
from services.gates.kinds import (
    AbTestGate,
    ColumnOrderGate,
    DirectionGate,
    ExampleGate,
    LoggingGate,
    ProbeGate,
    PrometheusGate,
    ShadowGate,
    SlaGate,
)
from services.gates.trial import always_valid_p, relative_lift

_UNITS = {"cold_start_s": "s", "load_s": "s", "p50_ms": "ms", "p95_ms": "ms", "p99_ms": "ms", "memory_mb": "MB"}


def check_probe(gate: ProbeGate, evidence: Evidence) -> Finding:
    """Judge what the sandbox measured."""
    probing = evidence.need(Probing)
    observed = probing.measures.get(gate.measure)
    if observed is None:
        raise EvidenceAbsent(
            f"{gate.measure} could not be measured: {'; '.join(probing.errors) or 'every call failed'}."
        )
    details = {"calls": probing.calls, "errors": list(probing.errors)}
    return judge_bounds(gate, gate.measure, observed, unit=_UNITS.get(gate.measure, ""), details=details)


def check_column_order(_gate: ColumnOrderGate, evidence: Evidence) -> Finding:
    """Judge whether predictions depend on the order of columns."""
    held = evidence.need(Probing).column_order
    if held.ratio is None:
        raise EvidenceAbsent(held.detail)
    return judge_flag(
        is_held=held.ratio == 1,
        observed=held.ratio == 1,
        threshold=True,
        message=held.detail or "Predictions are the same with the columns in another order.",
        remedy="Let the model pick its columns by name.",
    )


def check_expectation(gate: DirectionGate | ExampleGate, evidence: Evidence) -> Finding:
    """Judge how a prediction moves with a column, or what a known case is predicted as."""
    held = evidence.need(Probing).expectations.get(gate.gate, Held(ratio=None, detail="It was not probed."))
    if held.ratio is None:
        raise EvidenceAbsent(held.detail)
    at_least = gate.held_at_least if isinstance(gate, DirectionGate) else 1.0
    return judge_flag(
        is_held=held.ratio >= at_least,
        observed=held.ratio,
        threshold=at_least,
        message=f"Held for {tell(100 * held.ratio)} % of the rows. {held.detail}".strip(),
        remedy="Look at what the model learned from this column, and train it anew.",
    )


def check_logging(gate: LoggingGate, evidence: Evidence) -> Finding:
    """Judge the share of requests that were recorded."""
    log = evidence.need(RequestLog)
    if log.requests == 0:
        raise EvidenceAbsent("No request was answered in staging, so it is not known whether requests are recorded.")
    details = {"requests": log.requests, "recorded": log.recorded}
    return judge_bounds(gate, "the share of recorded requests", log.recorded / log.requests, details=details)


def check_prometheus(gate: PrometheusGate, evidence: Evidence) -> Finding:
    """Judge the answer to a query."""
    answer = known(evidence.need(Queried).answers.get(gate.gate, Absent(reason="The query was not asked.")))
    return judge_bounds(gate, gate.gate, answer, details={"query": gate.query})


def check_shadow(gate: ShadowGate, evidence: Evidence) -> Finding:
    """Judge the shadow comparison."""
    record = evidence.need(ShadowRecord)
    if gate.measure == "agreement":
        details = {"rate": record.agreement, "low": record.agreement_low, "high": record.agreement_high}
        observed = record.agreement_low if gate.at_least is not None else record.agreement_high
        return judge_bounds(gate, "the sure agreement with the champion", observed, details=details)
    named = {
        "days": ("the time in shadow", record.days, "days"),
        "pairs": ("the number of pairs", float(record.pairs), ""),
        "candidate_error_rate": ("the candidate's error rate", record.candidate_error_rate, ""),
    }
    name, observed, unit = named[gate.measure]
    return judge_bounds(gate, name, observed, unit=unit, details={"pairs": record.pairs})


def check_ab_test(gate: AbTestGate, evidence: Evidence) -> Finding:
    """Judge an A/B test."""
    test = evidence.need(AbTest)
    details = {
        "metric": test.metric,
        "control": {"samples": test.control.samples, "mean": test.control.mean},
        "treatment": {"samples": test.treatment.samples, "mean": test.treatment.mean},
    }
    if gate.measure == "lift":
        return judge_bounds(gate, f"the lift of {test.metric}", relative_lift(test), details=details)
    assert gate.planned_samples is not None
    observed = always_valid_p(test, planned_samples=gate.planned_samples)
    return judge_bounds(gate, f"the always-valid p-value of {test.metric}", observed, details=details)


def check_sla(gate: SlaGate, evidence: Evidence) -> Finding:
    """Judge violations of the service level."""
    level = evidence.need(ServiceLevel)
    return judge_bounds(gate, "the number of violations", float(level.violations), details={"window": level.window})
