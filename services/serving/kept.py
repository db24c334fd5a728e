"""Keeping a version loaded: what crashes is started again, ever more slowly, and meanwhile says why it is silent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from services.errors import GatehouseError
from services.serving.process import Invocation, ModelDown, ModelProcess, Scored
from services.serving.spares import Spares
from services.signatures.reader import read_reference_path
from services.signatures.values import Signature

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_S = 60.0
SHADOW_NICENESS = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A version and what it is kept for: one that callers wait for does not give way to other processes."""

    version: int
    is_live: bool


class KeptModel:
    """One version that is kept loaded until it is let go; `signature` is known once its folder is here.

    Args:
        fetch: returns the folder of the version's model.
        spares: gives the process that it is loaded in.
        on_failure: told each time it could not be loaded or ended by itself, and why.
    """

    def __init__(
        self,
        seat: Seat,
        *,
        fetch: Callable[[int], Awaitable[Path]],
        spares: Spares,
        on_failure: Callable[[Seat, str], object],
    ) -> None:
        self.seat = seat
        self.signature: Signature | None = None
        self._fetch = fetch
        self._spares = spares
        self._on_failure = on_failure
        self._process: ModelProcess | None = None
        self._problem = "it is being loaded"
        self._tried = asyncio.Event()
        self._keeper = asyncio.create_task(self._keep())

    @property
    def problem(self) -> str | None:
        """Why the version does not answer now, or None."""
        return None if self._process is not None else self._problem

    @property
    def is_untried(self) -> bool:
        """Whether it is being loaded for the first time."""
        return not self._tried.is_set()

    async def wait_for_first_try(self) -> None:
        """Wait until it is loaded, or failed to be for the first time."""
        await self._tried.wait()

    async def wait_until_idle(self) -> None:
        """Wait until nothing waits for an answer of it."""
        while self._process is not None and not self._process.is_idle:
            await self._process.wait_until_idle()

    async def score(self, invocation: Invocation, *, wants_values: bool, timeout_s: float) -> Scored:
        """Return what the version answers; raises as `ModelProcess.score`."""
        if self._process is None:
            raise ModelDown(self._problem)
        return await self._process.score(invocation, wants_values=wants_values, timeout_s=timeout_s)

    async def let_go(self, *, patience_s: float = 60.0) -> None:
        """Answer what waits, and end the process."""
        process = self._process
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self.wait_until_idle()
        self._keeper.cancel()
        await asyncio.wait([self._keeper])
        if process is not None:
            await process.stop()

    async def _keep(self) -> None:
        loop, pause_s = asyncio.get_running_loop(), FIRST_PAUSE_S
        while True:
            started = loop.time()
            self._problem = await self._run_once()
            self._on_failure(self.seat, self._problem)
            self._tried.set()
            pause_s = FIRST_PAUSE_S if loop.time() - started > STEADY_S else min(pause_s * 2, LONGEST_PAUSE_S)
            await asyncio.sleep(pause_s)

    async def _run_once(self) -> str:
        """Load it, wait for its end, and return why that came."""
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def conclude(reason: str | None) -> None:
            if not ended.done():
                ended.set_result(reason or "it was stopped")

        try:
            folder = await self._fetch(self.seat.version)
            self.signature = (await asyncio.to_thread(read_reference_path, folder)).signature
        except GatehouseError as error:
            return f"{error.message} {error.next_step}"
        niceness = 0 if self.seat.is_live else SHADOW_NICENESS
        try:
            process = await self._spares.take()
        except ModelDown as error:
            return str(error)
        try:
            await process.load(folder, niceness=niceness, on_end=conclude)
            self._process = process
            self._tried.set()
            if self.seat.is_live:
                self._spares.learn(process.modules)
            await self._spares.refill()
            return await ended
        except ModelDown as error:
            return str(error)
        except asyncio.CancelledError:
            await process.stop()
            raise
        finally:
            self._process = None
