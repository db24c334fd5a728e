"""Start what is missing (MLflow server, worker, app), wait until each is healthy, and end all together.

One that ends takes the others with it; so do Ctrl-C, SIGTERM and the death of this process itself, so that nothing is
left behind.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from app.web.binding import check_binding, reach
from services.errors import Conflict, Unavailable, Unreachable
from services.settings import Settings, make_home

ROOT = Path(__file__).resolve().parent.parent
LOOPBACK = "127.0.0.1"
HEARTBEAT_SECONDS = 2.0
_START_SECONDS = 90.0
_STOP_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One process to keep running.

    Args:
        is_healthy: answers whether it serves by now.
    """

    name: str
    command: Sequence[str]
    is_healthy: Callable[[], bool]
    environ: Mapping[str, str] = field(default_factory=dict)


class Supervisor:
    """Runs programs, each in a process group of its own, with its output in a log of the home."""

    def __init__(self, home: Path) -> None:
        self._logs = home / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)
        self._running: list[tuple[Program, subprocess.Popen[bytes]]] = []

    def start(self, *programs: Program) -> None:
        """Start programs beside each other and wait until all are healthy.

        Raises:
            Unavailable: one ended, or did not become healthy in time.
        """
        started = [self._begin(program) for program in programs]
        deadline = time.monotonic() + _START_SECONDS
        for program, process in zip(programs, started, strict=True):
            self._await(program, process, deadline)

    def _begin(self, program: Program) -> subprocess.Popen[bytes]:
        with (self._logs / f"{program.name}.log").open("ab") as log:
            process = subprocess.Popen(
                program.command,
                cwd=ROOT,
                env={**os.environ, **program.environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - we start no threads
            )
        self._running.append((program, process))
        return process

    def _await(self, program: Program, process: subprocess.Popen[bytes], deadline: float) -> None:
        while not program.is_healthy():
            if process.poll() is not None:
                raise self._failure(program, f"ended with exit code {process.returncode} while it started")
            if time.monotonic() > deadline:
                raise self._failure(program, f"did not answer within {_START_SECONDS:.0f} seconds")
            time.sleep(0.1)

    def wait(self) -> None:
        """Return when asked to stop.

        Raises:
            Unavailable: one of the programs ended by itself.
        """
        while True:
            for program, process in self._running:
                if process.poll() is not None:
                    raise self._failure(program, f"ended with exit code {process.returncode}")
            time.sleep(0.5)

    def stop(self) -> None:
        """End every program, the last started first, and whatever they started."""
        for _, process in reversed(self._running):
            _signal_group(process, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        for _, process in self._running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            # What the program itself started may outlive it: the group is ended as a whole.
            _signal_group(process, signal.SIGKILL)
            process.wait()
        self._running.clear()

    def _failure(self, program: Program, what: str) -> Unavailable:
        return Unavailable(
            f"The {program.name} {what}.", next_step=f"Its log says why: {self._logs / (program.name + '.log')}."
        )


@contextmanager
def supervised(settings: Settings) -> Iterator[Supervisor]:
    """Hold the home for one `up` at a time, and end everything when the block is left by whichever way.

    Raises:
        Conflict: another `gatehouse up` runs on this home.
    """
    make_home(settings.home)
    with ExitStack() as stack:
        try:
            lock = stack.enter_context((settings.home / "up.lock").open("a"))
        except OSError as error:
            raise Unreachable(
                f"{settings.home} cannot be written to: {error.strerror}.",
                next_step="Set GATEHOUSE_HOME to a folder that can be.",
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(
                f"Gatehouse is running on {settings.home} already.",
                next_step="Stop that one, or give this one a home of its own with GATEHOUSE_HOME.",
            ) from error
        supervisor = Supervisor(settings.home)
        stack.callback(supervisor.stop)
        # Ctrl-C too: a shell starts what goes to the background with that ignored.
        for number in (signal.SIGTERM, signal.SIGINT):
            stack.callback(signal.signal, number, signal.signal(number, _interrupt))
        yield supervisor


def check_port(port: int, what: str, *, address: str = LOOPBACK) -> None:
    """Refuse a port that something listens on.

    Raises:
        Conflict: it is in use.
    """
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise Conflict(
                f"Port {port}, meant for the {what}, is in use.", next_step="Choose another with PORT=… and try again."
            ) from error


def mlflow_program(settings: Settings) -> tuple[Program, dict[str, str]]:
    """Return an MLflow server on loopback behind the guard, and the settings that reach it."""
    port = settings.port + 1
    check_port(port, "MLflow server")
    folder = settings.home / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    url = f"http://{LOOPBACK}:{port}"
    token = _service_token(settings.home)
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", LOOPBACK, "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
        *("--artifacts-destination", str(folder / "artifacts")),
        *("--app-name", "gatehouse"),
    ]
    environ = {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_TRACKING_TOKEN": token,
    }
    reach = {
        "MLFLOW_TRACKING_URI": url,
        "MLFLOW_TRACKING_TOKEN": token,
        "GATEHOUSE_REGISTRY_DATABASE_URL": f"sqlite:///{folder / 'mlflow.db'}",
    }
    is_healthy = lambda: answers(f"{url}/health")  # noqa: E731 - a closure over the address
    return Program(name="MLflow server", command=command, is_healthy=is_healthy, environ=environ), reach


def worker_program(settings: Settings, environ: Mapping[str, str]) -> Program:
    """Return the worker, healthy once its heart beats."""
    heartbeat = settings.home / "worker.heartbeat"
    heartbeat.unlink(missing_ok=True)
    return Program(
        name="worker",
        command=[sys.executable, "-m", "app.cli", "worker"],
        is_healthy=heartbeat.exists,
        environ=environ,
    )


def app_program(settings: Settings, environ: Mapping[str, str]) -> Program:
    """Return the dashboard."""
    check_app(settings)
    command = [
        *(sys.executable, "-m", "streamlit", "run", str(ROOT / "app" / "main.py")),
        *("--server.port", str(settings.port), "--server.address", settings.address),
    ]
    if settings.tls_certificate and settings.tls_key:
        command += ["--server.sslCertFile", str(settings.tls_certificate), "--server.sslKeyFile", str(settings.tls_key)]
    if (secrets_file := settings.home / "secrets.toml").exists():
        command += ["--secrets.files", str(secrets_file)]
    url = app_url(settings)
    return Program(name="app", command=command, is_healthy=lambda: answers(f"{url}/healthz"), environ=environ)


def check_app(settings: Settings) -> None:
    """Refuse an address that would be unsafe, or a port that is in use.

    Raises:
        InvalidInput: other machines would reach the app in clear text.
        Conflict: the port is in use.
    """
    has_tls = settings.tls_certificate is not None and settings.tls_key is not None
    check_binding(settings.address, has_tls=has_tls, is_behind_proxy=settings.behind_proxy)
    check_port(settings.port, "app", address=settings.address)


def app_url(settings: Settings) -> str:
    """Return where this machine reaches the dashboard."""
    scheme = "https" if settings.tls_certificate and settings.tls_key else "http"
    return f"{scheme}://{reach(settings.address)}:{settings.port}"


def answers(url: str) -> bool:
    """Return whether an address of our own answers 200."""
    # Our own certificate is made out to a name, and this is asked by address.
    unnamed = ssl.create_default_context()
    unnamed.check_hostname, unnamed.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(url, timeout=2, context=unnamed) as response:  # noqa: S310 - made above
            return bool(response.status == 200)  # noqa: PLR2004
    except OSError:
        return False


def _service_token(home: Path) -> str:
    path = home / "keys" / "mlflow-service-token"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32))
    return path.read_text()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
