"""Deprecating a version: recorded, written to the registry, read back, recorded again.

Every write is idempotent, so after a crash anywhere the same call finishes what was begun.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from services.audit import AuditLog
from services.clock import Clock
from services.errors import Conflict, InvalidInput
from services.identity import Actor, Identity, Permission
from services.lineage.sunset import (
    DEPRECATED,
    REPLACEMENT,
    SUNSET_ON,
    Sunset,
    check_may_serve,
    find_sunset,
    prefix_description,
    strip_description,
)
from services.registry.port import Registry
from services.registry.values import ModelVersion
from services.store import Store

REMINDER_DAYS = (30, 14, 7, 1, 0)
_MAX_REASON = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminder:
    """A sunset that comes near, or has come."""

    version: ModelVersion
    sunset: Sunset
    days_left: int


class Deprecations:
    """Declares and withdraws deprecations, and reminds of them."""

    def __init__(self, registry: Registry, store: Store, audit: AuditLog, identity: Identity, *, clock: Clock) -> None:
        self._registry = registry
        self._store = store
        self._audit = audit
        self._identity = identity
        self._clock = clock

    def declare(
        self, actor: Actor, version: ModelVersion, *, sunset: date, replacement: ModelVersion | None, reason: str
    ) -> ModelVersion:
        """Deprecate a version, or change when and what for, and return it as the registry holds it.

        Raises:
            Forbidden: the actor may neither write nor archive models.
            InvalidInput: the sunset is past, there is no reason, or the replacement is itself or deprecated too.
            Unreachable: the registry does not answer; the same call again finishes it.
        """
        self._demand(actor, version)
        self._check(version, sunset, replacement, reason)
        written = {DEPRECATED: "true", SUNSET_ON: sunset.isoformat()}
        if replacement is not None:
            is_sibling = replacement.name == version.name
            written[REPLACEMENT] = str(replacement.version) if is_sibling else replacement.reference
        self._record(actor, version, "deprecation:started", reason, before=_told(version), after=written)
        for key, value in written.items():
            self._registry.set_version_tag(version.name, version.version, key, value)
        if replacement is None:
            self._registry.delete_version_tag(version.name, version.version, REPLACEMENT)
        self._describe(version, prefix_description(version.description, sunset))
        return self._finish(actor, version, "deprecation:declared", reason)

    def withdraw(self, actor: Actor, version: ModelVersion, *, reason: str) -> ModelVersion:
        """Take a deprecation back, and return the version as the registry holds it.

        Raises:
            Forbidden: the actor may neither write nor archive models.
            Conflict: the version is not deprecated.
            InvalidInput: there is no reason.
            Unreachable: the registry does not answer; the same call again finishes it.
        """
        self._demand(actor, version)
        _check_reason(reason)
        if find_sunset(version.name, version.tags) is None:
            raise Conflict(f"{version.reference} is not deprecated.", next_step="Nothing has to be done.")
        self._record(actor, version, "deprecation:withdrawal_started", reason, before=_told(version), after={})
        self._describe(version, strip_description(version.description))
        # The tag that says it is deprecated goes last: until then, the same call again finds something to take back.
        for key in (REPLACEMENT, SUNSET_ON, DEPRECATED):
            self._registry.delete_version_tag(version.name, version.version, key)
        return self._finish(actor, version, "deprecation:withdrawn", reason)

    def check_may_serve(self, version: ModelVersion) -> None:
        """Let pass only a version whose sunset has not come; pins and promotions ask this.

        Raises:
            Blocked: it has come.
        """
        check_may_serve(version, self._today())

    def remind(self, versions: Iterable[ModelVersion], *, actor: Actor) -> list[Reminder]:
        """Record an event for each deprecated version whose sunset comes near, once a threshold, and return them.

        The thresholds are 30, 14, 7, 1 and 0 days; of several that have passed unseen, only the nearest counts.
        """
        due = [reminder for version in versions if (reminder := self._find_reminder(version)) is not None]
        with self._store.write() as unit:
            for reminder in due:
                version, sunset = reminder.version, reminder.sunset
                passed = min(days for days in REMINDER_DAYS if reminder.days_left <= days)
                self._audit.record(
                    unit,
                    actor=actor,
                    action="version:sunset:near" if reminder.days_left > 0 else "version:sunset:reached",
                    subject=version.reference,
                    model=version.name,
                    after={"sunset_on": str(sunset.on), "replacement": sunset.replacement},
                    event_id=f"sunset:{version.reference}:{version.created_at.isoformat()}:{sunset.on}:{passed}",
                )
            unit.commit()
        return due

    def _find_reminder(self, version: ModelVersion) -> Reminder | None:
        sunset = find_sunset(version.name, version.tags)
        days = None if sunset is None else sunset.days_left(self._today())
        if sunset is None or days is None or days > max(REMINDER_DAYS):
            return None
        return Reminder(version=version, sunset=sunset, days_left=days)

    def _check(self, version: ModelVersion, sunset: date, replacement: ModelVersion | None, reason: str) -> None:
        _check_reason(reason)
        if sunset < self._today():
            raise InvalidInput(f"The sunset {sunset} is past.", next_step="Name today or a later day.")
        if replacement is None:
            return
        if replacement.reference == version.reference:
            raise InvalidInput(f"{version.reference} cannot replace itself.", next_step="Name another version.")
        if find_sunset(replacement.name, replacement.tags) is not None:
            raise InvalidInput(
                f"The replacement {replacement.reference} is deprecated too.", next_step="Name a version that stays."
            )

    def _demand(self, actor: Actor, version: ModelVersion) -> None:
        if Permission.ARCHIVE_MODEL not in actor.permissions:
            self._identity.demand(actor, Permission.WRITE_MODEL, subject=version.reference)

    def _describe(self, version: ModelVersion, description: str) -> None:
        if description != version.description:
            self._registry.set_version_description(version.name, version.version, description)

    def _finish(self, actor: Actor, version: ModelVersion, what: str, reason: str) -> ModelVersion:
        found = self._registry.get_version(version.name, version.version)
        self._record(actor, version, what, reason, before=_told(version), after=_told(found))
        return found

    def _record(self, actor: Actor, version: ModelVersion, what: str, reason: str, *, before: Any, after: Any) -> None:
        with self._store.write() as unit:
            self._audit.record(
                unit,
                actor=actor,
                action=f"version:{what}",
                subject=version.reference,
                model=version.name,
                reason=reason.strip(),
                before=before,
                after=after,
            )
            unit.commit()

    def _today(self) -> date:
        return self._clock().date()


def _told(version: ModelVersion) -> dict[str, str]:
    return {key: version.tags[key] for key in (DEPRECATED, SUNSET_ON, REPLACEMENT) if key in version.tags}


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise InvalidInput("A reason is needed.", next_step="Say in a sentence why; it is kept with the deprecation.")
    if len(reason) > _MAX_REASON:
        raise InvalidInput(
            f"The reason has {len(reason)} characters; {_MAX_REASON} are kept.", next_step="Shorten it or link to it."
        )
