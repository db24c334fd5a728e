"""The server answers as MLflow's own does: the same requests to both, the same answers."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from services.serving.process import Invocation
from tests.serving.builders import JSON, Server, make_served_home, rows

SUM = """
class Model:
    def predict(self, data, params=None):
        return (data["a"] + data["b"]).to_numpy() * (params or {}).get("factor", 1.0)
"""
PARAMS = 'params: \'[{"name": "factor", "type": "double", "default": 1.0, "shape": null}]\''


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Any:
    home = make_served_home(tmp_path_factory.mktemp("protocol"), migrated_file)
    folder = home.place(1, SUM)
    mlmodel = folder / "MLmodel"
    mlmodel.write_text(mlmodel.read_text().replace("params: null", PARAMS))
    home.pin(1)
    yield home, folder
    home.store.close()


@pytest.fixture(scope="module")
def server(model: Any) -> Iterator[Server]:
    with model[0].serving("--max-body-mb", "0.05", "--memory-mb", "1024") as running:
        yield running


class Reference:
    """MLflow's own scoring server, in this process."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def send(self, method: str, path: str, invocation: Invocation | None = None) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://mlflow") as client:
                if invocation is None:
                    return await client.request(method, path)
                headers = {"content-type": invocation.content_type}
                return await client.request(method, path, content=invocation.body, headers=headers)

        return asyncio.run(ask())


@pytest.fixture(scope="module")
def reference(model: Any) -> Iterator[Reference]:
    import mlflow.pyfunc
    from mlflow.pyfunc import scoring_server

    before = dict(os.environ)
    yield Reference(scoring_server.init(mlflow.pyfunc.load_model(str(model[1]))))
    os.environ.clear()
    os.environ.update(before)


SPLIT = {"columns": ["a", "b"], "data": [[1.0, 2.0], [3, 4]]}
RECORDS = [{"a": 1.0, "b": 2.0}, {"a": 3, "b": 4}]
GOOD: list[tuple[str, Any]] = [
    (JSON, {"dataframe_split": SPLIT}),
    (JSON, {"dataframe_split": {**SPLIT, "index": [7, 8]}}),
    (JSON, {"dataframe_split": {"columns": ["b", "extra", "a"], "data": [[1, "x", 2]]}}),
    (JSON, {"dataframe_records": RECORDS}),
    (JSON, {"instances": RECORDS}),
    (JSON, {"inputs": RECORDS}),
    (JSON, {"inputs": {"a": [1.0, 3.0], "b": [2.0, 4.0]}}),
    (JSON, {"instances": {"a": [1.0], "b": [2.0]}}),
    (JSON, {"dataframe_records": RECORDS, "params": {"factor": 2.0}}),
    (JSON, {"dataframe_records": RECORDS, "params": {"unknown": 2.0}}),
    ("application/json; charset=utf-8", {"dataframe_records": RECORDS}),
    ("text/csv", "a,b\n1.0,2.0\n3,4\n"),
    ("text/csv; charset=utf-8", "b,a\n1,2\n"),
]
BAD: list[tuple[str, Any]] = [
    (JSON, "{nonsense"),
    (JSON, "[1, 2]"),
    (JSON, "\udcff".encode("utf-8", "surrogatepass")),
    (JSON, {"columns": ["a", "b"], "data": [[1, 2]]}),
    (JSON, {"inputs": RECORDS, "instances": RECORDS}),
    (JSON, {"dataframe_records": [{"a": 1.0}]}),
    (JSON, {"dataframe_records": [{"a": "x", "b": 2.0}]}),
    (JSON, {"dataframe_records": RECORDS, "params": {"factor": "two"}}),
    ("text/csv", "a\n1.0\n"),
    ("text/csv", "a,b\nx,1\n"),
    ("text/plain", "a"),
    ("application/json; charset=latin-1", {"dataframe_records": RECORDS}),
    ("application/json; format=pandas-split", {"dataframe_records": RECORDS}),
]


def to_invocation(content_type: str, sent: Any) -> Invocation:
    if isinstance(sent, dict):
        sent = json.dumps(sent)
    return Invocation(body=sent if isinstance(sent, bytes) else sent.encode(), content_type=content_type)


