"""Bring the index in step with the registry, reading little when little has changed.

What tells of a change (measured on MLflow 3.17): the list of models shows aliases, model tags, deletions, re-creations
and, by `last_updated`, new and deleted versions and stages; the newest versions show edited descriptions; tags of
versions move no timestamp, so that only a full sweep sees them. Network calls stay outside of transactions, and a sync
that dies leaves whole models updated and the others as they were.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import Any

from services.clock import Clock, from_micros, to_micros, utc_now
from services.errors import GatehouseError, NotFound
from services.registry.index_rows import model_row
from services.registry.index_writer import Announce, IndexWriter, Tally
from services.registry.look_alikes import group_look_alikes
from services.registry.port import RecordReader, RegistryReader
from services.registry.summary import NameMetrics, as_logged
from services.registry.sync_details import GONE, UNKNOWN, DetailReader
from services.registry.values import ModelVersion, RegisteredModel
from services.store import Store
from services.store import registry_index as rows

VERSIONS_AT_ONCE = 2500
MODELS_ASKED_SINGLY = 50
DETAILS_BUDGET_S = 2.0
# The watermark is looked behind, since the registry's own writers do not commit in the order of their clocks.
OVERLAP = timedelta(seconds=5)
FULL_EVERY = timedelta(minutes=15)
FULL_EVERY_DIRECT = timedelta(minutes=1)
_METRIC_SETS_KEPT = 1024
# PostgreSQL refuses it in any text, MLflow on SQLite takes it in a name.
_UNHOLDABLE = "\0"

Models = Mapping[str, RegisteredModel]
Versions = Mapping[str, Sequence[ModelVersion]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncSummary:
    """What one sync did.

    Args:
        changed: every model of which anything is new, sorted.
        gone: what was deleted.
        left_out: models whose names no store holds, which are watched by nobody.
    """

    at: datetime
    duration_s: float
    is_full: bool = False
    changed: tuple[str, ...] = ()
    gone: tuple[tuple[str, int | None], ...] = ()
    left_out: tuple[str, ...] = ()
    versions_written: int = 0
    details_read: int = 0
    details_pending: int = 0


class Sync:
    """One registry into one index.

    Args:
        registry: read live; its files are read for signatures.
        signature_state: what an MLmodel file says of its signature, in one word: `present`, `absent`, …
        announce: told of versions that were not there at the last sync.
        records: where records are listed from, such as MLflow's own database; by default the registry.
        read_names: returns what names metrics in the catalog, such as the vocabulary in force; asked once a sync.
        full_every: how long tags of versions may be out of step.
    """

    def __init__(
        self,
        registry: RegistryReader,
        store: Store,
        *,
        signature_state: Callable[[bytes], str],
        clock: Clock = utc_now,
        announce: Announce | None = None,
        records: RecordReader | None = None,
        read_names: Callable[[], NameMetrics] = lambda: as_logged,
        full_every: timedelta | None = None,
    ) -> None:
        self._records: RecordReader = records or registry
        self._store = store
        self._clock = clock
        self._full_every = full_every or (FULL_EVERY_DIRECT if records else FULL_EVERY)
        self._writer = IndexWriter(store, clock=clock, announce=announce)
        self._read_names = read_names
        self._details = DetailReader(registry, self._records, store, clock=clock, signature_state=signature_state)
        self._data_version: str | None = None
        self._names: frozenset[str] = frozenset()
        self._looked_at: datetime | None = None

    def run(self, *, is_full: bool = False, details_budget_s: float = DETAILS_BUDGET_S) -> SyncSummary:
        """Sync once; `is_full` sees changed tags of versions too.

        Raises:
            Unreachable: the registry does not answer; what was read before that is kept.
        """
        started, at = time.monotonic(), self._clock()
        with self._noting_failure(at):
            self._note_start(at)
            # Asked first: what changes while we read shows as a change next time.
            data_version = self._records.find_data_version()
            is_unchanged = not is_full and data_version is not None and data_version == self._data_version
            is_full = is_full or (not is_unchanged and self._is_full_due(at))
            tally = Tally()
            # Versions of a model log the same metrics mostly, and models of a kind too.
            self._writer.name_metrics = lru_cache(_METRIC_SETS_KEPT)(self._read_names())
            if not is_unchanged:
                self._sync_records(tally, is_full=is_full)
                self._data_version = data_version
            if is_full:
                self._look_again(at)
            details = self._details.read(budget_s=details_budget_s)
            self._writer.summarise(details.models)
            summary = SyncSummary(
                at=at,
                duration_s=time.monotonic() - started,
                is_full=is_full,
                changed=tuple(sorted(tally.changed | details.models)),
                gone=tuple(tally.gone),
                left_out=tuple(tally.left_out),
                versions_written=tally.versions_written,
                details_read=details.read,
                details_pending=details.pending,
            )
            self._note_success(summary)
        return summary

    def _is_full_due(self, at: datetime) -> bool:
        with self._store.read() as unit:
            last = rows.find_sync_row(unit)
        # A clock that was set back makes the last sweep lie ahead: then nothing is known of its age.
        age = None if last is None or last.full_us is None else at - from_micros(last.full_us)
        return age is None or not timedelta(0) <= age < self._full_every

    def _sync_records(self, tally: Tally, *, is_full: bool) -> None:
        listed = {model.name: model for model in self._records.list_models()}
        models = {name: model for name, model in listed.items() if _UNHOLDABLE not in name}
        tally.left_out.extend(sorted(listed.keys() - models.keys()))
        with self._store.read() as unit:
            held = {row.name: row for row in rows.list_model_records(unit)}
            watermark_us = rows.find_watermark_us(unit)
        alike = self._find_look_alikes(models, held)
        remade = {name for name in models.keys() & held.keys() if _is_remade(models[name], held[name])}
        self._writer.remove(self._confirm_gone(held.keys() - models.keys()) | remade, tally)
        held = {name: row for name, row in held.items() if name in models and name not in remade}
        stale = {name for name, model in models.items() if name not in held or _is_updated(model, held[name])}
        for versions in self._list_versions(models, models.keys() if is_full else stale, is_all=is_full):
            self._writer.replace(models, self._confirm_versions(models, held, versions), tally)
        if not is_full:
            records = [models[name] for name in held.keys() - stale if _has_changed(models[name], held[name])]
            self._writer.put_records(records, tally)
            newest = self._records.list_newest_versions(from_micros(watermark_us or 0) - OVERLAP)
            self._writer.put_edits([version for version in newest if version.name in models], tally)
        self._writer.summarise(alike - tally.changed)
        tally.changed |= alike

    def _list_versions(self, models: Models, names: Iterable[str], *, is_all: bool) -> Iterator[Versions]:
        """Yield the versions of the models a few thousand at a time, each model whole; empty ones come last."""
        left = set(names)
        batch: dict[str, Sequence[ModelVersion]] = {}
        twice: set[str] = set()
        count = 0
        listed = self._records.list_versions(None if is_all else sorted(left)) if left else iter(())
        for name, group in groupby(listed, key=attrgetter("name")):
            versions = list(group)
            if name not in left:
                # Pages shift when others write meanwhile; a model that shows up apart is asked for once more.
                twice.update({name} & models.keys())
                continue
            left.remove(name)
            batch[name] = versions
            count += len(versions)
            if count >= VERSIONS_AT_ONCE:
                yield batch
                batch, count = {}, 0
        batch.update({name: [] for name in left})
        batch.update(self._list_again(twice))
        if batch:
            yield batch

    def _confirm_versions(self, models: Models, held: Mapping[str, Any], versions: Versions) -> Versions:
        """Ask once more where versions are missing though their model says it is unchanged: a page may have shifted."""
        with self._store.read() as unit:
            known = {(row.model, row.version) for row in rows.list_version_records(unit, list(versions))}
        found = {(name, version.version) for name, listed in versions.items() for version in listed}
        doubtful = {name for name, _ in known - found if name in held and not _is_updated(models[name], held[name])}
        return {**versions, **self._list_again(doubtful)}

    def _list_again(self, names: Iterable[str]) -> Versions:
        wanted = sorted(names)
        again: dict[str, list[ModelVersion]] = {name: [] for name in wanted}
        for version in self._records.list_versions(wanted) if wanted else ():
            again[version.name].append(version)
        return again

    def _confirm_gone(self, names: Iterable[str]) -> set[str]:
        """Return those of the names that are gone: a page may have shifted, or a list came back empty."""
        missing = set(names)
        if len(missing) > MODELS_ASKED_SINGLY:
            missing -= {model.name for model in self._records.list_models()}
        some = set(sorted(missing)[:MODELS_ASKED_SINGLY])
        gone = self._ask_singly(some)
        # A list that left out one of these may have left out any.
        return gone | (missing - some if gone == some else self._ask_singly(missing - some))

    def _ask_singly(self, names: Iterable[str]) -> set[str]:
        gone = set()
        for name in names:
            try:
                self._records.get_model(name)
            except NotFound:
                gone.add(name)
        return gone

    def _find_look_alikes(self, models: Models, held: Mapping[str, Any]) -> set[str]:
        """Name each model's look-alike, and return the models for which it is another than before."""
        names = frozenset(models)
        if names == self._names:
            return set()
        before = self._writer.look_alikes if self._names else group_look_alikes(_by_age(held.values()))
        self._names, self._writer.look_alikes = names, group_look_alikes(_by_age(models.values()))
        after = self._writer.look_alikes
        return (
            {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} & held.keys() & names
        )

    def _look_again(self, at: datetime) -> None:
        """Have what was logged late read again, now and then: it moves no timestamp."""
        if self._looked_at is not None and at - self._looked_at < FULL_EVERY:
            return
        self._looked_at = at
        with self._store.write() as unit:
            rows.lock_index(unit)
            rows.mark_undetailed(unit)
            for state in (GONE, UNKNOWN):
                rows.forget_folders(unit, state)
            unit.commit()

    def _note_start(self, at: datetime) -> None:
        self._writer.at_us = to_micros(at)
        with self._store.write() as unit:
            rows.lock_index(unit)
            rows.put_sync_row(unit, attempt_us=self._writer.at_us)
            unit.commit()

    def _note_success(self, summary: SyncSummary) -> None:
        with self._store.write() as unit:
            rows.lock_index(unit)
            # A sync that began before this one may have written since, what it saw before this one looked.
            at_us = min(to_micros(summary.at), rows.find_stamp_us(unit))
            full = {"full_us": at_us} if summary.is_full else {}
            duration_ms = round(summary.duration_s * 1000)
            rows.put_sync_row(unit, attempt_us=at_us, success_us=at_us, duration_ms=duration_ms, error="", **full)
            unit.commit()

    @contextmanager
    def _noting_failure(self, at: datetime) -> Iterator[None]:
        try:
            yield
        except GatehouseError as error:
            with self._store.write() as unit:
                rows.lock_index(unit)
                rows.put_sync_row(unit, attempt_us=to_micros(at), error=error.message)
                unit.commit()
            raise


def _by_age(models: Iterable[Any]) -> Sequence[str]:
    """Return names in the order they came, of values or rows alike."""
    aged = ((getattr(model, "created_us", None) or to_micros(model.created_at), model.name) for model in models)
    return [name for _, name in sorted(aged)]


def _is_remade(model: RegisteredModel, row: Any) -> bool:
    return bool(to_micros(model.created_at) != row.created_us)


def _is_updated(model: RegisteredModel, row: Any) -> bool:
    return bool(to_micros(model.updated_at) != row.updated_us)


def _has_changed(model: RegisteredModel, row: Any) -> bool:
    now = model_row(model)
    return any(now[key] != getattr(row, key) for key in ("description", "tags", "aliases"))
