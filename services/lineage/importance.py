"""Feature importance that means the same for every model: what the main metric loses when one column is shuffled.

Breiman's permutation importance, over at most `ROWS` held-out rows and up to three shuffles of a seeded generator,
fewer where there are many columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from services.lineage.predictions import Output

ROWS = 500
MOST_REPEATS = 3
_SEED = 0
_MOST_ROWS = 20_000


def permutation_importance(
    features: Any, predict: Callable[[Any], Output], quality: Callable[[Output], float]
) -> pd.DataFrame:
    """Return a table with one row a column of `features`: `feature` (str), `importance` (float64), greatest first.

    `features` is a table, or an array of two dimensions whose columns are named by their place. `quality` of an output
    for all rows of it is the better the larger.
    """
    rows, columns = features.shape
    names = list(map(str, features.columns if isinstance(features, pd.DataFrame) else range(columns)))
    generator = np.random.default_rng(_SEED)
    whole = quality(predict(features))
    losses: list[float] = []
    # One call for many shuffles: a model takes longer to be called than to answer a few hundred rows.
    repeats = min(MOST_REPEATS, max(1, _MOST_ROWS // (rows * columns)))
    at_once = max(1, _MOST_ROWS // (rows * repeats))
    for first in range(0, columns, at_once):
        part = range(first, min(first + at_once, columns))
        copies = [_shuffled(features, column, generator) for column in part for _ in range(repeats)]
        answers = predict(_stacked(copies))
        found = [quality(answers.part(start, start + rows)) for start in range(0, len(copies) * rows, rows)]
        losses += [whole - float(np.mean(found[start : start + repeats])) for start in range(0, len(found), repeats)]
    table = pd.DataFrame({"feature": names, "importance": losses})
    return table.sort_values("importance", ascending=False, kind="stable", ignore_index=True)


def _stacked(copies: Sequence[Any]) -> Any:
    return pd.concat(copies, ignore_index=True) if isinstance(copies[0], pd.DataFrame) else np.concatenate(copies)


def _shuffled(features: Any, column: int, generator: np.random.Generator) -> Any:
    order = generator.permutation(len(features))
    copy = features.copy()
    if isinstance(copy, pd.DataFrame):
        copy[copy.columns[column]] = features.iloc[order, column].array
    else:
        copy[:, column] = features[order, column]
    return copy
