"""Reading records over MLflow's REST API: models, versions, runs, logged models, a page at a time."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

from services.errors import Forbidden, InvalidInput, NotFound
from services.registry.filters import name_filters, text_filters
from services.registry.metrics import merge_metrics
from services.registry.names import quoted
from services.registry.transport import Query, Transport
from services.registry.values import LoggedModel, ModelVersion, RegisteredModel, Run
from services.registry.wire import (
    Json,
    follow_source,
    model_id_of,
    names_version,
    read_logged_model,
    read_model,
    read_run,
    read_version,
)

Value = TypeVar("Value")

API = "/api/2.0/mlflow"
DATA_VERSION_PATH = "/api/gatehouse/1/data-version"
MODELS_PER_PAGE = 1000
VERSIONS_PER_PAGE = 2500
# Mostly nothing or little is new, and each version on the page costs the server a millisecond.
NEWEST_FIRST_PAGE = 25
IDS_PER_CALL = 500
RUNS_PER_PAGE = 1000
EXPERIMENTS_PER_CALL = 500
# Name order pages flat; the server's default order costs more the further one pages.
_VERSION_ORDER = ("name ASC", "version_number ASC")


class RestRecords:
    """The `RecordReader` port against an MLflow server."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def ping(self) -> str:
        """Return the server's version."""
        version = self.transport.read_short("/version").decode(errors="replace").strip()
        if not version[:1].isdigit():
            raise self.transport.corrupt("no version")
        return version

    def find_data_version(self) -> str | None:
        """Return what a guarded server says; MLflow's own REST API has no such thing."""
        try:
            answer = json.loads(self.transport.read_short(DATA_VERSION_PATH))
        except (NotFound, InvalidInput, Forbidden, ValueError):
            return None
        version = answer.get("data_version") if isinstance(answer, dict) else None
        return version if isinstance(version, str) else None

    def list_models(self) -> Iterator[RegisteredModel]:
        """Yield every registered model by name, with tags and aliases."""
        query: Query = {"max_results": MODELS_PER_PAGE, "order_by": "name ASC"}
        return self._pages(f"{API}/registered-models/search", query, "registered_models", read_model)

    def list_versions(self, names: Sequence[str] | None = None) -> Iterator[ModelVersion]:
        """Yield the versions of the named models (or all), by name and version."""
        query: Query = {"max_results": VERSIONS_PER_PAGE, "order_by": _VERSION_ORDER}
        if names is None:
            yield from self._pages(f"{API}/model-versions/search", query, "model_versions", read_version)
            return
        wanted = frozenset(names)
        for condition in name_filters(sorted(wanted)):
            found = self._pages(
                f"{API}/model-versions/search", {**query, "filter": condition}, "model_versions", read_version
            )
            # A name with both kinds of quote is asked for by a pattern, which may match others.
            yield from (version for version in found if version.name in wanted)

    def list_newest_versions(self, since: datetime) -> Sequence[ModelVersion]:
        """Return versions whose record changed at or after `since`, newest first."""
        query: Query = {"max_results": MODELS_PER_PAGE, "order_by": "last_updated_timestamp DESC"}
        newest = []
        found = self._pages(
            f"{API}/model-versions/search", query, "model_versions", read_version, first_page=NEWEST_FIRST_PAGE
        )
        for version in found:
            if version.updated_at < since:
                break
            newest.append(version)
        return newest

    def get_model(self, name: str) -> RegisteredModel:
        """Return one model."""
        answer = self.transport.call("GET", f"{API}/registered-models/get", query={"name": name})
        return self._read(read_model, answer, "registered_model")

    def get_version(self, name: str, version: int) -> ModelVersion:
        """Return one version, its aliases, author and logged model filled."""
        found = self._version(name, version)
        model_id = found.model_id or model_id_of(self._find_origin(found))
        run = self._find_run(found.run_id) if found.run_id and not found.author else None
        return dataclasses.replace(found, model_id=model_id, author=found.author or (run.author if run else ""))

    def find_alias(self, name: str, alias: str) -> int | None:
        """Return the version an alias points at, or None."""
        query = {"name": name, "alias": alias}
        try:
            answer = self.transport.call("GET", f"{API}/registered-models/alias", query=query)
        except InvalidInput:
            # MLflow answers 400 for an alias that is not there; for a name it does not have, the next call says so.
            return self.get_model(name).aliases.get(alias)
        return self._read(read_version, answer, "model_version").version

    def get_run(self, run_id: str) -> Run:
        """Return one run."""
        answer = self.transport.call("GET", f"{API}/runs/get", query={"run_id": run_id})
        return self._read(read_run, answer, "run")

    def list_runs(self, run_ids: Sequence[str]) -> Sequence[Run]:
        """Return those of the runs that exist, in few calls."""
        conditions = text_filters("attributes.run_id", run_ids, at_once=IDS_PER_CALL)
        body = {"run_view_type": "ALL", "max_results": IDS_PER_CALL}
        return list(self._search_experiments(f"{API}/runs/search", body, conditions, "runs", read_run))

    def list_runs_reading(self, name: str, digest: str) -> Sequence[Run]:
        """Return the runs that read a data set, in few calls."""
        conditions = text_filters("dataset.digest", [digest], at_once=1) or text_filters(
            "dataset.name", [name], at_once=1
        )
        if not conditions:
            raise InvalidInput(
                f"MLflow cannot be asked for the data set {quoted(name)}: no quote may stand in what it searches for.",
                next_step="Log the data set under a name of letters, digits and underscores.",
            )
        body = {"run_view_type": "ALL", "max_results": RUNS_PER_PAGE}
        found = self._search_experiments(f"{API}/runs/search", body, conditions, "runs", read_run)
        return [run for run in found if run.has_read(name, digest)]

    def list_logged_models(self, model_ids: Sequence[str]) -> Sequence[LoggedModel]:
        """Return those of the logged models that exist, in few calls."""
        conditions = text_filters("model_id", model_ids, at_once=IDS_PER_CALL)
        path, body = f"{API}/logged-models/search", {"max_results": IDS_PER_CALL}
        return list(self._search_experiments(path, body, conditions, "models", read_logged_model))

    def get_metrics(self, version: ModelVersion) -> Mapping[str, float]:
        """Return the metrics of the version's run and logged model; the logged model's own win."""
        run = self._find_run(version.run_id) if version.run_id else None
        logged = self._find_logged_model(version.model_id) if version.model_id else None
        return merge_metrics(run.metrics if run else {}, logged.metrics if logged else {})

    def _version(self, name: str, version: int) -> ModelVersion:
        query = {"name": name, "version": str(version)}
        answer = self.transport.call("GET", f"{API}/model-versions/get", query=query)
        return self._read(read_version, answer, "model_version")

    def _find_run(self, run_id: str) -> Run | None:
        try:
            return self.get_run(run_id)
        except NotFound:
            return None

    def _find_logged_model(self, model_id: str) -> LoggedModel | None:
        try:
            answer = self.transport.call("GET", f"{API}/logged-models/{quote(model_id)}")
        except NotFound:
            return None
        return self._read(read_logged_model, answer, "model")

    def _find_origin(self, version: ModelVersion) -> str:
        """Return where a version's files are: where its source leads, or as MLflow kept it if that is deleted."""
        source = follow_source(version.source, self._find_source)
        if not names_version(source):
            return source
        query = {"name": version.name, "version": str(version.version)}
        answer = self.transport.call("GET", f"{API}/model-versions/get-download-uri", query=query)
        return self._read(str, answer, "artifact_uri")

    def _find_source(self, name: str, version: int) -> str | None:
        try:
            return self._version(name, version).source
        except NotFound:
            return None

    def _search_experiments(
        self,
        path: str,
        body: Mapping[str, Any],
        conditions: Sequence[str],
        key: str,
        read: Callable[[Json], Value],
    ) -> Iterator[Value]:
        """Search every experiment: MLflow wants them by id, which the caller need not know."""
        ids = self._list_experiment_ids() if conditions else []
        for start in range(0, len(ids), EXPERIMENTS_PER_CALL):
            where = {**body, "experiment_ids": ids[start : start + EXPERIMENTS_PER_CALL]}
            for condition in conditions:
                token = ""
                while True:
                    asked = {**where, "filter": condition, **({"page_token": token} if token else {})}
                    answer = self.transport.call("POST", path, body=asked)
                    yield from self._read_list(read, answer, key)
                    token, before = answer.get("next_page_token") or "", token
                    if not token:
                        break
                    if token == before:
                        raise self.transport.corrupt("the same page again")

    def _list_experiment_ids(self) -> list[str]:
        query: Query = {"view_type": "ALL", "max_results": MODELS_PER_PAGE}
        found = self._pages(
            f"{API}/experiments/search", query, "experiments", lambda entry: str(entry["experiment_id"])
        )
        return list(found)

    def _pages(
        self, path: str, query: Query, key: str, read: Callable[[Json], Value], *, first_page: int | None = None
    ) -> Iterator[Value]:
        token = ""
        asked = query if first_page is None else {**query, "max_results": first_page}
        while True:
            answer = self.transport.call("GET", path, query=asked)
            yield from self._read_list(read, answer, key)
            following = answer.get("next_page_token") or ""
            if not following:
                return
            if following == token:
                raise self.transport.corrupt("the same page again")
            token = following
            asked = {**query, "page_token": token}

    def _read(self, read: Callable[[Json], Value], answer: Json, key: str) -> Value:
        try:
            return read(answer[key])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self.transport.corrupt(f"{key}: {type(error).__name__} {error}"[:120]) from error

    def _read_list(self, read: Callable[[Json], Value], answer: Json, key: str) -> list[Value]:
        try:
            return [read(entry) for entry in answer.get(key, ())]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self.transport.corrupt(f"{key}: {type(error).__name__} {error}"[:120]) from error
