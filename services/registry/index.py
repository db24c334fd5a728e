"""What pages read of the registry: the index, typed, paged by key, and how old it is.

The index is for looking: before a decision, services read the registry itself.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from services.clock import Clock, from_micros, utc_now
from services.errors import InvalidInput, NotFound
from services.registry.entries import GoneEntry, Health, ModelEntry, SyncState, VersionEntry
from services.registry.names import quoted
from services.registry.values import Stage
from services.store import Store
from services.store import registry_catalog as catalog
from services.store import registry_index as rows

MAX_PAGE = 500
_LARGEST_INTEGER = 2**63


class CatalogSort(StrEnum):
    """What models are ordered by; equal ones by name."""

    NAME = "name"
    UPDATED = "updated"
    METRIC = "metric"
    PROBLEMS = "problems"


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogQuery:
    """Which models, in which order, from where.

    Args:
        text: words that the name, description, team, owner or a tag must contain, whatever their case.
        teams, tiers, stages, healths: any of these values; empty is all.
        after: the `next` of the page before.
    """

    text: str = ""
    teams: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    stages: tuple[Stage, ...] = ()
    healths: tuple[Health, ...] = ()
    sort: CatalogSort = CatalogSort.NAME
    is_descending: bool = False
    after: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogPage:
    """A page of models; `total` counts all that match, `next` is the `after` of the next page or None."""

    models: tuple[ModelEntry, ...]
    total: int
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPage:
    """A page of versions, newest first; `next` is the `before` of the next page or None."""

    versions: tuple[VersionEntry, ...]
    next: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Counts over the whole registry."""

    models: int
    versions: int
    in_production: int
    in_staging: int
    with_problems: int
    drifting: int


