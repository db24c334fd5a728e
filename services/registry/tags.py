"""Tags that mean something here. Those that begin with `gatehouse.` are reserved: only Gatehouse writes them."""

from __future__ import annotations

RESERVED_PREFIX = "gatehouse."
AUTHOR_TAG = "gatehouse.author"
OPERATION_TAG = "gatehouse.operation"
CHECKPOINT_TAG = "gatehouse.checkpoint"
"""A signed checkpoint of the audit log, written when a version is moved to a stage."""

GIT_COMMIT_TAG = "mlflow.source.git.commit"
PROMPT_TAG = "mlflow.prompt.is_prompt"
USER_TAG = "mlflow.user"
RUN_NAME_TAG = "mlflow.runName"
DATA_CONTEXT_TAG = "mlflow.data.context"
