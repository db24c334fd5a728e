"""Checks on what was measured offline: metrics, slices, fairness, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.gates.evidence import TASK_TAG, Evidence, EvidenceAbsent, Metrics, Predictions, Slices
from services.gates.findings import Finding, check_number, judge_bounds, tell, tell_pair
from services.gates.kinds import CalibrationGate, ChampionGate, FairnessGate, MetricGate, SliceGate
from services.gates.outcomes import Outcome
from services.lineage.slices import SliceMetrics
from services.lineage.vocabulary import VOCABULARY, Vocabulary, is_higher_better

MAX_DETAILS = 20


def check_metric(gate: MetricGate, evidence: Evidence) -> Finding:
    """Judge a logged metric."""
    return judge_bounds(gate, gate.metric, _need_metric(gate.metric, evidence))


def check_champion(gate: ChampionGate, evidence: Evidence) -> Finding:
    """Judge a logged metric against the champion's."""
    observed = _need_metric(gate.metric, evidence)
    check_number(gate.metric, observed)
    champion = evidence.subject.champion
    if champion is None:
        return _first_version(gate, observed)
    theirs = find_metric(gate.metric, evidence.need(Metrics).champion or {}, evidence.vocabulary)
    if theirs is None:
        raise EvidenceAbsent(f"The champion, version {champion.version}, has no metric {gate.metric}.")
    check_number(f"{gate.metric} of the champion", theirs)
    is_higher = is_better_higher(gate.metric) if gate.higher_is_better is None else gate.higher_is_better
    slack = abs(theirs) * gate.tolerance if gate.relative else gate.tolerance
    bound = theirs - slack if is_higher else theirs + slack
    is_held = observed >= bound if is_higher else observed <= bound
    shown, shown_bound = tell_pair(observed, bound)
    side, verb = ("at least", "Raise") if is_higher else ("at most", "Lower")
    return Finding(
        outcome=Outcome.PASSED if is_held else Outcome.FAILED,
        observed=observed,
        threshold=bound,
        message=f"{gate.metric} is {shown}; {side} {shown_bound} is asked for, "
        f"with {tell(theirs)} of version {champion.version} and a tolerance of {tell(slack)}.",
        remedy="" if is_held else f"{verb} {gate.metric} by {tell(abs(observed - bound))}.",
        details={"champion": champion.version, "champion_value": theirs},
    )


def check_slices(gate: SliceGate, evidence: Evidence) -> Finding:
    """Judge the worst slice."""
    parts = [part for part in evidence.need(Slices).parts if gate.columns is None or part.column in gate.columns]
    large = _large_slices(gate, parts)
    is_higher = is_better_higher(gate.metric) if gate.max_gap is not None else gate.at_least is not None
    ranked = sorted(large, key=lambda part: _value(gate, part), reverse=not is_higher)
    listed = [_told(gate, part) for part in ranked[:MAX_DETAILS]]
    details = {"slices": listed, "left_out_as_small": len(parts) - len(large)}
    worst, observed = f"{ranked[0].column}={ranked[0].value}", _value(gate, ranked[0])
    if gate.max_gap is None:
        return judge_bounds(gate, f"{gate.metric} on {worst}", observed, details=details)
    overall = _need_metric(gate.metric, evidence)
    gap = overall - observed if is_higher else observed - overall
    bounded = gate.model_copy(update={"at_most": gate.max_gap})
    return judge_bounds(bounded, f"the gap of {gate.metric} between all rows and {worst}", gap, details=details)


