"""Runs and logged models, read straight from MLflow's own database."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, and_, select
from sqlalchemy.sql.expression import ColumnClause

from services.errors import NotFound
from services.registry.direct_database import (
    DATASETS,
    INPUT_TAGS,
    INPUTS,
    LOGGED_METRICS,
    LOGGED_MODELS,
    LOGGED_PARAMS,
    LOGGED_TAGS,
    RUN_METRICS,
    RUN_PARAMS,
    RUN_TAGS,
    RUNS,
    Database,
    batches,
)
from services.registry.names import quoted
from services.registry.tags import DATA_CONTEXT_TAG, RUN_NAME_TAG
from services.registry.values import Dataset, LoggedModel, Run
from services.registry.wire import author_of, read_moment

Pairs = Mapping[str, Mapping[str, Any]]

_LOGGED_STATUSES = {1: "PENDING", 2: "READY", 3: "FAILED"}
_RUN_DATASETS = (
    select(
        INPUTS.c.destination_id,
        DATASETS.c.name,
        DATASETS.c.digest,
        DATASETS.c.dataset_source_type,
        DATASETS.c.dataset_source,
        INPUT_TAGS.c.value.label("context"),
    )
    .select_from(
        INPUTS.join(DATASETS, DATASETS.c.dataset_uuid == INPUTS.c.source_id).outerjoin(
            INPUT_TAGS, and_(INPUT_TAGS.c.input_uuid == INPUTS.c.input_uuid, INPUT_TAGS.c.name == DATA_CONTEXT_TAG)
        )
    )
    .where(INPUTS.c.source_type == "DATASET", INPUTS.c.destination_type == "RUN")
    .order_by(DATASETS.c.name, DATASETS.c.digest)
)


class DirectRuns:
    """The run half of the `RecordReader` port over MLflow's database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def get_run(self, run_id: str) -> Run:
        """Return one run."""
        for run in self.list_runs([run_id]):
            return run
        raise NotFound(f"The run {quoted(run_id)} does not exist.", next_step="Check the run's id in MLflow.")

    def list_runs(self, run_ids: Sequence[str]) -> Sequence[Run]:
        """Return those of the runs that exist."""
        return [run for ids in batches(sorted(set(run_ids))) for run in self._runs(ids)]

    def list_runs_reading(self, name: str, digest: str) -> Sequence[Run]:
        """Return the runs that read a data set."""
        query = _RUN_DATASETS.where(DATASETS.c.name == name, DATASETS.c.digest == digest)
        return self.list_runs([row.destination_id for row in self.database.rows(query)])

    def list_logged_models(self, model_ids: Sequence[str]) -> Sequence[LoggedModel]:
        """Return those of the logged models that exist."""
        return [model for ids in batches(sorted(set(model_ids))) for model in self._logged_models(ids)]

    def _runs(self, ids: Sequence[str]) -> list[Run]:
        metrics: dict[str, dict[str, float]] = defaultdict(dict)
        for row in self.database.rows(select(RUN_METRICS).where(RUN_METRICS.c.run_uuid.in_(ids))):
            metrics[row.run_uuid][row.key] = math.nan if row.is_nan else row.value
        datasets: dict[str, list[Dataset]] = defaultdict(list)
        for row in self.database.rows(_RUN_DATASETS.where(INPUTS.c.destination_id.in_(ids))):
            datasets[row.destination_id].append(_read_dataset(row))
        params = self._pairs(RUN_PARAMS.c.run_uuid, RUN_PARAMS.c.key, RUN_PARAMS.c.value, ids)
        tags = self._pairs(RUN_TAGS.c.run_uuid, RUN_TAGS.c.key, RUN_TAGS.c.value, ids)
        rows = self.database.rows(select(RUNS).where(RUNS.c.run_uuid.in_(ids)).order_by(RUNS.c.run_uuid))
        return [_read_run(row, metrics, params, tags, datasets) for row in rows]

    def _logged_models(self, ids: Sequence[str]) -> list[LoggedModel]:
        # Every point of a metric is a row: in this order the last one wins, as for a run's metrics.
        points = (
            select(LOGGED_METRICS)
            .where(LOGGED_METRICS.c.model_id.in_(ids))
            .order_by(LOGGED_METRICS.c.metric_step, LOGGED_METRICS.c.metric_timestamp_ms, LOGGED_METRICS.c.metric_value)
        )
        metrics: dict[str, dict[str, float]] = defaultdict(dict)
        measured_by: dict[str, set[str]] = defaultdict(set)
        for row in self.database.rows(points):
            measured_by[row.model_id].add(row.run_id)
            metrics[row.model_id][row.metric_name] = math.nan if row.metric_value is None else row.metric_value
        params = self._pairs(LOGGED_PARAMS.c.model_id, LOGGED_PARAMS.c.param_key, LOGGED_PARAMS.c.param_value, ids)
        tags = self._pairs(LOGGED_TAGS.c.model_id, LOGGED_TAGS.c.tag_key, LOGGED_TAGS.c.tag_value, ids)
        query = select(LOGGED_MODELS).where(
            LOGGED_MODELS.c.model_id.in_(ids), LOGGED_MODELS.c.lifecycle_stage == "active"
        )
        rows = self.database.rows(query.order_by(LOGGED_MODELS.c.model_id))
        return [_read_logged_model(row, metrics, params, tags, measured_by) for row in rows]

    def _pairs(
        self, owner: ColumnClause[Any], key: ColumnClause[Any], value: ColumnClause[Any], ids: Sequence[str]
    ) -> Pairs:
        grouped: dict[str, dict[str, str]] = defaultdict(dict)
        query = select(owner.label("owner"), key.label("key"), value.label("value")).where(owner.in_(ids))
        for row in self.database.rows(query):
            grouped[row.owner][row.key] = row.value or ""
        return grouped


def _read_run(row: Row[Any], metrics: Pairs, params: Pairs, tags: Pairs, datasets: Mapping[str, list[Dataset]]) -> Run:
    own_tags = tags.get(row.run_uuid, {})
    return Run(
        run_id=row.run_uuid,
        name=own_tags.get(RUN_NAME_TAG) or row.name or "",
        status=row.status or "",
        author=author_of(own_tags, row.user_id or ""),
        experiment_id=str(row.experiment_id),
        started_at=read_moment(row.start_time) if row.start_time else None,
        ended_at=read_moment(row.end_time) if row.end_time else None,
        metrics=metrics.get(row.run_uuid, {}),
        params=params.get(row.run_uuid, {}),
        tags=own_tags,
        datasets=tuple(datasets.get(row.run_uuid, ())),
    )


def _read_dataset(row: Row[Any]) -> Dataset:
    return Dataset(
        name=row.name,
        digest=row.digest,
        source_type=row.dataset_source_type,
        source=row.dataset_source,
        context=row.context or "",
    )


def _read_logged_model(
    row: Row[Any], metrics: Pairs, params: Pairs, tags: Pairs, measured_by: Mapping[str, set[str]]
) -> LoggedModel:
    return LoggedModel(
        model_id=row.model_id,
        name=row.name,
        status=_LOGGED_STATUSES.get(row.status, "UNSPECIFIED"),
        experiment_id=str(row.experiment_id),
        run_id=row.source_run_id or None,
        created_at=read_moment(row.creation_timestamp_ms),
        metrics=metrics.get(row.model_id, {}),
        params=params.get(row.model_id, {}),
        tags=tags.get(row.model_id, {}),
        measured_by=tuple(sorted(measured_by.get(row.model_id, ()))),
    )
