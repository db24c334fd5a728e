"""What a sandboxed program may use, what it may answer through, and how it ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

MIB = 1024 * 1024


class Ending(StrEnum):
    """How a sandboxed program came to its end."""

    EXITED = "exited"
    CRASHED = "crashed"
    OUT_OF_TIME = "out_of_time"
    OUT_OF_MEMORY = "out_of_memory"
    TOO_MUCH_OUTPUT = "too_much_output"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a program may use.

    Args:
        wall_s: seconds of the clock, from start to end.
        cpu_s: processor seconds of each process.
        memory_bytes: of all processes together; files in its /tmp and /dev/shm come on top, `tmp_bytes` each.
        tmp_bytes: what it may write to /tmp, and as much to /dev/shm.
        processes: processes and threads at a time.
        open_files: open files of each process.
        is_endless: it runs until it is cancelled: time is not limited, of what it prints the last mebibyte is kept,
            and it is looked at once a second.
    """

    wall_s: float = 60
    cpu_s: int = 60
    memory_bytes: int = 2048 * MIB
    tmp_bytes: int = 256 * MIB
    processes: int = 64
    open_files: int = 512
    is_endless: bool = False

    @property
    def rlimits(self) -> dict[str, str]:
        """The limits that the kernel itself holds, as prlimit(1) takes them."""
        return {
            # A second between the two: the first ends it with a signal that says why.
            "cpu": "unlimited" if self.is_endless else f"{self.cpu_s}:{self.cpu_s + 1}",
            "data": str(self.memory_bytes),
            "fsize": str(self.tmp_bytes),
            "nproc": str(self.processes),
            "nofile": str(self.open_files),
            "core": "0",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink:
    """A pipe that the program may write to; its number stands in the variable `<name>_FD`.

    Args:
        write: is given the bytes as they come; what it raises ends the program and passes on.
        max_bytes: the program is ended when it writes more.
    """

    name: str
    write: Callable[[bytes], object]
    max_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxResult:
    """How a program ended.

    Args:
        ending: in a word.
        reason: in a sentence.
        exit_code: 128 plus the signal for one that a signal ended.
        stdout: the first mebibyte of it.
        stderr: the first mebibyte of it.
        wall_s: seconds of the clock.
        cpu_s: processor seconds of all its processes.
        peak_memory_bytes: of all its processes together, as seen twenty times a second.
    """

    ending: Ending
    reason: str
    exit_code: int
    stdout: bytes
    stderr: bytes
    wall_s: float
    cpu_s: float
    peak_memory_bytes: int
