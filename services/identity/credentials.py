"""Passwords of accounts, and the one-time token by which the first admin of a fresh installation is made.

There is no default password. Until an admin can sign in, a token stands in a file that only the system's user can read;
the store holds its hash, and whoever uses it first uses it up.
"""

from __future__ import annotations

import hmac
import os
from datetime import timedelta
from pathlib import Path

from services.audit import AuditLog
from services.clock import Clock, from_micros, to_micros
from services.errors import Unauthenticated
from services.identity.accounts import add_account
from services.identity.actors import Actor, Role
from services.identity.opaque import digest, new_secret
from services.identity.passwords import check_new_password, hash_password
from services.identity.tokens import check_token
from services.store import Store, UnitOfWork, accounts, sessions

PASSWORD_TOKEN_AGE = timedelta(days=1)
BOOTSTRAP_FILE = "bootstrap-token"

_BOOTSTRAP = "bootstrap_digest"


class Credentials:
    """What people prove themselves with.

    Args:
        home: the folder that keeps the bootstrap token.
    """

    def __init__(self, store: Store, audit: AuditLog, *, clock: Clock, home: Path) -> None:
        self._store = store
        self._audit = audit
        self._clock = clock
        self._path = home / BOOTSTRAP_FILE

    def choose_password(self, token: str, new: str, *, origin: str) -> str:
        """Set the password of whoever holds an unlimited API token issued within the last day; returns the name.

        Raises:
            Unauthenticated: the token is not good for that.
            InvalidInput: `new` is not acceptable.
        """
        now = self._clock()
        with self._store.read() as unit:
            row, account = check_token(unit, token, now)
        if row.scopes is not None or now >= from_micros(row.created_us) + PASSWORD_TOKEN_AGE:
            raise Unauthenticated(
                f"The token {row.id} is limited or more than a day old, so it cannot choose a password.",
                next_step="Ask an admin for a new one (`gatehouse tokens issue`).",
            )
        self._set_password(Actor(name=account.name, roles=frozenset(), origin=origin), new, f"with token/{row.id}")
        return account.name

    def prepare_bootstrap(self) -> str | None:
        """Return the one-time token for the console, or None when an admin can sign in already."""
        with self._store.write() as unit:
            # One after the other, or two that start at once would each show a token, and one of them would be wrong.
            accounts.lock_accounts(unit)
            kept = self._read_file()
            if _has_admin(unit):
                sessions.set_fact(unit, _BOOTSTRAP, None)
                unit.commit()
                self._path.unlink(missing_ok=True)
                return None
            if kept and sessions.find_fact(unit, _BOOTSTRAP) == digest(kept):
                return kept
            token = new_secret()
            self._write_file(token)
            sessions.set_fact(unit, _BOOTSTRAP, digest(token))
            unit.commit()
        return token

    def bootstrap(self, token: str, *, name: str, password: str, origin: str) -> None:
        """Make the first admin, using the one-time token up.

        Raises:
            Unauthenticated: the token is not the one on the console, or was used.
            InvalidInput: the name or password is not acceptable.
            Conflict: the name is taken.
        """
        check_new_password(name, password)
        hashed = hash_password(password)
        with self._store.write() as unit:
            accounts.lock_accounts(unit)
            expected = sessions.find_fact(unit, _BOOTSTRAP)
            if expected is None or not hmac.compare_digest(expected, digest(token)) or _has_admin(unit):
                raise Unauthenticated(
                    "This is not the one-time token, or it was used.",
                    next_step=f"Copy it from the console or from {self._path}.",
                )
            row = add_account(unit, name, [Role.ADMIN.value], now=self._clock(), password_hash=hashed)
            sessions.set_fact(unit, _BOOTSTRAP, None)
            self._audit.record(
                unit,
                actor=Actor(name=name, roles=frozenset(), origin=origin),
                action="account:bootstrap:completed",
                subject=f"person/{name}",
                reason="with the one-time token from the console",
                after={"roles": row.roles},
            )
            unit.commit()
        self._path.unlink(missing_ok=True)

    def _set_password(self, actor: Actor, password: str, how: str) -> None:
        check_new_password(actor.name, password)
        hashed = hash_password(password)
        with self._store.write() as unit:
            accounts.update_account(unit, actor.name, password_hash=hashed)
            now_us = to_micros(self._clock())
            sessions.end_sessions(unit, actor.name, now_us=now_us, reason="the password was changed")
            self._audit.record(
                unit, actor=actor, action="account:password:changed", subject=f"person/{actor.name}", reason=how
            )
            unit.commit()

    def _read_file(self) -> str | None:
        try:
            return self._path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeError):
            return None

    def _write_file(self, token: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        # Created for its owner alone, rather than narrowed afterwards.
        with os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(token + "\n")


def _has_admin(unit: UnitOfWork) -> bool:
    return any(Role.ADMIN in roles for roles in accounts.list_enabled_roles(unit))
