"""Who is right: both sides held against the label, as classes or as numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.shadow.answers import SIDES, Carried
from services.shadow.cells import Cell
from services.shadow.distributions import Paired, pair_up, rank_probability
from services.shadow.figures import Basis, ClassFigures, Histogram, Labels, Regression
from services.shadow.statistics import Interval, PairedTest, always_valid_change, always_valid_mean, mcnemar, wilson

TIGHTEST_AT = 1_000
"""At how many pairs always-valid intervals of means are at their best: about when verdicts begin to be possible."""

_TWO = 2
_MAX_CLASSES = 100


def measure_nearness(numbers: Mapping[str, float], differences: Histogram) -> tuple[PairedTest, Basis]:
    """Return the sign test, which is McNemar's, of who is nearer to the label; without labels, of who says less.

    Args:
        numbers: sums over the pairs of a regression.
        differences: of their scores.
    """
    if numbers["labelled"]:
        return mcnemar(int(numbers["champion_nearer"]), int(numbers["candidate_nearer"])), Basis.ERRORS
    lower, higher = (int(differences.pairs[side].sum()) for side in (differences.places < 0, differences.places > 0))
    return mcnemar(lower, higher), Basis.DIFFERENCES


def measure_mcnemar(
    valid: Sequence[Cell], flow: Mapping[str, Mapping[str, int]]
) -> tuple[PairedTest | None, Basis | None]:
    """Return McNemar's test of who is right; without labels, of which of two decisions is taken.

    Args:
        flow: of a log with at most two decisions; else empty.
    """
    champion_right, candidate_right, both_right = _right(valid)
    if champion_right + candidate_right:
        return mcnemar(champion_right - both_right, candidate_right - both_right), Basis.LABELS
    if not flow:
        return None, None
    first, *others = sorted(flow.keys() | {decision for row in flow.values() for decision in row})
    second = others[0] if others else first
    if first == second:
        return mcnemar(0, 0), Basis.DECISIONS
    return mcnemar(flow.get(first, {}).get(second, 0), flow.get(second, {}).get(first, 0)), Basis.DECISIONS


def measure_labels(valid: Sequence[Cell], histograms: pa.Table) -> Labels:
    """Return how right both sides of a classification are.

    Labels that never equal a decision are in other words than the decisions, and say nothing on who is right.
    """
    labelled = sum(cell.labelled for cell in valid)
    right = _right(valid)
    if not labelled:
        return Labels()
    scored = sum(cell.labelled for cell in valid if cell.carried is Carried.BOTH)
    positive, auc = _measure_auc(histograms, scored)
    if not right[0] + right[1]:
        return Labels(labelled=labelled, positive=positive, auc=auc)
    champion_alone, candidate_alone = right[0] - right[2], right[1] - right[2]
    return Labels(
        labelled=labelled,
        champion_accuracy=wilson(right[0], labelled),
        candidate_accuracy=wilson(right[1], labelled),
        accuracy_change=always_valid_change(labelled, champion_alone, candidate_alone, tightest_at=TIGHTEST_AT),
        positive=positive,
        auc=auc,
        classes=_measure_classes(valid),
    )


def _measure_classes(valid: Sequence[Cell]) -> tuple[ClassFigures, ...]:
    told: Counter[str] = Counter()
    decided: Counter[tuple[str, str]] = Counter()
    right: Counter[tuple[str, str]] = Counter()
    for cell in valid:
        if cell.told is None:
            continue
        told[cell.told] += cell.pairs
        for side, decision in zip(SIDES, (cell.champion_decision, cell.candidate_decision), strict=True):
            decided[side, decision or ""] += cell.pairs
            right[side, cell.told] += cell.pairs if decision == cell.told else 0
    most = sorted(told, key=lambda label: (-told[label], label))[:_MAX_CLASSES]
    return tuple(
        ClassFigures(
            label=label,
            labelled=told[label],
            recall={side: wilson(right[side, label], told[label]) for side in SIDES},
            precision={side: wilson(right[side, label], decided[side, label]) for side in SIDES},
        )
        for label in most
    )


def measure_regression(numbers: Mapping[str, float]) -> Regression:
    """Return how near both sides of a regression are to the label, from the sums over its pairs."""
    labelled, unread = (int(numbers.get(name, 0)) for name in ("labelled", "unread_labels"))
    if not labelled:
        return Regression(unread_labels=unread)
    change = numbers["candidate_miss"] - numbers["champion_miss"]
    return Regression(
        labelled=labelled,
        champion_mae=numbers["champion_miss"] / labelled,
        candidate_mae=numbers["candidate_miss"] / labelled,
        champion_rmse=(numbers["champion_miss_squared"] / labelled) ** 0.5,
        candidate_rmse=(numbers["candidate_miss_squared"] / labelled) ** 0.5,
        error_change=always_valid_mean(labelled, change, numbers["miss_change_squared"], tightest_at=TIGHTEST_AT),
        unread_labels=unread,
    )


def _right(valid: Sequence[Cell]) -> tuple[int, int, int]:
    return (
        sum(cell.champion_right for cell in valid),
        sum(cell.candidate_right for cell in valid),
        sum(cell.both_right for cell in valid),
    )


def _measure_auc(histograms: pa.Table, labelled: int) -> tuple[str | None, dict[str, Interval]]:
    """Return the positive label and each side's area under the ROC curve, where all labels are one of two."""
    is_told = pc.and_(pc.is_valid(histograms.column("told")), pc.equal(histograms.column("decided"), True))
    table = histograms.filter(is_told)
    labels = sorted(pc.unique(table.column("told")).to_pylist())
    sides = [_by_label(table, f"{side}_score", labels[-1]) for side in SIDES if labels]
    if len(labels) != _TWO or sum(sides[0].count()) != labelled:
        return None, {}
    low, high = (np.average(sides[0].places, weights=side) for side in (sides[0].champion, sides[0].candidate))
    auc = dict(zip(SIDES, map(rank_probability, sides), strict=True))
    if low > high:
        return labels[0], {side: _complement(area) for side, area in auc.items()}
    return labels[1], auc


def _complement(area: Interval) -> Interval:
    assert area.estimate is not None
    assert area.low is not None
    assert area.high is not None
    return Interval(estimate=1 - area.estimate, low=1 - area.high, high=1 - area.low)


def _by_label(table: pa.Table, measure: str, other: str) -> Paired:
    """Return the scores of all other labels, as the champion's, beside those of one, as the candidate's."""
    rows = table.filter(pc.equal(table.column("measure"), measure))
    return pair_up(
        rows.column("bin").to_numpy().astype(np.int64),
        rows.column("value").to_numpy(),
        pc.not_equal(rows.column("told"), other).to_numpy(),
        rows.column("pairs").to_numpy(),
    )
