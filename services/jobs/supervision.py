"""Watching a sandboxed program: its pipes are read within bounds, and it is ended when it uses more than it may."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.jobs.bubblewrap import MEMORY_FOLDERS
from services.jobs.confinement import MIB, Ending, Limits, SandboxResult, Sink
from services.jobs.process_tree import count_sockets, inode_bytes, list_namespace, resident_bytes, socket_bytes

WATCH_SECONDS = 0.05
ENDLESS_WATCH_SECONDS = 1.0
DRAIN_SECONDS = 10.0
STATUS_BYTES = 4096
READ_BYTES = 65_536
REAP_SECONDS = 0.002

_SIGNALLED = 128


class Pipe:
    """The two ends of a pipe whose writing end goes to the program."""

    def __init__(self, stack: contextlib.ExitStack, sink: Sink) -> None:
        self.sink = sink
        self.reader, self.writer = os.pipe()
        self.read_bytes = 0
        self._open = {self.reader, self.writer}
        stack.callback(self._close, self.reader)
        stack.callback(self._close, self.writer)

    def close_writer(self) -> None:
        """Leave the writing end to the program."""
        self._close(self.writer)

    def _close(self, end: int) -> None:
        if end in self._open:
            self._open.remove(end)
            os.close(end)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cause:
    ending: Ending
    reason: str


class Supervisor:
    """Attends one program from its start to its end."""

    def __init__(self, limits: Limits, is_cancelled: Callable[[], bool]) -> None:
        self._limits = limits
        self._is_cancelled = is_cancelled
        self._watch_s = ENDLESS_WATCH_SECONDS if limits.is_endless else WATCH_SECONDS
        self._status = bytearray()
        self._cause: _Cause | None = None
        self._started = time.monotonic()
        self._watched = 0.0
        self._ended = self._started
        self._cpu_s = 0.0
        self._peak_bytes = 0
        self._is_drained = False
        self.status_sink = Sink(name="STATUS", write=self._status.extend, max_bytes=STATUS_BYTES)

    def attend(self, process: subprocess.Popen[bytes], pipes: Sequence[Pipe]) -> None:
        """Read the program's pipes until it ends, or end it when it has used too much; nothing of it is left after."""
        try:
            with selectors.DefaultSelector() as selector:
                for pipe in pipes:
                    pipe.close_writer()
                    selector.register(pipe.reader, selectors.EVENT_READ, pipe)
                while selector.get_map() and self._cause is None:
                    for key, _ in selector.select(self._watch_s):
                        if not self._read(key.data):
                            selector.unregister(key.fd)
                    self._find_cause()
                self._is_drained = self._cause is None
        finally:
            self._end(process, next(pipe.reader for pipe in pipes if pipe.sink is self.status_sink))

    @property
    def has_begun(self) -> bool:
        """Whether the program ran at all; bubblewrap reports an exit code only of one that did."""
        return self._cause is not None or self._read_status("exit-code") is not None

    def conclude(self, *, stdout: bytes, stderr: bytes) -> SandboxResult:
        """Return how it ended."""
        exit_code = _SIGNALLED + signal.SIGKILL if self._cause else self._read_status("exit-code") or 0
        cause = self._cause or _judge(exit_code)
        return SandboxResult(
            ending=cause.ending,
            reason=cause.reason,
            exit_code=exit_code,
            stdout=stdout,
            stderr=stderr,
            wall_s=self._ended - self._started,
            cpu_s=self._cpu_s,
            peak_memory_bytes=self._peak_bytes,
        )

    def _read(self, pipe: Pipe) -> bool:
        chunk = os.read(pipe.reader, READ_BYTES)
        room = pipe.sink.max_bytes - pipe.read_bytes
        pipe.read_bytes += len(chunk)
        pipe.sink.write(chunk[:room])
        if len(chunk) > room:
            most = f"{pipe.sink.max_bytes} bytes to {pipe.sink.name.lower()}"
            self._stop(Ending.TOO_MUCH_OUTPUT, f"It wrote more than {most}.")
        return bool(chunk)

    def _find_cause(self) -> None:
        now = time.monotonic()
        if not self._limits.is_endless and now - self._started >= self._limits.wall_s:
            self._stop(Ending.OUT_OF_TIME, f"It took longer than {self._limits.wall_s:g} seconds.")
        if now - self._watched < self._watch_s:
            return
        self._watched = now
        if self._is_cancelled():
            self._stop(Ending.CANCELLED, "It was cancelled.")
        namespace, first = self._read_status("pid-namespace"), self._read_status("child-pid")
        if namespace is not None and first is not None:
            self._watch_memory(namespace, first)

    def _watch_memory(self, namespace: int, first: int) -> None:
        limit = self._limits.memory_bytes
        used = resident_bytes(list_namespace(namespace), above=limit) + inode_bytes(first, MEMORY_FOLDERS)
        self._peak_bytes = max(self._peak_bytes, used)
        if used > limit:
            self._stop(Ending.OUT_OF_MEMORY, f"It held more than {limit // MIB} MiB of memory.")
        # How much is in their buffers cannot be seen from outside, only how much could be.
        if count_sockets(first) > (most := limit // socket_bytes()):
            self._stop(Ending.OUT_OF_MEMORY, f"It opened more than {most} sockets, whose buffers count for no process.")

    def _stop(self, ending: Ending, reason: str) -> None:
        self._cause = self._cause or _Cause(ending=ending, reason=reason)

    def _end(self, process: subprocess.Popen[bytes], status: int) -> None:
        deadline = time.monotonic() + DRAIN_SECONDS
        while not self._is_reaped(process):
            is_late = time.monotonic() > deadline
            first = self._read_status("child-pid")
            if first is None and not is_late:
                # Ended now, bubblewrap would leave behind what it has begun and not yet bound to its own end.
                self._hear_status(status)
            elif not self._is_drained or is_late:
                # The first process of the namespace takes all others with it, and bubblewrap sees it gone.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid if first is None or is_late else first, signal.SIGKILL)
            time.sleep(REAP_SECONDS)
        self._ended = time.monotonic()

    def _hear_status(self, status: int) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(status, selectors.EVENT_READ)
            if selector.select(0):
                self._status.extend(os.read(status, STATUS_BYTES))

    def _is_reaped(self, process: subprocess.Popen[bytes]) -> bool:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid == 0:
            return False
        process.returncode = os.waitstatus_to_exitcode(status)
        self._cpu_s = usage.ru_utime + usage.ru_stime
        return True

    def _read_status(self, name: str) -> int | None:
        for line in self._status.splitlines():
            found = json.loads(line).get(name) if line.endswith(b"}") else None
            if found is not None:
                return int(found)
        return None


def _judge(exit_code: int) -> _Cause:
    if exit_code <= _SIGNALLED:
        return _Cause(ending=Ending.EXITED, reason=f"It ended with exit code {exit_code}.")
    if exit_code - _SIGNALLED == signal.SIGXCPU:
        return _Cause(ending=Ending.OUT_OF_TIME, reason="It used more processor time than it may.")
    try:
        name = signal.Signals(exit_code - _SIGNALLED).name
    except ValueError:
        return _Cause(ending=Ending.EXITED, reason=f"It ended with exit code {exit_code}.")
    return _Cause(ending=Ending.CRASHED, reason=f"It was ended by {name}.")
