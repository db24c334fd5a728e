"""Writing the index: a model, its versions and what is derived from them change in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from services.clock import Clock, to_micros
from services.registry.index_rows import model_row, new_model_row, priority_of, undetailed, version_record
from services.registry.summary import TREND_LENGTH, NameMetrics, as_logged, summarise
from services.registry.values import ModelVersion, RegisteredModel
from services.store import Store, UnitOfWork
from services.store import registry_drift as drifts
from services.store import registry_index as rows

MODELS_AT_ONCE = 500

Key = tuple[str, int]


@dataclass(kw_only=True)
class Tally:
    """What a sync has written so far: models with anything new, what was deleted or left out, versions written."""

    changed: set[str] = field(default_factory=set)
    gone: list[tuple[str, int | None]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    versions_written: int = 0


@dataclass(kw_only=True)
class _Plan:
    """The writes that bring some models' versions in step."""

    inserts: list[dict[str, Any]] = field(default_factory=list)
    updates: list[dict[str, Any]] = field(default_factory=list)
    resets: list[dict[str, Any]] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)

    def add(self, version: ModelVersion, held: Any | None, aliases: Sequence[str]) -> None:
        """Plan one version, given its row."""
        record = version_record(version)
        if held is not None and held.record_digest == record["record_digest"]:
            return
        self.touched.add(version.name)
        key = {"b_model": version.name, "b_version": version.version}
        if held is None:
            own = {"model": version.name, "version": version.version, "aliases": sorted(aliases)}
            priority = priority_of(version.stage.value, aliases)
            self.inserts.append({**record, **undetailed(version), **own, "priority": priority})
        elif (held.created_us, held.source, held.run_id) == (record["created_us"], record["source"], record["run_id"]):
            self.updates.append({**record, **key})
        else:
            # Another version under the same number: nothing that was read of the old one holds.
            self.resets.append({**record, **undetailed(version), **key})

    def write(self, unit: UnitOfWork, tally: Tally) -> None:
        """Carry the plan out."""
        rows.insert_versions(unit, self.inserts)
        rows.update_versions(unit, self.updates)
        rows.update_versions(unit, self.resets)
        tally.changed |= self.touched
        tally.versions_written += len(self.inserts) + len(self.updates) + len(self.resets)


class Announce(Protocol):
    """Tells others of versions that are new to the index."""

    def describe(self, version: ModelVersion) -> Mapping[str, Any]:
        """Read what is told of a version; called outside of a transaction."""

    def put(self, unit: UnitOfWork, version: ModelVersion, told: Mapping[str, Any]) -> None:
        """Write the message in the transaction that brings the version into the index."""


