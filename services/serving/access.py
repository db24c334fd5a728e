"""Who may ask, and how often.

A token is looked up in the governance store, and again every few seconds, so that revoking it works soon. While the
store does not answer, whoever was let in lately goes on being let in, and nobody new is.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from services.errors import Forbidden, GatehouseError, Unauthenticated, Unreachable
from services.identity import Identity
from services.identity.actors import Permission

FRESH_S = 5.0
GRACE_S = 900.0
LOOK_UP_S = 2.0
MAX_REMEMBERED = 1024


@dataclass(slots=True, kw_only=True)
class _Verdict:
    account: str
    refusal: GatehouseError | None
    at_s: float


class TokenGate:
    """Lets those through whose token may read production models.

    Args:
        subject: what the permission is asked on: the model.
        seconds: a clock that only goes forward.
    """

    def __init__(self, identity: Identity, subject: str, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._identity = identity
        self._subject = subject
        self._seconds = seconds
        self._verdicts: OrderedDict[str, _Verdict] = OrderedDict()

    async def admit(self, authorization: str, *, origin: str) -> str:
        """Return the account that asks.

        Args:
            authorization: the header of that name.
            origin: where the request comes from, for the record of a refusal.

        Raises:
            Unauthenticated: there is no good token.
            Forbidden: its account may not read production models.
            Unreachable: the store does not answer, and the token was not let in lately.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated(
                "This server demands a token.",
                next_step="Send `Authorization: Bearer TOKEN` with a token from `gatehouse tokens issue`.",
            )
        name = hashlib.sha256(token.encode()).hexdigest()
        verdict = self._verdicts.get(name)
        if verdict is None or self._seconds() - verdict.at_s >= FRESH_S:
            verdict = await self._renew(name, token.strip(), verdict, origin)
        if verdict.refusal is not None:
            raise verdict.refusal
        return verdict.account

    async def _renew(self, name: str, token: str, known: _Verdict | None, origin: str) -> _Verdict:
        try:
            async with asyncio.timeout(LOOK_UP_S):
                verdict = await asyncio.to_thread(self._look_up, token, origin)
        except (TimeoutError, Unreachable) as error:
            if known is not None and known.refusal is None and self._seconds() - known.at_s < GRACE_S:
                return known
            raise Unreachable(
                "The governance store does not answer, so the token cannot be checked.", next_step="Try again soon."
            ) from error
        self._verdicts[name] = verdict
        self._verdicts.move_to_end(name)
        while len(self._verdicts) > MAX_REMEMBERED:
            self._verdicts.popitem(last=False)
        return verdict

    def _look_up(self, token: str, origin: str) -> _Verdict:
        account, refusal = "", None
        try:
            actor = self._identity.actor_from_token(token, origin=origin)
            account = actor.name
            self._identity.demand(actor, Permission.READ_PRODUCTION_MODEL, subject=self._subject)
        except (Unauthenticated, Forbidden) as error:
            refusal = error
        return _Verdict(account=account, refusal=refusal, at_s=self._seconds())


class RateLimit:
    """At most so many requests a second of each caller, and as many at once (a token bucket).

    Args:
        per_second: None is no limit.
        seconds: a clock that only goes forward.
    """

    def __init__(self, per_second: float | None, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_second
        self._seconds = seconds
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> float:
        """Take one request of a caller; return 0, or after how many seconds to come again."""
        if self._rate is None:
            return 0.0
        burst = max(1.0, self._rate)
        now = self._seconds()
        left, since = self._left.get(caller, (burst, now))
        left = min(burst, left + (now - since) * self._rate)
        is_allowed = left >= 1
        self._left[caller] = (left - is_allowed, now)
        self._left.move_to_end(caller)
        while len(self._left) > MAX_REMEMBERED:
            self._left.popitem(last=False)
        return 0.0 if is_allowed else (1 - left) / self._rate
