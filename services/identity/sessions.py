"""Sessions live in the store: eight hours at most, thirty minutes unused, ended at once from anywhere.

A session of our own sign-in is known by the hash of its cookie. One of OpenID Connect is known by the hash of
(iss, sub, nonce, iat): Streamlit keeps that cookie for 30 days and accepts it again after a sign-out, so a session that
has ended stays refused, and an identity token older than a session may last begins none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.audit import AuditLog
from services.clock import Clock, from_micros, to_micros
from services.errors import NotFound, Unauthenticated
from services.identity.access import Access
from services.identity.accounts import get_row
from services.identity.actors import Actor, Permission, Role
from services.identity.opaque import digest, new_secret
from services.store import Store, UnitOfWork
from services.store import sessions as rows
from services.store.accounts import AccountRow
from services.store.sessions import SessionRow

ABSOLUTE_LIFE = timedelta(hours=8)
IDLE_LIFE = timedelta(minutes=30)
SEEN_RESOLUTION = timedelta(minutes=1)
KEPT_AFTER_EXPIRY = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A session that has just begun; the cookie is known to nobody else, and only here."""

    cookie: str
    actor: Actor
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Where somebody is signed in; `id` names it to end it, and signs nobody in."""

    id: str
    way: str
    origin: str
    started_at: datetime
    seen_at: datetime
    expires_at: datetime


class Sessions:
    """Every session of an installation."""

    def __init__(self, store: Store, audit: AuditLog, access: Access, *, clock: Clock) -> None:
        self._store = store
        self._audit = audit
        self._access = access
        self._clock = clock

    def get_actor(self, cookie: str, *, origin: str, is_active: bool = True) -> Actor:
        """Return who is signed in, with the roles of this moment.

        Args:
            cookie: what `SignedIn` gave.
            origin: where the request came from.
            is_active: whether a person did something; a page that refreshes itself keeps no session alive.

        Raises:
            Unauthenticated: there is no such session, it has ended, or the account is disabled.
        """
        return self.get_actor_of(digest(cookie), origin=origin, is_active=is_active)

    def get_actor_of(self, session_digest: str, *, origin: str, is_active: bool = True) -> Actor:
        """Return who is signed in, by the digest that names the session; see `get_actor`."""
        now = self._clock()
        with self._store.read() as unit:
            row = rows.find_session(unit, session_digest)
            if row is None:
                raise Unauthenticated("Nobody is signed in.", next_step="Sign in.")
            account = get_row(unit, row.account)
        check_session(row, account, now)
        if is_active and now - from_micros(row.seen_us) >= SEEN_RESOLUTION:
            with self._store.write() as unit:
                rows.update_session(unit, session_digest, seen_us=to_micros(now))
                unit.commit()
        return to_actor(account, origin)

    def sign_out(self, cookie: str, *, origin: str) -> None:
        """End a session; one that has ended or never was is fine."""
        self.end(digest(cookie), origin=origin)

    def end(self, session_digest: str, *, origin: str) -> None:
        """End a session by its digest on behalf of whoever holds it; one that has ended or never was is fine."""
        with self._store.write() as unit:
            row = rows.find_session(unit, session_digest)
            if row is None or row.ended_us is not None:
                return
            self._end(unit, row, to_actor(get_row(unit, row.account), origin), "signed out")
            unit.commit()

    def end_all(self, actor: Actor, account: str) -> int:
        """Sign an account out everywhere; returns how many sessions ended.

        Raises:
            Forbidden: it is not the actor's own account, and the actor manages no users.
        """
        self._demand_over(actor, account)
        with self._store.write() as unit:
            ended = rows.end_sessions(unit, account, now_us=to_micros(self._clock()), reason="signed out everywhere")
            self._audit.record(
                unit,
                actor=actor,
                action="session:everywhere:ended",
                subject=f"person/{account}",
                after={"sessions": ended},
            )
            unit.commit()
        return ended

    def end_one(self, actor: Actor, session_id: str) -> None:
        """End one session by its id.

        Raises:
            NotFound: there is none of that id.
            Forbidden: it is not the actor's own, and the actor manages no users.
        """
        with self._store.read() as unit:
            row = rows.find_session(unit, session_id)
        if row is None:
            raise NotFound("There is no such session.", next_step="Look at the list again.")
        self._demand_over(actor, row.account)
        with self._store.write() as unit:
            # Looked at again: it may have ended meanwhile.
            self._end(unit, rows.find_session(unit, session_id) or row, actor, f"ended by {actor.name}")
            unit.commit()

    def list_open(self, actor: Actor, account: str) -> list[Session]:
        """Return where an account is signed in, oldest first.

        Raises:
            Forbidden: it is not the actor's own account, and the actor manages no users.
        """
        self._demand_over(actor, account)
        now = self._clock()
        with self._store.read() as unit:
            found = rows.list_open_sessions(unit, account, now_us=to_micros(now))
        return [_to_session(row) for row in found if now - from_micros(row.seen_us) < IDLE_LIFE]

    def begin(self, unit: UnitOfWork, account: AccountRow, *, way: str, origin: str) -> SignedIn:
        """Begin a session with a new cookie in the caller's transaction, and record it."""
        cookie = new_secret()
        expires_at = self._clock() + ABSOLUTE_LIFE
        self.begin_as(unit, digest(cookie), account, way=way, origin=origin, expires_at=expires_at)
        return SignedIn(cookie=cookie, actor=to_actor(account, origin), expires_at=expires_at)

    def begin_as(
        self, unit: UnitOfWork, session_digest: str, account: AccountRow, *, way: str, origin: str, expires_at: datetime
    ) -> None:
        """Begin a session under a digest in the caller's transaction, and record it."""
        now = self._clock()
        rows.forget_sessions(unit, expired_before_us=to_micros(now - KEPT_AFTER_EXPIRY))
        rows.add_session(
            unit,
            SessionRow(
                digest=session_digest,
                account=account.name,
                way=way,
                origin=origin,
                started_us=to_micros(now),
                seen_us=to_micros(now),
                expires_us=to_micros(expires_at),
            ),
        )
        self._audit.record(
            unit,
            actor=to_actor(account, origin),
            action="session:sign_in:succeeded",
            subject=f"person/{account.name}",
            after={"way": way},
        )

    def _end(self, unit: UnitOfWork, row: SessionRow, actor: Actor, reason: str) -> None:
        if row.ended_us is None:
            rows.update_session(unit, row.digest, ended_us=to_micros(self._clock()), end_reason=reason)
            self._audit.record(
                unit, actor=actor, action="session:sign_in:ended", subject=f"person/{row.account}", reason=reason
            )

    def _demand_over(self, actor: Actor, account: str) -> None:
        if actor.name != account:
            self._access.demand(actor, Permission.MANAGE_USERS, subject=f"person/{account}")


def check_session(row: SessionRow, account: AccountRow, now: datetime) -> None:
    """Accept a session that is good at a moment.

    Raises:
        Unauthenticated: it has ended, or the account is disabled.
    """
    if row.ended_us is not None:
        why = f"Your session ended because {row.end_reason}" if row.end_reason != "signed out" else "You signed out"
    elif now >= from_micros(row.expires_us):
        why = "Your session has lasted eight hours"
    elif now - from_micros(row.seen_us) >= IDLE_LIFE:
        why = "Your session was not used for thirty minutes"
    elif account.disabled_us is not None:
        why = f"The account {account.name} is disabled"
    else:
        return
    raise Unauthenticated(f"{why}.", next_step="Sign in again.")


def to_actor(account: AccountRow, origin: str) -> Actor:
    """Return an account as it acts from somewhere."""
    return Actor(name=account.name, roles=frozenset(Role(role) for role in account.roles), origin=origin)


def _to_session(row: SessionRow) -> Session:
    return Session(
        id=row.digest,
        way=row.way,
        origin=row.origin,
        started_at=from_micros(row.started_us),
        seen_at=from_micros(row.seen_us),
        expires_at=from_micros(row.expires_us),
    )
