"""The supervisor with small real programs: what it starts, it ends, whichever way it goes itself."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app import up
from services.errors import Conflict, Unavailable
from services.settings import Settings, load_settings
from tests.servers import free_port

ROOT = Path(__file__).parents[2]
SERVE = """
import http.server, sys
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.BaseHTTPRequestHandler).serve_forever()
"""
WITH_CHILD = """
import subprocess, sys, time
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", STUBBORN])
open(sys.argv[1], "w").write(str(child.pid))
time.sleep(600)
"""
KEEP_UP = """
import sys
from pathlib import Path
from app import up
from services.settings import load_settings
pid_file = Path(sys.argv[1])
with up.supervised(load_settings({}, home=pid_file.parent)) as supervisor:
    command = [sys.executable, "-c", sys.argv[2], str(pid_file)]
    supervisor.start(up.Program(name="parent", command=command, is_healthy=pid_file.exists))
    print("up", flush=True)
    try:
        supervisor.wait()
    except KeyboardInterrupt:
        pass
"""


def settings_in(home: Path) -> Settings:
    return load_settings({}, home=home)


def server(port: int, name: str = "server") -> up.Program:
    return up.Program(name=name, command=[sys.executable, "-c", SERVE, str(port)], is_healthy=lambda: listens(port))


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def eventually(holds: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)
    return holds()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_what_was_started_serves_and_ends_with_the_block(tmp_path: Path) -> None:
    port = free_port()
    with up.supervised(settings_in(tmp_path)) as supervisor:
        supervisor.start(server(port))
        assert listens(port)
    assert not listens(port)


def test_one_that_ends_by_itself_ends_the_others(tmp_path: Path) -> None:
    port = free_port()
    brief = up.Program(
        name="brief", command=[sys.executable, "-c", "import time; time.sleep(1)"], is_healthy=lambda: True
    )

    def keep_up() -> None:
        with up.supervised(settings_in(tmp_path)) as supervisor:
            supervisor.start(server(port))
            supervisor.start(brief)
            supervisor.wait()

    with pytest.raises(Unavailable, match="brief ended with exit code 0"):
        keep_up()
    assert not listens(port)


def test_one_that_fails_to_start_is_named_with_its_log(tmp_path: Path) -> None:
    failing = up.Program(
        name="worker", command=[sys.executable, "-c", "raise SystemExit('no')"], is_healthy=lambda: False
    )
    with up.supervised(settings_in(tmp_path)) as supervisor, pytest.raises(Unavailable) as failure:
        supervisor.start(failing)
    assert failure.value.message == "The worker ended with exit code 1 while it started."
    log = failure.value.next_step.rpartition(" ")[2].rstrip(".")
    assert Path(log).read_text().strip() == "no"


def test_a_second_one_on_the_same_home_is_refused(tmp_path: Path) -> None:
    with up.supervised(settings_in(tmp_path)), pytest.raises(Conflict, match="is running on"):
        up.supervised(settings_in(tmp_path)).__enter__()


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Conflict, match=f"Port {port}, meant for the app, is in use"):
            up.check_port(port, "app")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_it_however_it_ends(tmp_path: Path, number: signal.Signals) -> None:
    pid_file = tmp_path / "pid"
    keeper = subprocess.Popen(
        [sys.executable, "-c", KEEP_UP, str(pid_file), WITH_CHILD], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert keeper.stdout is not None
    assert keeper.stdout.readline() == "up\n"
    grandchild = int(pid_file.read_text())
    parent = int(Path(f"/proc/{grandchild}/stat").read_text().split()[3])
    keeper.send_signal(number)
    keeper.wait(20)
    keeper.stdout.close()
    assert eventually(lambda: not is_alive(parent))
    if number is signal.SIGKILL:
        # Nobody is left to end a grandchild that ignores what its parent was told.
        os.kill(grandchild, signal.SIGKILL)
    assert eventually(lambda: not is_alive(grandchild))


def test_the_service_token_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    settings = load_settings({}, home=tmp_path, port=free_port())
    _, first = up.mlflow_program(settings)
    _, second = up.mlflow_program(settings)
    assert first["MLFLOW_TRACKING_TOKEN"] == second["MLFLOW_TRACKING_TOKEN"]
    assert (tmp_path / "keys" / "mlflow-service-token").stat().st_mode & 0o077 == 0
