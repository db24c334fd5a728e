"""The plots of a story as PNG: importance, confusion matrix, calibration, and SHAP where it is installed.

Drawn on Matplotlib's own canvas without `pyplot`, which would start a window system and keep every figure alive.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import structlog

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DOTS_PER_INCH = 110
_MOST_BARS = 15
_MOST_CELL_TEXTS = 20
_SHAP_ROWS = 100
_SHAP_ASKED_ROWS = 20
_LONGEST_REASON = 200
_log = structlog.get_logger(__name__)
_INK = "#2563EB"
_REFERENCE = "#94A3B8"


def plot_importance(table: pd.DataFrame, metric: str) -> Figure:
    """Draw the loss of the main metric by shuffled column, greatest on top."""
    top = table.head(_MOST_BARS).iloc[::-1]
    figure, axes = _figure(6.4, 0.8 + 0.32 * len(top))
    axes.barh(top["feature"], top["importance"], color=_INK)
    axes.set_xlabel(f"loss of {metric} when the column is shuffled")
    return figure


def plot_confusion(label: pd.Series, prediction: pd.Series) -> Figure:
    """Draw how often each class was predicted as each."""
    classes = sorted(set(label) | set(prediction), key=str)
    counts = (
        pd.crosstab(label.to_numpy(), prediction.to_numpy())
        .reindex(index=classes, columns=classes, fill_value=0)
        .to_numpy()
    )
    side = min(2.4 + 0.45 * len(classes), 9)
    figure, axes = _figure(side + 0.6, side)
    axes.imshow(counts, cmap="Blues")
    if len(classes) <= _MOST_CELL_TEXTS:
        for row, column in np.ndindex(counts.shape):
            dark = counts[row, column] > counts.max() / 2
            axes.text(
                column, row, f"{counts[row, column]:,}", ha="center", va="center", color="white" if dark else "black"
            )
        axes.set_xticks(range(len(classes)), [str(name) for name in classes])
        axes.set_yticks(range(len(classes)), [str(name) for name in classes])
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    return figure


def plot_calibration(score: pd.Series, happened: pd.Series, *, bins: int = 10) -> Figure:
    """Draw the observed rate against the mean score in equally filled bins; the diagonal is perfect."""
    part = pd.qcut(score.rank(method="first"), min(bins, len(score)), labels=False)
    points = pd.DataFrame({"score": score, "happened": happened.astype(float), "part": part}).groupby("part").mean()
    figure, axes = _figure(4.8, 4.4)
    axes.plot([0, 1], [0, 1], color=_REFERENCE, linewidth=1, linestyle="--")
    axes.plot(points["score"], points["happened"], color=_INK, marker="o", linewidth=1.5)
    axes.set_xlabel("mean score")
    axes.set_ylabel("observed rate")
    return figure


def plot_shap(model: Any, features: pd.DataFrame) -> Figure | None:
    """Draw SHAP's summary of at most a hundred rows; None where shap is not installed or cannot explain the model."""
    if find_spec("shap") is None:
        return None
    from matplotlib import pyplot as plt

    rows, before = features.head(_SHAP_ROWS), set(plt.get_fignums())
    try:
        shap = import_module("shap")
        explained = _explain(shap, model, rows)
        values = explained[..., 1] if len(explained.shape) > 2 else explained  # noqa: PLR2004 - one layer a class
        shap.plots.beeswarm(values, show=False)
        return plt.gcf()
    except Exception as error:  # noqa: BLE001 - of many types, where shap lacks a part of itself or an explainer
        _log.warning("no SHAP summary was drawn", model=type(model).__name__, reason=str(error)[:_LONGEST_REASON])
        return None
    finally:
        for number in set(plt.get_fignums()) - before:
            plt.close(number)


def _explain(shap: Any, model: Any, rows: pd.DataFrame) -> Any:
    """Explain by the structure of the model, or else, as a pipeline's, by what it answers."""
    try:
        return shap.Explainer(model, rows)(rows)
    except Exception:  # noqa: BLE001 - shap raises many types for models it has no explainer for
        # The model is asked about every mixture of rows, which takes long.
        few = rows.head(_SHAP_ASKED_ROWS)
        return shap.Explainer(getattr(model, "predict_proba", model.predict), few)(few)


def save_plot(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=_DOTS_PER_INCH)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
