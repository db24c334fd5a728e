"""The one place where permission is asked for: what is refused is an event, written before the refusal is raised."""

from __future__ import annotations

import os
import pwd
from typing import NoReturn

from services.audit import AuditLog
from services.audit.log import MAX_NAME_BYTES
from services.errors import Forbidden, Unauthenticated
from services.identity.actors import Actor, Permission, Role, roles_that_grant
from services.store import Store


class Access:
    """Says yes or no to an actor, and remembers every no."""

    def __init__(self, store: Store, audit: AuditLog) -> None:
        self._store = store
        self._audit = audit

    def demand(self, actor: Actor, permission: Permission, *, subject: str) -> None:
        """Let pass only an actor who holds `permission`.

        Args:
            actor: who acts.
            permission: what the action needs.
            subject: the reference of what it is about, such as `fraud_detector/7`.

        Raises:
            Forbidden: the actor lacks it; the refusal is in the audit log by then.
        """
        if permission not in actor.permissions:
            roles = ", ".join(roles_that_grant(permission))
            self.refuse(
                actor,
                subject,
                Forbidden(
                    f"{actor.name} may not {permission.replace('_', ' ')} (asked for on {subject}).",
                    next_step=f"Ask somebody with the role {roles} to do it, or an admin for that role.",
                ),
                permission=permission,
            )

    def refuse(self, actor: Actor, subject: str, error: Forbidden, *, permission: Permission | None = None) -> NoReturn:
        """Record a refusal in a transaction of its own, then raise it.

        Raises:
            Forbidden: always, and it is `error`.
        """
        with self._store.write() as unit:
            self._audit.record(
                unit,
                actor=actor,
                action="access:permission:refused",
                # However odd it is: what cannot be recorded would not be refused as what it is.
                subject=subject.replace("\0", "").encode()[:MAX_NAME_BYTES].decode(errors="ignore"),
                reason=error.message,
                after={"permission": permission, "roles": sorted(actor.roles)},
            )
            unit.commit()
        raise error

    def local_actor(self, origin: str) -> Actor:
        """Return who acts without a token on an embedded store: the system's user, as an admin.

        Raises:
            Unauthenticated: the store is shared, so the system's user proves nothing.
        """
        if not self._store.is_embedded:
            raise Unauthenticated(
                "A shared store asks who you are, and no token was given.",
                next_step="Set GATEHOUSE_TOKEN to a token from `gatehouse tokens issue`.",
            )
        return system_user(origin)


def system_user(origin: str) -> Actor:
    """Return the system's user as an admin, where nothing else could say who acts."""
    # From the process, not from the environment: USER can be set to anything. Clusters run ids that nobody has named.
    number = os.geteuid()
    try:
        user = pwd.getpwuid(number).pw_name
    except KeyError:
        user = str(number)
    return Actor(name=f"local:{user}", roles=frozenset({Role.ADMIN}), origin=origin)
