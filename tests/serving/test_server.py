"""The command as its operator and its callers meet it."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
from pathlib import Path

import httpx
import pyarrow.parquet as pq

from services.identity.actors import Permission
from services.registry.approved import Approved
from services.registry.digest import digest_path
from services.serving.server import bound_socket
from services.shadow.places import get_log_folder
from tests.servers import answers, free_port, running
from tests.serving.builders import ADMIN, MODEL, ServedHome, await_true, rows

MEMORY = ("--memory-mb", "700")
POLICY = """\
fraud_detector:
  thresholds: {block: 0.7, manual_review: 0.4, allow: 0}
  rules:
  - {name: large, when: {column: a, operator: above, value: 100}, action: manual_review}
  guardrails: {max_daily_blocks_per_customer: 1, customer_column: b}
"""
SCORES = """
class Model:
    def predict(self, data):
        return data["a"].clip(0, 1).to_numpy()
"""


def refused(home: ServedHome, *options: str) -> tuple[int, dict[str, str]]:
    """Run a server that should not come to serve; return its exit code and what it says."""
    environ = {"GATEHOUSE_HOME": str(home.folder), "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(home.command(*options), capture_output=True, text=True, env=environ, timeout=120, check=False)
    assert "Traceback" not in ran.stderr
    return ran.returncode, json.loads(ran.stdout)["error"]


def test_nothing_in_production_is_nothing_to_serve(home: ServedHome) -> None:
    code, error = refused(home)
    assert (code, error["kind"]) == (2, "not_found")
    assert "nothing of it has been in production" in error["message"]


def test_other_machines_are_served_only_by_token(home: ServedHome) -> None:
    code, error = refused(home, "--host", "0.0.0.0")
    assert (code, error["kind"]) == (2, "invalid_input")
    assert "--require-token" in error["next_step"]


def test_a_port_that_is_taken_is_named(home: ServedHome) -> None:
    home.pin(1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, error = refused(home, "--port", port)
    assert (code, error["kind"]) == (2, "unavailable")
    assert f"port {port}" in error["message"]


def test_answers_do_not_wait_for_acknowledgements() -> None:
    async def accept() -> int:
        seen: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def note(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            held = writer.get_extra_info("socket")
            seen.set_result(held.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with bound_socket("127.0.0.1", 0) as listening:
            async with await asyncio.start_server(note, sock=listening):
                _, writer = await asyncio.open_connection(*listening.getsockname())
                writer.close()
                return await seen

    assert asyncio.run(accept()) == 1


def test_a_model_that_cannot_be_loaded_is_not_served(home: ServedHome) -> None:
    home.place(1, "raise RuntimeError('no such table')")
    home.pin(1)
    code, error = refused(home, *MEMORY)
    assert (code, error["kind"]) == (2, "unavailable")
    assert "fraud_detector/1 cannot be loaded" in error["message"]
    assert "no such table" in error["message"]


def test_files_that_are_not_those_that_were_approved_are_not_served(home: ServedHome) -> None:
    folder = home.place(1)
    home.pin(1)
    with home.store.write() as unit:
        Approved(home.store).accept_artifacts(unit, MODEL, 1, digest_path(folder))
        unit.commit()
    (folder / "code" / "gatehouse_test_model.py").write_text("raise RuntimeError('mine')")
    code, error = refused(home, *MEMORY)
    # They are fetched anew, and no registry is set to fetch them from.
    assert (code, error["kind"]) == (2, "unavailable")
    assert "No registry is set" in error["message"]
    assert not folder.exists()


def test_a_server_that_demands_tokens_lets_in_who_may_read_production_models(home: ServedHome) -> None:
    home.place(1)
    home.pin(1)
    tokens = home.identity.tokens
    scorer, narrow = tokens.issue(ADMIN, "scorer"), tokens.issue(ADMIN, "narrow", scopes=[Permission.READ_METRICS])
    with home.serving(*MEMORY, "--require-token", "--host", "0.0.0.0", "--rate", "1") as server:
        assert server.post(rows((1, 0))).status_code == 401
        assert server.post(rows((1, 0)), authorization="Bearer gth_none").status_code == 401
        told = server.post(rows((1, 0)), authorization=f"Bearer {narrow}")
        assert (told.status_code, told.json()["error_code"]) == (403, "PERMISSION_DENIED")
        codes = [server.post(rows((1, 0)), authorization=f"Bearer {scorer}").status_code for _ in range(12)]
        assert codes[0] == 200
        assert set(codes) == {200, 429}
        assert httpx.get(f"{server.url}/ping").status_code == 200
        assert httpx.get(f"{server.url}/metrics").status_code == 401
        shown = httpx.get(f"{server.url}/metrics", headers={"authorization": f"Bearer {scorer}"})
        assert shown.status_code == 200
        assert server.post(rows((1, 0)), authorization=f"Bearer {scorer}", host="models.example").status_code in {
            200,
            429,
        }
        tokens.revoke(ADMIN, scorer)
        await_true(lambda: server.post(rows((1, 0)), authorization=f"Bearer {scorer}").status_code == 401)


def test_decisions_shadow_and_log_work_together(home: ServedHome) -> None:
    home.place(1, SCORES)
    home.place(2)
    home.pin(1)
    revision = home.decide_by(POLICY)
    home.ramp(1, 2)
    with home.serving(*MEMORY, "--slice", "b") as server:
        await_true(lambda: server.health()["loaded"] == [1, 2])
        assert server.health()["policy_revision"] == revision
        told = [server.post(rows((0.9, 7)), x_request_id=f"r{number}").json() for number in range(2)]
        assert [each["predictions"] for each in told] == [[0.9], [0.9]]
        assert [each["decisions"][0]["action"] for each in told] == ["block", "manual_review"]
        assert told[1]["decisions"][0]["reasons"][-1] == "daily_block_limit"
        assert told[0]["decisions"][0]["policy_revision"] == revision
        # Another revision comes into force without a restart.
        newer = home.decide_by(POLICY.replace("0.7", "0.95"))
        await_true(lambda: server.health()["policy_revision"] == newer)
        assert server.post(rows((0.9, 8))).json()["decisions"][0]["action"] == "manual_review"
    logged = {
        row["request_id"]: row for row in pq.read_table(get_log_folder(home.folder / "shadow", MODEL)).to_pylist()
    }
    assert {(row["champion_score"], row["candidate_score"]) for row in logged.values()} == {(0.9, 0.02)}
    assert (logged["r1"]["champion_decision"], logged["r1"]["candidate_decision"]) == ("block", "allow")
    assert (logged["r1"]["slice_b"], logged["r1"]["champion_version"], logged["r1"]["candidate_version"]) == (
        "7.0",
        1,
        2,
    )


def test_prometheus_scrapes_what_the_server_measures(home: ServedHome, tmp_path: Path) -> None:
    home.place(1)
    home.pin(1)
    program = shutil.which("prometheus")
    assert program is not None, "make test installs Prometheus"
    with home.serving(*MEMORY) as server:
        target = server.url.removeprefix("http://")
        config = tmp_path / "prometheus.yml"
        config.write_text(
            f"scrape_configs:\n- job_name: serve\n  scrape_interval: 1s\n  static_configs:\n  - targets: ['{target}']\n"
        )
        url = f"http://127.0.0.1:{free_port()}"
        command = [
            program, f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address={url.removeprefix('http://')}",
        ]  # fmt: skip
        with running(command, is_ready=lambda: answers(f"{url}/-/ready"), log=tmp_path / "prometheus.log"):
            for _ in range(5):
                server.post(rows((1, 0)))

            def ask(query: str) -> list[tuple[dict[str, str], float]]:
                found = httpx.get(f"{url}/api/v1/query", params={"query": query}).json()["data"]["result"]
                return [(each["metric"], float(each["value"][1])) for each in found]

            await_true(lambda: [value for _, value in ask("gatehouse_serve_requests_total")] == [5.0])
            ((labels, _),) = ask("gatehouse_serve_requests_total")
            assert (labels["model"], labels["version"], labels["status"]) == (MODEL, "1", "200")
            ((_, p99),) = ask("histogram_quantile(0.99, gatehouse_serve_latency_seconds_bucket)")
            assert 0 < p99 < 60
            ((labels, _),) = ask('gatehouse_serve_route{role="champion"} == 1')
            assert labels["version"] == "1"
