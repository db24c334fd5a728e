"""The vocabulary: one name for one metric, and the tags that every model carries (practice 2's small details).

Names that were logged are never rewritten: a synonym is shown under its canonical name, with the logged one beside it.
The defaults below are the user's lists; an installation replaces them by a governed document.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Task(StrEnum):
    """What a model is for, which decides the metrics that say how good it is."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"
    RANKING = "ranking"
    ANOMALY_DETECTION = "anomaly_detection"


@dataclass(frozen=True, slots=True, kw_only=True)
class TagRule:
    """A standard tag: what it says, and the values it may take (empty: any text)."""

    name: str
    meaning: str
    values: tuple[str, ...] = ()
    example: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """Canonical metrics by group, synonyms by logged name, and standard tags."""

    metrics: Mapping[str, tuple[str, ...]]
    synonyms: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[TagRule, ...] = ()

    @property
    def canonical(self) -> frozenset[str]:
        """Every canonical metric name."""
        return frozenset(name for names in self.metrics.values() for name in names)

    def canonical_name(self, logged: str) -> str | None:
        """Return the canonical name of a logged metric, or None where there is none.

        >>> VOCABULARY.canonical_name("roc_auc"), VOCABULARY.canonical_name("AUC"), VOCABULARY.canonical_name("x")
        ('auc', 'auc', None)
        """
        return self._canonical_name(logged, self.canonical)

    def _canonical_name(self, logged: str, canonical: frozenset[str]) -> str | None:
        if logged in canonical:
            return logged
        folded = logged.strip().lower().replace("-", "_").replace(" ", "_")
        folded = self.synonyms.get(folded, folded)
        return folded if folded in canonical else None

    def map_names(self, logged: Iterable[str]) -> dict[str, str]:
        """Return which logged metric is shown under each name; what was logged by the canonical name goes before.

        >>> VOCABULARY.map_names(["AUC", "auc", "acc", "trees"])
        {'auc': 'auc', 'accuracy': 'acc', 'trees': 'trees'}
        """
        shown: dict[str, str] = {}
        known = self.canonical
        for name in logged:
            canonical = self._canonical_name(name, known) or name
            if canonical not in shown or name == canonical:
                shown[canonical] = name
        return shown

    def show_metrics(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Return metrics by the names that they are shown under.

        >>> VOCABULARY.show_metrics({"roc_auc": 0.9})
        {'auc': 0.9}
        """
        return {shown: metrics[logged] for shown, logged in self.map_names(metrics).items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class VocabularyProblem:
    """A metric or tag that does not follow the vocabulary, and what would mend it."""

    kind: str
    name: str
    message: str
    fix: str


_LOWER_IS_BETTER = frozenset(
    {"log_loss", "mse", "rmse", "mae", "mape", "p50_ms", "p95_ms", "p99_ms", "calibration_psi", "demographic_parity"}
)

MAIN_METRIC: Mapping[Task, tuple[str, ...]] = MappingProxyType(
    {
        Task.CLASSIFICATION: ("auc", "accuracy"),
        Task.REGRESSION: ("rmse", "mae"),
        Task.RANKING: ("ndcg", "map"),
        Task.ANOMALY_DETECTION: ("auc", "f1"),
    }
)
"""The metric that a task is first judged by, and what stands in for it where it is undefined."""

VOCABULARY = Vocabulary(
    metrics={
        "classification": ("accuracy", "precision", "recall", "f1", "auc", "aupr", "log_loss"),
        "regression": ("mse", "rmse", "mae", "r2", "mape"),
        "ranking": ("ndcg", "map", "mrr"),
        "responsibility": ("calibration_psi", "demographic_parity"),
        "performance": ("p50_ms", "p95_ms", "p99_ms", "throughput_rps"),
        "business": ("revenue_lift", "conversion_rate", "customer_satisfaction"),
    },
    synonyms={
        "acc": "accuracy",
        "accuracy_score": "accuracy",
        "precision_score": "precision",
        "ppv": "precision",
        "recall_score": "recall",
        "sensitivity": "recall",
        "tpr": "recall",
        "f1_score": "f1",
        "f_score": "f1",
        "roc_auc": "auc",
        "roc_auc_score": "auc",
        "auroc": "auc",
        "auc_roc": "auc",
        "pr_auc": "aupr",
        "auprc": "aupr",
        "average_precision": "aupr",
        "logloss": "log_loss",
        "cross_entropy": "log_loss",
        "mean_squared_error": "mse",
        "root_mean_squared_error": "rmse",
        "mean_absolute_error": "mae",
        "r2_score": "r2",
        "r_squared": "r2",
        "mean_absolute_percentage_error": "mape",
        "ndcg_score": "ndcg",
        "mean_average_precision": "map",
        "mean_reciprocal_rank": "mrr",
        "p50_latency_ms": "p50_ms",
        "p95_latency_ms": "p95_ms",
        "p99_latency_ms": "p99_ms",
        "latency_p50": "p50_ms",
        "latency_p95": "p95_ms",
        "latency_p99": "p99_ms",
        "demographic_parity_difference": "demographic_parity",
    },
    tags=(
        TagRule(name="team", meaning="the team that owns the model", example="fraud"),
        TagRule(name="owner", meaning="the person who answers for it", example="@meera"),
        TagRule(name="risk", meaning="how much depends on it", values=("tier1", "tier2", "tier3"), example="tier1"),
        TagRule(name="pii", meaning="whether it reads personal data", values=("true", "false"), example="false"),
        TagRule(name="compliance", meaning="the frameworks it falls under", example="pci_dss"),
        TagRule(name="sla", meaning="the latency it is held to", example="p99_50ms"),
        TagRule(name="data_residency", meaning="where its data may be", example="us_only"),
    ),
)


def is_higher_better(metric: str) -> bool:
    """Return whether a larger value of a canonical metric is the better one.

    >>> is_higher_better("auc"), is_higher_better("rmse")
    (True, False)
    """
    return metric not in _LOWER_IS_BETTER


def find_main_metric(task: Task, metrics: Mapping[str, float]) -> str | None:
    """Return the first metric of a task that was measured, or None."""
    return next((name for name in MAIN_METRIC[task] if name in metrics), None)


def lint_metrics(logged: Iterable[str], vocabulary: Vocabulary = VOCABULARY) -> list[VocabularyProblem]:
    """Return a problem for each logged metric that is a synonym of a canonical one, by name.

    A name that no one knows is a model's own metric and no problem; slices carry their own prefix.

    >>> [(problem.name, problem.fix) for problem in lint_metrics(["auc", "roc_auc", "trees"])]
    [('roc_auc', 'Log it as auc.')]
    """
    problems = []
    for name in sorted(set(logged)):
        canonical = vocabulary.canonical_name(name)
        if canonical is not None and canonical != name:
            message = f"The metric {name!r} is called {canonical} everywhere else."
            problems.append(VocabularyProblem(kind="metric", name=name, message=message, fix=f"Log it as {canonical}."))
    return problems


def lint_tags(tags: Mapping[str, str], vocabulary: Vocabulary = VOCABULARY) -> list[VocabularyProblem]:
    """Return a problem for each standard tag that is missing or has a value outside its list, in the standard order.

    >>> full = {rule.name: rule.example for rule in VOCABULARY.tags}
    >>> lint_tags(full)
    []
    >>> [problem.message for problem in lint_tags({**full, "risk": "high"})]
    ["The tag risk has the value 'high', which is none of tier1, tier2, tier3."]
    """
    problems = []
    for rule in vocabulary.tags:
        value = tags.get(rule.name, "").strip()
        allowed = ", ".join(rule.values)
        if not value:
            message, fix = (
                f"The tag {rule.name} is missing: it says {rule.meaning}.",
                f"Set it, such as {rule.example}.",
            )
        elif rule.values and value not in rule.values:
            message = f"The tag {rule.name} has the value {value!r}, which is none of {allowed}."
            fix = f"Set it to one of {allowed}."
        else:
            continue
        problems.append(VocabularyProblem(kind="tag", name=rule.name, message=message, fix=fix))
    return problems
