"""Backups as people reach them: who may make one and put one back, each of which is an event.

A store that cannot be opened has nobody to ask, so an embedded one is restored by the system's user, who could replace
its file anyway. A shared store asks for a token as always, unless it holds no account yet, as a new database does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from services.audit import AuditLog
from services.audit.backup import Backup, create_backup
from services.audit.restore import Restored, restore_backup
from services.clock import Clock
from services.identity.access import system_user
from services.identity.actors import Actor, Permission
from services.identity.identity import Identity
from services.store import Store

_SUBJECT = "store"


class Keeping:
    """Making and restoring backups with the permission it takes."""

    def __init__(self, store: Store, audit: AuditLog, identity: Identity, *, clock: Clock) -> None:
        self._store = store
        self._audit = audit
        self._identity = identity
        self._clock = clock

    def create(self, actor: Actor, path: Path, *, artifacts: Mapping[str, str]) -> Backup:
        """Write a backup, in which stands the event that it was begun, verify it, and record that there is one.

        Args:
            artifacts: the digest of each version's model folder, by reference.

        Raises:
            Forbidden: the actor manages no settings.
            Unverified: the log disagrees with itself or its last checkpoint.
            Unreachable: the store does not answer.
            InvalidInput: a file cannot be written.
        """
        self._identity.demand(actor, Permission.MANAGE_SETTINGS, subject=_SUBJECT)
        about = {"file": path.name, "artifacts": len(artifacts)}
        self._record(actor, "started", about)
        made = create_backup(self._audit, path, clock=self._clock, artifacts=artifacts)
        self._record(actor, "created", {**about, "events": made.size, "root": made.checkpoint.root.hex()})
        return made

    def restore(self, path: Path, *, token: str | None, origin: str, notes: Iterable[str] = ()) -> Restored:
        """Put a backup in place of the store, and of the pins and shadow states in the home.

        Args:
            token: the caller's, if there is one.
            notes: signed checkpoints from the registry, which the backup may be older than.

        Raises:
            Unauthenticated: the store asks who calls, and the token is not good.
            Forbidden: the caller manages no settings.
            Unverified: something in the backup is not as it was signed; nothing is changed then.
        """
        actor = self._get_restorer(token, origin)
        return restore_backup(self._store, path, home=self._audit.home, actor=actor, clock=self._clock, notes=notes)

    def _record(self, actor: Actor, what: str, after: Mapping[str, Any]) -> None:
        with self._store.write() as unit:
            self._audit.record(unit, actor=actor, action=f"store:backup:{what}", subject=_SUBJECT, after=after)
            unit.commit()

    def _get_restorer(self, token: str | None, origin: str) -> Actor:
        if not self._store.is_embedded and self._identity.accounts.is_empty():
            return system_user(origin)
        actor = self._identity.get_caller(token, origin=origin)
        self._identity.demand(actor, Permission.MANAGE_SETTINGS, subject=_SUBJECT)
        return actor
