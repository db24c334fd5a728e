"""Drift: what changed in the registry without Gatehouse, found after a sync, shown until it is adopted or reverted.

Detection compares the index with the ledger of what was approved. Each finding is one record and one event; a finding
that is no longer so is settled. Adopting holds what was found as approved; reverting writes back what was approved.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from services.audit import Acting, AuditLog
from services.clock import Clock, to_micros, utc_now
from services.errors import Blocked, Conflict, NotFound
from services.registry.aliases import normalise_alias
from services.registry.approved import Approved, Fact
from services.registry.drift_rules import Difference, Seen, baseline, default_fact, find_differences, first_tags
from services.registry.drift_values import COMPARED, Drift, DriftState
from services.registry.port import Registry
from services.registry.protection import Protection, ReadProtection
from services.registry.stages import PROTECTED_ALIASES
from services.registry.values import Stage
from services.registry.writes import Watched
from services.store import Store, UnitOfWork
from services.store import registry_drift as rows
from services.store import registry_index as index_rows

_LOOK_AGAIN = "Run `gatehouse sync` and decide on what it finds."
_SEE_ALL = "See what is open with `gatehouse drift list`."


class Drifts:
    """Finds and closes drift. Whoever calls `adopt` and `revert` has asked for the permission.

    Args:
        protection: returns what is protected now.
        write_pins: puts the pins file back in step with the pins.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        approved: Approved,
        audit: AuditLog,
        *,
        clock: Clock = utc_now,
        protection: ReadProtection = Protection,
        write_pins: Callable[[], object] = lambda: None,
    ) -> None:
        self._store = store
        self._registry = registry
        self._approved = approved
        self._audit = audit
        self._clock = clock
        self._protection = protection
        self._write_pins = write_pins

    def detect(self, *, actor: Acting) -> Sequence[Drift]:
        """Compare what the last sync saw with what is approved, and return what is newly found.

        The first time, what is there is taken as it is.
        """
        protection = self._protection()
        with self._store.write() as unit:
            index_rows.lock_index(unit)
            sync = index_rows.find_sync_row(unit)
            if sync is None or sync.success_us is None:
                return []
            facts = [Fact.from_row(row) for row in rows.list_facts(unit, [kind.value for kind in COMPARED])]
            seen = _read_seen(unit, facts, sync.success_us, sync.full_us or 0)
            gone = rows.list_gone_after(unit, sync.examined_gone_id)
            self._settle_returned(unit, actor)
            if sync.baseline_us is None:
                self._take_baseline(unit, seen, protection, actor)
                found: list[Drift] = []
            else:
                differences = [*find_differences(facts, seen, protection), *_deletions(gone)]
                found = self._file(unit, differences, COMPARED, actor)
                for fact in first_tags(facts, seen, protection):
                    self._approved.accept(unit, fact)
            if gone:
                rows.note_examined(unit, examined_gone_id=gone[-1].id)
            unit.commit()
        return found

    def file_artifacts(self, unit: UnitOfWork, fact: Fact, digest: str | None, *, actor: Acting) -> Sequence[Drift]:
        """File in the caller's transaction whether a version's bytes are those approved; None is that they are gone."""
        if fact.allows(digest):
            for row in _list_open(unit):
                if _place(row) == fact.place:
                    self._close(unit, Drift.from_row(row), DriftState.SETTLED, actor)
            return []
        difference = Difference(
            kind=fact.kind, model=fact.model, version=fact.version, approved=fact.value, found=digest
        )
        return self._file(unit, [difference], (), actor)

    def file_pins(self, edited: Mapping[str, tuple[str | None, str | None]], *, actor: Acting) -> Sequence[Drift]:
        """File where the pins file differs from the pins, as (pinned, said) by model, and settle the rest."""
        differences = [
            Difference(kind=Watched.PINS, model=model, approved=pinned, found=said)
            for model, (pinned, said) in sorted(edited.items())
        ]
        with self._store.write() as unit:
            found = self._file(unit, differences, (Watched.PINS,), actor)
            unit.commit()
        return found

    def list_drifts(
        self,
        *,
        state: DriftState | None = DriftState.OPEN,
        model: str | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> Sequence[Drift]:
        """Return drifts, last found first, below `before_id`."""
        chosen = None if state is None else state.value
        with self._store.read() as unit:
            found = rows.list_drifts(unit, state=chosen, model=model, before_id=before_id, limit=limit)
        return [Drift.from_row(row) for row in found]

    def get_drift(self, drift_id: int) -> Drift:
        """Return one drift.

        Raises:
            NotFound: there is none with this id.
        """
        with self._store.read() as unit:
            row = rows.find_drift(unit, drift_id)
        if row is None:
            raise NotFound(f"There is no drift {drift_id}.", next_step=_SEE_ALL)
        return Drift.from_row(row)

    def get_open(self, drift_id: int) -> Drift:
        """Return an open drift.

        Raises:
            NotFound: there is none with this id.
            Conflict: it is closed already, or something else was approved since it was found.
        """
        drift = self.get_drift(drift_id)
        if drift.state is not DriftState.OPEN:
            raise Conflict(f"Drift {drift_id} is closed: it was {drift.state}.", next_step=_SEE_ALL)
        if drift.kind is not Watched.PINS and self.find_approved(drift) != drift.approved:
            raise Conflict(
                f"Since drift {drift_id} was found, something else was approved in its place.", next_step=_LOOK_AGAIN
            )
        return drift

    def find_approved(self, drift: Drift) -> str | None:
        """Return what is approved now in the place of a drift, which only says what was when it was found."""
        with self._store.read() as unit:
            key = {"model": drift.model, "kind": drift.kind.value, "version": drift.version or 0, "key": drift.key}
            row = rows.find_fact(unit, key)
        return default_fact(drift.place).value if row is None else Fact.from_row(row).value

    def adopt(
        self, unit: UnitOfWork, drift: Drift, *, actor: Acting, reason: str, change_id: int | None = None
    ) -> None:
        """Hold what was found as approved, in the caller's transaction.

        Raises:
            Conflict: it is closed already.
        """
        self._close(unit, drift, DriftState.ADOPTED, actor, reason=reason, change_id=change_id)
        if drift.kind is Watched.MODEL:
            rows.delete_facts(unit, model=drift.model)
        elif drift.kind is Watched.VERSION:
            rows.delete_facts(unit, model=drift.model, version=drift.version)
        elif drift.kind is Watched.ARTIFACTS and drift.found is None:
            rows.delete_facts(unit, model=drift.model, kind=drift.kind.value, version=drift.version)
        else:
            self._approved.accept(unit, _as_found(drift))
            self._watch_alias(unit, _as_found(drift))

    def revert(self, drift_id: int, *, actor: Acting, reason: str) -> Drift:
        """Write back to the registry what was approved.

        Raises:
            Blocked: what was deleted or overwritten cannot be written back.
            Conflict: as `get_open`, or somebody has moved the alias again.
            Unreachable: the registry does not answer; nothing is closed.
        """
        drift = self.get_open(drift_id)
        if not drift.can_be_reverted:
            raise Blocked(
                f"{drift.describe()} Writing to the registry cannot bring that back.",
                next_step="Restore it in MLflow, or adopt the drift with `gatehouse drift adopt`.",
            )
        if drift.kind is Watched.ALIAS:
            self._check_unmoved(drift)
        with self._store.write() as unit:
            # Each try is an event of its own: whoever dies in the middle of one is on record.
            self._record(unit, drift, "revert_started", actor, reason=reason, is_once=False)
            unit.commit()
        self._write_back(drift)
        with self._store.write() as unit:
            self._close(unit, drift, DriftState.REVERTED, actor, reason=reason)
            unit.commit()
        return self.get_drift(drift_id)

    def _write_back(self, drift: Drift) -> None:
        registry, model, version, approved = self._registry, drift.model, drift.version or 0, drift.approved
        if drift.kind is Watched.ALIAS:
            if approved is None:
                registry.delete_alias(model, drift.key)
            else:
                registry.set_alias(model, drift.key, int(approved))
        elif drift.kind is Watched.STAGE:
            registry.set_stage(model, version, Stage(approved or Stage.NONE))
        elif drift.kind is Watched.TAG:
            if approved is None:
                registry.delete_version_tag(model, version, drift.key)
            else:
                registry.set_version_tag(model, version, drift.key, approved)
        else:
            self._write_pins()

    def _settle_returned(self, unit: UnitOfWork, actor: Acting) -> None:
        """Settle deletions of what is there again with all that it was, such as after a restore or a rename back."""
        for row in rows.list_returned(unit, models=Watched.MODEL.value, versions=Watched.VERSION.value):
            self._close(unit, Drift.from_row(row), DriftState.SETTLED, actor)

    def _check_unmoved(self, drift: Drift) -> None:
        live = self._registry.find_alias(drift.model, drift.key)
        if (None if live is None else str(live)) not in (drift.found, drift.approved):
            raise Conflict(
                f"The alias {drift.key} of {drift.model} has moved again, to {live}.",
                next_step=_LOOK_AGAIN,
            )

    def _take_baseline(self, unit: UnitOfWork, seen: Seen, protection: Protection, actor: Acting) -> None:
        facts = baseline(seen, protection)
        for fact in facts:
            self._approved.accept(unit, fact)
            self._watch_alias(unit, fact)
        rows.note_examined(unit, baseline_us=to_micros(self._clock()))
        after = {"models": len(seen.aliases), "facts": len(facts)}
        self._audit.record(unit, actor=actor, action="registry:baseline:taken", subject="registry", after=after)

    def _watch_alias(self, unit: UnitOfWork, fact: Fact) -> None:
        stands_for_stage = fact.kind is Watched.ALIAS and normalise_alias(fact.key) in PROTECTED_ALIASES
        if stands_for_stage and fact.value is not None:
            self._approved.watch_artifacts(unit, fact.model, int(fact.value))

    def _file(
        self, unit: UnitOfWork, differences: Sequence[Difference], compared: Collection[Watched], actor: Acting
    ) -> list[Drift]:
        """Open what is new, settle what is no longer so among the kinds compared, and leave the rest."""
        left = {_place(row): row for row in _list_open(unit)}
        new = []
        for difference in differences:
            row = left.pop(difference.place, None)
            if row is not None and (row.approved, row.found) == (difference.approved, difference.found):
                continue
            if row is not None:
                self._close(unit, Drift.from_row(row), DriftState.SETTLED, actor)
            new.append(self._open(unit, difference, actor))
        for row in left.values():
            if Watched(row.kind) in compared:
                self._close(unit, Drift.from_row(row), DriftState.SETTLED, actor)
        rows.count_on_models(unit, sorted({drift.model for drift in new}))
        return new

    def _open(self, unit: UnitOfWork, difference: Difference, actor: Acting) -> Drift:
        kind, model, version, key = difference.place
        drift_id = rows.add_drift(
            unit,
            kind=kind.value,
            model=model,
            version=version,
            key=key,
            approved=difference.approved,
            found=difference.found,
            detected_us=to_micros(self._clock()),
        )
        drift = Drift.from_row(rows.find_drift(unit, drift_id))
        self._record(unit, drift, "detected", actor)
        return drift

    def _close(
        self,
        unit: UnitOfWork,
        drift: Drift,
        state: DriftState,
        actor: Acting,
        *,
        reason: str = "",
        change_id: int | None = None,
    ) -> None:
        values = {"state": state.value, "closed_us": to_micros(self._clock()), "closed_by": actor.name}
        if not rows.close_drift(unit, drift.id, **values, reason=reason):
            raise Conflict(f"Drift {drift.id} was closed meanwhile.", next_step=_SEE_ALL)
        rows.count_on_models(unit, [drift.model])
        self._record(unit, drift, state.value, actor, reason=reason, change_id=change_id)

    def _record(
        self,
        unit: UnitOfWork,
        drift: Drift,
        happened: str,
        actor: Acting,
        *,
        reason: str = "",
        change_id: int | None = None,
        is_once: bool = True,
    ) -> None:
        self._audit.record(
            unit,
            actor=actor,
            action=f"drift:{drift.kind}:{happened}",
            subject=drift.subject,
            model=drift.model,
            change_id=change_id,
            reason=reason,
            before={"drift": drift.id, "key": drift.key, "approved": drift.approved},
            after={"found": drift.found},
            event_id=f"drift-{drift.id}-{happened}" if is_once else None,
        )


def _read_seen(unit: UnitOfWork, facts: Sequence[Fact], at_us: int, tags_at_us: int) -> Seen:
    stages = {(row.model, row.version): row.stage for row in rows.list_staged(unit, Stage.NONE.value)}
    about = sorted({fact.model for fact in facts if fact.version})
    return Seen(
        at_us=at_us,
        tags_at_us=tags_at_us,
        aliases={row.name: row.aliases for row in rows.list_aliases(unit)},
        stages=stages,
        tags={(row.model, row.version): row.tags for row in rows.list_tagged(unit, Watched.TAG.value)},
        versions=frozenset(stages) | frozenset(rows.list_present(unit, about)),
    )


def _deletions(gone: Sequence[Any]) -> Iterator[Difference]:
    """Return one difference for a deleted model, and one for each version deleted from a model that stayed."""
    whole = {(row.model, row.gone_us) for row in gone if row.version is None}
    for row in gone:
        if row.version is None:
            yield Difference(kind=Watched.MODEL, model=row.model, key=str(row.id))
        elif (row.model, row.gone_us) not in whole:
            yield Difference(kind=Watched.VERSION, model=row.model, version=row.version, key=str(row.id))


def _list_open(unit: UnitOfWork) -> Sequence[Any]:
    return rows.list_drifts(unit, state=DriftState.OPEN.value, model=None, before_id=None, limit=None)


def _place(row: Any) -> tuple[Watched, str, int, str]:
    return Watched(row.kind), row.model, row.version, row.key


def _as_found(drift: Drift) -> Fact:
    return Fact(kind=drift.kind, model=drift.model, version=drift.version or 0, key=drift.key, value=drift.found)
