"""What a shadow log says once it is reduced: plain values, for pages to draw and for the judge to judge at will."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import numpy as np

from services.shadow.bins import Floats
from services.shadow.distributions import Counts, Paired
from services.shadow.reading import Coverage
from services.shadow.statistics import Homogeneity, Interval, PairedTest
from services.shadow.thresholds import Grid


class Task(StrEnum):
    """What the two models do, as far as the log tells."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"
    UNKNOWN = "unknown"


class Basis(StrEnum):
    """What McNemar's test compares.

    Who was right, or nearer to the label; without labels, which of two decisions was taken, or who said less.
    """

    LABELS = "labels"
    DECISIONS = "decisions"
    ERRORS = "errors"
    DIFFERENCES = "differences"


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Counts by value, a value from the middle of each bin, in ascending order."""

    places: Floats = field(default_factory=lambda: np.empty(0))
    pairs: Counts = field(default_factory=lambda: np.empty(0, dtype=np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPair:
    """Two versions that the log compares, and how many pairs there are of them."""

    champion: int | None
    candidate: int | None
    pairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Pairs of which both sides say the same; `always_valid` holds however often it is looked at."""

    agreeing: int = 0
    wilson: Interval = field(default_factory=Interval)
    always_valid: Interval = field(default_factory=Interval)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreDifference:
    """The candidate's score less the champion's, over valid pairs that have both."""

    pairs: int = 0
    mean: Interval = field(default_factory=Interval)
    mean_abs: Interval = field(default_factory=Interval)
    max_abs: float | None = None
    correlation: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How far the distributions of both scores are apart."""

    psi: float | None = None
    ks: Interval = field(default_factory=Interval)
    js: float | None = None
    rank: Interval = field(default_factory=Interval)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Latencies of one side in ms, and how many answers have none (`missing`) or one that cannot be (`unsound`)."""

    timed: int = 0
    missing: int = 0
    unsound: int = 0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    p95_interval: Interval = field(default_factory=Interval)
    p99_interval: Interval = field(default_factory=Interval)
    histogram: Histogram = field(default_factory=Histogram)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """Answers of one side that are none: `errors` were raised, the others are no usable prediction.

    Args:
        errors: how many errors, with the interval of their rate.
        unusable: infinite and NaN scores and missing predictions.
        always_valid: the rate of both together, with an interval that holds however often it is looked at.
    """

    errors: int = 0
    unusable: int = 0
    error_rate: Interval = field(default_factory=Interval)
    always_valid: Interval = field(default_factory=Interval)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One value of one slice.

    Args:
        pairs: its valid pairs, which the rate is of; `invalid` are its others.
        is_rest: stands for all values that are too rare to be kept apart.
    """

    column: str
    value: str | None
    pairs: int
    invalid: int
    agreeing: int
    rate: float | None
    low: float | None
    high: float | None
    mean_difference: float | None = None
    mean_abs_difference: float | None = None
    is_rest: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFigures:
    """How both sides fare with one class.

    Args:
        labelled: pairs that have this label.
        recall: by side, the share of those that it decided so.
        precision: by side, the share of the pairs that it decided so, and whose label is known, that have this label.
    """

    label: str
    labelled: int
    recall: Mapping[str, Interval]
    precision: Mapping[str, Interval]


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """How right both sides are, over labelled valid pairs of a classification.

    Args:
        classes: the labels that most pairs have, those first.
        accuracy_change: the candidate's accuracy less the champion's, always-valid.
        auc: area under the ROC curve by side, where there are two labels and scores; `positive` is the label that the
            champion scores higher.
    """

    labelled: int = 0
    champion_accuracy: Interval = field(default_factory=Interval)
    candidate_accuracy: Interval = field(default_factory=Interval)
    accuracy_change: Interval = field(default_factory=Interval)
    positive: str | None = None
    auc: Mapping[str, Interval] = field(default_factory=dict)
    classes: tuple[ClassFigures, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """How near both sides are to the label, over labelled valid pairs of a regression.

    Args:
        error_change: the candidate's absolute error less the champion's, always-valid.
        unread_labels: pairs whose label is no number.
    """

    labelled: int = 0
    champion_mae: float | None = None
    candidate_mae: float | None = None
    champion_rmse: float | None = None
    candidate_rmse: float | None = None
    error_change: Interval = field(default_factory=Interval)
    unread_labels: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Everything that is measured of one log (or of one pair of versions in it).

    Args:
        pairs: requests counted, each identity once; the sum of `valid_pairs` and of all of `invalid`.
        invalid: pairs that cannot be compared, by the reason, such as `candidate_error` or `both_missing`.
        days: UTC days that have valid pairs.
        flow: pairs by the champion's decision and then the candidate's.
        grid: pairs by both scores in hundredths (see `services.shadow.thresholds`); None where there are no scores.
    """

    versions: tuple[VersionPair, ...]
    task: Task
    pairs: int
    valid_pairs: int
    invalid: Mapping[str, int]
    days: int
    first_at: datetime | None
    last_at: datetime | None
    agreement: Agreement
    difference: ScoreDifference
    drift: Drift
    latency: Mapping[str, Latency]
    failures: Mapping[str, Failures]
    flow: Mapping[str, Mapping[str, int]]
    homogeneity: Homogeneity | None
    kappa: float | None
    slices: tuple[Slice, ...]
    mcnemar: PairedTest | None
    mcnemar_basis: Basis | None
    labels: Labels
    regression: Regression
    scores: Paired | None
    differences: Histogram
    grid: Grid | None
    coverage: Coverage
