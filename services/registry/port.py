"""The port: what Gatehouse asks of a registry. Three adapters stand behind it, held to one contract suite.

Every method raises `Unreachable` when the registry does not answer within ten seconds, and `NotFound` when what was
named is not there, unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from services.registry.values import ArtifactFile, LoggedModel, ModelVersion, RegisteredModel, Run, Stage


class RecordReader(Protocol):
    """Reading records: all that a database holds. All of it is live: nothing here comes from the index."""

    def ping(self) -> str:
        """Return the registry's version."""

    def find_data_version(self) -> str | None:
        """Return a text that changes after any write to the registry, or None where there is no such thing.

        It means something only beside earlier ones from this object.
        """

    def list_models(self) -> Iterator[RegisteredModel]:
        """Yield every registered model by name, with tags and aliases."""

    def list_versions(self, names: Sequence[str] | None = None) -> Iterator[ModelVersion]:
        """Yield the versions of the named models (or all), by name and version; `aliases` are not filled."""

    def list_newest_versions(self, since: datetime) -> Sequence[ModelVersion]:
        """Return versions whose record changed at or after `since`, newest first; tag writes do not count."""

    def get_model(self, name: str) -> RegisteredModel:
        """Return one model."""

    def get_version(self, name: str, version: int) -> ModelVersion:
        """Return one version, aliases filled."""

    def find_alias(self, name: str, alias: str) -> int | None:
        """Return the version an alias points at, or None; `NotFound` if the model itself is gone."""

    def get_run(self, run_id: str) -> Run:
        """Return one run."""

    def list_runs(self, run_ids: Sequence[str]) -> Sequence[Run]:
        """Return those of the runs that exist, in few calls."""

    def list_runs_reading(self, name: str, digest: str) -> Sequence[Run]:
        """Return the runs that read a data set, in few calls.

        Raises:
            InvalidInput: MLflow cannot be asked for a data set of this name and digest.
        """

    def get_metrics(self, version: ModelVersion) -> Mapping[str, float]:
        """Return the metrics of the version's run and logged model; the logged model's own win."""

    def list_logged_models(self, model_ids: Sequence[str]) -> Sequence[LoggedModel]:
        """Return those of the logged models that exist, in few calls."""


class RegistryReader(RecordReader, Protocol):
    """Reading records and artifacts."""

    def read_file(self, version: ModelVersion, path: str, *, max_bytes: int) -> bytes:
        """Return one file of the version's model folder, such as `MLmodel`.

        Raises:
            NotFound: the file, or the whole folder, is gone.
            InvalidInput: the file is larger than `max_bytes`.
        """

    def list_files(self, version: ModelVersion) -> Sequence[ArtifactFile]:
        """Return every file of the version's model folder, by path."""

    def read_run_file(self, run_id: str, path: str, *, max_bytes: int) -> bytes:
        """Return one artifact of a run; raises as `read_file`."""

    def list_run_files(self, run_id: str) -> Sequence[ArtifactFile]:
        """Return every artifact of a run, by path."""

    def download(self, version: ModelVersion, folder: Path) -> Path:
        """Copy the version's model folder into `folder` and return where it is."""

    def get_artifact_digest(self, version: ModelVersion) -> str:
        """Return `sha256:…` over the names and bytes of the version's model folder."""


class Registry(RegistryReader, Protocol):
    """Reading and writing. Every write is idempotent but `create_version`."""

    def create_model(
        self, name: str, *, description: str = "", tags: Mapping[str, str] | None = None
    ) -> RegisteredModel:
        """Register a name, or return the model that has it."""

    def create_version(
        self, name: str, *, source: str, run_id: str | None, description: str, tags: Mapping[str, str] | None = None
    ) -> ModelVersion:
        """Add a version to a model."""

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point an alias at a version."""

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias; absent is fine."""

    def set_stage(self, name: str, version: int, stage: Stage) -> None:
        """Move a version to one of MLflow's legacy stages, leaving the other versions where they are."""

    def set_version_tag(self, name: str, version: int, key: str, value: str) -> None:
        """Write a tag on a version."""

    def delete_version_tag(self, name: str, version: int, key: str) -> None:
        """Remove a tag; absent is fine."""

    def set_model_tag(self, name: str, key: str, value: str) -> None:
        """Write a tag on a model."""

    def set_version_description(self, name: str, version: int, description: str) -> None:
        """Replace a version's description."""
