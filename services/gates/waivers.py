"""Waivers: a named person lifts one gate for one version, with a reason, for a time that the policy limits.

A waived gate is still run and shown with its outcome; it only no longer decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from services.audit import AuditLog
from services.clock import Clock, from_micros, to_micros, to_text
from services.errors import Conflict, Forbidden, InvalidInput, NotFound
from services.gates.outcomes import GateResult, Outcome
from services.identity import Identity
from services.identity.actors import Actor, Permission, is_same_person
from services.registry.values import ModelVersion, Stage
from services.store import Store, UnitOfWork
from services.store import gates as rows

MAX_REASON = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """A gate lifted for one version."""

    id: int
    model: str
    version: int
    stage: Stage
    gate: str
    reason: str
    granted_by: str
    granted_at: datetime
    expires_at: datetime
    revoked_by: str | None
    revoked_at: datetime | None

    @property
    def reference(self) -> str:
        """`NAME/VERSION`."""
        return f"{self.model}/{self.version}"

    def stands_at(self, moment: datetime) -> bool:
        """Return whether it is in effect."""
        return self.revoked_at is None and moment < self.expires_at


class Waivers:
    """Granting, revoking and applying waivers."""

    def __init__(self, store: Store, audit: AuditLog, identity: Identity, *, clock: Clock) -> None:
        self._store = store
        self._audit = audit
        self._identity = identity
        self._clock = clock

    def grant(
        self,
        actor: Actor,
        version: ModelVersion,
        stage: Stage,
        gate: str,
        *,
        reason: str,
        days: float,
        longest_days: float,
    ) -> Waiver:
        """Lift a gate.

        Args:
            longest_days: what the policy in force allows.

        Raises:
            Forbidden: the actor may not waive gates, or made the version.
            InvalidInput: no reason was given, or the time is longer than the policy allows.
        """
        self._identity.demand(actor, Permission.WAIVE_GATE, subject=version.reference)
        if any(is_same_person(actor.name, name) for name in (version.author, version.tags.get("owner", ""))):
            own = Forbidden(
                f"{actor.name} made {version.reference} and cannot waive its gates.",
                next_step="Ask another release manager.",
            )
            self._identity.refuse(actor, version.reference, own)
        reason = _check_terms(reason, days, longest_days)
        now = self._clock()
        with self._store.write() as unit:
            waiver_id = rows.add_waiver(
                unit,
                {
                    "model": version.name,
                    "version": version.version,
                    "stage": stage.value,
                    "gate": gate,
                    "reason": reason,
                    "granted_by": actor.name,
                    "granted_us": to_micros(now),
                    "expires_us": to_micros(now + timedelta(days=days)),
                },
            )
            waiver = _get(unit, waiver_id)
            self._record(unit, waiver, "gate:waiver:granted", actor, reason)
            unit.commit()
        return waiver

    def revoke(self, actor: Actor, waiver_id: int, *, reason: str) -> Waiver:
        """End a waiver before its time.

        Raises:
            Forbidden: the actor may not waive gates.
            NotFound: there is no such waiver.
            Conflict: it has ended already.
        """
        with self._store.read() as unit:
            before = _get(unit, waiver_id)
        self._identity.demand(actor, Permission.WAIVE_GATE, subject=before.reference)
        now = self._clock()
        with self._store.write() as unit:
            if not _get(unit, waiver_id).stands_at(now):
                raise Conflict(f"Waiver {waiver_id} has ended already.", next_step="Nothing has to be done.")
            rows.revoke_waiver(unit, waiver_id, actor=actor.name, at_us=to_micros(now))
            revoked = _get(unit, waiver_id)
            self._record(unit, revoked, "gate:waiver:revoked", actor, reason)
            unit.commit()
        return revoked

    def list_waivers(
        self,
        *,
        model: str | None = None,
        version: int | None = None,
        stage: Stage | None = None,
        only_standing: bool = True,
        before_id: int | None = None,
        limit: int = 100,
    ) -> list[Waiver]:
        """Return waivers, newest first; the next page begins before the last id."""
        now_us = to_micros(self._clock()) if only_standing else None
        with self._store.read() as unit:
            found = rows.list_waivers(
                unit,
                model=model,
                version=version,
                stage=None if stage is None else stage.value,
                standing_at_us=now_us,
                before_id=before_id,
                limit=limit,
            )
        return [_to_waiver(row) for row in found]

    def list_standing(self, version: ModelVersion, stage: Stage) -> list[Waiver]:
        """Return what lifts gates of a version now; what is older spoke of a deleted version of the same number."""
        found = self.list_waivers(model=version.name, version=version.version, stage=stage)
        return [waiver for waiver in found if waiver.granted_at >= version.created_at]

    def _record(self, unit: UnitOfWork, waiver: Waiver, action: str, actor: Actor, reason: str) -> None:
        self._audit.record(
            unit,
            actor=actor,
            action=action,
            subject=waiver.reference,
            model=waiver.model,
            reason=reason,
            after={
                "waiver": waiver.id,
                "gate": waiver.gate,
                "stage": waiver.stage.value,
                "expires": to_text(waiver.expires_at),
            },
        )


def apply_waivers(results: Sequence[GateResult], waivers: Sequence[Waiver]) -> list[GateResult]:
    """Return the results with those marked as waived that did not pass and that somebody has lifted."""
    by_gate = {waiver.gate: waiver for waiver in waivers}
    applied = []
    for result in results:
        waiver = by_gate.get(result.gate)
        if waiver is None or result.outcome is Outcome.PASSED:
            applied.append(result)
        else:
            applied.append(replace(result, waived=True, details={**result.details, "waiver": to_json(waiver)}))
    return applied


def to_json(waiver: Waiver) -> dict[str, Any]:
    """Return a waiver as evidence keeps it."""
    return {
        "id": waiver.id,
        "granted_by": waiver.granted_by,
        "reason": waiver.reason,
        "expires": to_text(waiver.expires_at),
    }


def _check_terms(reason: str, days: float, longest_days: float) -> str:
    reason = reason.strip()
    if not reason or len(reason) > MAX_REASON:
        raise InvalidInput(
            f"A waiver needs a reason of 1 to {MAX_REASON} characters; this one has {len(reason)}.",
            next_step="Say in a sentence why the gate may be passed over; it is shown on every review.",
        )
    if not 0 < days <= longest_days:
        raise InvalidInput(
            f"A waiver of {days:g} days is not one of more than 0 and at most {longest_days:g} days.",
            next_step="Choose a shorter time; the gate policy says how long a waiver may last.",
        )
    return reason


def _get(unit: UnitOfWork, waiver_id: int) -> Waiver:
    row = rows.find_waiver(unit, waiver_id)
    if row is None:
        raise NotFound(f"There is no waiver {waiver_id}.", next_step="Look at the waivers of the version.")
    return _to_waiver(row)


def _to_waiver(row: Mapping[str, Any]) -> Waiver:
    same = ("id", "model", "version", "gate", "reason", "granted_by", "revoked_by")
    revoked_us = row["revoked_us"]
    return Waiver(
        **{key: row[key] for key in same},
        stage=Stage(row["stage"]),
        granted_at=from_micros(row["granted_us"]),
        expires_at=from_micros(row["expires_us"]),
        revoked_at=None if revoked_us is None else from_micros(revoked_us),
    )
