"""Signing in with a local account, and with one click in a demo.

What goes wrong is said in one sentence that does not tell an unknown name from a wrong password.
"""

from __future__ import annotations

from typing import NoReturn

from services.audit import AuditLog
from services.clock import Clock
from services.errors import Conflict, Forbidden, Unauthenticated
from services.identity.access import Access
from services.identity.accounts import NOBODY, get_row, is_usable_name
from services.identity.actors import Actor, Permission
from services.identity.attempts import Attempt, count_attempt, forget_attempt
from services.identity.passwords import hash_password, is_outdated, is_password
from services.identity.sessions import Sessions, SignedIn
from services.store import Store, accounts
from services.store import sessions as rows
from services.store.accounts import AccountRow

_DEMO = "demo"
_LONGEST_NAME = 128


class SignIn:
    """Begins sessions that a cookie of ours stands for."""

    def __init__(self, store: Store, audit: AuditLog, access: Access, sessions: Sessions, *, clock: Clock) -> None:
        self._store = store
        self._audit = audit
        self._access = access
        self._sessions = sessions
        self._clock = clock

    def with_password(self, name: str, password: str, *, address: str, origin: str) -> SignedIn:
        """Sign in with a local account.

        Args:
            name: the account's name.
            password: what was typed.
            address: the network address it came from, which attempts are counted by.
            origin: where the request came from, for the session and its events.

        Raises:
            Unauthenticated: no enabled account has this name and password.
            Blocked: there were too many attempts.
        """
        with self._store.write() as unit:
            attempt = count_attempt(unit, account=name[:_LONGEST_NAME], address=address, now=self._clock())
            known = accounts.find_account(unit, name) if is_usable_name(name) else None
            unit.commit()
        is_right = is_password(password, known.password_hash if known else None)
        signed_in = self._begin(known, password, attempt, origin) if known and is_right else None
        if signed_in is None:
            self._refuse(known, origin)
        return signed_in

    def with_one_click(self, name: str, *, is_loopback: bool, origin: str) -> SignedIn:
        """Sign in as a person of the demo, without a password.

        Args:
            name: the account's name.
            is_loopback: whether the app is reached from this machine only.
            origin: where the request came from.

        Raises:
            Forbidden: the store holds no demo, the app is reached from elsewhere, or the account is disabled.
            NotFound: there is no such person.
        """
        anonymous = Actor(name=NOBODY, roles=frozenset(), origin=origin)
        if not (is_loopback and self.is_demo()):
            denied = Forbidden(
                "Signing in with one click is for the demo on this machine alone.",
                next_step="Sign in with a name and a password.",
            )
            self._access.refuse(anonymous, "installation", denied)
        with self._store.write() as unit:
            account = get_row(unit, name)
            if account.disabled_us is None:
                signed_in = self._sessions.begin(unit, account, way="demo", origin=origin)
                unit.commit()
                return signed_in
        disabled = Forbidden(f"The account {name} is disabled.", next_step="Sign in as somebody else.")
        return self._access.refuse(anonymous, f"person/{name}", disabled)

    def is_demo(self) -> bool:
        """Return whether the store was made for the demo."""
        with self._store.read() as unit:
            return rows.find_fact(unit, _DEMO) is not None

    def mark_demo(self, actor: Actor) -> None:
        """Mark the store as made for the demo, which lets everybody on this machine be anybody in it.

        Raises:
            Forbidden: the actor manages no settings.
            Conflict: the store holds accounts, so it is no fresh demo.
        """
        self._access.demand(actor, Permission.MANAGE_SETTINGS, subject="installation")
        with self._store.write() as unit:
            if rows.find_fact(unit, _DEMO) is not None:
                return
            accounts.lock_accounts(unit)
            if accounts.has_account(unit):
                raise Conflict(
                    "The store holds accounts, so it cannot become a demo.",
                    next_step="Point GATEHOUSE_HOME at an empty folder for the demo.",
                )
            rows.set_fact(unit, _DEMO, "yes")
            self._audit.record(unit, actor=actor, action="installation:demo:marked", subject="installation")
            unit.commit()

    def _begin(self, known: AccountRow, password: str, attempt: Attempt, origin: str) -> SignedIn | None:
        outdated = known.password_hash is not None and is_outdated(known.password_hash)
        rehashed = hash_password(password) if outdated else known.password_hash
        with self._store.write() as unit:
            # Hashing takes its time: the account may have been disabled, or its password changed, since it was read.
            account = accounts.find_account(unit, known.name)
            if account is None or account.disabled_us is not None or account.password_hash != known.password_hash:
                return None
            forget_attempt(unit, attempt)
            if outdated:
                accounts.update_account(unit, known.name, password_hash=rehashed)
            signed_in = self._sessions.begin(unit, account, way="password", origin=origin)
            unit.commit()
        return signed_in

    def _refuse(self, known: AccountRow | None, origin: str) -> NoReturn:
        # A name that is no account's may be a password typed into the wrong field: it must not reach the log.
        subject = f"person/{known.name}" if known else "person/unknown"
        anonymous = Actor(name=NOBODY, roles=frozenset(), origin=origin)
        with self._store.write() as unit:
            self._audit.record(unit, actor=anonymous, action="session:sign_in:refused", subject=subject)
            unit.commit()
        raise Unauthenticated("The name or the password is not right.", next_step="Type both again, or ask an admin.")