class IndexWriter:
    """Writes to one index.

    `look_alikes` names for each model one that it is easily taken for, `name_metrics` the name of each metric, `at_us`
    is when the look began whose findings are written: a slower sync may write after one that began later.
    """

    def __init__(self, store: Store, *, clock: Clock, announce: Announce | None = None) -> None:
        self._announce = announce
        self.look_alikes: Mapping[str, str] = {}
        self._store = store
        self._clock = clock
        self.name_metrics: NameMetrics = as_logged
        self.at_us = 0

    @contextmanager
    def _writing(self) -> Iterator[UnitOfWork]:
        """Open a unit of work that no other sync's overlaps, and commit it at its end."""
        with self._store.write() as unit:
            rows.lock_index(unit)
            rows.stamp_sync(unit, at_us=self.at_us)
            yield unit
            unit.commit()

    def replace(
        self, models: Mapping[str, RegisteredModel], versions: Mapping[str, Sequence[ModelVersion]], tally: Tally
    ) -> None:
        """Make each of the models that `versions` names have exactly these versions."""
        told = self._describe_new(versions)
        with self._writing() as unit:
            chosen = {name: models[name] for name in versions}
            renewed = self._put_models(unit, chosen.values())
            held = {(row.model, row.version): row for row in rows.list_version_records(unit, list(versions))}
            plan = _Plan(touched=renewed)
            for name, listed in versions.items():
                aliases = _by_version(chosen[name])
                for version in {version.version: version for version in listed}.values():
                    plan.add(version, held.pop((name, version.version), None), aliases.get(version.version, ()))
            plan.touched.update(name for name, _ in held)
            plan.write(unit, tally)
            self._tell(unit, plan, versions, told)
            rows.move_to_gone(unit, held, gone_us=to_micros(self._clock()))
            tally.gone.extend(held)
            self._finish(unit, [chosen[name] for name in plan.touched])

    def _describe_new(self, versions: Mapping[str, Sequence[ModelVersion]]) -> Mapping[Key, Mapping[str, Any]]:
        """Return what is told of each version that is new; of none at the first sync, which finds what was there."""
        if self._announce is None:
            return {}
        with self._store.read() as unit:
            sync = rows.find_sync_row(unit)
            if sync is None or sync.success_us is None:
                return {}
            held = {(row.model, row.version) for row in rows.list_version_records(unit, list(versions))}
        new = (version for listed in versions.values() for version in listed)
        return {key: self._announce.describe(version) for version in new if (key := _key(version)) not in held}

    def _tell(
        self,
        unit: UnitOfWork,
        plan: _Plan,
        versions: Mapping[str, Sequence[ModelVersion]],
        told: Mapping[Key, Mapping[str, Any]],
    ) -> None:
        inserted = {(row["model"], row["version"]) for row in plan.inserts}
        for version in (version for listed in versions.values() for version in listed):
            if self._announce is not None and (key := _key(version)) in inserted and key in told:
                self._announce.put(unit, version, told[key])

    def put_records(self, models: Iterable[RegisteredModel], tally: Tally) -> None:
        """Take over what is new of models whose versions are as they were: aliases, tags, descriptions."""
        for some in _pieces(list(models)):
            with self._writing() as unit:
                tally.changed |= self._put_models(unit, some)
                self._finish(unit, some)

    def put_edits(self, versions: Sequence[ModelVersion], tally: Tally) -> None:
        """Take over edited records of versions that the index has."""
        names = sorted({version.name for version in versions})
        with self._store.read() as unit:
            held = {(row.model, row.version): row for row in rows.list_version_records(unit, names)}
        plan = _Plan()
        for version in versions:
            if (row := held.get((version.name, version.version))) is not None:
                plan.add(version, row, ())
        if plan.touched:
            with self._writing() as unit:
                plan.write(unit, tally)
                self._summarise(unit, plan.touched)

    def remove(self, names: Iterable[str], tally: Tally) -> None:
        """Take models out of the index, keeping what was known of them."""
        for name in sorted(names):
            with self._writing() as unit:
                rows.move_model_to_gone(unit, name, gone_us=to_micros(self._clock()))
            tally.gone.append((name, None))
            tally.changed.add(name)

    def summarise(self, names: Collection[str]) -> None:
        """Derive again what the catalog says of models."""
        for some in _pieces(sorted(names)):
            with self._store.write() as unit:
                self._summarise(unit, some)
                unit.commit()

    def _put_models(self, unit: UnitOfWork, models: Iterable[RegisteredModel]) -> set[str]:
        """Write models that are new or changed, and return their names."""
        listed = list(models)
        held = {row["name"]: row for row in rows.list_model_rows(unit, [model.name for model in listed])}
        new = [new_model_row(model) for model in listed if model.name not in held]
        records = [model_row(model) for model in listed if model.name in held]
        changed = [row for row in records if any(held[row["name"]][key] != value for key, value in row.items())]
        rows.insert_models(unit, new)
        # A name that comes back finds what is still open of it.
        drifts.count_on_models(unit, drifts.list_drifting(unit, [row["name"] for row in new]))
        rows.update_models(unit, [{**row, "b_name": row["name"]} for row in changed])
        return {row["name"] for row in (*new, *changed)}

    def _finish(self, unit: UnitOfWork, models: Sequence[RegisteredModel]) -> None:
        moved = []
        for model in models:
            aliases = _by_version(model)
            for row in rows.list_singled_out(unit, model.name, list(aliases)):
                own = sorted(aliases.get(row.version, ()))
                priority = priority_of(row.stage, own)
                if (own, priority) != (row.aliases, row.priority):
                    key = {"b_model": model.name, "b_version": row.version}
                    moved.append({"aliases": own, "priority": priority, **key})
        rows.update_versions(unit, moved)
        self._summarise(unit, [model.name for model in models])

    def _summarise(self, unit: UnitOfWork, names: Collection[str]) -> None:
        for some in _pieces(sorted(names)):
            by_model = defaultdict(list)
            for row in rows.list_summary_rows(unit, some, latest=TREND_LENGTH):
                by_model[row.model].append(row)
            summaries = []
            for model in rows.list_model_rows(unit, some):
                name = model["name"]
                look_alike = self.look_alikes.get(name)
                derived = summarise(model, by_model[name], look_alike=look_alike, name_metrics=self.name_metrics)
                summaries.append({**derived, "b_name": name})
            rows.update_models(unit, summaries)


def _by_version(model: RegisteredModel) -> Mapping[int, Sequence[str]]:
    aliases: dict[int, list[str]] = defaultdict(list)
    for alias, version in model.aliases.items():
        aliases[version].append(alias)
    return aliases


def _pieces(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (items[start : start + MODELS_AT_ONCE] for start in range(0, len(items), MODELS_AT_ONCE))


def _key(version: ModelVersion) -> Key:
    return version.name, version.version