@pytest.mark.parametrize(("content_type", "sent"), GOOD)
def test_good_requests_get_the_bytes_that_mlflow_answers(
    server: Server, reference: Reference, content_type: str, sent: Any
) -> None:
    invocation = to_invocation(content_type, sent)
    ours = server.post(invocation)
    theirs = reference.send("POST", "/invocations", invocation)
    assert (ours.status_code, ours.content, ours.headers["content-type"]) == (
        theirs.status_code,
        theirs.content,
        theirs.headers["content-type"],
    )
    assert ours.status_code == 200, ours.text


@pytest.mark.parametrize(("content_type", "sent"), BAD)
def test_bad_requests_get_the_status_that_mlflow_answers_and_one_clear_sentence(
    server: Server, reference: Reference, content_type: str, sent: Any
) -> None:
    invocation = to_invocation(content_type, sent)
    ours = server.post(invocation)
    theirs = reference.send("POST", "/invocations", invocation)
    assert ours.status_code == theirs.status_code
    assert ours.status_code in {400, 415}
    assert "Traceback" not in ours.text
    if ours.status_code == 400:
        assert ours.json()["error_code"] == theirs.json()["error_code"]
        assert 0 < len(ours.json()["message"]) < 2000


def test_parquet_is_taken_too(server: Server, reference: Reference) -> None:
    body = pd.DataFrame({"a": [1.0], "b": [2.0]}).to_parquet()
    invocation = Invocation(body=body, content_type="application/vnd.apache.parquet")
    theirs = reference.send("POST", "/invocations", invocation)
    assert (server.post(invocation).content, theirs.status_code) == (theirs.content, 200)


def test_the_other_addresses_answer_as_mlflows_do(server: Server, reference: Reference) -> None:
    for path in ("/ping", "/version"):
        ours, theirs = httpx.get(server.url + path), reference.send("GET", path)
        assert (ours.status_code, ours.content) == (theirs.status_code, theirs.content), path
    health = httpx.get(f"{server.url}/health")
    assert health.status_code == reference.send("GET", "/health").status_code == 200
    assert (health.json()["status"], health.json()["champion"], health.json()["problems"]) == ("ok", 1, [])
    assert httpx.get(f"{server.url}/invocations").status_code == 405
    assert httpx.get(f"{server.url}/nothing").status_code == 404


def test_an_answer_says_whose_it_is_and_keeps_the_callers_id(server: Server) -> None:
    answered = server.post(rows((1, 2)), x_request_id="abc-1")
    assert (answered.headers["x-model-version"], answered.headers["x-request-id"]) == ("1", "abc-1")
    assert len(server.post(rows((1, 2))).headers["x-request-id"]) == 16


def test_a_request_that_is_too_long_is_refused(server: Server) -> None:
    told = server.post(Invocation(body=b"x" * 60_000, content_type=JSON))
    assert (told.status_code, told.json()["error_code"]) == (413, "REQUEST_TOO_LARGE")

    def endless() -> Iterator[bytes]:
        # In pieces, so that no length is announced.
        for _ in range(100):
            yield b"x" * 1000

    streamed = httpx.post(f"{server.url}/invocations", content=endless(), headers={"content-type": JSON})
    assert streamed.status_code == 413


@pytest.mark.parametrize("body", [b"[" * 20_000, b'{"a":' * 8_000], ids=["lists", "objects"])
def test_what_is_nested_too_deep_is_held_against_the_caller_and_not_the_model(server: Server, body: bytes) -> None:
    failures = server.metric("model_errors_total")
    told = server.post(Invocation(body=body, content_type=JSON))
    assert (told.status_code, told.json()["error_code"]) == (400, "BAD_REQUEST")
    assert "not valid JSON" in told.json()["message"]
    assert server.metric("model_errors_total") == failures


def test_a_name_that_is_not_this_machines_is_refused(server: Server) -> None:
    assert server.post(rows((1, 2)), host="evil.example").status_code == 400


def test_the_start_says_what_is_served_and_where(server: Server) -> None:
    assert server.started == {"address": server.url, "model": "fraud_detector", "version": 1}
