"""Signing in through OpenID Connect: the claims of an identity token stand for a session of ours.

The identity token is Streamlit's to verify; what it does not do is end. So the first sight of a token begins a session,
known by the hash of (iss, sub, nonce, iat), and every later sight is held to that session's limits. An account belongs
to (iss, sub): an e-mail address that equals the name of another account is no claim on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeGuard

from services.audit import AuditLog, Personal
from services.clock import Clock, from_micros
from services.errors import Forbidden, Unauthenticated
from services.identity.access import Access
from services.identity.accounts import NOBODY, add_account
from services.identity.actors import Actor, Role
from services.identity.opaque import digest
from services.identity.sessions import ABSOLUTE_LIFE, Sessions
from services.store import Store, UnitOfWork, accounts, sessions
from services.store.accounts import AccountRow

CLOCK_SKEW = timedelta(minutes=5)
_YEAR_9999_S = 253_370_764_800


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMapping:
    """Which roles the groups of an identity provider stand for.

    Args:
        claim: the claim of the identity token that lists groups.
        roles: group to roles, applied at every sign-in; empty leaves roles to the admins here.
    """

    claim: str = "groups"
    roles: Mapping[str, frozenset[Role]] = field(default_factory=dict)


class OpenIdConnect:
    """Holds identity tokens to sessions."""

    def __init__(
        self,
        store: Store,
        audit: AuditLog,
        access: Access,
        sessions: Sessions,
        *,
        groups: GroupMapping,
        clock: Clock,
    ) -> None:
        self._store = store
        self._audit = audit
        self._access = access
        self._sessions = sessions
        self._groups = groups
        self._clock = clock

    def get_actor(self, claims: Mapping[str, Any], *, origin: str, is_active: bool = True) -> Actor:
        """Return who an identity token stands for, beginning a session at its first sight.

        Args:
            claims: the verified claims, as `st.user` holds them.
            origin: where the request came from.
            is_active: whether a person did something; a page that refreshes itself keeps no session alive.

        Raises:
            Unauthenticated: the token identifies no sign-in, is too old, or its session has ended.
            Forbidden: the name belongs to another account, or no group stands for a role.
        """
        token = _parse(claims)
        with self._store.read() as unit:
            is_known = sessions.find_session(unit, token.digest) is not None
        if not is_known:
            self._begin(token, origin)
        return self._sessions.get_actor_of(token.digest, origin=origin, is_active=is_active)

    def sign_out(self, claims: Mapping[str, Any], *, origin: str) -> None:
        """End the session of an identity token; the same token is refused from now on."""
        self._sessions.end(_parse(claims).digest, origin=origin)

    def _begin(self, token: _IdentityToken, origin: str) -> None:
        now = self._clock()
        if not now - ABSOLUTE_LIFE < token.issued_at <= now + CLOCK_SKEW:
            raise Unauthenticated("This sign-in is too old, or from the future.", next_step="Sign out and in again.")
        roles = self._roles_of(token)
        with self._store.write() as unit:
            accounts.lock_accounts(unit)
            if sessions.find_session(unit, token.digest) is not None:
                return
            if token.issued_at < from_micros(sessions.find_ended_us(unit)):
                # It may have been signed out of: the backup does not know.
                raise Unauthenticated(
                    "This sign-in is from before a backup was restored.", next_step="Sign out and in again."
                )
            account = accounts.find_account_of_subject(unit, token.issuer, token.subject)
            if account is None and accounts.find_account(unit, token.name) is None:
                account = self._add(unit, token, roles, origin)
            elif account is not None and roles is not None and roles != sorted(account.roles):
                account = self._change_roles(unit, account, roles, origin)
            obstacle = _find_obstacle(token, account)
            if account is not None and obstacle is None:
                expires_at = min(now, token.issued_at) + ABSOLUTE_LIFE
                self._sessions.begin_as(unit, token.digest, account, way="oidc", origin=origin, expires_at=expires_at)
            unit.commit()
        if obstacle is not None:
            anonymous = Actor(name=NOBODY, roles=frozenset(), origin=origin)
            self._access.refuse(anonymous, f"person/{token.name}", obstacle)

    def _roles_of(self, token: _IdentityToken) -> list[str] | None:
        if not self._groups.roles:
            return None
        groups = token.claims.get(self._groups.claim, ())
        listed = [groups] if isinstance(groups, str) else groups if isinstance(groups, Sequence) else ()
        granted = (self._groups.roles.get(group, frozenset()) for group in listed if isinstance(group, str))
        return sorted({role.value for roles in granted for role in roles})

    def _add(self, unit: UnitOfWork, token: _IdentityToken, roles: list[str] | None, origin: str) -> AccountRow:
        bound = {"issuer": token.issuer, "issuer_subject": token.subject}
        account = add_account(unit, token.name, roles or [], now=self._clock(), **bound)
        after = {"roles": account.roles, "issuer": token.issuer, "issuer_subject": Personal(token.subject)}
        self._record(unit, account, "account:person:added", origin, after=after)
        return account

    def _change_roles(self, unit: UnitOfWork, account: AccountRow, roles: list[str], origin: str) -> AccountRow:
        accounts.update_account(unit, account.name, roles=roles)
        before, after = {"roles": sorted(account.roles)}, {"roles": roles}
        self._record(unit, account, "account:roles:changed", origin, before=before, after=after)
        return accounts.find_account(unit, account.name) or account

    def _record(self, unit: UnitOfWork, account: AccountRow, action: str, origin: str, **details: Any) -> None:
        provider = Actor(name="system:oidc", roles=frozenset(), origin=origin)
        self._audit.record(
            unit,
            actor=provider,
            action=action,
            subject=f"person/{account.name}",
            reason="as the identity provider says",
            **details,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _IdentityToken:
    issuer: str
    subject: str
    name: str
    issued_at: datetime
    digest: str
    claims: Mapping[str, Any]


def _parse(claims: Mapping[str, Any]) -> _IdentityToken:
    texts = [claims.get(name) for name in ("iss", "sub", "nonce")]
    issued_at = claims.get("iat")
    if not all(isinstance(text, str) and text for text in texts) or not _is_moment(issued_at):
        raise Unauthenticated(
            "The identity token names no issuer, subject, nonce or time, so it identifies no sign-in.",
            next_step="Have the identity provider include iss, sub, nonce and iat.",
        )
    issuer, subject, nonce = (str(text) for text in texts)
    return _IdentityToken(
        issuer=issuer,
        subject=subject,
        name=_name_of(claims),
        issued_at=datetime.fromtimestamp(issued_at, UTC),
        digest=digest(issuer, subject, nonce, str(issued_at)),
        claims=claims,
    )


def _is_moment(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and 0 <= value < _YEAR_9999_S


def _name_of(claims: Mapping[str, Any]) -> str:
    email = claims.get("email") if claims.get("email_verified", True) is True else None
    return str(email or claims.get("preferred_username") or claims.get("sub")).lower()


def _find_obstacle(token: _IdentityToken, account: AccountRow | None) -> Forbidden | None:
    if account is None:
        return Forbidden(
            f"The name {token.name} belongs to another account here.",
            next_step="Ask an admin to disable or rename one of them.",
        )
    if account.disabled_us is not None:
        return Forbidden(f"The account {account.name} is disabled.", next_step="Ask an admin.")
    if not account.roles:
        return Forbidden(
            f"{account.name} has no role here yet.",
            next_step="Ask an admin for one, or to map a group of the identity provider to it.",
        )
    return None
