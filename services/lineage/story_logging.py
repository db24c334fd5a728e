"""Log the full story of a model in one call: what it was made from, what it is, how good it is, and why it exists.

Everything is measured before anything is written, so a mistake in the data leaves no half-told run behind.
The names of files, tags and metrics are in `services.lineage.artifacts`.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from services.errors import InvalidInput
from services.lineage import artifacts
from services.lineage.context import CardText, DecisionContext, Lineage
from services.lineage.evaluation import evaluate
from services.lineage.git_state import find_git_state
from services.lineage.importance import ROWS
from services.lineage.loggable import flavor_options, infer_signature, open_loggable, quiet_hints
from services.lineage.run_logging import open_run, register_version, write_files, write_metrics, write_params_and_tags
from services.lineage.slices import named_metrics
from services.lineage.story_draft import StoryDraft, run_params, run_tags, version_tags
from services.lineage.story_files import write_story_files
from services.lineage.unity_catalog import check_declared, check_new_version
from services.lineage.vocabulary import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedStory:
    """What one call logged; `version` is None unless it registered one."""

    run_id: str
    model_id: str
    model_uri: str
    metrics: Mapping[str, float]
    name: str | None = None
    version: int | None = None


def log_story(
    model: Any,
    *,
    task: Task | str,
    train: Any,
    test: Any,
    train_label: Any | None = None,
    test_label: Any | None = None,
    slices: Sequence[str] | pd.DataFrame = (),
    fairness_by: str | None = None,
    positive: Any = None,
    query: Any | None = None,
    probabilities: bool = False,
    dataset_name: str = "dataset",
    lineage: Lineage | None = None,
    decision: DecisionContext | None = None,
    card: CardText | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    tuned_from: Sequence[str] = (),
    baseline: str = "",
    run_name: str | None = None,
    register_as: str | None = None,
    description: str = "",
) -> LoggedStory:
    """Evaluate a model on held-out rows and log everything that makes it reproducible and defensible.

    Writes to the active MLflow run, or to one of its own.

    Args:
        model: a fitted scikit-learn estimator, an MLflow `PythonModel`, or the URI of a model logged already.
        task: `classification`, `regression`, `ranking` or `anomaly_detection` (-1 is an anomaly, 1 is normal).
        train: the features it was fitted on, as a table or an array; they give the signature and the input example.
        test: held-out features of the same shape.
        train_label: what was learned, one a row of `train`; kept in the logged data set.
        test_label: what was true, one a row of `test`; only anomaly detection can do without.
        slices: columns of `test`, or a table of other columns with the rows of `test`, to measure apart.
        fairness_by: the slice whose groups should be treated alike.
        positive: the class that matters; by default the larger of two.
        query: for ranking, which query each row of `test` belongs to.
        probabilities: log a classifier so that it answers with one probability a class, the last column being that of
            the positive one: what decision policies and shadow comparison read. Otherwise it answers with a class.
        dataset_name: what the data is called, such as `transactions`.
        lineage: code and data; the Git commit of the working folder is found by itself.
        decision: why it was trained.
        card: the words of the model card.
        params: parameters besides the model's own, such as feature toggles.
        tags: the standard tags, and any others; the run and the version carry them.
        tuned_from: `NAME/VERSION` of the models it was tuned from.
        baseline: `NAME/VERSION` it is measured against.
        run_name: the name of the run that is started; MLflow makes one up otherwise.
        register_as: the name to register a version of.
        description: what makes this version unique.

    Raises:
        InvalidInput: the model cannot be logged this way, labels, queries or slices do not fit the test data, or a
            Unity Catalog asks for a name of three levels, or for a signature of inputs and outputs.
    """
    task = read_task(task)
    if register_as is not None:
        check_new_version(register_as)
    subject = open_loggable(model, probabilities=probabilities)
    queries = None if query is None else pd.Series(np.asarray(query))
    evaluation = evaluate(
        subject.output(test, task),
        task=task,
        label=test_label,
        slices=_slice_columns(slices, test),
        fairness_by=fairness_by,
        positive=positive,
        query=queries,
    )
    draft = StoryDraft(
        model=model,
        subject=subject,
        train=train,
        train_label=train_label,
        test=test,
        query=queries,
        evaluation=evaluation,
        signature=infer_signature(train, subject.answer(train[:ROWS])),
        lineage=_with_git(lineage or Lineage()),
        decision=decision or DecisionContext(),
        card=card or CardText(),
        title=register_as or run_name or type(model).__name__,
        dataset_name=dataset_name,
        params=params or {},
        tags=tags or {},
        parents={artifacts.TUNED_FROM: tuple(tuned_from), artifacts.BASELINE: (baseline,) if baseline else ()},
    )
    if register_as is not None:
        check_declared(register_as, subject.declares(draft.signature))
    logged = _write(draft, run_name)
    return logged if register_as is None else _register(draft, logged, register_as, description)


def read_task(task: Task | str) -> Task:
    """Return the task a text names.

    Raises:
        InvalidInput: there is no such task.
    """
    try:
        return Task(task)
    except ValueError as error:
        raise InvalidInput(f"{task!r} is not a task.", next_step=f"Use one of {', '.join(Task)}.") from error


def _write(draft: StoryDraft, run_name: str | None) -> LoggedStory:
    with tempfile.TemporaryDirectory(prefix="story-") as folder:
        write_story_files(draft, Path(folder))
        with open_run(run_name) as run_id:
            write_params_and_tags(run_id, run_params(draft), run_tags(draft))
            info = draft.subject.log(**flavor_options(signature=draft.signature, input_example=draft.train[:2]))
            metrics = {**draft.evaluation.metrics, **named_metrics(draft.evaluation.slices)}
            write_metrics(run_id, metrics, model_id=info.model_id, dataset=_log_datasets(draft))
            write_files(run_id, Path(folder))
    measured = dict(draft.evaluation.metrics)
    return LoggedStory(run_id=run_id, model_id=info.model_id, model_uri=info.model_uri, metrics=measured)


def _register(draft: StoryDraft, logged: LoggedStory, name: str, description: str) -> LoggedStory:
    version, _ = register_version(
        name, run_id=logged.run_id, model_id=logged.model_id, description=description, tags=version_tags(draft)
    )
    return replace(logged, name=name, version=version)


def _with_git(lineage: Lineage) -> Lineage:
    state = find_git_state(Path.cwd()) if lineage.git_commit is None else None
    if state is None:
        return lineage
    return replace(lineage, git_commit=state.commit, git_branch=lineage.git_branch or state.branch)


def _slice_columns(slices: Sequence[str] | pd.DataFrame, test: Any) -> dict[str, pd.Series]:
    if isinstance(slices, pd.DataFrame):
        return {str(name): slices[name] for name in slices.columns}
    known = set(test.columns) if isinstance(test, pd.DataFrame) else set()
    for name in slices:
        if name not in known:
            raise InvalidInput(
                f"The test data has no column {name!r} to slice by.",
                next_step="Name one of its columns, or pass a table of slices.",
            )
    return {name: test[name] for name in slices}


def _log_datasets(draft: StoryDraft) -> Any:
    """Log what the model was trained and tested on, and return the latter as MLflow's dataset."""
    import mlflow

    label = None if draft.evaluation.table["label"].isna().all() else draft.evaluation.table["label"].to_numpy()
    with quiet_hints():
        trained = _dataset(
            draft.train, draft.train_label, f"{draft.dataset_name} (training)", source=draft.lineage.dataset_path
        )
        tested = _dataset(draft.test, label, f"{draft.dataset_name} (held out)")
        mlflow.log_inputs(datasets=[trained, tested], contexts=["training", "testing"], tags_list=[None, None])
    return tested


def _dataset(features: Any, label: Any | None, name: str, *, source: str = "") -> Any:
    from mlflow.data.numpy_dataset import from_numpy
    from mlflow.data.pandas_dataset import from_pandas

    place = _place(source)
    if isinstance(features, pd.DataFrame):
        table = features if label is None else features.assign(label=np.asarray(label))
        return from_pandas(table, source=place, targets=None if label is None else "label", name=name)
    if label is None:
        return from_numpy(features, source=place, name=name)
    return from_numpy(features, source=place, targets=np.asarray(label), name=name)


def _place(source: str) -> Any:
    """Return MLflow's source for a path or address, or None, which stands for the code that made the data."""
    from mlflow.data.dataset_source_registry import resolve_dataset_source
    from mlflow.exceptions import MlflowException

    if not source:
        return None
    with warnings.catch_warnings():
        # MLflow says that a path could be read in several ways, and takes the most likely.
        warnings.simplefilter("ignore", UserWarning)
        try:
            return resolve_dataset_source(source)
        except MlflowException:
            return None
