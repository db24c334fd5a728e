"""A comparison as JSON, as the public interface has it, with more beside it.

Numbers have 12 significant digits: the rest is what the order of adding up left. What is not known is null.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.clock import to_text
from services.shadow.figures import ClassFigures, Figures, Latency, Slice
from services.shadow.judge import Check, Judgement
from services.shadow.statistics import Interval

_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Figures and what the judge made of them."""

    figures: Figures
    judgement: Judgement

    def to_json(self) -> dict[str, Any]:
        """Return the document that `gatehouse shadow compare --json` prints."""
        figures = self.figures
        document = {
            "pairs": figures.pairs,
            "valid_pairs": figures.valid_pairs,
            "invalid": figures.invalid,
            "versions": [
                {"champion": pair.champion, "candidate": pair.candidate, "pairs": pair.pairs}
                for pair in figures.versions
            ],
            "task": figures.task.value,
            "days": figures.days,
            "first_at": None if figures.first_at is None else to_text(figures.first_at),
            "last_at": None if figures.last_at is None else to_text(figures.last_at),
            **_agreement(figures),
            **_scores(figures),
            **_sides(figures),
            "flow": figures.flow,
            "homogeneity": None
            if figures.homogeneity is None
            else {"statistic": figures.homogeneity.statistic, "p": figures.homogeneity.p},
            "kappa": figures.kappa,
            "slices": [_slice(one) for one in figures.slices],
            **_tests(figures),
            "judgement": _judgement(self.judgement),
            **_coverage(figures),
        }
        rounded = _rounded(document)
        assert isinstance(rounded, dict)
        return rounded


def _agreement(figures: Figures) -> dict[str, Any]:
    found = figures.agreement
    agreement = {
        "rate": found.wilson.estimate,
        "low": found.wilson.low,
        "high": found.wilson.high,
        "agreeing": found.agreeing,
        "always_valid": {"low": found.always_valid.low, "high": found.always_valid.high},
    }
    return {"agreement": agreement}


def _scores(figures: Figures) -> dict[str, Any]:
    difference, drift = figures.difference, figures.drift
    return {
        "score_difference": {
            "mean": difference.mean.estimate,
            "mean_abs": difference.mean_abs.estimate,
            "max_abs": difference.max_abs,
            "pairs": difference.pairs,
            "always_valid": {"low": difference.mean.low, "high": difference.mean.high},
            "mean_abs_always_valid": {"low": difference.mean_abs.low, "high": difference.mean_abs.high},
            "correlation": difference.correlation,
        },
        "psi": drift.psi,
        "ks": {"low": drift.ks.low, "high": drift.ks.high},
        "js": drift.js,
        "rank_probability": _interval(drift.rank),
    }


def _sides(figures: Figures) -> dict[str, Any]:
    failures = figures.failures
    return {
        "latency_ms": {side: _latency(found) for side, found in figures.latency.items()},
        "error_rate": {side: found.error_rate.estimate for side, found in failures.items()},
        "failures": {
            side: {
                "errors": found.errors,
                "unusable": found.unusable,
                "error_rate": _interval(found.error_rate),
                "always_valid": _interval(found.always_valid),
            }
            for side, found in failures.items()
        },
    }


def _latency(found: Latency) -> dict[str, Any]:
    return {
        "p50": found.p50,
        "p95": found.p95,
        "p99": found.p99,
        "p99_low": found.p99_interval.low,
        "p99_high": found.p99_interval.high,
        "timed": found.timed,
        "missing": found.missing,
        "unsound": found.unsound,
    }


def _slice(one: Slice) -> dict[str, Any]:
    return {
        "slice": one.column,
        "value": one.value,
        "pairs": one.pairs,
        "rate": one.rate,
        "low": one.low,
        "high": one.high,
        "agreeing": one.agreeing,
        "invalid": one.invalid,
        "mean_difference": one.mean_difference,
        "mean_abs_difference": one.mean_abs_difference,
        "is_rest": one.is_rest,
    }


def _tests(figures: Figures) -> dict[str, Any]:
    test, labels, regression = figures.mcnemar, figures.labels, figures.regression
    return {
        "mcnemar": {
            "b": None if test is None else test.b,
            "c": None if test is None else test.c,
            "p": None if test is None else test.p,
            "e_value": None if test is None else test.e_value,
            "basis": None if figures.mcnemar_basis is None else figures.mcnemar_basis.value,
        },
        "labels": {
            "labelled": labels.labelled,
            "accuracy": {
                "champion": _interval(labels.champion_accuracy),
                "candidate": _interval(labels.candidate_accuracy),
                "change": _interval(labels.accuracy_change),
            },
            "positive": labels.positive,
            "auc": {side: _interval(area) for side, area in labels.auc.items()},
            "classes": [_class(one) for one in labels.classes],
        },
        "regression": {
            "labelled": regression.labelled,
            "mae": {"champion": regression.champion_mae, "candidate": regression.candidate_mae},
            "rmse": {"champion": regression.champion_rmse, "candidate": regression.candidate_rmse},
            "error_change": _interval(regression.error_change),
            "unread_labels": regression.unread_labels,
        },
    }


def _class(one: ClassFigures) -> dict[str, Any]:
    return {
        "label": one.label,
        "labelled": one.labelled,
        "recall": {side: _interval(share) for side, share in one.recall.items()},
        "precision": {side: _interval(share) for side, share in one.precision.items()},
    }


def _judgement(judgement: Judgement) -> dict[str, Any]:
    return {
        "outcome": judgement.verdict.value,
        "reasons": list(judgement.reasons),
        "checks": [_check(check) for check in judgement.checks],
    }


def _check(check: Check) -> dict[str, Any]:
    return {
        "check": check.name,
        "outcome": check.outcome.value,
        "observed": check.observed.estimate,
        "low": check.observed.low,
        "high": check.observed.high,
        "threshold": check.threshold,
        "unit": check.unit,
        "message": check.message,
    }


def _coverage(figures: Figures) -> dict[str, Any]:
    coverage = figures.coverage
    return {
        "rows": {"read": coverage.rows_read, "duplicates": coverage.duplicates},
        "files": {
            "found": coverage.files_found,
            "counted": coverage.files_counted,
            "changed": list(coverage.changed),
            "deleted": list(coverage.deleted),
        },
        "problems": [problem.to_json() for problem in coverage.problems],
    }


def _interval(interval: Interval) -> dict[str, float | None]:
    return {"estimate": interval.estimate, "low": interval.low, "high": interval.high}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list) else value