def check_fairness(gate: FairnessGate, evidence: Evidence) -> Finding:
    """Judge the demographic parity difference, computed where it was not logged."""
    logged = find_metric(gate.metric, evidence.need(Metrics).candidate, evidence.vocabulary)
    if logged is not None and gate.columns is None:
        return judge_bounds(gate, gate.metric, logged, details={"source": "logged"})
    found = evidence.need(Predictions).demographic_parity
    wanted = list(found) if gate.columns is None else list(gate.columns)
    computed = {column: value for column in wanted if (value := found.get(column)) is not None}
    missing = [column for column in wanted if column not in computed]
    if not computed or (gate.columns is not None and missing):
        groups = ", ".join(missing) or "any column"
        raise EvidenceAbsent(
            f"{gate.metric} was not logged, and the prediction table has no two large enough groups by {groups}."
        )
    worst = max(computed, key=lambda column: computed[column])
    details = {"source": "prediction table", "by_column": computed}
    return judge_bounds(gate, f"{gate.metric} by {worst}", computed[worst], details=details)


def check_calibration(gate: CalibrationGate, evidence: Evidence) -> Finding:
    """Judge the calibration PSI, computed where it was not logged."""
    logged = find_metric(gate.metric, evidence.need(Metrics).candidate, evidence.vocabulary)
    if logged is not None:
        return judge_bounds(gate, gate.metric, logged, details={"source": "logged"})
    predictions = evidence.need(Predictions)
    if predictions.calibration_psi is None:
        raise EvidenceAbsent(
            f"{gate.metric} was not logged, and the prediction table has no scores with labels of two classes."
        )
    details = {"source": "prediction table", "rows": predictions.rows}
    return judge_bounds(gate, gate.metric, predictions.calibration_psi, details=details)


def find_metric(name: str, metrics: Mapping[str, float], vocabulary: Vocabulary = VOCABULARY) -> float | None:
    """Return a metric by its name, or by another name for the same canonical one.

    >>> find_metric("auc", {"roc_auc": 0.9}), find_metric("auc", {"f1": 0.5})
    (0.9, None)
    """
    if name in metrics:
        return metrics[name]
    canonical = vocabulary.canonical_name(name)
    if canonical is None:
        return None
    return next((metrics[logged] for logged in sorted(metrics) if vocabulary.canonical_name(logged) == canonical), None)


def is_better_higher(metric: str) -> bool:
    """Return whether more of a metric is better, under whichever of its names."""
    return is_higher_better(VOCABULARY.canonical_name(metric) or metric)


def _need_metric(name: str, evidence: Evidence) -> float:
    value = find_metric(name, evidence.need(Metrics).candidate, evidence.vocabulary)
    if value is None:
        hint = "" if evidence.subject.find_tag(TASK_TAG) else " (the tag task says which metrics a model is held to)"
        raise EvidenceAbsent(f"The metric {name} was not logged{hint}.")
    return value


def _first_version(gate: ChampionGate, observed: float) -> Finding:
    if gate.without_champion == "inconclusive":
        raise EvidenceAbsent("No version is in production to compare with.")
    return Finding(
        outcome=Outcome.PASSED,
        observed=observed,
        threshold=None,
        message=f"{gate.metric} is {tell(observed)}; no version is in production yet, so it has only to be measured.",
    )


def _large_slices(gate: SliceGate, parts: Sequence[SliceMetrics]) -> list[SliceMetrics]:
    """Return the slices that decide, each with the metric: one left out of the file must not let the rest pass."""
    large = [part for part in parts if part.rows >= gate.min_rows]
    lacking = sorted(set(gate.columns or ()) - {part.column for part in large})
    if not large or lacking:
        by = f" by {', '.join(lacking)}" if lacking else ""
        raise EvidenceAbsent(f"No slice{by} of {gate.min_rows} rows or more has the metric {gate.metric}.")
    for part in large:
        check_number(f"{gate.metric} on {part.column}={part.value}", _value(gate, part))
    return large


def _value(gate: SliceGate, part: SliceMetrics) -> float:
    value = find_metric(gate.metric, part.metrics)
    if value is None:
        raise EvidenceAbsent(f"The slice {part.column}={part.value} of {part.rows} rows has no metric {gate.metric}.")
    return value


def _told(gate: SliceGate, part: SliceMetrics) -> dict[str, str | int | float]:
    return {"slice": part.column, "value": part.value, "rows": part.rows, "observed": _value(gate, part)}
