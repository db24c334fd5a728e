"""Writing to an MLflow run in few calls: one batch of parameters and tags, one of metrics, one upload of files.

A run that training code has open is written to and left open; otherwise one is started and ended here, and a failure
marks it as failed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from services.clock import from_micros

_Entry = TypeVar("_Entry")

_MOST_METRICS = 1000
_MOST_PARAMS = 100
_LONGEST_PARAM = 6000
_LONGEST_TAG = 8000


@contextmanager
def open_run(name: str | None) -> Iterator[str]:
    """Yield the id of the active run, or of a new one that ends with the block."""
    import mlflow

    active = mlflow.active_run()
    if active is not None:
        yield active.info.run_id
        return
    with mlflow.start_run(run_name=name) as run:
        yield run.info.run_id


def write_params_and_tags(run_id: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
    """Log parameters and tags; a value longer than MLflow takes is kept in the run's files alone."""
    from mlflow import MlflowClient
    from mlflow.entities import Param, RunTag

    client = MlflowClient()
    texts = {name: str(value) for name, value in params.items()}
    short = [Param(name, text) for name, text in texts.items() if len(text) <= _LONGEST_PARAM]
    for part in _in_parts(short, _MOST_PARAMS):
        client.log_batch(run_id, params=part)
    labels = [RunTag(name, text) for name, text in tags.items() if len(text) <= _LONGEST_TAG]
    for labelled in _in_parts(labels, _MOST_PARAMS):
        client.log_batch(run_id, tags=labelled)


def write_metrics(
    run_id: str, metrics: Mapping[str, float], *, model_id: str | None, dataset: Any | None = None
) -> None:
    """Log metrics of a run and of the model it made, measured on `dataset` (of `mlflow.data`)."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    entries = [
        Metric(
            name,
            value,
            now,
            0,
            model_id=model_id,
            dataset_name=dataset.name if dataset else None,
            dataset_digest=dataset.digest if dataset else None,
            run_id=run_id,
        )
        for name, value in metrics.items()
    ]
    client = MlflowClient()
    for part in _in_parts(entries, _MOST_METRICS):
        client.log_batch(run_id, metrics=part)


def write_files(run_id: str, folder: Path) -> None:
    """Upload everything below a folder to the root of the run's artifacts."""
    from mlflow import MlflowClient

    MlflowClient().log_artifacts(run_id, str(folder))


def register_version(
    name: str, *, run_id: str, model_id: str, description: str, tags: Mapping[str, str]
) -> tuple[int, datetime]:
    """Add a version of a registered name, which is created where it does not exist; return its number and time."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient()

    def create() -> Any:
        return client.create_model_version(
            name, f"models:/{model_id}", run_id=run_id, description=description, tags=dict(tags), model_id=model_id
        )

    try:
        created = create()
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        _create_name(client, name)
        created = create()
    return int(created.version), from_micros(created.creation_timestamp * 1000)


def _create_name(client: Any, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        # Somebody else registered it meanwhile.
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _in_parts(entries: Sequence[_Entry], size: int) -> Iterator[Sequence[_Entry]]:
    return (entries[start : start + size] for start in range(0, len(entries), size))
