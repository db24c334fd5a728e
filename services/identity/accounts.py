"""Accounts: people and services, their roles, their passwords, and the first admin of a fresh installation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.audit import AuditLog
from services.clock import Clock, from_micros, to_micros
from services.errors import Conflict, Forbidden, InvalidInput, NotFound
from services.identity.access import Access
from services.identity.actors import Actor, Permission, Role
from services.store import Store, UnitOfWork, sessions
from services.store import accounts as rows
from services.store.accounts import AccountRow

NOBODY = "anonymous"
"""Whom events call those who have not signed in."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,127}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person or service that may act; `signs_in_with` is `password`, `oidc` or, so far, `nothing`."""

    name: str
    roles: frozenset[Role]
    created_at: datetime
    disabled_at: datetime | None
    signs_in_with: str


class Accounts:
    """Every account of an installation. Each change to one is an event."""

    def __init__(self, store: Store, audit: AuditLog, access: Access, *, clock: Clock) -> None:
        self._store = store
        self._audit = audit
        self._access = access
        self._clock = clock

    def add(self, actor: Actor, name: str, roles: Iterable[Role]) -> Account:
        """Add an account, which signs in once it has a token or a password.

        Raises:
            Forbidden: the actor manages no users.
            InvalidInput: the name is not usable, or there is no role.
            Conflict: the name is taken.
        """
        self._access.demand(actor, Permission.MANAGE_USERS, subject=f"person/{name}")
        with self._store.write() as unit:
            account = self.add_in(unit, actor, name, roles)
            unit.commit()
        return account

    def add_in(self, unit: UnitOfWork, actor: Actor, name: str, roles: Iterable[Role]) -> Account:
        """Add an account in the caller's transaction, who has asked for permission; raises as `add`."""
        row = add_account(unit, name, _checked_roles(roles), now=self._clock())
        self._record(unit, actor, "account:person:added", name, after={"roles": sorted(row.roles)})
        return to_account(row)

    def get(self, name: str) -> Account:
        """Return an account.

        Raises:
            NotFound: there is none of that name.
        """
        with self._store.read() as unit:
            return to_account(get_row(unit, name))

    def is_empty(self) -> bool:
        """Return whether there is no account yet."""
        with self._store.read() as unit:
            return not rows.list_accounts(unit, after="", limit=1)

    def list_accounts(self, actor: Actor, *, after: str = "", limit: int = 100) -> Sequence[Account]:
        """Return accounts by name, from the first behind `after`.

        Raises:
            Forbidden: the actor neither manages users nor reads the audit log.
        """
        if Permission.READ_AUDIT not in actor.permissions:
            self._access.demand(actor, Permission.MANAGE_USERS, subject="person")
        with self._store.read() as unit:
            return [to_account(row) for row in rows.list_accounts(unit, after=after, limit=limit)]

    def set_roles(self, actor: Actor, name: str, roles: Iterable[Role], *, reason: str = "") -> Account:
        """Give an account exactly these roles.

        Raises:
            Forbidden: the actor manages no users, or it is the actor's own account.
            NotFound: there is none of that name.
            InvalidInput: there is no role.
        """
        self._demand_of_another(actor, name)
        wanted = _checked_roles(roles)
        with self._store.write() as unit:
            rows.lock_accounts(unit)
            before = get_row(unit, name)
            rows.update_account(unit, name, roles=wanted)
            self._record(
                unit,
                actor,
                "account:roles:changed",
                name,
                reason=reason,
                before={"roles": sorted(before.roles)},
                after={"roles": wanted},
            )
            unit.commit()
        return self.get(name)

    def disable(self, actor: Actor, name: str, *, reason: str = "") -> Account:
        """Let an account do nothing from now on: its sessions end, its tokens are refused.

        Raises:
            Forbidden: the actor manages no users, or it is the actor's own account.
            NotFound: there is none of that name.
        """
        self._demand_of_another(actor, name)
        return self._set_disabled(actor, name, to_micros(self._clock()), "disabled", reason)

    def enable(self, actor: Actor, name: str, *, reason: str = "") -> Account:
        """Let a disabled account act again.

        Raises:
            Forbidden: the actor manages no users, or it is the actor's own account.
            NotFound: there is none of that name.
        """
        self._demand_of_another(actor, name)
        return self._set_disabled(actor, name, None, "enabled", reason)

    def _set_disabled(self, actor: Actor, name: str, disabled_us: int | None, happened: str, reason: str) -> Account:
        with self._store.write() as unit:
            rows.lock_accounts(unit)
            before = get_row(unit, name)
            if (before.disabled_us is None) != (disabled_us is None):
                rows.update_account(unit, name, disabled_us=disabled_us)
                if disabled_us is not None:
                    sessions.end_sessions(unit, name, now_us=disabled_us, reason="the account was disabled")
                self._record(unit, actor, f"account:person:{happened}", name, reason=reason)
                unit.commit()
        return self.get(name)

    def _demand_of_another(self, actor: Actor, name: str) -> None:
        self._access.demand(actor, Permission.MANAGE_USERS, subject=f"person/{name}")
        if actor.name == name:
            self._access.refuse(
                actor,
                f"person/{name}",
                Forbidden("Nobody changes their own account.", next_step="Ask another admin."),
            )

    def _record(self, unit: UnitOfWork, actor: Actor, action: str, name: str, **details: Any) -> None:
        self._audit.record(unit, actor=actor, action=action, subject=f"person/{name}", **details)


def add_account(
    unit: UnitOfWork,
    name: str,
    roles: Sequence[str],
    *,
    now: datetime,
    password_hash: str | None = None,
    issuer: str | None = None,
    issuer_subject: str | None = None,
) -> AccountRow:
    """Insert an account under a name that is usable and free; whoever calls records it.

    Raises:
        InvalidInput: the name is not usable.
        Conflict: the name is taken.
    """
    if not is_usable_name(name) or name == NOBODY:
        raise InvalidInput(
            f"The account name {name!r} is not usable.",
            next_step="Use lower-case letters, digits and . _ @ + -, beginning with a letter or digit.",
        )
    row = AccountRow(
        name=name,
        roles=list(roles),
        created_us=to_micros(now),
        password_hash=password_hash,
        issuer=issuer,
        issuer_subject=issuer_subject,
    )
    rows.lock_accounts(unit)
    if rows.find_account(unit, name) is not None:
        raise Conflict(f"There is an account {name!r} already.", next_step="Choose another name, or change its roles.")
    rows.add_account(unit, row)
    return row


def is_usable_name(name: str) -> bool:
    """Return whether an account can have a name."""
    return _NAME.fullmatch(name) is not None


def get_row(unit: UnitOfWork, name: str) -> AccountRow:
    """Return the row of an account.

    Raises:
        NotFound: there is none of that name.
    """
    row = rows.find_account(unit, name)
    if row is None:
        raise NotFound(f"There is no account {name!r}.", next_step="`gatehouse users list` shows them.")
    return row


def to_account(row: AccountRow) -> Account:
    """Return the value of a row."""
    return Account(
        name=row.name,
        roles=frozenset(Role(role) for role in row.roles),
        created_at=from_micros(row.created_us),
        disabled_at=None if row.disabled_us is None else from_micros(row.disabled_us),
        signs_in_with="oidc" if row.issuer else "password" if row.password_hash else "nothing",
    )


def _checked_roles(roles: Iterable[Role]) -> list[str]:
    checked = sorted({Role(role).value for role in roles})
    if not checked:
        raise InvalidInput("An account needs a role.", next_step=f"Choose from {', '.join(Role)}.")
    return checked
