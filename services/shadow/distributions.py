"""Distributions in bins: how far two are apart, with the error that binning can have made, and quantiles.

A histogram row is a bin, or one known value within a bin (an atom); what lies in a bin without being an atom may be
anywhere in it, and the bounds say so. Where all the mass of a bin is atoms, nothing is uncertain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from services.shadow.bins import LATENCY_ERROR, Bins, Floats, latency_of_bin, score_of_bin
from services.shadow.statistics import Interval

PSI_GROUPS = 10
JS_GROUPS = 32
_SMOOTHING = 0.5
_QUANTILE_SPREAD = 1.959963984540054

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """Two histograms over the same rows, in order of their values.

    Args:
        bins: of each row; rows of one bin stand together, its spread row first.
        values: of each row: NaN for spread, else the atom.
    """

    bins: Bins
    values: Floats
    champion: Counts
    candidate: Counts

    @property
    def places(self) -> Floats:
        """A value for each row: the atom, or the middle of the bin."""
        return np.where(np.isnan(self.values), score_of_bin(self.bins), self.values)

    def count(self) -> tuple[int, int]:
        """Return how many values each side has."""
        return int(self.champion.sum()), int(self.candidate.sum())


def pair_up(bins: Bins, values: Floats, is_champion: npt.NDArray[np.bool_], pairs: Counts) -> Paired:
    """Return rows of two histograms, in any order, as one."""
    is_atom = ~np.isnan(values)
    atoms = np.nan_to_num(values)
    order = np.lexsort((atoms, is_atom, bins))
    columns = (bins[order], is_atom[order], atoms[order])
    is_new = np.logical_or.reduce([np.append(True, column[1:] != column[:-1])[: len(column)] for column in columns])
    place = np.cumsum(is_new) - 1
    champion, candidate = (
        np.bincount(place, weights=np.where(side, pairs, 0)[order]).astype(np.int64)
        for side in (is_champion, ~is_champion)
    )
    return Paired(bins=columns[0][is_new], values=values[order][is_new], champion=champion, candidate=candidate)


def kolmogorov_smirnov(paired: Paired) -> Interval:
    """Return the bounds between which the greatest distance of the two distribution functions lies."""
    if 0 in paired.count():
        return Interval()
    is_spread = np.isnan(paired.values)
    _bins, which = np.unique(paired.bins, return_inverse=True)
    below, slack, atoms = [], [], []
    for side, total in zip((paired.champion, paired.candidate), paired.count(), strict=True):
        mass = side / total
        spread = np.bincount(which, weights=np.where(is_spread, mass, 0.0))
        climbed = np.cumsum(np.where(is_spread, 0.0, mass))
        below.append(climbed + (np.cumsum(spread) - spread)[which])
        slack.append(spread[which])
        atoms.append(np.cumsum(mass))
    high = max((below[0] + slack[0] - below[1]).max(), (below[1] + slack[1] - below[0]).max(), 0.0)
    is_end = np.append(which[1:] != which[:-1], True)
    is_certain = is_end | (slack[0] + slack[1] == 0)
    low = np.abs(atoms[0] - atoms[1])[is_certain].max()
    return Interval(low=_clipped(low), high=_clipped(max(high, low)))


def rank_probability(paired: Paired) -> Interval:
    """Return the probability that a value of the candidate's exceeds one of the champion's, ties counting half.

    Mann and Whitney's U over n·m; where the two are the scores of two classes, the area under the ROC curve.
    """
    if 0 in paired.count():
        return Interval()
    p, q = (side / total for side, total in zip((paired.champion, paired.candidate), paired.count(), strict=True))
    estimate = float(np.sum(q * (np.cumsum(p) - p / 2)))
    is_spread = np.isnan(paired.values)
    _bins, which = np.unique(paired.bins, return_inverse=True)
    in_bin = [np.bincount(which, weights=mass) for mass in (p, q)]
    at_atoms = [np.bincount(which, weights=np.where(is_spread, 0.0, mass)) for mass in (p, q)]
    # Only pairs of values of which at least one is spread over its bin may stand either way round.
    unsure = float(np.sum(in_bin[0] * in_bin[1] - at_atoms[0] * at_atoms[1])) / 2
    estimate += float(np.sum(_spread_correction(paired, p, q)))
    return Interval(estimate=estimate, low=max(0.0, estimate - unsure), high=min(1.0, estimate + unsure))


def population_stability(paired: Paired) -> float | None:
    """Return PSI of the candidate against deciles of the champion, half a count added to each group."""
    if 0 in paired.count():
        return None
    total = paired.champion.sum()
    rank = (np.cumsum(paired.champion) - paired.champion / 2) / total
    group = np.minimum((rank * PSI_GROUPS).astype(np.int64), PSI_GROUPS - 1)
    p, q = (
        _smoothed(np.bincount(group, weights=side, minlength=PSI_GROUPS))
        for side in (paired.champion, paired.candidate)
    )
    return float(np.sum((q - p) * np.log(q / p)))


def jensen_shannon(paired: Paired) -> float | None:
    """Return the Jensen-Shannon distance, base 2, over 32 equal groups of [0, 1], or of the range where it is wider."""
    from scipy.spatial.distance import jensenshannon

    if 0 in paired.count():
        return None
    places = paired.places
    low, high = (0.0, 1.0) if places.min() >= 0 and places.max() <= 1 else (places.min(), places.max())
    width = (high - low) or 1.0
    group = np.clip(((places - low) / width * JS_GROUPS).astype(np.int64), 0, JS_GROUPS - 1)
    p, q = (np.bincount(group, weights=side, minlength=JS_GROUPS) for side in (paired.champion, paired.candidate))
    return float(np.nan_to_num(jensenshannon(p, q, base=2)))


def latency_quantile(bins: Bins, pairs: Counts, quantile: float) -> float | None:
    """Return a quantile of latencies, between order statistics as `numpy.quantile` has it; off by at most 0.99 %."""
    total = int(pairs.sum())
    if total == 0:
        return None
    rank = quantile * (total - 1)
    below, above = (_order_statistic(bins, pairs, index) for index in (math.floor(rank), math.ceil(rank)))
    return below + (above - below) * (rank - math.floor(rank))


def latency_quantile_interval(bins: Bins, pairs: Counts, quantile: float) -> Interval:
    """Return a quantile with an interval for one look: the order statistics around it, widened by the bins' error."""
    total = int(pairs.sum())
    estimate = latency_quantile(bins, pairs, quantile)
    if estimate is None:
        return Interval()
    spread = _QUANTILE_SPREAD * math.sqrt(total * quantile * (1 - quantile))
    low, high = math.floor(total * quantile - spread), math.ceil(total * quantile + spread)
    return Interval(
        estimate=estimate,
        low=None if low < 0 else _order_statistic(bins, pairs, low) / (1 + LATENCY_ERROR),
        high=None if high >= total else _order_statistic(bins, pairs, high) / (1 - LATENCY_ERROR),
    )


def _order_statistic(bins: Bins, pairs: Counts, index: int) -> float:
    place = int(np.searchsorted(np.cumsum(pairs), index, side="right"))
    return float(latency_of_bin(bins[place : place + 1])[0])


def _spread_correction(paired: Paired, p: Floats, q: Floats) -> Floats:
    """Return what makes spread count half against every atom of its bin, before or after it."""
    is_spread = np.isnan(paired.values)
    _bins, which = np.unique(paired.bins, return_inverse=True)
    spread_p, spread_q = (np.bincount(which, weights=np.where(is_spread, mass, 0.0)) for mass in (p, q))
    atoms_p, atoms_q = (np.bincount(which, weights=np.where(is_spread, 0.0, mass)) for mass in (p, q))
    # The spread row stands first: its champion mass counted as below every atom, its candidate mass as above none.
    return (atoms_p * spread_q - spread_p * atoms_q) / 2


def _smoothed(counts: npt.NDArray[Any]) -> Floats:
    smoothed: Floats = (counts + _SMOOTHING) / (counts.sum() + _SMOOTHING * len(counts))
    return smoothed


def _clipped(value: float) -> float:
    return float(min(1.0, max(0.0, value)))
