"""Records read straight from MLflow's own database, where it may be reached: bulk listing in a tenth of the time.

The contract suite holds it to the REST adapter. Artifacts are not in a database: they stay with REST.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, select

from services.clock import to_micros
from services.errors import NotFound, Unreachable
from services.registry.direct_database import (
    ALIASES,
    MODEL_TAGS,
    MODELS,
    NEXT_STEP,
    SCHEMA,
    VERSION_TAGS,
    VERSIONS,
    batches,
    open_database,
)
from services.registry.direct_runs import DirectRuns
from services.registry.metrics import merge_metrics
from services.registry.names import quoted
from services.registry.tags import AUTHOR_TAG, PROMPT_TAG
from services.registry.values import ModelVersion, RegisteredModel, Stage
from services.registry.wire import follow_source, model_id_of, names_version, read_moment

WORKSPACE = "default"
DELETED_STAGE = "Deleted_Internal"

_PROMPTS = select(MODEL_TAGS.c.name).where(
    MODEL_TAGS.c.workspace == WORKSPACE, MODEL_TAGS.c.key == PROMPT_TAG, func.lower(MODEL_TAGS.c.value) == "true"
)
_LIVE_MODELS = select(MODELS).where(MODELS.c.workspace == WORKSPACE, MODELS.c.name.not_in(_PROMPTS))
_MODEL_TAGS = select(MODEL_TAGS).where(MODEL_TAGS.c.workspace == WORKSPACE)
_ALIASES = select(ALIASES).where(ALIASES.c.workspace == WORKSPACE)
_LIVE_VERSIONS = select(VERSIONS).where(
    VERSIONS.c.workspace == WORKSPACE, VERSIONS.c.current_stage != DELETED_STAGE, VERSIONS.c.name.not_in(_PROMPTS)
)
_BY_NUMBER = (VERSIONS.c.name, VERSIONS.c.version)
_NEWEST_FIRST = (VERSIONS.c.last_updated_time.desc(), VERSIONS.c.name.desc(), VERSIONS.c.version.desc())


class DirectRegistry(DirectRuns):
    """The `RecordReader` port over MLflow's database."""

    def ping(self) -> str:
        """Return the revision of MLflow's schema."""
        for row in self.database.rows(select(SCHEMA)):
            return str(row.version_num)
        raise Unreachable("MLflow's database is empty.", next_step=NEXT_STEP)

    def find_data_version(self) -> str | None:
        """Return a text that changes after any write to the database."""
        return self.database.find_data_version()

    def list_models(self) -> Iterator[RegisteredModel]:
        """Yield every registered model by name, with tags and aliases."""
        return iter(self._models(None))

    def list_versions(self, names: Sequence[str] | None = None) -> Iterator[ModelVersion]:
        """Yield the versions of the named models (or all), by name and version."""
        query = select(MODELS.c.name).where(MODELS.c.workspace == WORKSPACE).order_by(MODELS.c.name)
        chosen = None if names is None else frozenset(names)
        wanted = [row.name for row in self.database.rows(query) if chosen is None or row.name in chosen]
        for some in batches(wanted):
            yield from self._versions(VERSIONS.c.name.in_(some), VERSION_TAGS.c.name.in_(some), _BY_NUMBER)

    def list_newest_versions(self, since: datetime) -> Sequence[ModelVersion]:
        """Return versions whose record changed at or after `since`, newest first."""
        is_new = VERSIONS.c.last_updated_time >= -(-to_micros(since) // 1000)
        names = select(VERSIONS.c.name).where(VERSIONS.c.workspace == WORKSPACE, is_new)
        return self._versions(is_new, VERSION_TAGS.c.name.in_(names), _NEWEST_FIRST)

    def get_model(self, name: str) -> RegisteredModel:
        """Return one model."""
        for model in self._models(name):
            return model
        raise NotFound(
            f"The model {quoted(name)} is not in the registry.", next_step="See the names with `gatehouse models list`."
        )

    def get_version(self, name: str, version: int) -> ModelVersion:
        """Return one version, its aliases, author and logged model filled."""
        model = self.get_model(name)
        found = self._find_version(name, version)
        if found is None:
            raise NotFound(
                f"{quoted(name)} has no version {version}.", next_step="See its versions with `gatehouse models show`."
            )
        runs = self.list_runs([found.run_id]) if found.run_id and not found.author else ()
        return dataclasses.replace(
            found,
            model_id=found.model_id or model_id_of(self._find_origin(found)),
            author=found.author or next((run.author for run in runs), ""),
            aliases=tuple(sorted(alias for alias, target in model.aliases.items() if target == version)),
        )

    def find_alias(self, name: str, alias: str) -> int | None:
        """Return the version an alias points at, or None."""
        return self.get_model(name).aliases.get(alias)

    def get_metrics(self, version: ModelVersion) -> Mapping[str, float]:
        """Return the metrics of the version's run and logged model; the logged model's own win."""
        runs = self.list_runs([version.run_id]) if version.run_id else ()
        logged = self.list_logged_models([version.model_id]) if version.model_id else ()
        return merge_metrics(runs[0].metrics if runs else {}, logged[0].metrics if logged else {})

    def close(self) -> None:
        """Give back the connections."""
        self.database.close()

    def _models(self, name: str | None) -> list[RegisteredModel]:
        """Return the model of that name, or all."""
        rows, tag_rows, alias_rows = (
            self.database.rows(query if name is None else query.where(query.selected_columns["name"] == name))
            for query in (_LIVE_MODELS.order_by(MODELS.c.name), _MODEL_TAGS, _ALIASES)
        )
        tags: dict[str, dict[str, str]] = defaultdict(dict)
        for row in tag_rows:
            tags[row.name][row.key] = row.value or ""
        aliases: dict[str, dict[str, int]] = defaultdict(dict)
        for row in alias_rows:
            aliases[row.name][row.alias] = row.version
        return [_read_model(row, tags.get(row.name, {}), aliases.get(row.name, {})) for row in rows]

    def _versions(
        self, which: ColumnElement[bool], which_tags: ColumnElement[bool], order: Iterable[ColumnElement[Any]]
    ) -> list[ModelVersion]:
        rows = self.database.rows(_LIVE_VERSIONS.where(which).order_by(*order))
        tags: dict[tuple[str, int], dict[str, str]] = defaultdict(dict)
        for row in self.database.rows(select(VERSION_TAGS).where(VERSION_TAGS.c.workspace == WORKSPACE, which_tags)):
            tags[row.name, row.version][row.key] = row.value or ""
        return [_read_version(row, tags.get((row.name, row.version), {})) for row in rows]

    def _find_version(self, name: str, version: int) -> ModelVersion | None:
        which = and_(VERSIONS.c.name == name, VERSIONS.c.version == version)
        which_tags = and_(VERSION_TAGS.c.name == name, VERSION_TAGS.c.version == version)
        return next(iter(self._versions(which, which_tags, _BY_NUMBER)), None)

    def _find_origin(self, version: ModelVersion) -> str:
        """Return where a version's files are: where its source leads, or as MLflow kept it if that is deleted."""
        source = follow_source(version.source, self._find_source)
        if not names_version(source):
            return source
        which = (VERSIONS.c.name == version.name, VERSIONS.c.version == version.version)
        kept = self.database.rows(select(VERSIONS.c.storage_location).where(VERSIONS.c.workspace == WORKSPACE, *which))
        return next((row.storage_location for row in kept), None) or source

    def _find_source(self, name: str, version: int) -> str | None:
        found = self._find_version(name, version)
        return found.source if found else None


def open_direct_registry(url: str) -> DirectRegistry:
    """Return a reader of MLflow's database at `url`; nothing is read yet.

    Raises:
        InvalidInput: the URL names no database that MLflow uses and this reads.
    """
    return DirectRegistry(open_database(url))


def _read_model(row: Row[Any], tags: Mapping[str, str], aliases: Mapping[str, int]) -> RegisteredModel:
    return RegisteredModel(
        name=row.name,
        created_at=read_moment(row.creation_time),
        updated_at=read_moment(row.last_updated_time or row.creation_time),
        description=row.description or "",
        tags=tags,
        aliases=aliases,
    )


def _read_version(row: Row[Any], tags: Mapping[str, str]) -> ModelVersion:
    source = row.source or ""
    return ModelVersion(
        name=row.name,
        version=row.version,
        created_at=read_moment(row.creation_time),
        updated_at=read_moment(row.last_updated_time or row.creation_time),
        stage=Stage(row.current_stage or Stage.NONE),
        status=row.status or "",
        author=tags.get(AUTHOR_TAG) or row.user_id or "",
        description=row.description or "",
        source=source,
        run_id=row.run_id or None,
        model_id=model_id_of(source),
        tags=tags,
    )
