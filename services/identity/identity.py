"""Identity as the rest of the product sees it: one object that says who acts and what they may do."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from services.audit import AuditLog
from services.clock import Clock, utc_now
from services.errors import Forbidden
from services.identity.access import Access
from services.identity.accounts import Account, Accounts
from services.identity.actors import Actor, Permission, Role
from services.identity.credentials import Credentials
from services.identity.oidc import GroupMapping, OpenIdConnect
from services.identity.sessions import Sessions
from services.identity.sign_in import SignIn
from services.identity.tokens import Tokens
from services.store import Store


class Identity:
    """Who acts, and whether they may.

    Args:
        home: the folder that keeps the bootstrap token; by default `settings.home` of an installation.
        groups: which roles the groups of an identity provider stand for.
    """

    def __init__(
        self,
        store: Store,
        audit: AuditLog,
        *,
        clock: Clock = utc_now,
        home: Path = Path(".gatehouse"),
        groups: GroupMapping | None = None,
    ) -> None:
        self._store = store
        self._access = Access(store, audit)
        self.accounts = Accounts(store, audit, self._access, clock=clock)
        self.tokens = Tokens(store, audit, self._access, clock=clock)
        self.credentials = Credentials(store, audit, clock=clock, home=home)
        self.sessions = Sessions(store, audit, self._access, clock=clock)
        self.sign_in = SignIn(store, audit, self._access, self.sessions, clock=clock)
        self.oidc = OpenIdConnect(
            store, audit, self._access, self.sessions, groups=groups or GroupMapping(), clock=clock
        )

    def add_person(self, actor: Actor, name: str, roles: Iterable[Role]) -> tuple[Account, str]:
        """Add an account with a token for its owner, both or neither; raises as `Accounts.add`."""
        self._access.demand(actor, Permission.MANAGE_USERS, subject=f"person/{name}")
        with self._store.write() as unit:
            account = self.accounts.add_in(unit, actor, name, roles)
            token = self.tokens.issue_in(unit, actor, name)
            unit.commit()
        return account, token

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

    def get_caller(self, token: str | None, *, origin: str) -> Actor:
        """Return who calls from a command line: the holder of a token, or the system's user on an embedded store.

        Raises:
            Unauthenticated: the token is not good, or there is none and the store is shared.
        """
        return self.local_actor(origin) if token is None else self.actor_from_token(token, origin=origin)

    def actor_from_token(self, token: str, *, origin: str) -> Actor:
        """Return who holds an API token.

        Raises:
            Unauthenticated: it is unknown, expired or revoked, or the account is disabled.
        """
        return self.tokens.get_actor(token, origin=origin)

    def local_actor(self, origin: str) -> Actor:
        """Return the system's user as an admin, on an embedded store.

        Raises:
            Unauthenticated: the store is shared.
        """
        return self._access.local_actor(origin)
