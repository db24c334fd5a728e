from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from services.errors import NotFound, Unavailable
from services.jobs.confinement import MIB, Ending, Limits, SandboxResult, Sink
from services.jobs.sandbox import check_sandbox, run_sandboxed
from tests.jobs.test_hostile_programs import processes_marked

ROOT = Path(__file__).parents[2]


def run_python(source: str, **options: Any) -> SandboxResult:
    return run_sandboxed([sys.executable, "-c", source], **options)


def test_a_program_reads_its_inputs_and_answers_through_its_pipes(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_text("given")
    heard = bytearray()
    result = run_python(
        "import os; print('out'); os.write(2, b'err'); given = open('/job/data/a.txt', 'rb').read()\n"
        "os.write(int(os.environ['ANSWER_FD']), given)",
        inputs={"/job/data": tmp_path / "data"},
        sinks=[Sink(name="ANSWER", write=heard.extend, max_bytes=100)],
        environ={"EXTRA": "1"},
    )
    assert (result.ending, result.exit_code, result.reason) == (Ending.EXITED, 0, "It ended with exit code 0.")
    assert (result.stdout, result.stderr, bytes(heard)) == (b"out\n", b"err", b"given")


def test_a_program_may_read_what_the_system_gives_it_of_etc() -> None:
    result = run_python("print(len(open('/etc/ld.so.cache', 'rb').read()) > 0)")
    assert (result.stdout, result.stderr) == (b"True\n", b"")


def test_inputs_are_read_only(tmp_path: Path) -> None:
    path = tmp_path / "given.txt"
    path.write_text("given")
    path.chmod(0o666)
    result = run_python("open('/job/given.txt', 'w')", inputs={"/job/given.txt": path})
    assert b"Read-only file system" in result.stderr
    assert path.read_text() == "given"


def test_a_folder_that_others_may_read_is_given_as_it_is_even_beside_a_file_that_they_may_not(tmp_path: Path) -> None:
    folder, secret = tmp_path / "model", tmp_path / "job.json"
    folder.mkdir(mode=0o755)
    secret.write_text("{}")
    secret.chmod(0o600)
    (tmp_path / "late.txt").write_text("filled while it ran")
    threading.Timer(0.5, lambda: (tmp_path / "late.txt").rename(folder / "late.txt")).start()
    result = run_python(
        "import os, time\n"
        "assert open('/job/job.json').read() == '{}'\n"
        "while not os.path.exists('/job/model/late.txt'): time.sleep(0.05)\n"
        "print(open('/job/model/late.txt').read())",
        inputs={"/job/model": folder, "/job/job.json": secret},
    )
    assert result.stdout == b"filled while it ran\n"


def test_what_only_its_owner_may_read_is_readable_inside_and_unchanged_outside(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "a.txt").write_text("a")
    (folder / "link").symlink_to("inner/a.txt")
    alone = tmp_path / "alone.txt"
    alone.write_text("b")
    for place in (folder / "inner" / "a.txt", alone):
        place.chmod(0o600)
    for place in (folder / "inner", folder):
        place.chmod(0o700)
    result = run_python(
        "print(open('/job/model/link').read(), open('/job/alone').read())",
        inputs={"/job/model": folder, "/job/alone": alone},
    )
    assert result.stdout == b"a b\n", result.stderr
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_missing_input_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        run_python("", inputs={"/job/x": tmp_path / "nowhere"})


def test_it_costs_little_and_measures_what_was_used() -> None:
    result = run_python("x = bytearray(100_000_000)\nimport time\nt = time.time()\nwhile time.time() - t < 0.4: pass")
    assert 0.1 < result.cpu_s < 5
    assert result.wall_s > 0.4
    assert 90 * MIB < result.peak_memory_bytes < 200 * MIB


def test_it_is_cancelled_from_outside() -> None:
    started = time.monotonic()
    result = run_python("import time; time.sleep(1000)", is_cancelled=lambda: time.monotonic() - started > 0.3)
    assert (result.ending, result.reason) == (Ending.CANCELLED, "It was cancelled.")
    assert result.wall_s < 5


def test_what_a_sink_raises_ends_the_program_and_passes_on() -> None:
    mark = f"sink-{time.time_ns()}"

    def fail(_heard: bytes) -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"):
        run_python(
            f"import os, time\nMARK = '{mark}'\nos.write(int(os.environ['ANSWER_FD']), b'x')\ntime.sleep(1000)",
            sinks=[Sink(name="ANSWER", write=fail, max_bytes=100)],
        )
    assert processes_marked(mark) == []


def test_a_program_that_closes_everything_is_still_awaited() -> None:
    result = run_python(
        "import os, time\nfor n in range(20):\n  try: os.close(n)\n  except OSError: pass\ntime.sleep(0.5)\nos._exit(3)"
    )
    assert (result.ending, result.exit_code) == (Ending.EXITED, 3)
    assert result.wall_s > 0.4


def test_runs_beside_one_another_do_not_disturb_one_another() -> None:
    limits = Limits(wall_s=30, processes=8)
    endings: list[Ending] = []
    source = "import threading, time\nfor _ in range(6): threading.Thread(target=time.sleep, args=(1,)).start()"
    threads = [
        threading.Thread(target=lambda: endings.append(run_python(source, limits=limits).ending)) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert endings == [Ending.EXITED] * 5


def test_it_leaves_no_descriptor_open() -> None:
    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208
    run_python("pass")
    assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_it_dies_with_the_process_that_started_it() -> None:
    mark = f"orphan-{time.time_ns()}"
    program = f"[sys.executable, '-c', 'import time; time.sleep(1000)', '{mark}']"
    script = f"import sys; from services.jobs.sandbox import run_sandboxed; run_sandboxed({program})"
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    deadline = time.monotonic() + 30
    # Ours, bubblewrap, its first process inside, and the program.
    while len(processes_marked(mark)) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(processes_marked(mark)) == 4
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    while processes_marked(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_marked(mark) == []


def test_the_check_passes_where_the_sandbox_works() -> None:
    check_sandbox()


def test_without_bubblewrap_it_is_unavailable_and_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="bwrap") as refused:
        check_sandbox()
    assert "apt install bubblewrap" in refused.value.next_step


def fake_bwrap(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "bwrap"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_where_namespaces_are_forbidden_it_is_unavailable_and_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_bwrap(tmp_path, monkeypatch, "echo 'bwrap: No permissions to create new namespace' >&2; exit 1")
    with pytest.raises(Unavailable, match="No permissions to create new namespace"):
        check_sandbox()


def test_a_bubblewrap_that_hangs_before_it_begins_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_bwrap(tmp_path, monkeypatch, "exec sleep 1000")
    assert run_python("pass", limits=Limits(wall_s=0.3)).ending is Ending.OUT_OF_TIME


def test_a_machine_whose_system_calls_are_unknown_has_no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "pdp11")
    with pytest.raises(Unavailable, match="system calls"):
        check_sandbox()


def test_a_check_that_fails_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.jobs.bubblewrap._FIRST_PROCESS", ("false",))
    with pytest.raises(Unavailable, match="does not work"):
        check_sandbox()


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="the tests run as an ordinary user already")
def test_everything_holds_for_an_ordinary_user_too(tmp_path: Path) -> None:
    """As root, become nobody on a file system where nobody may reach this Python, and run the same tests."""
    tmp_path.chmod(0o777)
    prefixes = dict.fromkeys((sys.base_prefix, sys.prefix, str(ROOT)))
    command = ["bwrap", "--dev-bind", "/", "/", "--tmpfs", "/root"]
    command += [argument for prefix in prefixes for argument in (*_folders_above(prefix), "--bind", prefix, prefix)]
    command += ["--bind", str(tmp_path), "/var/tmp", "--setenv", "HOME", "/var/tmp", "--setenv", "TMPDIR", "/var/tmp"]
    command += ["--chdir", str(ROOT), "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    command += [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--basetemp=/var/tmp/pytest",
        "-m",
        "not long",
    ]
    command += ["tests/jobs/test_hostile_programs.py", "tests/jobs/test_sandbox.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def _folders_above(place: str) -> list[str]:
    above = [str(folder) for folder in reversed(Path(place).parents) if str(folder).startswith("/root")]
    return [argument for folder in above if folder != "/root" for argument in ("--perms", "0755", "--dir", folder)]


def test_programs_that_are_cancelled_while_they_begin_leave_nothing_behind() -> None:
    mark = f"{os.getpid()}{time.time_ns() % 1_000_000}"

    def run() -> None:
        for _ in range(12):
            ended = run_sandboxed(["sleep", mark], is_cancelled=lambda: True)
            assert ended.ending is Ending.CANCELLED

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    deadline = time.monotonic() + 30
    while processes_marked(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not processes_marked(mark)
