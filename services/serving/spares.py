"""A spare: a process that has imported what models want and waits for one, so that a new version is loaded in a moment.

What there is to import it is told by the version that was loaded last for callers; the word of one in shadow, which
nobody may have approved, must not shape the process of another. Every process is taken from here, whether one was
waiting or has to be started.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from services.jobs.model_runner import ModelRunner
from services.serving.process import ModelDown, ModelProcess


class Spares:
    """Gives processes for versions.

    Args:
        slots: where each process gets a folder; see `ModelProcess`.
        is_kept: whether one is kept waiting; it holds the memory of the libraries.
    """

    def __init__(self, slots: Path, *, runner: ModelRunner, is_kept: bool) -> None:
        self._slots = slots
        self._runner = runner
        self._is_kept = is_kept
        self._modules: tuple[str, ...] = ()
        self._spare: ModelProcess | None = None

    async def take(self) -> ModelProcess:
        """Return a process that waits for a version.

        Raises:
            ModelDown: none can be started.
        """
        spare, self._spare = self._spare, None
        if spare is not None and not spare.is_over:
            return spare
        process = ModelProcess(self._slots, runner=self._runner)
        await process.start()
        return process

    def learn(self, modules: Sequence[str]) -> None:
        """Take what the next processes that wait import."""
        self._modules = tuple(modules)

    async def refill(self) -> None:
        """Have a process wait again."""
        if self._is_kept and (self._spare is None or self._spare.is_over):
            self._spare = ModelProcess(self._slots, runner=self._runner, modules=self._modules)
            # Why there is none is told when one is taken.
            with contextlib.suppress(ModelDown):
                await self._spare.start()

    async def close(self) -> None:
        """Let go of the process that waits."""
        self._is_kept = False
        if self._spare is not None:
            await self._spare.stop()
