"""The system calls that a sandboxed program is denied, as a filter for the kernel (seccomp(2), classic BPF).

Namespaces and limits do the containing. The filter takes away what would step around the limits (memory that belongs to
no process, a user namespace with capabilities of its own) and parts of the kernel that no model needs.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Mapping
from types import MappingProxyType

_DENIED: Mapping[str, tuple[int, int]] = MappingProxyType(
    {  # name: number on x86_64, number on aarch64
        # memory that counts for no process, or for the whole machine
        "memfd_create": (319, 279),
        "memfd_secret": (447, 447),
        "shmget": (29, 194),
        "semget": (64, 190),
        "msgget": (68, 186),
        "mq_open": (240, 180),
        "io_setup": (206, 0),
        # namespaces and mounts
        "unshare": (272, 97),
        "setns": (308, 268),
        "mount": (165, 40),
        "umount2": (166, 39),
        "pivot_root": (155, 41),
        "fsopen": (430, 430),
        "open_tree": (428, 428),
        "move_mount": (429, 429),
        "mount_setattr": (442, 442),
        "open_by_handle_at": (304, 265),
        # other processes
        "ptrace": (101, 117),
        "process_vm_readv": (310, 270),
        "process_vm_writev": (311, 271),
        "kcmp": (312, 272),
        "pidfd_getfd": (438, 438),
        # kernel interfaces
        "bpf": (321, 280),
        "perf_event_open": (298, 241),
        "userfaultfd": (323, 282),
        "io_uring_setup": (425, 425),
        "io_uring_enter": (426, 426),
        "io_uring_register": (427, 427),
        "add_key": (248, 217),
        "request_key": (249, 218),
        "keyctl": (250, 219),
    }
)
_CLONE = (56, 220)
_CLONE3 = (435, 435)
_NEW_NAMESPACES = 0x7E020000
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_X32_BIT = 0x40000000

_LOAD, _EQUALS, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _DENY, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_OFFSET_NUMBER, _OFFSET_ARCHITECTURE, _OFFSET_FIRST_ARGUMENT = 0, 4, 16


def build_filter(machine: str | None = None) -> bytes | None:
    """Return the filter for a machine (by default this one), or None where its system calls are not tabled."""
    known = _ARCHITECTURES.get(machine or platform.machine())
    if known is None:
        return None
    column, architecture = known
    program = [
        _step(_LOAD, _OFFSET_ARCHITECTURE),
        _step(_EQUALS, architecture, skip_if_true=1),
        _step(_RETURN, _KILL),
        _step(_LOAD, _OFFSET_NUMBER),
        # x32 numbers are the same calls by other names.
        _step(_AT_LEAST, _X32_BIT, skip_if_false=1),
        _step(_RETURN, _KILL),
    ]
    for numbers in _DENIED.values():
        program += [_step(_EQUALS, numbers[column], skip_if_false=1), _step(_RETURN, _DENY | errno.EPERM)]
    # The flags of clone3 lie in memory that a filter cannot read; the C library falls back to clone.
    program += [_step(_EQUALS, _CLONE3[column], skip_if_false=1), _step(_RETURN, _DENY | errno.ENOSYS)]
    program += [
        _step(_EQUALS, _CLONE[column], skip_if_false=3),
        _step(_LOAD, _OFFSET_FIRST_ARGUMENT),
        _step(_ANY_BIT, _NEW_NAMESPACES, skip_if_false=1),
        _step(_RETURN, _DENY | errno.EPERM),
        _step(_RETURN, _ALLOW),
    ]
    return b"".join(program)


def _step(code: int, value: int, *, skip_if_true: int = 0, skip_if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, skip_if_true, skip_if_false, value)
