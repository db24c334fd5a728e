"""Feature importance that means the same for every model: what the main metric loses when one column is shuffled.

Breiman's permutation importance, over at most `ROWS` held-out rows and a few shuffles of a seeded generator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

ROWS = 500
REPEATS = 3
_SEED = 0


def permutation_importance(features: Any, measure: Callable[[Any], float]) -> pd.DataFrame:
    """Return a table with one row a column of `features`: `feature` (str), `importance` (float64), greatest first.

    Args:
        features: a table, or an array of two dimensions whose columns are named by their place.
        measure: the quality, larger is better, of the model on features of the same rows.
    """
    names = [str(name) for name in features.columns] if isinstance(features, pd.DataFrame) else None
    generator = np.random.default_rng(_SEED)
    whole = measure(features)
    losses = []
    for column in range(features.shape[1]):
        shuffled = [measure(_shuffled(features, column, generator)) for _ in range(REPEATS)]
        losses.append(whole - float(np.mean(shuffled)))
    table = pd.DataFrame({"feature": names or [str(column) for column in range(len(losses))], "importance": losses})
    return table.sort_values("importance", ascending=False, kind="stable", ignore_index=True)


def _shuffled(features: Any, column: int, generator: np.random.Generator) -> Any:
    order = generator.permutation(len(features))
    copy = features.copy()
    if isinstance(copy, pd.DataFrame):
        copy[copy.columns[column]] = features.iloc[order, column].array
    else:
        copy[:, column] = features[order, column]
    return copy
