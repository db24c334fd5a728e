"""What the registry holds, as frozen values: versions are int, times aware UTC, from the adapter inward."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Stage(StrEnum):
    """The life cycle of a version (practice 1)."""

    NONE = "None"
    STAGING = "Staging"
    PRODUCTION = "Production"
    ARCHIVED = "Archived"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredModel:
    """A name in the registry; `created_at` tells a re-created name from the one before it."""

    name: str
    created_at: datetime
    updated_at: datetime
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One version of a model.

    Args:
        author: who made it: the account that registered it here, else the user of its run as the client told MLflow, so
            a claim. `list_versions` and `list_newest_versions` know only the first.
        model_id: the logged model behind it (`m-…`), read from `source`; None for a version of bare artifacts. Where
            the source is another version (`models:/NAME/1`), only `get_version` follows it.
    """

    name: str
    version: int
    created_at: datetime
    updated_at: datetime
    stage: Stage = Stage.NONE
    status: str = "READY"
    author: str = ""
    description: str = ""
    source: str = ""
    run_id: str | None = None
    model_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """`NAME/VERSION`."""
        return f"{self.name}/{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A data set that a run read, as logged: `context` is such as `training` or `evaluation`."""

    name: str
    digest: str
    source_type: str = ""
    source: str = ""
    context: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A training or evaluation run; metrics are its last values merged with those of the logged model asked about."""

    run_id: str
    name: str = ""
    status: str = ""
    author: str = ""
    experiment_id: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    datasets: tuple[Dataset, ...] = ()

    def has_read(self, name: str, digest: str) -> bool:
        """Return whether it read a data set."""
        return any((data.name, data.digest) == (name, digest) for data in self.datasets)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedModel:
    """A model folder as training code logged it, registered or not; `measured_by` are the runs its metrics are from."""

    model_id: str
    name: str = ""
    status: str = ""
    experiment_id: str = ""
    run_id: str | None = None
    created_at: datetime | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    measured_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactFile:
    """A file below a version's model folder or a run."""

    path: str
    size_bytes: int | None
    is_folder: bool = False
