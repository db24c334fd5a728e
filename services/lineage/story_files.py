"""The files of a story: lineage, decision context, slices, predictions, model card and plots, written to a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from services.clock import to_text, utc_now
from services.lineage import artifacts
from services.lineage.context import decision_document, lineage_document
from services.lineage.evaluation import measure
from services.lineage.importance import ROWS, permutation_importance
from services.lineage.model_card import write_model_card
from services.lineage.plots import plot_calibration, plot_confusion, plot_importance, plot_shap, save_plot
from services.lineage.predictions import Output, predictions_table
from services.lineage.signature_text import describe_signature
from services.lineage.slices import slices_document
from services.lineage.story_draft import StoryDraft
from services.lineage.vocabulary import Task, find_main_metric, is_higher_better

_TABLE_DIMENSIONS = 2


def write_story_files(draft: StoryDraft, folder: Path) -> None:
    """Write every file that the draft has something to say in."""
    evaluation = draft.evaluation
    write_json(folder / artifacts.LINEAGE, lineage_document(draft.lineage, parents=draft.parents))
    write_json(folder / artifacts.DECISION_CONTEXT, decision_document(draft.decision, at=to_text(utc_now())))
    write_json(folder / artifacts.SLICES, slices_document(evaluation.slices))
    evaluation.table.to_parquet(folder / artifacts.PREDICTIONS, index=False)
    card = write_model_card(
        title=draft.title,
        card=draft.card,
        evaluation=evaluation,
        train_rows=len(draft.train),
        test_rows=len(draft.test),
        signature=describe_signature(draft.signature),
    )
    (folder / artifacts.MODEL_CARD).write_text(card, encoding="utf-8")
    _write_importance(draft, folder)
    _write_plots(draft, folder)


def write_json(path: Path, document: Any) -> None:
    """Write a document as readable JSON."""
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _write_plots(draft: StoryDraft, folder: Path) -> None:
    evaluation = draft.evaluation
    label, prediction = evaluation.table["label"], evaluation.table["prediction"]
    if evaluation.task in {Task.CLASSIFICATION, Task.ANOMALY_DETECTION} and not label.isna().any():
        save_plot(plot_confusion(label, prediction), folder / artifacts.CONFUSION_PLOT)
    if "calibration_psi" in evaluation.metrics:
        happened = label == (prediction if evaluation.positive is None else evaluation.positive)
        save_plot(plot_calibration(evaluation.table["score"], happened), folder / artifacts.CALIBRATION_PLOT)
    if isinstance(draft.test, pd.DataFrame) and (figure := plot_shap(draft.model, draft.test)) is not None:
        save_plot(figure, folder / artifacts.SHAP_PLOT)


def _write_importance(draft: StoryDraft, folder: Path) -> None:
    """Write what each column is worth to the main metric, where there is one and columns are flat."""
    task = draft.evaluation.task
    metric = find_main_metric(task, draft.evaluation.metrics)
    features = draft.test[:ROWS]
    label = draft.evaluation.table["label"].head(ROWS)
    if metric is None or features.ndim != _TABLE_DIMENSIONS or label.isna().any():
        return
    query = None if draft.query is None else draft.query.head(ROWS)

    def quality(output: Output) -> float:
        table = predictions_table(output, label, {})
        positive = draft.evaluation.positive
        value = measure(task, table, output, positive=positive, query=query, only=frozenset({metric}))[metric]
        return value if is_higher_better(metric) else -value

    importance = permutation_importance(features, lambda rows: draft.subject.output(rows, task), quality)
    importance.to_csv(folder / artifacts.IMPORTANCE_TABLE, index=False)
    save_plot(plot_importance(importance, metric), folder / artifacts.IMPORTANCE_PLOT)
