import mmap
import os
import subprocess
import time

import pytest

from services.jobs.confinement import MIB
from services.jobs.process_tree import list_namespace, resident_bytes, socket_bytes


def own_namespace() -> int:
    return int(os.readlink("/proc/self/ns/pid").removeprefix("pid:[").removesuffix("]"))  # noqa: PTH115


def test_a_process_is_in_its_namespace_and_in_no_other() -> None:
    assert os.getpid() in list_namespace(own_namespace())
    assert list_namespace(1) == []


def test_a_process_that_is_gone_holds_nothing() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert resident_bytes([gone.pid], above=0) == 0
    assert resident_bytes([gone.pid], above=10**12) == 0


def test_where_a_container_hides_the_size_of_buffers_the_usual_one_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.jobs.process_tree._MOST_BUFFERED", "/proc/nowhere")
    socket_bytes.cache_clear()
    assert socket_bytes() == 2 * 212_992
    socket_bytes.cache_clear()
    assert socket_bytes() > 0


def test_beyond_the_limit_shared_pages_count_once() -> None:
    region = mmap.mmap(-1, 64 * MIB)
    region.write(b"x" * (64 * MIB))
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            region[::4096]
            time.sleep(30)
            os._exit(0)
        children.append(child)
    try:
        time.sleep(0.5)
        pids = [os.getpid(), *children]
        simple, exact = resident_bytes(pids, above=10**12), resident_bytes(pids, above=0)
        assert simple - exact > 2 * 64 * MIB
    finally:
        for child in children:
            os.kill(child, 9)
            os.waitpid(child, 0)
        region.close()
