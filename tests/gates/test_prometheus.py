"""Against a real Prometheus server that scrapes a real exporter."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from services.errors import Unreachable
from services.gates.collectors.prometheus import PrometheusCollector, fill_query, read_answer
from services.gates.evidence import Absent, Broken, Queried, Subject
from services.registry.fake import FakeRegistry
from tests.gates.builders import add_version, gate, subject
from tests.servers import answers, free_port, running

METRICS = b"""\
# TYPE model_errors gauge
model_errors{model="fraud_detector",version="1",replica="a"} 0.25
model_errors{model="fraud_detector",version="1",replica="b"} 0.75
model_errors{model="fraud_detector",version="2",replica="a"} 9
# TYPE model_nan gauge
model_nan NaN
"""


class Exporter(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(METRICS)

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture(scope="module")
def prometheus_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("prometheus")
    exporter = HTTPServer(("127.0.0.1", 0), Exporter)
    threading.Thread(target=exporter.serve_forever, daemon=True).start()
    target = f"127.0.0.1:{exporter.server_port}"
    scrape = (
        f"scrape_configs:\n- job_name: models\n  scrape_interval: 1s\n  static_configs:\n  - targets: ['{target}']\n"
    )
    (folder / "prometheus.yml").write_text(scrape)
    program = shutil.which("prometheus")
    assert program is not None, "make test installs Prometheus"
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    try:
        with running(command, is_ready=lambda: answers(f"{url}/-/ready"), log=folder / "log"):
            wait_for_a_scrape(url)
            yield url
    finally:
        exporter.shutdown()
        exporter.server_close()


def wait_for_a_scrape(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        body = httpx.get(f"{url}/api/v1/query", params={"query": "model_errors"}).json()
        if body["data"]["result"]:
            return
        time.sleep(0.2)
    raise AssertionError("the exporter was not scraped")


def about(query: str) -> Subject:
    registry = FakeRegistry()
    return subject(registry, add_version(registry), gates=[gate(kind="prometheus", query=query, at_most=1)])


def ask(url: str, query: str) -> float | Absent | Broken:
    found = PrometheusCollector(url).collect(about(query))
    assert isinstance(found, Queried)
    return found.answers["g"]


def test_a_query_of_one_series_gives_its_number(prometheus_url: str) -> None:
    assert ask(prometheus_url, 'avg(model_errors{model="{model}",version="{version}"})') == 0.5
    assert ask(prometheus_url, "scalar(sum(model_errors))") == 10


@pytest.mark.parametrize(
    ("query", "kind", "said"),
    [
        ('model_errors{model="nobody"}', Absent, "no data"),
        ("model_nan", Absent, "no number"),
        ("model_errors", Broken, "3 series"),
        ("model_errors[1m]", Broken, "a matrix"),
        ("sum(", Broken, "refused the query"),
    ],
)
def test_what_is_not_one_number_never_passes(
    prometheus_url: str, query: str, kind: type[Absent | Broken], said: str
) -> None:
    answer = ask(prometheus_url, query)
    assert isinstance(answer, kind)
    assert said in answer.reason


def test_a_server_that_is_away_is_unreachable_and_its_password_stays_out_of_the_evidence() -> None:
    with pytest.raises(Unreachable, match="does not answer") as refused:
        ask(f"http://ada:hunter2@127.0.0.1:{free_port()}", "up")
    assert "hunter2" not in refused.value.message


def test_something_else_that_answers_is_told() -> None:
    exporter = HTTPServer(("127.0.0.1", 0), Exporter)
    threading.Thread(target=exporter.serve_forever, daemon=True).start()
    try:
        answer = ask(f"http://127.0.0.1:{exporter.server_port}", "up")
    finally:
        exporter.shutdown()
        exporter.server_close()
    assert answer == Broken(reason="Prometheus answered 200 with something that is not JSON.")


def test_without_a_server_there_is_nothing() -> None:
    assert isinstance(PrometheusCollector("").collect(about("up")), Absent)


def test_names_are_escaped_as_inside_a_label() -> None:
    registry = FakeRegistry()
    hostile = add_version(registry, 'a"} or vector(0) #')
    filled = fill_query('m{model="{model}",version="{version}"}', subject(registry, hostile))
    assert filled == 'm{model="a\\"} or vector(0) #",version="1"}'


@pytest.mark.parametrize(
    "data", [None, [], {"resultType": "vector", "result": [{}]}, {"resultType": "scalar", "result": ["x"]}]
)
def test_an_answer_of_another_shape_is_broken(data: object) -> None:
    assert isinstance(read_answer(data), Broken)
