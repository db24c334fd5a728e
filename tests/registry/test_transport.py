import json
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from services.errors import Forbidden, GatehouseError, InvalidInput, NotFound, Unauthenticated, Unreachable
from services.registry.rest import RestRegistry, open_rest_registry
from services.registry.transport import Transport
from services.registry.values import ModelVersion
from tests.registry.stub_server import Answer, drip, hang, hang_up, respond, stub_server

CLOSE = "Connection: close"


_opened: list[RestRegistry] = []


@pytest.fixture(autouse=True)
def _every_client_is_closed() -> Iterator[None]:
    yield
    while _opened:
        _opened.pop().close()


def registry_at(address: str, *, timeout_s: float = 0.9) -> RestRegistry:
    _opened.append(RestRegistry(Transport(address, timeout_s=timeout_s)))
    return _opened[-1]


def open_registry(address: str, *, token: str | None = None) -> RestRegistry:
    _opened.append(open_rest_registry(address, token=token))
    return _opened[-1]


def ok(document: object) -> Answer:
    return respond("200 OK", json.dumps(document), CLOSE)


def test_a_server_that_is_not_there_is_unreachable_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(Unreachable, match="does not answer"):
        open_registry(f"http://127.0.0.1:{port}").get_model("x")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (hang(1.5), "in time"),
        (drip(12, 0.1), "longer than 0.9 s"),
        (respond("500 Internal Server Error", "boom", CLOSE), "answered 500"),
        (respond("503 Service Unavailable", "{}", CLOSE), "answered 503"),
        (respond("429 Too Many Requests", '{"message": "slow down"}', CLOSE), "answered 429"),
        (respond("429 Too Many Requests", "slow down", CLOSE, "Retry-After: 5"), "answered 429"),
        (respond("408 Request Timeout", "{}", CLOSE), "answered 408"),
        (respond("200 OK", "<html>not mlflow</html>", CLOSE), "no MLflow"),
        (respond("404 Not Found", "<html>nothing here</html>", CLOSE), "no MLflow"),
        (respond("302 Found", "", CLOSE, "Location: http://127.0.0.1:1/"), "no MLflow"),
        (respond("302 Found", "{}", CLOSE, "Location: http://127.0.0.1:1/"), "no MLflow"),
        (ok([]), "no MLflow"),
        (ok({}), "no MLflow"),
        (ok({"registered_model": None}), "no MLflow"),
        (ok({"registered_model": {"name": 7, "creation_timestamp": 1}}), "no MLflow"),
        (ok({"registered_model": {"name": "x", "creation_timestamp": "soon"}}), "no MLflow"),
        (ok({"registered_model": {"name": "x", "creation_timestamp": 1, "tags": [3]}}), "no MLflow"),
        (respond("200 OK", b'{"registered_model": \xff', CLOSE), "no MLflow"),
        (respond("200 OK", b"[" * 100_000, CLOSE), "no MLflow"),
        (lambda connection, _: connection.sendall(b"no http at all\r\n\r\n"), "broke the connection"),
        (lambda connection, _: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), "broke the conn"),
    ],
)
def test_what_no_registry_answers_is_unreachable_and_says_why(answer: Answer, message: str) -> None:
    with stub_server(answer) as (address, _):
        started = time.monotonic()
        with pytest.raises(Unreachable, match=message) as caught:
            registry_at(address).get_model("x")
        assert time.monotonic() - started < 2.5
    assert "\n" not in caught.value.message
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("status", "document", "kind"),
    [
        ("401 Unauthorized", "You are not authenticated", Unauthenticated),
        ("403 Forbidden", {"error_code": "PERMISSION_DENIED", "message": "Protected."}, Forbidden),
        ("403 Forbidden", "Invalid Host header", Forbidden),
        ("404 Not Found", {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "No x"}, NotFound),
        ("400 Bad Request", {"error_code": "INVALID_PARAMETER_VALUE", "message": "Bad\nname"}, InvalidInput),
    ],
)
def test_what_the_registry_refuses_is_told_in_its_words(
    status: str, document: object, kind: type[GatehouseError]
) -> None:
    body = document if isinstance(document, str) else json.dumps(document)
    with stub_server(respond(status, body, CLOSE)) as (address, _), pytest.raises(kind) as caught:
        registry_at(address).get_model("x")
    assert caught.value.message.isprintable()
    assert ("Protected" in caught.value.message) == ("Protected" in body)


def test_a_long_hostile_refusal_is_cut_and_made_visible() -> None:
    message = "\u202e<b>evil</b>\n" * 1000
    body = json.dumps({"error_code": "INVALID_PARAMETER_VALUE", "message": message})
    with stub_server(respond("400 Bad Request", body, CLOSE)) as (address, _), pytest.raises(InvalidInput) as caught:
        registry_at(address).get_model("x")
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 1000


