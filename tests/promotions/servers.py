"""A model of many versions on a real MLflow server, and a proxy in front of it that fails when it is told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from services.registry.port import Registry
from tests.gates.builders import mlmodel

SLOW_S = 10.0


def register_versions(url: str, registry: Registry, name: str, folder: Path, *, count: int) -> None:
    """Log one model as training code does, and register it as many versions."""
    from mlflow import MlflowClient

    client = MlflowClient(url)
    experiment_id = client.create_experiment(name)
    run_id = client.create_run(experiment_id).info.run_id
    for metric in ("auc", "accuracy"):
        client.log_metric(run_id, metric, 0.95)
    client.set_terminated(run_id)
    model_id = client.create_logged_model(experiment_id, source_run_id=run_id).model_id
    folder.mkdir(exist_ok=True)
    (folder / "MLmodel").write_text(mlmodel())
    client.log_model_artifacts(model_id, str(folder))
    client.finalize_logged_model(model_id, "READY")
    registry.create_model(name)
    for _ in range(count):
        registry.create_version(name, source=f"models:/{model_id}", run_id=run_id, description="one of many")


@dataclass(kw_only=True)
class Proxy:
    """Passes requests on to `target`.

    Args:
        due: from which request on it fails, counted since `begin`.
        fault: `down`, `500` (both until healed), or `slow` (that one request, answered after it was done).
    """

    target: str
    url: str = ""
    fault: str = ""
    due: int = 0
    requests: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, fault: str = "", due: int = 0) -> None:
        """Count from here on, and fail so."""
        with self.lock:
            self.requests.clear()
            self.fault, self.due = fault, due

    def judge(self, request: str) -> str:
        """Return what happens to a request."""
        with self.lock:
            self.requests.append(request)
            place = len(self.requests) - 1
            is_due = place == self.due if self.fault == "slow" else place >= self.due
            return self.fault if is_due else ""


@contextmanager
def proxy_to(target: str) -> Iterator[Proxy]:
    """Run a proxy on a free loopback port."""
    proxy = Proxy(target=target)
    client = httpx.Client(base_url=target, timeout=60)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = proxy.judge(f"{self.command} {self.path.partition('?')[0]}")
            if fault == "down":
                self.close_connection = True
                return
            if fault == "500":
                self.answer(500, b"Internal Server Error")
                return
            kept = {name: self.headers[name] for name in ("Content-Type", "Authorization") if self.headers[name]}
            answer = client.request(self.command, self.path, content=body, headers=kept)
            if fault == "slow":
                time.sleep(SLOW_S)
            self.answer(answer.status_code, answer.content)

        def answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815 - the names that http.server calls

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing of a caller who has gone."""

    server = Server(("127.0.0.1", 0), Handler)
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        client.close()
        thread.join()
