"""How often somebody may try to sign in: counted in the store, so it holds across processes.

An attempt is counted before the password is looked at, so that many at once do not slip through. A success takes its
own attempt back, and the failed ones on that account from that address; those from elsewhere go on counting.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.clock import from_micros, to_micros
from services.errors import Blocked
from services.identity.opaque import digest
from services.store import UnitOfWork, sessions

WINDOW = timedelta(minutes=15)
MAX_FROM_ADDRESS_ON_ACCOUNT = 5
MAX_FROM_ADDRESS = 30
MAX_ON_ACCOUNT = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt to sign in, as counted."""

    account: str
    address: str
    at: datetime


def count_attempt(unit: UnitOfWork, *, account: str, address: str, now: datetime) -> Attempt:
    """Count an attempt to sign in, unless there were too many.

    Raises:
        Blocked: too many attempts within fifteen minutes; nothing more is counted.
    """
    sessions.lock_attempts(unit)
    sessions.forget_old_attempts(unit, before_us=to_micros(now - WINDOW))
    attempt = Attempt(account=account, address=address, at=now)
    limits = dict(zip(_keys(attempt), (MAX_FROM_ADDRESS_ON_ACCOUNT, MAX_FROM_ADDRESS, MAX_ON_ACCOUNT), strict=True))
    for key, limit in limits.items():
        count, first_us = sessions.count_attempts(unit, key, since_us=to_micros(now - WINDOW))
        if count >= limit and first_us is not None:
            wait = from_micros(first_us) + WINDOW - now
            raise Blocked(
                "There were too many attempts to sign in.",
                next_step=f"Try again in {max(1, -(-wait // timedelta(minutes=1)))} minutes.",
            )
    sessions.add_attempts(unit, list(limits), at_us=to_micros(now))
    return attempt


def forget_attempt(unit: UnitOfWork, attempt: Attempt) -> None:
    """Take an attempt back that has succeeded, and the failed ones before it of the same person."""
    of_both, of_address, of_account = _keys(attempt)
    sessions.forget_attempts(unit, keys=[of_both])
    sessions.forget_attempts(unit, keys=[of_address, of_account], at_us=to_micros(attempt.at))


def _keys(attempt: Attempt) -> tuple[str, str, str]:
    # As hashes: what was typed as a name may be a password, and backups hold what the store does.
    of_address, of_account = digest("address", attempt.address), digest("account", attempt.account)
    return digest(of_account, of_address), of_address, of_account
