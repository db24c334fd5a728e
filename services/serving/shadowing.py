"""Scoring beside the request path: the version whose answer nobody gets scores each request too, and both are logged.

Requests wait in a bounded queue; what does not fit is counted and let go. The other version scores one request at a
time and only while nobody waits for it, so neither its slowness nor its failure reaches a caller: a failure becomes the
error of its side of the pair.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from services.errors import GatehouseError
from services.serving.deciding import Decisions
from services.serving.kept import KeptModel
from services.serving.lineup import Lineup
from services.serving.metrics import Metrics
from services.serving.pair_log import PairLog
from services.serving.pairs import Pair, Side, names_classes, slices_of
from services.serving.process import Invocation, ModelBusy, ModelDown, ModelTooSlow, Scored
from services.serving.requests import read_frame
from services.serving.tally import Counted, Tally
from services.signatures.values import Signature

MAX_QUEUED = 1000
MAX_QUEUED_BYTES = 64 * 1024 * 1024
BUSY_PAUSE_S = 0.01
_OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A request that one version has answered, for the other to score.

    Args:
        version: whose answer it was.
        failed: the other side's error where that was tried already, as when a ramp fell back to the champion.
    """

    request_id: str
    at: datetime
    invocation: Invocation
    lineup: Lineup
    version: int
    scored: Scored
    decisions: Decisions | None
    failed: str | None = None

    @property
    def signature(self) -> Signature | None:
        """The signature of the version that answered."""
        return self.lineup.get_kept(self.version).signature


class Shadow:
    """Pairs what was answered with what the other version says.

    Args:
        slices: columns of requests that are logged.
        timeout_s: how long the other version may take.
    """

    def __init__(
        self, log: PairLog, metrics: Metrics, tally: Tally, *, slices: Sequence[str], timeout_s: float
    ) -> None:
        self._log = log
        self._metrics = metrics
        self._tally = tally
        self._slices = slices
        self._timeout_s = timeout_s
        self._queue: deque[Answered] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()
        self._runner: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to score what is offered."""
        self._runner = asyncio.create_task(self._run())

    def offer(self, answered: Answered) -> None:
        """Take an answered request, or count that there is no room for it; never waits."""
        size = len(answered.invocation.body)
        if len(self._queue) >= MAX_QUEUED or (self._queue and self._bytes + size > MAX_QUEUED_BYTES):
            self._metrics.count(self._metrics.dropped, "the queue is full")
            return
        self._queue.append(answered)
        self._tally.count(Counted.REQUESTS_TAKEN)
        self._bytes += size
        self._filled.set()
        self._emptied.clear()

    async def close(self, *, patience_s: float = 5.0) -> None:
        """Score what waits, for as long as there is patience, and count the rest."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._emptied.wait()
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.wait([self._runner])
        if self._queue:
            self._metrics.count(self._metrics.dropped, "the server stopped", by=len(self._queue))
            self._tally.count(Counted.REQUESTS_SETTLED, by=len(self._queue))

    async def _run(self) -> None:
        while True:
            if not self._queue:
                self._filled.clear()
                self._emptied.set()
                await self._filled.wait()
            answered = self._queue[0]
            try:
                await self._pair(answered)
            except Exception as error:  # noqa: BLE001 - one request that cannot be paired must not end pairing
                self._metrics.count(self._metrics.dropped, type(error).__name__)
            self._queue.popleft()
            self._tally.count(Counted.REQUESTS_SETTLED)
            self._bytes -= len(answered.invocation.body)

    async def _pair(self, answered: Answered) -> None:
        lineup = answered.lineup
        assert lineup.candidate is not None
        other = lineup.candidate if answered.version == lineup.champion.seat.version else lineup.champion
        if answered.failed is not None:
            outcome: Scored | str = answered.failed
        elif other.is_untried:
            self._metrics.count(self._metrics.dropped, "the version is being loaded")
            return
        else:
            outcome = await self._score(other, answered.invocation)
        pair = await asyncio.to_thread(self._build, answered, other.seat.version, outcome)
        self._metrics.count(self._metrics.pairs, other.seat.version)
        self._log.add(pair)

    async def _score(self, other: KeptModel, invocation: Invocation) -> Scored | str:
        """Return what a version says when nobody waits for it, or why it says nothing."""
        await other.wait_until_idle()
        try:
            scored = await other.score(invocation, wants_values=True, timeout_s=self._timeout_s)
        except (ModelDown, ModelTooSlow) as error:
            outcome: Scored | str = str(error)
        except ModelBusy:
            await asyncio.sleep(BUSY_PAUSE_S)
            return await self._score(other, invocation)
        else:
            outcome = scored
        if isinstance(outcome, str) or outcome.status != _OK:
            self._metrics.count(self._metrics.errors, other.seat.version, "shadow")
        return outcome

    def _build(self, answered: Answered, other_version: int, outcome: Scored | str) -> Pair:
        needs_frame = answered.decisions is not None or bool(self._slices)
        frame = read_frame(answered.invocation, answered.signature) if needs_frame else None
        sides = {
            answered.version: _to_side(answered.version, answered.scored, answered, frame),
            other_version: _to_side(other_version, outcome, answered, frame),
        }
        champion = answered.lineup.champion.seat.version
        (candidate,) = sides.keys() - {champion}
        return Pair(
            request_id=answered.request_id,
            at=answered.at,
            champion=sides[champion],
            candidate=sides[candidate],
            slices=slices_of(frame, self._slices),
        )


def _to_side(version: int, outcome: Scored | str, answered: Answered, frame: pd.DataFrame | None) -> Side:
    if isinstance(outcome, str):
        return Side(version=version, error=outcome)
    decisions, error = None, None
    if outcome.status != _OK:
        error = outcome.failure or outcome.message or f"it answered {outcome.status}"
    elif answered.decisions is not None:
        decisions, error = _decide(answered.decisions, frame, outcome)
    return Side(
        version=version,
        given=outcome.values,
        decisions=decisions,
        latency_ms=outcome.latency_ms,
        error=error,
        names_classes=names_classes(answered.signature),
    )


def _decide(
    decisions: Decisions, frame: pd.DataFrame | None, scored: Scored
) -> tuple[Sequence[str] | None, str | None]:
    try:
        # Without the memory of blocks: the daily limit depends on who came before, not on the version.
        return [each.action for each in decisions.decide(frame, scored.values)], None
    except GatehouseError as error:
        return None, error.message
