"""Decisions made again: what both versions would decide under other thresholds, from the grid of their scores.

Nothing is read anew, so a threshold can be moved and its effect be seen at once. Thresholds are whole hundredths; a
score reaches one that it equals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.errors import InvalidInput
from services.shadow.bins import GRID
from services.shadow.statistics import Interval, wilson

Grid = npt.NDArray[np.int64]
"""Pairs by how many of the thresholds 0, 0.01, … 1 the champion's score reaches, and the candidate's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redecided:
    """What both versions would decide.

    Args:
        thresholds: by action, the strictest first, as they were applied.
        pairs: pairs that both versions gave a score.
        flow: pairs by the champion's action and then the candidate's.
        shares: by side, the share of pairs that each action would be taken for.
    """

    thresholds: Mapping[str, float]
    pairs: int
    agreement: Interval
    flow: Mapping[str, Mapping[str, int]]
    shares: Mapping[str, Mapping[str, float | None]]


def decide_again(grid: Grid, thresholds: Mapping[str, float]) -> Redecided:
    """Apply thresholds to both scores of all pairs.

    Args:
        grid: as `Figures` has it.
        thresholds: the lowest score of each action; the action of a score is the strictest it reaches, and what reaches
            none takes the mildest.

    Raises:
        InvalidInput: there is no threshold, or one is no number from 0 to 1.
    """
    cuts = _cuts(thresholds)
    actions = list(cuts)
    # The cells that a score of each action lies in, from the mildest action up: the mildest takes all below, too.
    starts = [0, *[round(cuts[action] * GRID) + 1 for action in reversed(actions[:-1])]]
    table = np.zeros((len(actions), len(actions)), dtype=np.int64)
    edges = [*starts, len(grid)]
    for row in range(len(actions)):
        for column in range(len(actions)):
            part = grid[edges[row] : edges[row + 1], edges[column] : edges[column + 1]]
            table[-1 - row, -1 - column] = part.sum()
    pairs = int(table.sum())
    return Redecided(
        thresholds=cuts,
        pairs=pairs,
        agreement=wilson(int(np.trace(table)), pairs),
        flow={
            action: dict(zip(actions, map(int, counts), strict=True))
            for action, counts in zip(actions, table, strict=True)
        },
        shares={
            side: {action: count / pairs if pairs else None for action, count in zip(actions, counts, strict=True)}
            for side, counts in (("champion", table.sum(axis=1)), ("candidate", table.sum(axis=0)))
        },
    )


def _cuts(thresholds: Mapping[str, float]) -> dict[str, float]:
    """Return thresholds as whole hundredths, the strictest first."""
    wrong = [action for action, threshold in thresholds.items() if not 0 <= threshold <= 1]
    if wrong or not thresholds:
        raise InvalidInput(
            f"The threshold of {wrong[0]!r} is no number from 0 to 1." if wrong else "There is no threshold.",
            next_step="Give each action the lowest score that it is taken for.",
        )
    ordered = sorted(thresholds.items(), key=lambda item: -item[1])
    return {action: round(threshold * GRID) / GRID for action, threshold in ordered}
