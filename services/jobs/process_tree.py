"""What the processes of one PID namespace use right now, read from /proc (proc(5), pid_namespaces(7)).

A process may hide from its parent, but never leave its namespace. What the kernel holds for them counts as well: the
tables of their pages (a terabyte that is only looked at takes two gibibytes), their files' inodes, their sockets.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

_INODE_BYTES = 1024
_MOST_BUFFERED = "/proc/sys/net/core/wmem_max"
_USUALLY_BUFFERED = 212_992
_RESIDENT = ("VmRSS:", "VmSwap:", "VmPTE:")
_PROPORTIONAL = ("Pss:", "SwapPss:")


def list_namespace(inode: int) -> list[int]:
    """Return the processes that live in a PID namespace at this moment."""
    name = f"pid:[{inode}]"
    return [pid for pid in _list_processes() if _namespace_of(pid) == name]


def resident_bytes(pids: list[int], *, above: int) -> int:
    """Return the memory that processes hold together.

    The sum of resident sets counts a shared page once a process, so beyond `above` it is replaced by proportional sets,
    which are exact and slow to read.
    """
    simple = sum(_resident_bytes(pid) for pid in pids)
    return simple if simple <= above else sum(_proportional_bytes(pid) for pid in pids)


def inode_bytes(pid: int, folders: Sequence[str]) -> int:
    """Return what the kernel holds for files, empty ones too, in a process's own folders of memory."""
    found = 0
    with contextlib.suppress(OSError):
        for folder in folders:
            own, ours = os.statvfs(f"/proc/{pid}/root{folder}"), os.statvfs(folder)
            if own.f_fsid != ours.f_fsid:  # it is in the sandbox already
                found += (own.f_files - own.f_ffree) * _INODE_BYTES
    return found


def count_sockets(pid: int) -> int:
    """Return how many sockets are open in the network namespace of a process."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/net/sockstat").read_text(encoding="ascii").splitlines():
            if line.startswith("sockets: used"):
                return int(line.split()[2])
    return 0


@cache
def socket_bytes() -> int:
    """Return what the kernel may hold in the buffer of one socket (socket(7): twice the most that can be asked for)."""
    try:
        most = int(Path(_MOST_BUFFERED).read_text(encoding="ascii"))
    except OSError:  # a network namespace other than the first, as a container has, does not show it
        most = _USUALLY_BUFFERED
    return 2 * most


def _list_processes() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdecimal())  # noqa: PTH208 - names only


def _namespace_of(pid: int) -> str | None:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")  # noqa: PTH115 - ten times as fast, some hundred times a second
    except OSError:
        return None


def _resident_bytes(pid: int) -> int:
    return sum(_read_sizes(f"/proc/{pid}/status", _RESIDENT))


def _proportional_bytes(pid: int) -> int:
    shares = _read_sizes(f"/proc/{pid}/smaps_rollup", _PROPORTIONAL)
    return sum(shares) + sum(_read_sizes(f"/proc/{pid}/status", ("VmPTE:",))) if shares else _resident_bytes(pid)


def _read_sizes(path: str, names: tuple[str, ...]) -> list[int]:
    with contextlib.suppress(OSError):
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
        return [int(line.split()[1]) * 1024 for line in lines if line.startswith(names)]
    return []
