"""What the guard knows of the registry: MLflow's own stores, asked inside MLflow's own server process."""

from __future__ import annotations

import logging
import posixpath
import re
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from services.registry.aliases import normalise_alias
from services.registry.filters import like, name_filters
from services.registry.guard_rules import GuardedRegistry
from services.registry.stages import PROTECTED_ALIASES
from services.registry.sync_details import MAX_MLMODEL_BYTES, MLMODEL
from services.registry.tags import OPERATION_TAG, PROMPT_TAG
from services.registry.values import Stage
from services.registry.wire import follow_source

VERSIONS_AT_ONCE = 1000
_MODEL_ID = re.compile(r"m-[0-9a-f]{32}")
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_SERVING = (Stage.STAGING, Stage.PRODUCTION)
_log = logging.getLogger(__name__)


class ServerRegistry(GuardedRegistry):
    """The registry as the server's own handlers see it."""

    def find_model_protection(self, name: str) -> str | None:
        """Return why a model may not be deleted or renamed."""
        model = self._find(lambda: _registry_store().get_registered_model(name))
        if model is None:
            return None
        if any(normalise_alias(alias) in PROTECTED_ALIASES for alias in model.aliases):
            return "one of its versions is in production or staging"
        versions = (version for condition in name_filters([name]) for version in _search(condition))
        reasons = (_protection(version) for version in versions if version.name == name)
        return next(filter(None, reasons), None) or _find_copy(name)

    def find_version_protection(self, name: str, version: str) -> str | None:
        """Return why a version may not be deleted."""
        found = self._find(lambda: _registry_store().get_model_version(name, version))
        # Asked for as "01", it is number 1 all the same.
        return None if found is None else _protection(found) or _find_copy(name, str(found.version))

    def is_prompt(self, name: str) -> bool:
        """Return whether a registered name holds prompts rather than models."""
        model = self._find(lambda: _registry_store().get_registered_model(name))
        # MLflow leaves its own tag out of `tags`.
        return model is not None and model._tags.get(PROMPT_TAG, "").lower() == "true"  # noqa: SLF001

    def find_signature_gap(self, source: str) -> str | None:
        """Return what is missing from the signature of the model at `source`."""
        from mlflow.models import Model

        try:
            with tempfile.TemporaryDirectory() as folder:
                file = _fetch_mlmodel(follow_source(source, self._find_source), folder)
                if file.stat().st_size > MAX_MLMODEL_BYTES:
                    return "has an MLmodel file that is too large to read"
                signature = Model.load(str(file)).signature
        except Exception as error:  # noqa: BLE001 - whatever a file makes MLflow raise, it has no signature to show
            _log.info("MLmodel of %r cannot be read: %s", source, type(error).__name__)
            return "has no MLmodel file that can be read"
        if signature is None:
            return "has none"
        missing = [side for side in ("inputs", "outputs") if getattr(signature, side) is None]
        return f"does not declare its {' and '.join(missing)}" if missing else None

    def find_owner(self, path: str) -> str | None:
        """Return a registered version that the artifact path belongs to."""
        parts = [part for part in posixpath.normpath(path).split("/") if part not in {"", "."}]
        for index, part in enumerate(parts):
            if _MODEL_ID.fullmatch(part):
                return self.is_registered(part)
            if _RUN_ID.fullmatch(part):
                return _find_in_run(part, parts[index + 2 :])
        return None

    def is_registered(self, model_id: str) -> str | None:
        """Return a version that holds the logged model."""
        if not _MODEL_ID.fullmatch(model_id):
            return None
        conditions = (f"source_path = 'models:/{model_id}'", f"source_path LIKE '%/{model_id}/artifacts%'")
        return next((_reference(version) for condition in conditions for version in _search(condition)), None)

    def _find_source(self, name: str, version: int) -> str | None:
        found = self._find(lambda: _registry_store().get_model_version(name, version))
        return None if found is None else str(found.source)

    def _find(self, read: Any) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return read()
        except MlflowException:
            return None


def mlflow_module(name: str) -> Any:
    """Return a module of MLflow, whose annotations are partial."""
    return import_module(f"mlflow.{name}")


def _registry_store() -> Any:
    return mlflow_module("server.handlers")._get_model_registry_store()  # noqa: SLF001 - what its handlers use


def _search(condition: str) -> Iterator[Any]:
    token = None
    while True:
        page = _registry_store().search_model_versions(condition, max_results=VERSIONS_AT_ONCE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _protection(version: Any) -> str | None:
    if any(normalise_alias(alias) in PROTECTED_ALIASES for alias in version.aliases):
        return f"version {version.version} is in production or staging"
    if version.current_stage in _SERVING:
        return f"version {version.version} is in the stage {version.current_stage}"
    if OPERATION_TAG in version.tags:
        return f"version {version.version} was approved and may be gone back to"
    return None


def _find_in_run(run_id: str, inside: list[str]) -> str | None:
    """Return a version registered from a run's folder that a path is in, or that is in the path."""
    conditions = (f"source_path LIKE 'runs:/{run_id}/%'", f"source_path LIKE '%/{run_id}/artifacts%'")
    for condition in conditions:
        for version in _search(condition):
            _, _, rest = version.source.partition(f"{run_id}/")
            folder = [part for part in rest.removeprefix("artifacts").split("/") if part]
            shorter = min(len(folder), len(inside))
            if folder[:shorter] == inside[:shorter]:
                return _reference(version)
    return None


def _find_copy(name: str, version: str | None = None) -> str | None:
    """Return that a version elsewhere is a copy, which nothing would hold any more once the first is gone."""
    source = f"models:/{name}/{version or ''}"
    for copy in _search(like("source_path", source, after="" if version else "%")):
        is_copy = copy.source == source if version else copy.source.rpartition("/")[0] == source.rstrip("/")
        if is_copy and (version or copy.name != name):
            return f"{_reference(copy)} is a copy of it"
    return None


def _reference(version: Any) -> str:
    return f"{version.name}/{version.version}"


def _fetch_mlmodel(source: str, folder: str) -> Path:
    uri = _artifact_uri(source)
    parsed = urlparse(uri)
    if parsed.scheme == "mlflow-artifacts":
        repository = mlflow_module("server.handlers")._get_artifact_repo_mlflow_artifacts()  # noqa: SLF001
        return Path(repository.download_artifacts(posixpath.join(parsed.path.lstrip("/"), MLMODEL), folder))
    registry = mlflow_module("store.artifact.artifact_repository_registry")
    return Path(registry.get_artifact_repository(uri).download_artifacts(MLMODEL, folder))


def _artifact_uri(source: str) -> str:
    tracking = mlflow_module("server.handlers")._get_tracking_store()  # noqa: SLF001
    if source.startswith("models:/m-"):
        return str(tracking.get_logged_model(source.removeprefix("models:/")).artifact_location)
    if source.startswith("runs:/"):
        run_id, _, path = source.removeprefix("runs:/").partition("/")
        return posixpath.join(tracking.get_run(run_id).info.artifact_uri, path)
    return source
