"""Entries of the index, as pages show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from services.clock import from_micros
from services.registry.stages import stage_of
from services.registry.summary import Problem
from services.registry.values import ModelVersion, Stage


class Health(StrEnum):
    """How a model stands at a glance."""

    GOOD = "good"
    ATTENTION = "attention"
    DRIFT = "drift"


class SignatureKnown(StrEnum):
    """What the index knows of a signature besides the states that an MLmodel file can say."""

    PENDING = "pending"
    GONE = "gone"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """A model of the catalog.

    Args:
        stage: the highest stage that one of its versions is in.
        trend: the main metric of its newest versions, oldest first.
        tier: the risk tier, such as `tier1`; empty where nobody said.
    """

    name: str
    description: str
    created_at: datetime
    updated_at: datetime
    tags: Mapping[str, str]
    aliases: Mapping[str, int]
    team: str
    tier: str
    owner: str
    stage: Stage
    stage_versions: Mapping[Stage, int]
    version_count: int
    latest_version: int | None
    latest_at: datetime | None
    metric_name: str | None
    metric_value: float | None
    trend: tuple[float, ...]
    problems: tuple[Problem, ...]
    open_drifts: int
    health: Health

    @classmethod
    def from_row(cls, row: Any) -> ModelEntry:
        """Read a row of the catalog."""
        return cls(
            name=row.name,
            description=row.description,
            created_at=from_micros(row.created_us),
            updated_at=from_micros(row.updated_us),
            tags=row.tags,
            aliases=row.aliases,
            team=row.team,
            tier=row.tier,
            owner=row.owner,
            stage=Stage(row.stage),
            stage_versions={Stage(stage): version for stage, version in row.stage_versions.items()},
            version_count=row.version_count,
            latest_version=row.latest_version,
            latest_at=None if row.latest_us is None else from_micros(row.latest_us),
            metric_name=row.metric_name,
            metric_value=row.metric_value,
            trend=tuple(row.trend),
            problems=tuple(Problem(**problem) for problem in row.problems),
            open_drifts=row.open_drifts,
            health=Health(row.health),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionEntry:
    """A version of the catalog.

    Args:
        stage: what its aliases say, or else its legacy stage.
        author: who registered it here, or whom its run names.
        signature_state: what its MLmodel file says, or `pending` (not read yet), `gone`, `unknown` (could not be read).
        facts: of its run, what is cheap to know: has_run, dataset_count, git_commit, param_count, tags; empty unread.
    """

    name: str
    version: int
    created_at: datetime
    updated_at: datetime
    stage: Stage
    legacy_stage: Stage
    status: str
    author: str
    description: str
    source: str
    run_id: str | None
    model_id: str | None
    tags: Mapping[str, str]
    aliases: tuple[str, ...]
    metrics: Mapping[str, float]
    facts: Mapping[str, Any]
    is_detailed: bool
    signature_state: str
    mlmodel_size_bytes: int | None

    @property
    def reference(self) -> str:
        """`NAME/VERSION`."""
        return f"{self.name}/{self.version}"

    @classmethod
    def from_row(cls, row: Any) -> VersionEntry:
        """Read a row of versions joined with what is known of their folders."""
        record = _record(row)
        return cls(
            name=record.name,
            version=record.version,
            created_at=record.created_at,
            updated_at=record.updated_at,
            stage=stage_of(record),
            legacy_stage=record.stage,
            status=record.status,
            author=record.author,
            description=record.description,
            source=record.source,
            run_id=record.run_id,
            model_id=record.model_id,
            tags=record.tags,
            aliases=record.aliases,
            metrics=row.metrics,
            facts=row.facts,
            is_detailed=row.is_detailed,
            signature_state=row.signature_state or SignatureKnown.PENDING.value,
            mlmodel_size_bytes=row.size_bytes,
        )

    def as_record(self) -> ModelVersion:
        """Return the version as the registry's value, as old as the index."""
        return ModelVersion(
            name=self.name,
            version=self.version,
            created_at=self.created_at,
            updated_at=self.updated_at,
            stage=self.legacy_stage,
            status=self.status,
            author=self.author,
            description=self.description,
            source=self.source,
            run_id=self.run_id,
            model_id=self.model_id,
            tags=self.tags,
            aliases=self.aliases,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GoneEntry:
    """A model (`version` is None) or version that was deleted; `record` holds what was known of it."""

    id: int
    name: str
    version: int | None
    created_at: datetime
    gone_at: datetime
    record: Mapping[str, Any]

    @classmethod
    def from_row(cls, row: Any) -> GoneEntry:
        """Read a row."""
        return cls(
            id=row.id,
            name=row.model,
            version=row.version,
            created_at=from_micros(row.created_us),
            gone_at=from_micros(row.gone_us),
            record=row.record,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncState:
    """How old the index is: None and None before the first sync; `last_error` is empty after a success.

    Args:
        versions_pending: how many versions' signatures and metrics are still to be read.
        watched_since: when Gatehouse began to watch; what was there before was taken as it was.
    """

    last_success_at: datetime | None
    age_s: float | None
    last_error: str
    versions_pending: int
    watched_since: datetime | None = None


def _record(row: Any) -> ModelVersion:
    return ModelVersion(
        name=row.model,
        version=row.version,
        created_at=from_micros(row.created_us),
        updated_at=from_micros(row.updated_us),
        stage=Stage(row.stage),
        status=row.status,
        author=row.author or row.facts.get("author", ""),
        description=row.description,
        source=row.source,
        run_id=row.run_id,
        model_id=row.model_id,
        tags=row.tags,
        aliases=tuple(row.aliases),
    )
