"""The policy in force as serving holds it: read again after a set time, and the last good one where that fails.

Serving never stops because the store is away or holds what this version cannot read; it goes on with the revision that
it read last, and says so with every decision.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from services.clock import Clock, to_text
from services.documents.revisions import Revision
from services.documents.validation import DocumentInvalid
from services.errors import GatehouseError, NotFound, Unreachable
from services.policies.deciding import Decider
from services.policies.policy import Policy
from services.policies.reading import read_revision

_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What decides now.

    Args:
        read_at: when it was last read as the one in force; None for what was given at the start.
        problem: why it may not be the one in force, or empty.
    """

    decider: Decider
    read_at: datetime | None
    problem: str = ""

    @property
    def note(self) -> str:
        """The sentence that goes with decisions while there is a problem; empty otherwise."""
        if not self.problem:
            return ""
        since = "from when the model was logged" if self.read_at is None else f"as read at {to_text(self.read_at)}"
        return f"{self.problem} Decided by {self.decider.policy.revision}, {since}."


class CurrentPolicy:
    """Holds the policy in force for as long as it may be trusted.

    Args:
        find: reads the revision in force; None where nothing is.
        refresh: how long a revision is used before it is read again.
        last_good: what decides until the first good reading, if there is such a thing.
    """

    def __init__(
        self, find: Callable[[], Revision | None], *, refresh: timedelta, clock: Clock, last_good: Policy | None = None
    ) -> None:
        self._find = find
        self._refresh = refresh
        self._clock = clock
        self._due: datetime | None = None
        self._reading = threading.Lock()
        self._standing = None if last_good is None else Standing(decider=Decider(last_good, clock=clock), read_at=None)

    def get(self) -> Standing:
        """Return what decides now; one caller reads it again when it is due, others go on with what there is.

        Raises:
            GatehouseError: it could not be read, and there is no last good one.
        """
        # Whoever has something to go on with does not wait for another's reading.
        if self._is_due() and self._reading.acquire(blocking=self._standing is None or self._due is None):
            try:
                if self._is_due():
                    self._read_again()
            finally:
                self._reading.release()
        assert self._standing is not None
        return self._standing

    def _is_due(self) -> bool:
        return self._due is None or self._clock() >= self._due

    def _read_again(self) -> None:
        now = self._clock()
        try:
            decider = self._read()
        except (Unreachable, NotFound, DocumentInvalid) as error:
            self._keep(error)
        else:
            if self._standing is not None and self._standing.problem:
                _LOG.info("the policy in force is read again", revision=decider.policy.revision)
            self._standing = Standing(decider=decider, read_at=now)
        self._due = now + self._refresh

    def _read(self) -> Decider:
        revision = self._find()
        if revision is None:
            raise NotFound("No decision policy is in force.", next_step="Propose one and have it approved.")
        held = self._standing
        if held is not None and (held.decider.policy.revision, held.decider.policy.digest) == (
            revision.reference,
            revision.digest,
        ):
            return held.decider
        return Decider(read_revision(revision), clock=self._clock)

    def _keep(self, error: GatehouseError) -> None:
        held = self._standing
        if held is None:
            raise error
        if not held.problem:
            _LOG.warning("the last good policy is used", revision=held.decider.policy.revision, error=error.message)
        self._standing = Standing(decider=held.decider, read_at=held.read_at, problem=error.message)
