"""A registry in memory, for tests and for trying things out: it behaves as FACTS say MLflow does.

Versions count on after a deletion and begin again after a re-creation; a deleted version takes its aliases with it;
tags and aliases move no timestamp; times have milliseconds. The contract suite holds it to the real server.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar, cast

from services.clock import Clock, utc_now
from services.errors import NotFound
from services.registry.digest import digest_folder
from services.registry.fake_contents import FakeContents
from services.registry.faults import Faults
from services.registry.metrics import merge_metrics
from services.registry.names import check_model_name, quoted
from services.registry.values import ArtifactFile, LoggedModel, ModelVersion, RegisteredModel, Run, Stage
from services.registry.writes import Announce, RegistryWrite, Watched, tell_nobody

Method = TypeVar("Method", bound=Callable[..., Any])


def _call(method: Method) -> Method:
    """Count a call of the port, and let the faults that a test has planned happen first."""

    @functools.wraps(method)
    def counted(self: FakeRegistry, *args: Any, **kwargs: Any) -> Any:
        self.faults.before(method.__name__)
        with self._lock:
            return method(self, *args, **kwargs)

    return cast("Method", counted)


class FakeRegistry(FakeContents):
    """The port in memory; `faults` plans failures and delays, `add_*` and `remove_*` do what others do to it."""

    def __init__(
        self,
        *,
        clock: Clock = utc_now,
        sleep: Callable[[float], None] = time.sleep,
        announce: Announce = tell_nobody,
    ) -> None:
        super().__init__(clock)
        self._announce = announce
        self.faults = Faults(sleep=sleep)
        self.data_version: str | None = None

    def close(self) -> None:
        """Give back nothing: there are no connections."""

    # Reading.

    @_call
    def ping(self) -> str:
        """Return a version that no MLflow has."""
        return "0.0.0"

    @_call
    def find_data_version(self) -> str | None:
        """Return what `data_version` was set to."""
        return self.data_version

    @_call
    def list_models(self) -> Iterator[RegisteredModel]:
        """Yield every registered model by name."""
        return iter([self._models[name] for name in sorted(self._models)])

    @_call
    def list_versions(self, names: Sequence[str] | None = None) -> Iterator[ModelVersion]:
        """Yield the versions of the named models (or all), by name and version."""
        wanted = sorted(set(self._versions if names is None else names) & set(self._versions))
        return iter([self._versions[name][number] for name in wanted for number in sorted(self._versions[name])])

    @_call
    def list_newest_versions(self, since: datetime) -> Sequence[ModelVersion]:
        """Return versions whose record changed at or after `since`, newest first."""
        found = [
            version for held in self._versions.values() for version in held.values() if version.updated_at >= since
        ]
        return sorted(found, key=lambda version: (version.updated_at, version.name, version.version), reverse=True)

    @_call
    def get_model(self, name: str) -> RegisteredModel:
        """Return one model."""
        return self._model(name)

    @_call
    def get_version(self, name: str, version: int) -> ModelVersion:
        """Return one version, its aliases, author and logged model filled."""
        return self._filled(name, version)

    @_call
    def find_alias(self, name: str, alias: str) -> int | None:
        """Return the version an alias points at, or None."""
        return self._model(name).aliases.get(alias)

    @_call
    def get_run(self, run_id: str) -> Run:
        """Return one run."""
        if run_id not in self._runs:
            raise NotFound(f"The run {quoted(run_id)} does not exist.", next_step="Check the run's id in MLflow.")
        return self._runs[run_id]

    @_call
    def list_runs(self, run_ids: Sequence[str]) -> Sequence[Run]:
        """Return those of the runs that exist."""
        return [self._runs[run_id] for run_id in run_ids if run_id in self._runs]

    @_call
    def list_runs_reading(self, name: str, digest: str) -> Sequence[Run]:
        """Return the runs that read a data set."""
        return [run for run in self._runs.values() if run.has_read(name, digest)]

    @_call
    def list_logged_models(self, model_ids: Sequence[str]) -> Sequence[LoggedModel]:
        """Return those of the logged models that exist."""
        return [self._logged[model_id] for model_id in sorted(set(model_ids)) if model_id in self._logged]

    @_call
    def get_metrics(self, version: ModelVersion) -> Mapping[str, float]:
        """Return the metrics of the version's run and logged model."""
        run, logged = self._runs.get(version.run_id or ""), self._logged.get(version.model_id or "")
        return merge_metrics(run.metrics if run else {}, logged.metrics if logged else {})

    @_call
    def read_file(self, version: ModelVersion, path: str, *, max_bytes: int) -> bytes:
        """Return one file of the version's model folder."""
        return self._read(self._folder(version), path, max_bytes)

    @_call
    def list_files(self, version: ModelVersion) -> Sequence[ArtifactFile]:
        """Return every file of the version's model folder, by path."""
        return _entries(self._content(self._folder(version)))

    @_call
    def read_run_file(self, run_id: str, path: str, *, max_bytes: int) -> bytes:
        """Return one artifact of a run."""
        return self._read(f"runs:/{run_id}", path, max_bytes)

    @_call
    def list_run_files(self, run_id: str) -> Sequence[ArtifactFile]:
        """Return every artifact of a run, by path."""
        return _entries(self._files_in(f"runs:/{run_id}"))

    @_call
    def download(self, version: ModelVersion, folder: Path) -> Path:
        """Copy the version's model folder into `folder` and return where it is."""
        target = folder / "model"
        for path, content in self._content(self._folder(version)).items():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (target / path).write_bytes(content)
        return target

    @_call
    def get_artifact_digest(self, version: ModelVersion) -> str:
        """Return `sha256:…` over the names and bytes of the version's model folder."""
        files = self._content(self._folder(version))
        return digest_folder({path: hashlib.sha256(content).digest() for path, content in files.items()})

    # Writing.

    @_call
    def create_model(
        self, name: str, *, description: str = "", tags: Mapping[str, str] | None = None
    ) -> RegisteredModel:
        """Register a name, or return the model that has it."""
        return self.add_model(check_model_name(name), description=description, tags=tags)

    @_call
    def create_version(
        self, name: str, *, source: str, run_id: str | None, description: str, tags: Mapping[str, str] | None = None
    ) -> ModelVersion:
        """Add a version to a model."""
        created = self._create(name, source, run_id, description, tags)
        return self._filled(name, created.version)

    @_call
    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point an alias at a version."""
        write = RegistryWrite(kind=Watched.ALIAS, model=name, version=version, key=alias, value=version)
        with self._announce(write):
            self._version(name, version)
            model = self._models[name]
            self._models[name] = dataclasses.replace(model, aliases={**model.aliases, alias: version})

    @_call
    def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias; absent is fine."""
        write = RegistryWrite(kind=Watched.ALIAS, model=name, version=None, key=alias)
        with self._announce(write):
            model = self._model(name)
            aliases = {held: target for held, target in model.aliases.items() if held != alias}
            self._models[name] = dataclasses.replace(model, aliases=aliases)

    @_call
    def set_stage(self, name: str, version: int, stage: Stage) -> None:
        """Move a version to a stage."""
        write = RegistryWrite(kind=Watched.STAGE, model=name, version=version, value=stage.value)
        with self._announce(write):
            now = self._now()
            self._versions[name][version] = dataclasses.replace(
                self._version(name, version), stage=stage, updated_at=now
            )
            self._models[name] = dataclasses.replace(self._models[name], updated_at=now)

    @_call
    def set_version_tag(self, name: str, version: int, key: str, value: str) -> None:
        """Write a tag on a version."""
        write = RegistryWrite(kind=Watched.TAG, model=name, version=version, key=key, value=value)
        with self._announce(write):
            found = self._version(name, version)
            self._versions[name][version] = dataclasses.replace(found, tags={**found.tags, key: value})

    @_call
    def delete_version_tag(self, name: str, version: int, key: str) -> None:
        """Remove a tag; absent is fine."""
        write = RegistryWrite(kind=Watched.TAG, model=name, version=version, key=key)
        with self._announce(write):
            found = self._version(name, version)
            tags = {held: value for held, value in found.tags.items() if held != key}
            self._versions[name][version] = dataclasses.replace(found, tags=tags)

    @_call
    def set_model_tag(self, name: str, key: str, value: str) -> None:
        """Write a tag on a model."""
        model = self._model(name)
        self._models[name] = dataclasses.replace(model, tags={**model.tags, key: value})

    @_call
    def set_version_description(self, name: str, version: int, description: str) -> None:
        """Replace a version's description."""
        found = self._version(name, version)
        changed = dataclasses.replace(found, description=description, updated_at=self._now())
        self._versions[name][version] = changed


def _entries(files: Mapping[str, bytes]) -> Sequence[ArtifactFile]:
    return [ArtifactFile(path=path, size_bytes=len(files[path])) for path in sorted(files)]