def test_a_connection_that_breaks_at_once_is_tried_again() -> None:
    model = {"registered_model": {"name": "x", "creation_timestamp": 1}}
    with stub_server(hang_up, ok(model)) as (address, requests):
        assert registry_at(address).get_model("x").name == "x"
    assert len(requests) == 2


def test_a_registry_that_keeps_hanging_up_is_unreachable() -> None:
    with stub_server(hang_up) as (address, requests), pytest.raises(Unreachable, match="broke the connection"):
        registry_at(address).get_model("x")
    assert len(requests) == 2


def test_a_new_version_is_never_sent_twice() -> None:
    with stub_server(hang_up) as (address, requests), pytest.raises(Unreachable):
        registry_at(address).create_version("x", source="models:/m-1", run_id=None, description="")
    assert len(requests) == 1


def test_the_token_is_sent_and_never_shown() -> None:
    with stub_server(respond("500 Oops", "", CLOSE)) as (address, requests), pytest.raises(Unreachable) as caught:
        open_registry(address, token="s3cret").get_model("x")
    assert b"Bearer s3cret" in requests[0]
    assert "s3cret" not in caught.value.message


def test_a_password_in_the_address_is_never_shown() -> None:
    with stub_server(respond("500 Oops", "", CLOSE)) as (address, _), pytest.raises(Unreachable) as caught:
        open_registry(address.replace("//", "//ada:s3cret@")).get_model("x")
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize(
    "address", ["", "sqlite:///m.db", "ftp://x", "databricks", "http://", "http://[::1", "http://host:port"]
)
def test_an_address_that_is_no_servers_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput, match="not an http"):
        open_registry(address)


def test_pages_are_followed_to_their_end() -> None:
    entry = {"creation_timestamp": 1}
    first = {"registered_models": [{"name": "a", **entry}], "next_page_token": "t1"}
    second = {"registered_models": [{"name": "b", **entry}]}
    with stub_server(ok(first), ok(second)) as (address, requests):
        assert [model.name for model in registry_at(address).list_models()] == ["a", "b"]
    assert b"page_token=t1" in requests[1]


def test_a_page_that_comes_again_is_no_endless_loop() -> None:
    page = {"registered_models": [], "next_page_token": "same"}
    with stub_server(ok(page)) as (address, _), pytest.raises(Unreachable, match="same page"):
        list(registry_at(address).list_models())


def test_a_page_of_a_search_that_comes_again_is_no_endless_loop() -> None:
    experiments, page = {"experiments": [{"experiment_id": "1"}]}, {"runs": [], "next_page_token": "same"}
    with stub_server(ok(experiments), ok(page)) as (address, _), pytest.raises(Unreachable, match="same page"):
        registry_at(address).list_runs(["a"])


def test_a_file_that_drips_is_unreachable_whatever_reads_it() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    version = ModelVersion(name="x", version=1, created_at=now, updated_at=now, source="models:/m-1", model_id="m-1")
    readers: list[Callable[[RestRegistry], object]] = [
        lambda registry: registry.read_file(version, "MLmodel", max_bytes=10**6),
        lambda registry: registry.ping(),
        lambda registry: registry.find_data_version(),
    ]
    for read in readers:
        with stub_server(drip(40, 0.1)) as (address, _), pytest.raises(Unreachable, match="64 KiB a second"):
            read(registry_at(address))


def test_a_file_that_is_held_back_because_of_its_many_readers_is_unreachable() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    version = ModelVersion(name="x", version=1, created_at=now, updated_at=now, source="models:/m-1", model_id="m-1")
    with (
        stub_server(respond("429 Too Many Requests", '{"message": "wait"}', CLOSE)) as (address, _),
        pytest.raises(Unreachable, match="429"),
    ):
        registry_at(address).read_file(version, "MLmodel", max_bytes=100)


def test_a_short_answer_is_not_read_without_end() -> None:
    with stub_server(respond("200 OK", "1" * 100_000, CLOSE)) as (address, _), pytest.raises(Unreachable, match="more"):
        registry_at(address).transport.read_short("/version")


def test_a_page_with_one_bad_entry_is_unreachable_rather_than_short() -> None:
    page = {"model_versions": [{"name": "a", "version": "1", "creation_timestamp": 1, "current_stage": "Sold"}]}
    with stub_server(ok(page)) as (address, _), pytest.raises(Unreachable, match="model_versions"):
        registry_at(address).list_newest_versions(datetime(2026, 1, 1, tzinfo=UTC))


def test_a_ping_of_something_else_is_unreachable() -> None:
    with stub_server(respond("200 OK", "<html>", CLOSE)) as (address, _), pytest.raises(Unreachable):
        registry_at(address).ping()


def test_a_timestamp_beyond_all_calendars_is_the_last_moment() -> None:
    model = {"registered_model": {"name": "x", "creation_timestamp": 10**18}}
    with stub_server(ok(model)) as (address, _):
        assert registry_at(address).get_model("x").created_at.year == 9999
