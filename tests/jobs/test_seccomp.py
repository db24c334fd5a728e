"""The filter, run step by step as the kernel would (seccomp(2)): what is let through, what is denied, what kills."""

import errno
import struct

import pytest

from services.jobs.seccomp import build_filter

ALLOW, DENY, KILL = 0x7FFF0000, 0x00050000, 0x80000000
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
CALLS = {
    "x86_64": {"read": 0, "execve": 59, "clone": 56, "clone3": 435, "memfd_create": 319, "unshare": 272, "ptrace": 101},
    "aarch64": {
        "read": 63,
        "execve": 221,
        "clone": 220,
        "clone3": 435,
        "memfd_create": 279,
        "unshare": 97,
        "ptrace": 117,
    },
}
CLONE_THREAD_FLAGS = 0x3D0F00
CLONE_NEWUSER = 0x10000000


def verdict(program: bytes, *, number: int, architecture: int, argument: int = 0) -> int:
    """Interpret classic BPF over the data that the kernel gives a filter."""
    data = struct.pack("<IIQQ", number, architecture, 0, argument)
    steps = list(struct.iter_unpack("<HBBI", program))
    position, loaded = 0, 0
    while True:
        code, if_true, if_false, value = steps[position]
        position += 1
        if code == 0x20:
            loaded = struct.unpack_from("<I", data, value)[0]
        elif code == 0x06:
            return int(value)
        else:
            holds = {0x15: loaded == value, 0x35: loaded >= value, 0x45: bool(loaded & value)}[code]
            position += if_true if holds else if_false


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_ordinary_calls_pass_and_dangerous_ones_are_denied(machine: str) -> None:
    program = build_filter(machine)
    assert program is not None
    calls, architecture = CALLS[machine], ARCHITECTURES[machine]

    def decide(name: str, argument: int = 0) -> int:
        return verdict(program, number=calls[name], architecture=architecture, argument=argument)

    assert decide("read") == ALLOW
    assert decide("execve") == ALLOW
    for name in ("memfd_create", "unshare", "ptrace"):
        assert decide(name) == DENY | errno.EPERM
    assert decide("clone3") == DENY | errno.ENOSYS


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_threads_may_be_made_and_namespaces_not(machine: str) -> None:
    program = build_filter(machine)
    assert program is not None
    number, architecture = CALLS[machine]["clone"], ARCHITECTURES[machine]
    assert verdict(program, number=number, architecture=architecture, argument=CLONE_THREAD_FLAGS) == ALLOW
    denied = verdict(program, number=number, architecture=architecture, argument=CLONE_THREAD_FLAGS | CLONE_NEWUSER)
    assert denied == DENY | errno.EPERM


def test_calls_of_another_architecture_or_numbering_kill() -> None:
    program = build_filter("x86_64")
    assert program is not None
    assert verdict(program, number=0, architecture=0x40000003) == KILL
    assert verdict(program, number=0x40000000 | 319, architecture=ARCHITECTURES["x86_64"]) == KILL


def test_a_machine_that_is_not_tabled_has_no_filter() -> None:
    assert build_filter("pdp11") is None
