"""What may go wrong beside serving, on real servers: each ends in service, or in a clear refusal, and in a record."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import httpx
import pyarrow.parquet as pq
import pytest

from services.clock import utc_now
from services.deployments import Servers
from services.shadow.places import get_log_folder
from tests.serving.builders import MODEL, MOODY, ServedHome, Server, await_true, rows, stop

MEMORY = ("--memory-mb", "700")


class Load:
    """Callers who ask without a pause, and what they got."""

    def __init__(self, server: Server, *, callers: int = 2) -> None:
        self._url = f"{server.url}/invocations"
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.answers: list[tuple[int, str | None]] = []
        self._threads = [threading.Thread(target=self._ask) for _ in range(callers)]

    def _ask(self) -> None:
        invocation = rows((1.0, 0.0))
        with httpx.Client(headers={"content-type": invocation.content_type}, timeout=60) as client:
            while not self._stop.is_set():
                try:
                    answered = client.post(self._url, content=invocation.body)
                    got = answered.status_code, answered.headers.get("x-model-version")
                except httpx.HTTPError as error:
                    got = 0, str(error)
                with self._lock:
                    self.answers.append(got)
                time.sleep(0.005)

    @property
    def failed(self) -> list[tuple[int, str | None]]:
        """The answers that were none."""
        return [answer for answer in self.answers if answer[0] != 200]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def serves(server: Server, version: int) -> bool:
    return bool(server.health()["champion"] == version)


def processes_of(server: Server, named: str) -> list[int]:
    """Return the processes of a server whose command names something."""
    found = []
    for line in subprocess.run(
        ["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True
    ).stdout.splitlines()[1:]:
        pid, parent, command = line.split(None, 2)
        found.append((int(pid), int(parent), command))
    family, grew = {server.process.pid}, True
    while grew:
        more = {pid for pid, parent, _ in found if parent in family} - family
        family |= more
        grew = bool(more)
    return [pid for pid, _, command in found if pid in family and named in command and "bwrap" not in command]


def processes_by_model(server: Server) -> tuple[list[int], int]:
    """Return the processes that have a model, once one waits for one, and that one."""

    def look() -> tuple[list[int], list[int]]:
        found: tuple[list[int], list[int]] = ([], [])
        for pid in processes_of(server, "services.jobs.child"):
            with suppress(FileNotFoundError, ProcessLookupError):
                # Not the shell that starts it, whose command names the same.
                if Path(f"/proc/{pid}/exe").resolve().name.startswith("python"):
                    found[not any(Path(f"/proc/{pid}/root/job/model").iterdir())].append(pid)
        return found

    await_true(lambda: len(look()[1]) == 1)
    loaded, (spare,) = look()
    return loaded, spare


def change_pins_under_load(home: ServedHome, changes: int) -> None:
    for version in (1, 2, 3):
        home.place(version)
    home.pin(1)
    with home.serving(*MEMORY, standbys=2) as server, Load(server) as load:
        for number in range(changes):
            version = (2, 3, 1)[number % 3]
            home.pin(version)
            await_true(lambda wanted=version: serves(server, wanted))  # type: ignore[misc]
        versions = [answer[1] for answer in load.answers]
    assert load.failed == []
    assert set(versions) == {"1", "2", "3"}
    assert home.actions().count("serving:route:taken") == changes


def test_changes_of_pins_drop_no_request(home: ServedHome) -> None:
    change_pins_under_load(home, 6)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_hundred_changes_of_pins_drop_no_request(home: ServedHome) -> None:
    change_pins_under_load(home, 100)


def test_a_champion_whose_process_is_killed_is_started_again_and_says_so_meanwhile(home: ServedHome) -> None:
    home.place(1)
    home.pin(1)
    with home.serving(*MEMORY) as server:
        for pid in processes_of(server, "services.jobs.child"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await_true(lambda: server.health()["status"] == "down")
        told = server.post(rows((1, 0)))
        assert (told.status_code, told.json()["error_code"]) == (503, "UNAVAILABLE")
        assert "fraud_detector/1 does not answer now: The model failed while serving" in told.json()["message"]
        assert told.headers["retry-after"]
        assert httpx.get(f"{server.url}/ping").status_code == 503
        await_true(lambda: server.post(rows((1, 0))).status_code == 200)
        assert server.health()["status"] == "ok"
        await_true(lambda: "serving:version:failed" in home.actions())
    assert home.actions() == ["serving:server:started", "serving:version:failed", "serving:server:stopped"]


def test_a_server_that_is_killed_leaves_no_process_and_the_next_one_records_it(home: ServedHome) -> None:
    home.place(1)
    home.pin(1)
    with home.serving(*MEMORY) as server:
        await_true(lambda: "serving:server:started" in home.actions())
        left = processes_of(server, "services.jobs.child")
        assert left
        server.process.kill()
        server.process.wait()
    await_true(lambda: not any(Path(f"/proc/{pid}").exists() for pid in left))
    assert list((home.folder / "serving").iterdir())
    with home.serving(*MEMORY) as server:
        assert server.post(rows((1, 0))).json() == {"predictions": [0.01]}
        await_true(lambda: "serving:server:killed" in home.actions())
    assert sorted(home.actions()) == [
        "serving:server:killed", "serving:server:started", "serving:server:started", "serving:server:stopped",
    ]  # fmt: skip
    assert list((home.folder / "serving").iterdir()) == []


def test_pairs_that_a_killed_server_had_not_written_are_told_by_the_next_one(home: ServedHome) -> None:
    home.place(1)
    home.place(2)
    home.pin(1)
    home.ramp(1, 2)
    with home.serving(*MEMORY, "--log-seconds", "3600") as server:
        await_true(lambda: server.health()["loaded"] == [1, 2])
        for number in range(3):
            server.post(rows((1, 0), (2, number)))
        await_true(lambda: server.metric("shadow_pairs_total") == 3)
        server.process.kill()
        server.process.wait()
    with home.serving(*MEMORY) as server:
        assert server.metric("log_rows_lost_total") == 6
        await_true(lambda: "serving:server:killed" in home.actions())
    (killed,) = [event for event in home.audit.list_events(limit=100).events if event.action == "serving:server:killed"]
    assert killed.after is not None
    assert (killed.after["lost_log_rows"], killed.after["lost_requests"]) == (6, 0)
    assert "lost up to 6 rows" in killed.reason


def test_what_a_server_does_is_told_in_the_store_while_it_runs(home: ServedHome) -> None:
    home.place(1)
    home.place(2)
    home.pin(1)
    servers = Servers(home.store, clock=utc_now)
    with home.serving(*MEMORY) as server:
        await_true(lambda: len(servers.list_servers(MODEL)) == 1)
        (told,) = servers.list_servers(MODEL)
        assert (told.address, told.status, told.version, told.is_silent) == (server.url, "ok", 1, False)
        server.post(rows((1, 0)))
        home.pin(2)
        assert [each.version for each in servers.await_version(MODEL, 2, patience_s=60)] == [2]
        await_true(lambda: servers.list_servers(MODEL)[0].requests == 1)
        server.process.kill()
        server.process.wait()
    # It cannot say that it ended: it goes on being told of, as silent, until the next one finds its files.
    assert [each.version for each in servers.list_servers(MODEL)] == [2]
    with home.serving(*MEMORY) as server:
        await_true(lambda: [each.address for each in servers.list_servers(MODEL)] == [server.url])
    assert servers.list_servers(MODEL) == []


def test_a_spare_takes_over_for_a_version_that_was_not_loaded_and_for_one_that_died(home: ServedHome) -> None:
    home.place(1)
    home.place(2)
    home.pin(1)
    with home.serving(*MEMORY, has_spare=True) as server, Load(server) as load:
        (first,), spare = processes_by_model(server)
        home.pin(2)
        await_true(lambda: serves(server, 2))
        await_true(lambda: not Path(f"/proc/{first}").exists())
        # The one that waited is the one that answers, and another waits.
        (second,), another = processes_by_model(server)
        assert (second, another == spare) == (spare, False)
        assert load.failed == []
        os.kill(second, signal.SIGKILL)
        await_true(lambda: server.metric("model_failures_total") == 1 and server.health()["status"] == "ok")
        assert processes_by_model(server)[0] == [another]


@contextmanager
def locked(home: ServedHome) -> Iterator[None]:
    """Hold every lock that a reader or writer of the store needs (sqlite.org/walformat.html, WAL locks)."""
    with (home.folder / "gatehouse.db-shm").open("r+b") as shared:
        fcntl.lockf(shared, fcntl.LOCK_EX, 8, 120)
        yield


@pytest.mark.long
def test_while_the_store_is_locked_the_last_route_goes_on_and_says_how_old_it_is(home: ServedHome) -> None:
    home.place(1)
    home.place(2)
    home.pin(1)
    with home.serving(*MEMORY) as server, Load(server) as load:
        home.store.close()
        with locked(home):
            await_true(lambda: server.health()["status"] == "degraded")
            assert "Pins and plan were last read" in server.health()["problems"][0]
            assert server.post(rows((1, 0))).headers["x-model-version"] == "1"
            assert server.metric("route_age_seconds") > 5
        home.pin(2)
        await_true(lambda: serves(server, 2))
        assert server.health()["status"] == "ok"
    assert load.failed == []


def test_a_full_disk_under_the_log_is_counted_and_serving_goes_on(home: ServedHome) -> None:
    home.place(1)
    home.place(2)
    home.pin(1)
    home.ramp(1, 2)
    log = get_log_folder(home.folder / "shadow", MODEL)
    log.mkdir(parents=True)
    # A real file system of 64 KiB, which the server alone sees.
    small = [
        "bwrap",
        "--dev-bind",
        "/",
        "/",
        "--proc",
        "/proc",
        "--size",
        "65536",
        "--tmpfs",
        str(log),
        "--die-with-parent",
    ]
    with home.serving(*MEMORY, prefix=small) as server, Load(server) as load:
        await_true(lambda: server.metric("log_rows_total") > 0)
        await_true(lambda: server.health()["status"] == "degraded")
        assert "No space left on device" in server.health()["problems"][0]
        before = len(load.answers)
        await_true(lambda: len(load.answers) > before + 50)
        await_true(lambda: "serving:log:failed" in home.actions())
        assert load.failed == []
        (serving,) = processes_of(server, "app.cli serve")
        os.kill(serving, signal.SIGTERM)
        server.process.wait(60)
    stopped = [event for event in home.audit.list_events(limit=1000).events if event.action == "serving:server:stopped"]
    assert stopped[0].after["lost_log_rows"] > 0


def test_a_candidate_that_fails_crashes_hangs_or_leaks_reaches_no_caller(home: ServedHome) -> None:
    home.place(1)
    home.place(2, MOODY)
    home.pin(1)
    home.ramp(1, 2)
    moods = {"fails": 14.0, "crashes": 11.0, "hangs": 12.0, "leaks": 13.0}
    with home.serving(*MEMORY, "--candidate-timeout", "4") as server, Load(server) as load:
        for count, (name, mood) in enumerate(moods.items()):
            # It is loaded, and paired, after each failure again.
            await_true(lambda: server.health()["status"] == "ok")
            pairs = server.metric("shadow_pairs_total")
            await_true(lambda before=pairs: server.metric("shadow_pairs_total") > before)  # type: ignore[misc]
            told = server.post(rows((1, mood)), x_request_id=name)
            assert (told.status_code, told.headers["x-model-version"]) == (200, "1")
            # The first of them leaves the process alive.
            await_true(lambda ended=count: server.metric("model_failures_total", version="2") >= ended)  # type: ignore[misc]
            assert server.metric("model_errors_total", role="shadow") > 0 or name == "fails"
        await_true(lambda: server.health()["status"] == "ok")
    assert load.failed == []
    assert home.actions().count("serving:version:failed") == 3
    logged = pq.read_table(get_log_folder(home.folder / "shadow", MODEL)).to_pylist()
    found = {row["request_id"]: row["candidate_error"] for row in logged if row["request_id"] in moods}
    assert "ValueError: not today" in found["fails"]
    assert "exit code 3" in found["crashes"]
    assert "longer than 4 seconds" in found["hangs"]
    assert "MemoryError" in found["leaks"]
    assert {row["champion_error"] for row in logged} == {None}


def test_what_is_in_flight_is_answered_before_the_server_ends(home: ServedHome) -> None:
    home.place(1, MOODY)
    home.pin(1)
    with home.serving(*MEMORY) as server:
        answers: list[httpx.Response] = []
        asking = threading.Thread(target=lambda: answers.append(server.post(rows((1, 15)))))
        asking.start()
        await_true(lambda: server.metric("in_flight") == 1)
        assert stop(server.process) == 0
        asking.join()
        assert answers[0].json() == {"predictions": [0.5]}
        with pytest.raises(httpx.ConnectError):
            server.post(rows((1, 0)))
    assert home.actions()[-1] == "serving:server:stopped"


def test_a_version_that_cannot_be_loaded_is_not_switched_to(home: ServedHome) -> None:
    home.place(1)
    home.place(2, "raise RuntimeError('no such table')")
    home.place(3)
    home.pin(1)
    with home.serving(*MEMORY) as server, Load(server) as load:
        home.pin(2)
        await_true(lambda: server.health()["status"] == "degraded")
        assert "fraud_detector/2 cannot be loaded" in server.health()["problems"][0]
        assert "no such table" in server.health()["problems"][0]
        assert serves(server, 1)
        home.pin(3)
        await_true(lambda: serves(server, 3))
        assert server.health()["status"] == "ok"
    assert load.failed == []
    assert "serving:route:refused" in home.actions()
