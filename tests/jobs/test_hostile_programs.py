"""Fifteen kinds of hostile code are contained: what each wanted did not happen, and the result says how it ended."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.jobs.confinement import MIB, Ending, Limits, SandboxResult, Sink
from services.jobs.sandbox import run_sandboxed
from tests.jobs import hostile_programs as hostile

LIMITS = Limits(wall_s=20, cpu_s=10, memory_bytes=256 * MIB, tmp_bytes=16 * MIB, processes=32)


def run(source: str, limits: Limits = LIMITS, **known: Any) -> SandboxResult:
    named = "\n".join(f"{name} = {value!r}" for name, value in known.items() if name.isupper())
    options = {name: value for name, value in known.items() if not name.isupper()}
    return run_sandboxed([sys.executable, "-c", hostile.PRELUDE + named + source], limits=limits, **options)


def run_bare(source: str, **known: Any) -> list[Any]:
    """What the same source gets without a sandbox: the control that it would work."""
    named = "\n".join(f"{name} = {value!r}" for name, value in known.items())
    command = [sys.executable, "-c", hostile.PRELUDE + named + source]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]


def printed(result: SandboxResult) -> list[Any]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def processes_marked(mark: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if mark.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


@pytest.fixture
def secret(tmp_path: Path) -> Iterator[Path]:
    """A file that everybody outside may read, in a folder that everybody may enter."""
    folder = tmp_path / "home"
    folder.mkdir()
    path = folder / "secret.txt"
    path.write_text("hunter2")
    yield path
    assert path.read_text() == "hunter2"


def test_1_writing_outside_writes_nothing(tmp_path: Path) -> None:
    places = [tmp_path / "x", Path.cwd() / "x", Path.home() / "x", Path(sys.prefix) / "x", Path(sys.base_prefix) / "x"]
    places += [
        Path(folder, "gatehouse-was-here") for folder in ("/", "/usr", "/etc", "/var", "/run", "/dev", "/job", "/lib")
    ]
    import services

    places += [Path(services.__file__), Path(sys.prefix, "lib", "python3.11", "site-packages", "x.pth")]
    before = Path(services.__file__).read_bytes()
    result = run(hostile.WRITE_OUTSIDE, PATHS=[str(place) for place in places])
    (written,) = printed(result)
    # A checkout that lies in /tmp has folders of its name in the program's own /tmp, which is memory.
    assert [place for place in written if not Path(place).is_relative_to("/tmp")] == []
    assert [place for place in places if place.name in {"x", "gatehouse-was-here", "x.pth"} and place.exists()] == []
    assert Path(services.__file__).read_bytes() == before
    assert run_bare(hostile.WRITE_OUTSIDE, PATHS=[str(tmp_path / "x")]) != [{}]


def test_2_secrets_cannot_be_read(secret: Path) -> None:
    files = [str(secret), "/etc/shadow", "/etc/passwd", "/root/.bashrc", f"/proc/{os.getpid()}/environ", "/proc/1/mem"]
    folders = [str(secret.parent), "/home", "/var", "/run", "/sys", "/etc/ssl", "/boot", "/srv"]
    assert printed(run(hostile.READ_FILES, PATHS=files, FOLDERS=folders)) == [{}, {}]
    assert str(secret) in run_bare(hostile.READ_FILES, PATHS=files, FOLDERS=folders)[0]


def test_3_the_store_and_the_checkout_cannot_be_read(tmp_path: Path) -> None:
    store = tmp_path / ".gatehouse" / "gatehouse.db"
    store.parent.mkdir()
    store.write_bytes(b"SQLite format 3")
    root = Path(__file__).parents[2]
    beside = [
        str(root / name) for name in ("pyproject.toml", ".git/config", ".gatehouse/gatehouse.db", "gatehouse.yaml")
    ]
    folders = [str(store.parent), str(root / "tests"), str(root / ".git"), str(root / "app")]
    assert printed(run(hostile.READ_FILES, PATHS=[str(store), *beside], FOLDERS=folders)) == [{}, {}]


def test_4_there_is_no_network() -> None:
    with socket.create_server(("0.0.0.0", 0)) as listener:
        listener.setblocking(False)
        assert printed(run(hostile.NETWORK, PORT=listener.getsockname()[1])) == [{}]
        with pytest.raises(BlockingIOError):
            listener.accept()
        assert {"loopback", "any"} <= set(run_bare(hostile.NETWORK, PORT=listener.getsockname()[1])[0])


def test_5_no_unix_socket_is_reached(tmp_path: Path) -> None:
    folder = Path("/tmp", f"gh-{os.getpid()}")  # the path of a socket has at most 108 characters
    folder.mkdir()
    path, abstract = str(folder / "s"), f"\0gatehouse-{os.getpid()}"
    try:
        with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as other:
            one.bind(path)
            other.bind(abstract)
            one.listen()
            other.listen()
            assert printed(run(hostile.UNIX_SOCKET, PATH=path, ABSTRACT=abstract)) == [{}]
            assert set(run_bare(hostile.UNIX_SOCKET, PATH=path, ABSTRACT=abstract)[0]) == {"path", "abstract"}
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("bomb", [hostile.FORK_BOMB, hostile.THREAD_BOMB], ids=["processes", "threads"])
def test_6_a_fork_bomb_is_held_small_and_ended(bomb: str) -> None:
    mark = f"bomb-{time.time_ns()}"
    most = 0

    def look() -> bool:
        nonlocal most
        marked = processes_marked(mark)
        most = max(
            most, sum(len(list(Path(f"/proc/{pid}/task").glob("*"))) for pid in marked if Path(f"/proc/{pid}").exists())
        )
        return False

    started = time.monotonic()
    result = run(f"MARK = {mark!r}\n" + bomb, Limits(wall_s=2, processes=32), is_cancelled=look)
    assert result.ending is Ending.OUT_OF_TIME
    assert 1 < most <= 40
    assert time.monotonic() - started < 10
    assert processes_marked(mark) == []


@pytest.mark.parametrize(
    "greed",
    [hostile.MEMORY, hostile.SHARED_MEMORY, hostile.MEMORY_OF_CHILDREN, hostile.PAGE_TABLES, hostile.SOCKETS],
    ids=["own", "shared", "of children", "page tables", "sockets"],
)
def test_7_memory_beyond_the_limit_ends_it(greed: str) -> None:
    result = run(greed)
    assert result.ending is Ending.OUT_OF_MEMORY or b"MemoryError" in result.stderr
    assert result.peak_memory_bytes < LIMITS.memory_bytes * 2
    assert result.wall_s < 15


def test_7_files_that_hold_nothing_take_memory_too() -> None:
    result = run(hostile.EMPTY_FILES, Limits(wall_s=30, memory_bytes=48 * MIB))
    assert result.ending is Ending.OUT_OF_MEMORY
    assert result.peak_memory_bytes < 2 * 48 * MIB


def test_7_memory_that_belongs_to_no_process_cannot_be_had() -> None:
    assert printed(run(hostile.HIDDEN_MEMORY)) == [{}]


def test_8_what_hangs_is_ended_on_time() -> None:
    result = run(hostile.HANG, Limits(wall_s=1))
    assert (result.ending, result.reason) == (Ending.OUT_OF_TIME, "It took longer than 1 seconds.")
    assert 1 <= result.wall_s < 3


def test_8_what_spins_is_ended_when_its_processor_time_is_up() -> None:
    result = run(hostile.SPIN, Limits(wall_s=30, cpu_s=1))
    assert (result.ending, result.reason) == (Ending.OUT_OF_TIME, "It used more processor time than it may.")
    assert 0.5 < result.cpu_s < 3


@pytest.mark.parametrize(("stream", "name"), [(1, "stdout"), (2, "stderr")])
def test_9_a_flood_of_output_is_cut_at_a_mebibyte(stream: int, name: str) -> None:
    result = run(hostile.FLOOD, STREAM=stream)
    assert result.ending is Ending.TOO_MUCH_OUTPUT
    assert result.reason == f"It wrote more than 1048576 bytes to {name}."
    assert len(getattr(result, name)) == MIB


def test_9_a_flood_of_answers_is_cut_at_its_limit() -> None:
    heard = bytearray()
    sink = Sink(name="TABLE", write=heard.extend, max_bytes=1000)
    result = run("STREAM = int(os.environ['TABLE_FD'])" + hostile.FLOOD, sinks=[sink])
    assert (result.ending, len(heard)) == (Ending.TOO_MUCH_OUTPUT, 1000)


@pytest.mark.parametrize(
    ("source", "ending", "exit_code"),
    [
        (hostile.CRASH_FAULT, Ending.CRASHED, 128 + 11),
        (hostile.CRASH_ABORT, Ending.CRASHED, 128 + 6),
        (hostile.EXIT, Ending.EXITED, 7),
        ("os._exit(200)", Ending.EXITED, 200),
    ],
    ids=["fault", "abort", "exit", "exit like a signal"],
)
def test_10_a_crash_is_told_from_an_exit(source: str, ending: Ending, exit_code: int) -> None:
    result = run(source)
    assert (result.ending, result.exit_code) == (ending, exit_code)


def test_11_signals_reach_nobody_outside() -> None:
    bystander = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    try:
        result = run(hostile.SIGNALS, HOST_PID=bystander.pid, HOST_GROUP=bystander.pid)
        assert printed(result) == [{}]
        assert bystander.poll() is None
        alone = hostile.SIGNALS.replace("everybody=lambda: os.kill(-1, signal.SIGKILL),", "")
        assert "parent" in run_bare(alone, HOST_PID=bystander.pid, HOST_GROUP=bystander.pid)[0]
    finally:
        bystander.kill()
        bystander.wait()


def test_12_symbolic_links_lead_nowhere(tmp_path: Path, secret: Path) -> None:
    given = tmp_path / "input"
    given.mkdir()
    (given / "link").symlink_to(secret)
    out = tmp_path / "out"
    with out.open("wb") as file:
        sink = Sink(name="TABLE", write=file.write, max_bytes=100)
        result = run(hostile.SYMLINKS, SECRET=str(secret), inputs={"/job/input": given}, sinks=[sink])
    assert [value for value in printed(result)[0].values() if "hunter2" in value] == []
    assert out.read_bytes() == b"table"
    assert not out.is_symlink()


def test_13_the_environment_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mark-of-a-secret")
    monkeypatch.setenv("GATEHOUSE_TOKEN", "mark-of-a-secret")
    in_processes, in_own, names = printed(run(hostile.ENVIRONMENT.replace("MARK", "'mark-of-' + 'a-secret'")))
    assert (in_processes, in_own) == ({}, {})
    assert set(names) <= {"HOME", "LANG", "LC_CTYPE", "PATH", "PWD", "PYTHONDONTWRITEBYTECODE", "USER", "SHLVL", "_"}


def test_14_nothing_is_left_behind() -> None:
    mark = f"zombie-{time.time_ns()}"
    result = run(hostile.ZOMBIES, MARK=mark)
    assert printed(result) == ["spawned"]
    assert result.ending is Ending.EXITED
    assert processes_marked(mark) == []
    assert [child for child in _children_of(os.getpid()) if _state_of(child) == "Z"] == []


def _children_of(pid: int) -> list[int]:
    return [
        int(line)
        for line in subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
        ).stdout.split()
    ]


def _state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def test_15_the_disk_cannot_be_filled() -> None:
    result = run(hostile.DISK)
    [written] = printed(result)
    assert {folder for folder, size in written.items() if size} == {"/tmp", "/dev/shm"}
    assert all(size <= LIMITS.tmp_bytes for size in written.values())


def test_no_privilege_can_be_gained() -> None:
    assert printed(run(hostile.NAMESPACES)) == [{}]