class Index:
    """Reads one index. Nothing here asks the registry."""

    def __init__(self, store: Store, *, clock: Clock = utc_now) -> None:
        self._store = store
        self._clock = clock

    def list_models(self, query: CatalogQuery | None = None) -> CatalogPage:
        """Return one page of the catalog.

        Raises:
            InvalidInput: `after` is no mark of a page in this order, or the limit is not 1 to 500.
        """
        query = query or CatalogQuery()
        limit = _checked_limit(query.limit)
        terms, chosen = _conditions(query)
        with self._store.read() as unit:
            found = catalog.list_models(
                unit,
                terms=terms,
                chosen=chosen,
                sort=query.sort.value,
                is_descending=query.is_descending,
                after=None if query.after is None else _read_mark(query.after, query.sort),
                limit=limit + 1,
            )
            total = catalog.count_models(unit, terms=terms, chosen=chosen)
        shown = found[:limit]
        following = _write_mark(shown[-1].sort_value, shown[-1].name) if len(found) > limit else None
        return CatalogPage(models=tuple(map(ModelEntry.from_row, shown)), total=total, next=following)

    def count_facets(self, query: CatalogQuery | None = None) -> Mapping[str, Mapping[str, int]]:
        """Return of `team`, `tier`, `stage` and `health` how many models of a query have each value."""
        terms, chosen = _conditions(query or CatalogQuery())
        with self._store.read() as unit:
            return catalog.count_facets(unit, terms=terms, chosen=chosen)

    def count_totals(self) -> Totals:
        """Return the counts of an overview."""
        with self._store.read() as unit:
            row = catalog.count_totals(unit)
        return Totals(**{key: int(value) for key, value in row._mapping.items()})  # noqa: SLF001 - SQLAlchemy's own name

    def list_names(self) -> Sequence[str]:
        """Return every registered name."""
        with self._store.read() as unit:
            return catalog.list_names(unit)

    def find_model(self, name: str) -> ModelEntry | None:
        """Return one model, or None."""
        with self._store.read() as unit:
            row = catalog.find_model(unit, name)
        return None if row is None else ModelEntry.from_row(row)

    def get_model(self, name: str) -> ModelEntry:
        """Return one model.

        Raises:
            NotFound: it was not there when the registry was last looked at.
        """
        found = self.find_model(name)
        if found is None:
            raise NotFound(
                f"The model {quoted(name)} is not in the catalog.",
                next_step="See the names with `gatehouse models list`; what is new shows after the next sync.",
            )
        return found

    def list_versions(self, name: str, *, before: int | None = None, limit: int = 50) -> VersionPage:
        """Return versions of a model, newest first, below `before`."""
        limit = _checked_limit(limit)
        with self._store.read() as unit:
            found = catalog.list_versions(unit, name, before=before, limit=limit + 1)
        shown = tuple(map(VersionEntry.from_row, found[:limit]))
        return VersionPage(versions=shown, next=shown[-1].version if len(found) > limit else None)

    def find_version(self, name: str, version: int) -> VersionEntry | None:
        """Return one version, or None."""
        return next(iter(self.list_chosen_versions([(name, version)])), None)

    def get_version(self, name: str, version: int) -> VersionEntry:
        """Return one version.

        Raises:
            NotFound: it was not there when the registry was last looked at.
        """
        found = self.find_version(name, version)
        if found is None:
            self.get_model(name)
            raise NotFound(
                f"{quoted(name)} has no version {version} in the catalog.",
                next_step=f"See its versions with `gatehouse models show {name}`.",
            )
        return found

    def list_chosen_versions(self, keys: Sequence[tuple[str, int]]) -> Sequence[VersionEntry]:
        """Return those of the versions (name, number) that are in the index."""
        with self._store.read() as unit:
            return list(map(VersionEntry.from_row, catalog.list_chosen_versions(unit, keys)))

    def list_latest_versions(self) -> Sequence[VersionEntry]:
        """Return the newest version of every model, in one query."""
        with self._store.read() as unit:
            return list(map(VersionEntry.from_row, catalog.list_latest_versions(unit)))

    def list_versions_of_run(self, run_id: str) -> Sequence[VersionEntry]:
        """Return the versions that a run made."""
        with self._store.read() as unit:
            return list(map(VersionEntry.from_row, catalog.list_versions_of(unit, run_id=run_id)))

    def list_versions_of_model_id(self, model_id: str) -> Sequence[VersionEntry]:
        """Return the versions that hold a logged model (its UUID)."""
        with self._store.read() as unit:
            return list(map(VersionEntry.from_row, catalog.list_versions_of(unit, model_id=model_id)))

    def list_tagged_versions(self, tag: str, *, model: str | None = None) -> Sequence[VersionEntry]:
        """Return the versions that carry a tag, of one model or of all."""
        with self._store.read() as unit:
            return list(map(VersionEntry.from_row, catalog.list_tagged(unit, tag, model=model)))

    def list_versions_of_runs(self, run_ids: Sequence[str]) -> Sequence[VersionEntry]:
        """Return the versions that any of the runs made."""
        parts = (run_ids[start : start + MAX_PAGE] for start in range(0, len(run_ids), MAX_PAGE))
        with self._store.read() as unit:
            rows = [row for part in parts for row in catalog.list_versions_of_runs(unit, part)]
        return list(map(VersionEntry.from_row, rows))

    def find_mlmodel(self, name: str, version: int) -> bytes | None:
        """Return a version's MLmodel file as it was read at a sync, or None where it was not."""
        with self._store.read() as unit:
            text = catalog.find_mlmodel(unit, name, version)
        return None if text is None else text.encode()

    def list_gone(
        self, *, model: str | None = None, before_id: int | None = None, limit: int = 50
    ) -> Sequence[GoneEntry]:
        """Return what was deleted, last first, with what was known of it."""
        with self._store.read() as unit:
            found = catalog.list_gone(unit, model=model, before_id=before_id, limit=_checked_limit(limit))
        return [GoneEntry.from_row(row) for row in found]

    def get_sync_state(self) -> SyncState:
        """Return how old the index is, and what went wrong last."""
        with self._store.read() as unit:
            row, pending = rows.find_sync_row(unit), rows.count_undetailed(unit)
        succeeded = from_micros(row.success_us) if row is not None and row.success_us is not None else None
        return SyncState(
            last_success_at=succeeded,
            age_s=None if succeeded is None else max(0.0, (self._clock() - succeeded).total_seconds()),
            last_error=row.error if row is not None else "",
            versions_pending=pending,
            watched_since=from_micros(row.baseline_us) if row is not None and row.baseline_us is not None else None,
        )


def _conditions(query: CatalogQuery) -> tuple[Sequence[str], Mapping[str, Sequence[str]]]:
    chosen = {
        "team": query.teams,
        "tier": query.tiers,
        "stage": [stage.value for stage in query.stages],
        "health": [health.value for health in query.healths],
    }
    return query.text.replace("\0", " ").casefold().split(), chosen


def _checked_limit(limit: int) -> int:
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidInput(f"A page cannot have {limit} entries.", next_step=f"Ask for 1 to {MAX_PAGE}.")
    return limit


def _write_mark(value: Any, name: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([value, name]).encode()).decode()


def _read_mark(mark: str, sort: CatalogSort) -> tuple[Any, str]:
    try:
        value, name = json.loads(base64.urlsafe_b64decode(mark.encode()))
    except (ValueError, TypeError, RecursionError):
        value = name = None
    is_value = isinstance(value, str) if sort is CatalogSort.NAME else _is_number(value)
    if not isinstance(name, str) or not is_value:
        raise InvalidInput(
            "The page to go on from is not one of this list.", next_step="Start again from the first page."
        )
    return value, name


def _is_number(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and abs(value) < _LARGEST_INTEGER
