"""API tokens: random, kept as a hash, limited to permissions where asked, expiring, revocable.

A token acts as its account and is looked up at every use, so revoking it, disabling the account or taking a role away
works at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.audit import AuditLog
from services.clock import Clock, from_micros, to_micros, to_text
from services.errors import Conflict, InvalidInput, Unauthenticated
from services.identity.access import Access
from services.identity.accounts import add_account, get_row
from services.identity.actors import Actor, Permission, Role
from services.identity.opaque import digest, find_token_id, new_token
from services.store import Store, UnitOfWork
from services.store import accounts as rows
from services.store.accounts import AccountRow, TokenRow

DEFAULT_LIFE = timedelta(days=90)
LONGEST_LIFE = timedelta(days=366)
USE_RESOLUTION = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """A token without its secret; `scopes` None is everything the account may do."""

    id: str
    account: str
    scopes: frozenset[Permission] | None
    created_at: datetime
    created_by: str
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


class Tokens:
    """Every API token of an installation."""

    def __init__(self, store: Store, audit: AuditLog, access: Access, *, clock: Clock) -> None:
        self._store = store
        self._audit = audit
        self._access = access
        self._clock = clock

    def issue(
        self,
        actor: Actor,
        name: str,
        *,
        scopes: Iterable[Permission] | None = None,
        life: timedelta = DEFAULT_LIFE,
    ) -> str:
        """Return a new token for an account; it is shown this once.

        A name without an account becomes a service account that may read production models and nothing else.

        Args:
            actor: somebody who manages users, or whose account it is, so that a token can be renewed by itself.
            name: the account's name.
            scopes: the permissions it is limited to; None is all that the account has, now and later.
            life: how long it is good for.

        Raises:
            Forbidden: the actor may not issue tokens for this account.
            InvalidInput: the life is not between a moment and a year, the scopes are empty, or the name not usable.
            Conflict: the account is disabled.
        """
        if not timedelta(0) < life <= LONGEST_LIFE:
            raise InvalidInput(f"A token cannot live for {life}.", next_step="Choose from a moment to 366 days.")
        limited = None if scopes is None else sorted({Permission(scope).value for scope in scopes})
        if limited == []:
            raise InvalidInput("A token without any permission is of no use.", next_step="Name at least one.")
        self._demand_over(actor, name)
        with self._store.write() as unit:
            rows.lock_accounts(unit)
            self._find_or_add(unit, actor, name, self._clock())
            token = self.issue_in(unit, actor, name, limited=limited, life=life)
            unit.commit()
        return token

    def issue_in(
        self,
        unit: UnitOfWork,
        actor: Actor,
        name: str,
        *,
        limited: list[str] | None = None,
        life: timedelta = DEFAULT_LIFE,
    ) -> str:
        """Return a new token for an account that is there, in the transaction of a caller who may issue it."""
        now = self._clock()
        token, token_id = new_token()
        rows.add_token(
            unit,
            TokenRow(
                id=token_id,
                account=name,
                digest=digest(token),
                scopes=limited,
                created_us=to_micros(now),
                created_by=actor.name,
                expires_us=to_micros(now + life),
            ),
        )
        after = {"account": name, "scopes": limited, "expires_at": to_text(now + life)}
        self._audit.record(unit, actor=actor, action="token:secret:issued", subject=f"token/{token_id}", after=after)
        return token

    def revoke(self, actor: Actor, reference: str, *, reason: str = "") -> Sequence[str]:
        """Revoke a token by its id or by itself, or every token of an account by name; returns their ids.

        Raises:
            NotFound: there is no such token or account.
            Forbidden: the actor neither manages users nor owns it.
        """
        with self._store.read() as unit:
            row = rows.find_token(unit, find_token_id(reference) or reference)
            owner = row.account if row else get_row(unit, reference).name
        self._demand_over(actor, owner)
        with self._store.write() as unit:
            rows.lock_accounts(unit)
            live = [token for token in self._all_of(unit, owner) if token.revoked_us is None]
            revoked = [token.id for token in live if row is None or token.id == row.id]
            for token_id in revoked:
                rows.update_token(unit, token_id, revoked_us=to_micros(self._clock()))
                self._audit.record(
                    unit,
                    actor=actor,
                    action="token:secret:revoked",
                    subject=f"token/{token_id}",
                    reason=reason,
                    before={"account": owner},
                )
            unit.commit()
        return revoked

    def list_tokens(
        self, actor: Actor, *, account: str | None = None, after: str = "", limit: int = 100
    ) -> Sequence[ApiToken]:
        """Return tokens by id, of an account or of all, from the first behind `after`.

        Raises:
            Forbidden: they are not the actor's own, and the actor neither manages users nor reads the audit log.
        """
        if (account is None or account != actor.name) and Permission.READ_AUDIT not in actor.permissions:
            self._access.demand(actor, Permission.MANAGE_USERS, subject="token")
        with self._store.read() as unit:
            return [_to_token(row) for row in rows.list_tokens(unit, owner=account, after=after, limit=limit)]

    def get_actor(self, token: str, *, origin: str) -> Actor:
        """Return who holds a token.

        Raises:
            Unauthenticated: it is unknown, expired or revoked, or the account is disabled.
        """
        now = self._clock()
        with self._store.read() as unit:
            row, account = check_token(unit, token, now)
        if row.used_us is None or now - from_micros(row.used_us) >= USE_RESOLUTION:
            with self._store.write() as unit:
                rows.update_token(unit, row.id, used_us=to_micros(now))
                unit.commit()
        return Actor(
            name=account.name,
            roles=frozenset(Role(role) for role in account.roles),
            origin=origin,
            scopes=_to_scopes(row),
        )

    def _demand_over(self, actor: Actor, name: str) -> None:
        # A limited token must not issue itself a wider one.
        if actor.name != name or actor.scopes is not None:
            self._access.demand(actor, Permission.MANAGE_USERS, subject=f"person/{name}")

    def _find_or_add(self, unit: UnitOfWork, actor: Actor, name: str, now: datetime) -> None:
        row = rows.find_account(unit, name)
        if row is None:
            row = add_account(unit, name, [Role.SERVICE_ACCOUNT.value], now=now)
            self._audit.record(
                unit, actor=actor, action="account:person:added", subject=f"person/{name}", after={"roles": row.roles}
            )
        if row.disabled_us is not None:
            raise Conflict(f"The account {name!r} is disabled.", next_step="Enable it first.")

    @staticmethod
    def _all_of(unit: UnitOfWork, owner: str) -> list[TokenRow]:
        found: list[TokenRow] = []
        while page := rows.list_tokens(unit, owner=owner, after=found[-1].id if found else "", limit=500):
            found.extend(page)
        return found


def check_token(unit: UnitOfWork, token: str, now: datetime) -> tuple[TokenRow, AccountRow]:
    """Return a token that is good at a moment, and its account.

    Raises:
        Unauthenticated: it is unknown, expired or revoked, or the account is disabled.
    """
    row = rows.find_token(unit, find_token_id(token) or "")
    if row is None or row.digest != digest(token):
        raise _refused("The token is not known")
    if row.revoked_us is not None:
        raise _refused(f"The token {row.id} was revoked")
    if now >= from_micros(row.expires_us):
        raise _refused(f"The token {row.id} expired on {from_micros(row.expires_us):%Y-%m-%d}")
    account = get_row(unit, row.account)
    if account.disabled_us is not None:
        raise _refused(f"The account {account.name} is disabled")
    return row, account


def _refused(why: str) -> Unauthenticated:
    return Unauthenticated(
        f"{why}.", next_step="Ask an admin for a new token (`gatehouse tokens issue`) and set GATEHOUSE_TOKEN to it."
    )


def _to_scopes(row: TokenRow) -> frozenset[Permission] | None:
    return None if row.scopes is None else frozenset(Permission(scope) for scope in row.scopes)


def _to_token(row: TokenRow) -> ApiToken:
    return ApiToken(
        id=row.id,
        account=row.account,
        scopes=_to_scopes(row),
        created_at=from_micros(row.created_us),
        created_by=row.created_by,
        expires_at=from_micros(row.expires_us),
        used_at=None if row.used_us is None else from_micros(row.used_us),
        revoked_at=None if row.revoked_us is None else from_micros(row.revoked_us),
    )
