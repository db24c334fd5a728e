"""Identity as the rest of the product sees it: one object that says who acts and what they may do."""

from __future__ import annotations

from typing import NoReturn

from services.audit import AuditLog
from services.clock import Clock, utc_now
from services.errors import Forbidden
from services.identity.access import Access
from services.identity.actors import Actor, Permission
from services.store import Store


class Identity:
    """Who acts, and whether they may."""

    def __init__(self, store: Store, audit: AuditLog, *, clock: Clock = utc_now) -> None:
        self._access = Access(store, audit)
        self._clock = clock

    def demand(self, actor: Actor, permission: Permission, *, subject: str) -> None:
        """Let pass only an actor who holds `permission`; see `Access.demand`.

        Raises:
            Forbidden: the actor lacks it; the refusal is in the audit log by then.
        """
        self._access.demand(actor, permission, subject=subject)

    def refuse(self, actor: Actor, subject: str, error: Forbidden) -> NoReturn:
        """Record a refusal that follows from a rule rather than a permission, and raise it.

        Raises:
            Forbidden: always.
        """
        self._access.refuse(actor, subject, error)

    def local_actor(self, origin: str) -> Actor:
        """Return the system's user as an admin, on an embedded store.

        Raises:
            Unauthenticated: the store is shared.
        """
        return self._access.local_actor(origin)
