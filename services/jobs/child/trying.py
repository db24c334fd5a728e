"""The command `try`: requests go to `predict` one by one, and what it takes and refuses is told.

The requests come pickled, because only that keeps every dtype, label and width as it was: they are our own, written by
the process that started this one. What the caller expects is not among them, so that the model cannot know it either.
"""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from services.jobs.child.failures import describe
from services.jobs.child.measures import Subject


def try_requests(subject: Subject, command: Mapping[str, Any], answer: Callable[..., None]) -> dict[str, Any]:
    """Try every request of a file, if there is one."""
    if not command.get("trials"):
        return {"tried": []}
    answer(stage="trying requests")
    example = _find_example(subject.model)
    trials = pickle.loads(Path(command["trials"]).read_bytes())  # noqa: S301 - our own, as the module says
    return {"tried": [_try(subject.model, trial, example) for trial in trials]}


def _try(model: Any, trial: Mapping[str, Any], example: Any) -> dict[str, Any]:
    from mlflow.exceptions import MlflowException

    changed = _change(model, trial, example)
    tried = {"name": trial["name"], "is_taken": True, "is_made_up": changed is None, "is_refused_by_mlflow": False}
    try:
        model.predict(trial["data"] if changed is None else changed)
    except Exception as error:  # noqa: BLE001 - how a model refuses is what is asked
        is_mlflow = isinstance(error, MlflowException)
        return {**tried, "is_taken": False, "is_refused_by_mlflow": is_mlflow, "error": describe(error)}
    return {**tried, "error": ""}


def _find_example(model: Any) -> Any:
    # An example that cannot be read is none: the requests say of themselves that they are made up.
    with contextlib.suppress(Exception):
        return model.input_example
    return None


def _change(model: Any, trial: Mapping[str, Any], example: Any) -> Any | None:
    """Return the example with the changes of a trial, or None where it cannot bear them."""
    data, without, replaced = trial["data"], trial["without"], trial["replaced"]
    if isinstance(data, np.ndarray) and isinstance(example, np.ndarray):
        return example.copy() if not (without or replaced) and data.dtype == example.dtype else None
    if not (isinstance(data, pd.DataFrame) and isinstance(example, pd.DataFrame)) or example.empty:
        return None
    row = example.head(1).reset_index(drop=True)
    if not model.metadata.signature.inputs.has_input_names():
        row = row.set_axis(range(row.shape[1]), axis="columns")
    row = row.drop(columns=[label for label in without if label in row.columns])
    for label in replaced:
        row[label] = data[label]
    return row
