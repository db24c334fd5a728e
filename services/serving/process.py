"""One version of a model, loaded in a sandbox of its own, as the event loop sees it.

The sandbox starts with an empty folder, and the version's files are put there once it is known which one is wanted: so
a process can stand ready with its libraries imported, which is what takes longest.

What it says is its own word, taken only in the form that was agreed. A model that keeps the request it is at for longer
than that request may take is hung: it is ended, since nothing behind that request would be answered either.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from services.errors import GatehouseError
from services.jobs.child.exchange import READY, Frame, FrameBroken, Frames, encode
from services.jobs.model_runner import ModelRunner
from services.jobs.probe import Answer, RunFailure
from services.serving.folders import fill

LOAD_S = 180.0
MAX_WAITING = 256
MAX_WAITING_BYTES = 128 * 1024 * 1024

_SAID = 300


class ModelDown(Exception):
    """The version is not loaded, or its process ended before it answered."""


class ModelBusy(Exception):
    """More waits for the version than it is worth to let wait."""


class ModelTooSlow(Exception):
    """The version did not answer in time."""


class Scored(Answer):
    """What a version answered to one request.

    Args:
        code, message: of a refusal, what MLflow says.
        failure: the model's own error, where it is the model that failed and not the request.
        values: one a row, where they were asked for and there are rows.
    """

    status: int = Field(ge=200, le=599)
    mimetype: Literal["application/json", "text/plain"]
    latency_ms: float = Field(ge=0)
    code: str = Field(default="BAD_REQUEST", pattern="^[A-Z_]{1,60}$")
    message: str | None = Field(default=None, max_length=2000)
    failure: str | None = Field(default=None, max_length=600)
    values: tuple[float | str | None, ...] | None = None
    body: bytes = b""


class _Ready(Answer):
    """What a version says when it can score: why its example failed, and the modules that are loaded."""

    warm_up: str | None = Field(max_length=2000)
    modules: tuple[Annotated[str, Field(pattern=r"^[\w.]{1,200}$")], ...] = Field(max_length=10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One request to `/invocations`, as it came."""

    body: bytes
    content_type: str


