"""The names under which a story is kept in MLflow: files of the run, tags of run and version, prefixes of metrics.

Writers (training code) and readers (story, gates, graph) share this list, so neither guesses.
"""

from __future__ import annotations

from typing import Final

MODEL: Final = "model"
"""Folder of the logged model below its run."""

LINEAGE: Final = "lineage.json"
DECISION_CONTEXT: Final = "decision_context.json"
MODEL_CARD: Final = "model_card.md"
METADATA: Final = "metadata.json"
SLICES: Final = "slices.json"
PREDICTIONS: Final = "predictions.parquet"
"""One row an evaluated row: `prediction`, `score`, `label`, and a string column `slice_NAME` for each slice."""

IMPORTANCE_TABLE: Final = "feature_importance.csv"
IMPORTANCE_PLOT: Final = "plots/feature_importance.png"
CONFUSION_PLOT: Final = "plots/confusion_matrix.png"
CALIBRATION_PLOT: Final = "plots/calibration.png"
SHAP_PLOT: Final = "plots/shap_summary.png"

SLICE_COLUMN_PREFIX: Final = "slice_"
SLICE_METRIC_PREFIX: Final = "slice"
"""A metric of one slice is named `slice/COLUMN/VALUE/METRIC`."""

GIT_COMMIT: Final = "git_commit"
GIT_BRANCH: Final = "git_branch"
DATASET_COMMIT: Final = "dataset_commit"
CODE_VERSION: Final = "code_version"
TASK: Final = "task"
TUNED_FROM: Final = "tuned_from"
"""`NAME/VERSION` of the parents this model was tuned from, separated by commas."""

BASELINE: Final = "baseline"
"""`NAME/VERSION` of the model this one is measured against."""

CONTRIBUTOR: Final = "contributor"
CODE_PATHS: Final = "code_paths"
"""Files that trained it, separated by commas."""

DELTA_METRIC_PREFIX: Final = "delta/"
"""A metric that says how much another differs from the baseline's."""

PART_METRIC_PREFIXES: Final = (f"{SLICE_METRIC_PREFIX}/", DELTA_METRIC_PREFIX)
"""What the names of metrics begin with that speak of a part of the rows, or of another version."""

MODEL_TYPE: Final = "model_type"
IS_BASELINE: Final = "is_baseline"
APPROVER: Final = "approver"
DEPLOYMENT_PLAN: Final = "deployment_plan"

MLFLOW_COMMIT: Final = "mlflow.source.git.commit"
MLFLOW_BRANCH: Final = "mlflow.source.git.branch"
MLFLOW_PARENT_RUN: Final = "mlflow.parentRunId"
MLFLOW_USER: Final = "mlflow.user"

FEATURE_VIEW_PARAM: Final = "feature_store_{name}_view"
DATASET_PATH_PARAM: Final = "training_dataset_path"
PREPROCESSING_PARAM: Final = "preprocessing_version"
