"""Histogram bins that are the same for every file, so that histograms merge by adding up.

Scores: 1,024 equal bins over [0, 1], so that any division of it into a power of two up to 1,024 can be had exactly;
below 1/64 and above 63/64 each bin is divided 64-fold, and again, because well calibrated models of rare events live
there; beyond [0, 1] bins are 0.05 % wide. Exactly 0 and exactly 1 have bins of their own.
Differences: the square root of the size in 511 steps on each side of an exact zero; beyond 1 in steps of 1.6 %.
Grid: both scores of a pair by hundredths, so that decisions can be made again under other thresholds.
Latencies: powers of 1.02, so that a value read back is off by at most (1.02 - 1) / (1.02 + 1), or 0.99 %.

Bins are written in DuckDB's SQL. Everything within [0, 1] uses only operations that IEEE 754 rounds exactly, so other
engines find the same bins.
Expressions are whole doubles, and are counted as such: a cast for each pair takes longer than its bin.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LATENCY_GROWTH = 1.02
LATENCY_ERROR = (LATENCY_GROWTH - 1) / (LATENCY_GROWTH + 1)
MAX_LATENCY_MS = 1e12
MAX_SCORE = 1e100

GRID = 100
GRID_SIDE = 128
"""The bin of a pair in the grid is the champion's cell times this, plus the candidate's; there are `GRID` + 2 cells."""

ZERO_LATENCY_BIN = -1_000_000
UNSOUND_LATENCY_BIN = -2_000_000

_EDGE = 1 / 64
_FINE_STEPS = 2048
_TAIL_STEPS = 64
_INSIDE, _ABOVE, _BELOW = 100_000, 1_000_000, -2_000_000
_ZERO, _ONE = 0, 999_999
# Each level of the ladder towards 0 and 1 spans a factor of 64: its upper edge and its bins a unit.
_LADDER = tuple((_EDGE / 64**level, 1024 * 64 ** (level + 1)) for level in range(3))
_LADDER_END = _EDGE / 64**3
_LEVEL = 10_000
_LOW_TAIL, _HIGH_TAIL = 60_000, 145_000
_DIFFERENCE_STEPS = 511
# What a hundredth that binary fractions cannot hold may lose when it is multiplied by 100, and more.
_GRID_SLACK = 1e-9
_BEYOND = 1_000

Floats = npt.NDArray[np.float64]
Bins = npt.NDArray[np.int64]


def score_bin_sql(score: str) -> str:
    """Return the expression of the bin of a finite score, as a double; bins stand in the order of their scores."""
    rest = f"1 - {score}"
    low = [
        f"WHEN {score} < {_EDGE} AND {score} >= {upper / 64} THEN {_INSIDE - _LEVEL * level} + FLOOR({score} * {scale})"
        for level, (upper, scale) in enumerate(_LADDER, 1)
    ]
    high = [
        f"WHEN {score} < 1 AND {rest} >= {upper / 64} THEN {_INSIDE + _LEVEL * (level + 1)} - FLOOR(({rest}) * {scale})"
        for level, (upper, scale) in enumerate(_LADDER, 1)
    ]
    return " ".join(
        [
            f"CASE WHEN {score} >= {_EDGE} AND {score} <= {1 - _EDGE} THEN {_INSIDE} + FLOOR({score} * 1024)",
            *low,
            f"WHEN {score} = 0 THEN {_ZERO}",
            f"WHEN {score} < 0 THEN {_BELOW} - FLOOR(LN(-({score})) * {_FINE_STEPS})",
            f"WHEN {score} < {_EDGE} THEN {_LOW_TAIL} + FLOOR(LN({score}) * {_TAIL_STEPS})",
            *high,
            f"WHEN {score} = 1 THEN {_ONE}",
            f"WHEN {score} < 1 THEN {_HIGH_TAIL} - FLOOR(LN({rest}) * {_TAIL_STEPS})",
            f"ELSE {_ABOVE} + FLOOR(LN({score}) * {_FINE_STEPS}) END",
        ]
    )


def difference_bin_sql(difference: str) -> str:
    """Return the expression of the bin of a finite difference, as a double; less than 0 where the difference is."""
    size = f"ABS({difference})"
    return (
        f"CASE WHEN {size} <= 1 THEN CEIL(SQRT({size}) * {_DIFFERENCE_STEPS})"
        f" ELSE {_BEYOND} + FLOOR(LN({size}) * {_TAIL_STEPS}) END * SIGN({difference})"
    )


def grid_cell_sql(score: str) -> str:
    """Return the expression of how many of the thresholds 0, 0.01, … 1 a finite score reaches, as a double."""
    return (
        f"CASE WHEN {score} >= 0 AND {score} < 1 THEN FLOOR({score} * {GRID} + {1 + _GRID_SLACK})"
        f" WHEN {score} < 0 THEN 0.0 ELSE {GRID + 1}.0 END"
    )


def latency_bin_sql(latency_ms: str) -> str:
    """Return the expression of the bin of a latency; one bin is for those that are negative, NaN or beyond measure."""
    return (
        f"CASE WHEN {latency_ms} > 0 AND {latency_ms} <= {MAX_LATENCY_MS}"
        f" THEN FLOOR(LN({latency_ms}) / LN({LATENCY_GROWTH}))"
        f" WHEN {latency_ms} = 0 THEN {ZERO_LATENCY_BIN} WHEN {latency_ms} IS NOT NULL THEN {UNSOUND_LATENCY_BIN} END"
    )


def score_of_bin(bins: Bins) -> Floats:
    """Return a score from the middle of each bin.

    >>> score_of_bin(np.array([0, 100_512])).tolist()
    [0.0, 0.50048828125]
    """
    scores = np.zeros(len(bins), dtype=np.float64)
    level = np.round((bins - _INSIDE) / _LEVEL).astype(np.int64)
    _fill(scores, (level == 0) & (bins > _LOW_TAIL), (bins - _INSIDE + 0.5) / 1024)
    for step, (_upper, scale) in enumerate(_LADDER, 1):
        start = _INSIDE - _LEVEL * step
        _fill(scores, (bins >= start) & (bins < start + 1024), (bins - start + 0.5) / scale)
        end = _INSIDE + _LEVEL * (step + 1)
        _fill(scores, (bins <= end) & (bins > end - 1025), 1 - (end - bins + 0.5) / scale)
    with np.errstate(over="ignore", under="ignore"):
        _fill(scores, (bins > 0) & (bins < _LOW_TAIL), np.exp((bins - _LOW_TAIL + 0.5) / _TAIL_STEPS))
        in_high_tail = (bins > _HIGH_TAIL) & (bins < _ABOVE // 2)
        _fill(scores, in_high_tail, 1 - np.exp((_HIGH_TAIL - bins + 0.5) / _TAIL_STEPS))
        _fill(scores, bins > _ABOVE // 2, np.exp((bins - _ABOVE + 0.5) / _FINE_STEPS))
        _fill(scores, bins < 0, -np.exp((_BELOW - bins + 0.5) / _FINE_STEPS))
    scores[bins == _ONE] = 1.0
    return scores


def atom_of_bin(bins: Bins) -> Floats:
    """Return the one score of each bin that holds only one, else NaN."""
    return np.select([bins == _ZERO, bins == _ONE], [0.0, 1.0], np.nan)


def difference_of_bin(bins: Bins) -> Floats:
    """Return a difference from the middle of each bin.

    >>> difference_of_bin(np.array([0, 511, -511])).round(3).tolist()
    [0.0, 0.998, -0.998]
    """
    size = np.abs(bins)
    inner = ((size - 0.5) / _DIFFERENCE_STEPS) ** 2
    outer = np.exp((np.maximum(size, _BEYOND) - _BEYOND + 0.5) / _TAIL_STEPS)
    return np.where(bins == 0, 0.0, np.sign(bins) * np.where(size < _BEYOND, inner, outer))


def latency_of_bin(bins: Bins) -> Floats:
    """Return the latency in ms that is off by at most 0.99 % from any in each bin.

    >>> latency_of_bin(np.array([ZERO_LATENCY_BIN, 0])).round(4).tolist()
    [0.0, 1.0099]
    """
    middle = 2 * LATENCY_GROWTH ** (bins.astype(np.float64) + 1) / (LATENCY_GROWTH + 1)
    return np.where(bins == ZERO_LATENCY_BIN, 0.0, middle)


def _fill(values: Floats, where: npt.NDArray[np.bool_], source: Floats) -> None:
    values[where] = source[where]