class ModelProcess:
    """A process for a version, and once that is loaded the version. All but the run itself is on the event loop.

    Args:
        slots: the folder in which it gets one of its own for the version's files, of the file system that holds them.
        modules: what it imports while it waits for a version.
    """

    def __init__(self, slots: Path, *, runner: ModelRunner, modules: Sequence[str] = ()) -> None:
        self.modules = tuple(modules)
        self._slots = slots
        self._runner = runner
        self._on_end: Callable[[str | None], object] = lambda _reason: None
        self._numbers = itertools.count(READY + 1)
        self._waiting: dict[int, tuple[asyncio.Future[Scored], int]] = {}
        self._waiting_bytes = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._progress_s = 0.0
        self._broken: str | None = None
        self._is_stopping = False
        self._is_over = False
        self._cancelled = threading.Event()
        self._transport: asyncio.WriteTransport | None = None

    async def start(self) -> None:
        """Start the process, which imports its libraries and waits.

        Raises:
            ModelDown: there can be no folder for it.
        """
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        try:
            self._slot = await asyncio.to_thread(self._make_slot)
        except OSError as error:
            self._is_over, self._broken = True, f"there is no place for its files ({error.strerror})"
            self._ended.set_result(None)
            raise ModelDown(self._broken) from error
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._transport, _ = await self._loop.create_unix_connection(lambda: _Channel(self), sock=ours)
        threading.Thread(target=self._run, args=(theirs,), daemon=True).start()

    async def load(self, folder: Path, *, niceness: int, on_end: Callable[[str | None], object]) -> None:
        """Load the model in a folder and wait until it can score.

        Args:
            niceness: how far it gives way to other processes, from 0 to 19.
            on_end: told why the process ended, once; None when it was asked to.

        Raises:
            ModelDown: it cannot be loaded; the text says why.
        """
        self._on_end = on_end
        if self._is_over or self._transport is None:
            raise ModelDown(self._broken or "it has not been started")
        try:
            await asyncio.to_thread(fill, self._slot, folder)
        except GatehouseError as error:
            self.kill(error.message)
            raise ModelDown(error.message) from error
        self._transport.write(encode(Frame(number=READY, head={"niceness": niceness})))
        try:
            async with asyncio.timeout(LOAD_S):
                await asyncio.shield(self._ready)
        except TimeoutError as error:
            self.kill(f"it took longer than {LOAD_S:g} seconds to load")
            raise ModelDown(f"it took longer than {LOAD_S:g} seconds to load") from error

    @property
    def is_over(self) -> bool:
        """Whether the process has ended."""
        return self._is_over

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits for an answer."""
        return not self._waiting

    async def wait_until_idle(self) -> None:
        """Wait until nothing waits for an answer."""
        await self._is_idle.wait()

    async def score(self, invocation: Invocation, *, wants_values: bool, timeout_s: float) -> Scored:
        """Return what the model answers.

        Raises:
            ModelDown: the process ended.
            ModelBusy: too much waits already.
            ModelTooSlow: it took longer than `timeout_s`.
        """
        if self._is_over or self._transport is None:
            raise ModelDown(self._broken or "the model is not loaded")
        size = len(invocation.body)
        if len(self._waiting) >= MAX_WAITING or (self._waiting and self._waiting_bytes + size > MAX_WAITING_BYTES):
            raise ModelBusy(f"{len(self._waiting)} requests wait already")
        number = next(self._numbers)
        answered: asyncio.Future[Scored] = self._loop.create_future()
        if not self._waiting:
            self._progress_s = self._loop.time()
        self._waiting[number] = answered, size
        self._is_idle.clear()
        self._waiting_bytes += size
        head = {"content_type": invocation.content_type, "wants_values": wants_values}
        self._transport.write(encode(Frame(number=number, head=head, body=invocation.body)))
        try:
            async with asyncio.timeout(timeout_s):
                return await answered
        except TimeoutError as error:
            if self._loop.time() - self._progress_s >= timeout_s:
                self.kill(f"it took longer than {timeout_s:g} seconds")
            raise ModelTooSlow(f"it took longer than {timeout_s:g} seconds") from error

    async def stop(self) -> None:
        """End the process: at once if nothing waits, and in any case."""
        self._is_stopping = True
        if self._transport is not None:
            self._transport.close()
            done, _ = await asyncio.wait([self._ended], timeout=5)
            if not done:
                self._cancelled.set()
                await asyncio.wait([self._ended], timeout=20)

    def kill(self, reason: str) -> None:
        """End the process because of what it did."""
        self._broken = self._broken or reason
        self._cancelled.set()

    def hear(self, frame: Frame) -> None:
        """Take an answer.

        Raises:
            FrameBroken: it is not in the form that was agreed.
        """
        if frame.number == READY:
            self._hear_ready(frame)
            return
        self._progress_s = self._loop.time()
        answered, size = self._waiting.pop(frame.number, (None, 0))
        self._waiting_bytes -= size
        if not self._waiting:
            self._is_idle.set()
        if answered is None:
            raise FrameBroken("an answer that nobody asked for")
        try:
            scored = Scored(**{**frame.head, "body": frame.body})
        except (ValidationError, TypeError) as error:
            self._fail(answered, ModelDown("it answered in a form that is none"))
            raise FrameBroken("a head of another form") from error
        if not answered.done():
            answered.set_result(scored)

    def _hear_ready(self, frame: Frame) -> None:
        try:
            self.modules = _Ready(**frame.head).modules
        except (ValidationError, TypeError) as error:
            raise FrameBroken("a word of being ready in another form") from error
        if not self._ready.done():
            self._ready.set_result(None)

    def _make_slot(self) -> Path:
        self._slots.mkdir(parents=True, exist_ok=True)
        slot = Path(tempfile.mkdtemp(dir=self._slots))
        # The sandbox reads as nobody in particular.
        slot.chmod(0o755)
        return slot

    def _run(self, theirs: socket.socket) -> None:
        try:
            outcome = self._runner.serve(
                self._slot, theirs.fileno(), modules=self.modules, is_cancelled=self._cancelled.is_set
            )
            reason = outcome.reason if isinstance(outcome, RunFailure) else None
        except GatehouseError as error:
            reason = error.message
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear that the model is gone
            reason = f"{type(error).__name__}: {error}"
        finally:
            theirs.close()
            shutil.rmtree(self._slot, ignore_errors=True)
        with contextlib.suppress(RuntimeError):
            # The loop may have been closed by now.
            self._loop.call_soon_threadsafe(self._conclude, reason)

    def _conclude(self, reason: str | None) -> None:
        self._is_over = True
        why = self._broken or reason or "it ended"
        self._broken = why[:_SAID]
        if self._transport is not None:
            self._transport.close()
        down = ModelDown(self._broken)
        self._fail(self._ready, down)
        for answered, _ in self._waiting.values():
            self._fail(answered, down)
        self._waiting.clear()
        self._is_idle.set()
        self._ended.set_result(None)
        self._on_end(None if self._is_stopping else self._broken)

    @staticmethod
    def _fail(waiting: asyncio.Future[Scored] | asyncio.Future[None], error: Exception) -> None:
        if not waiting.done():
            waiting.set_exception(error)
            # Nobody may be waiting any more, and that is no error of its own.
            waiting.exception()


class _Channel(asyncio.Protocol):
    """Bytes from the model."""

    def __init__(self, process: ModelProcess) -> None:
        self._process = process
        self._frames = Frames()

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._frames.feed(data):
                self._process.hear(frame)
        except FrameBroken as error:
            self._process.kill(f"it answered with {error}")
