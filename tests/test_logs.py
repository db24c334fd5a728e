from __future__ import annotations

import contextvars
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from services.logs import begin_request, current_reference, mask_secrets, mask_text, set_up_logs

TOKEN = "gth_0123456789ab_" + "a" * 43


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    structlog.contextvars.clear_contextvars()
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_one_event_is_one_line_of_json_with_the_ids_of_its_request() -> None:
    out = io.StringIO()
    set_up_logs(out=out)
    structlog.get_logger("gate").info("before")
    origin = begin_request("app")
    structlog.get_logger("gate").info("evaluated", model="fraud", n=2)
    logging.getLogger("library").warning("foreign %s", "text")
    before, ours, foreign = lines(out)
    assert origin == f"app {ours['request']}"
    assert (ours["event"], ours["level"], ours["logger"], ours["model"], ours["n"]) == (
        "evaluated",
        "info",
        "gate",
        "fraud",
        2,
    )
    assert (ours["place"], len(ours["request"])) == ("app", 8)
    assert (foreign["event"], foreign["request"], foreign["level"]) == ("foreign text", ours["request"], "warning")
    assert ours["at"].endswith("Z")
    assert "request" not in before


def test_the_reference_of_an_error_is_the_id_of_its_request() -> None:
    origin = begin_request("cli")
    assert origin == f"cli {current_reference()}" == f"cli {current_reference()}"
    assert begin_request("cli") != origin
    elsewhere = contextvars.Context().run(lambda: [current_reference(), current_reference()])
    assert elsewhere[0] == elsewhere[1] != current_reference()


def test_hostile_text_makes_no_second_line_and_no_escape() -> None:
    out = io.StringIO()
    set_up_logs(out=out)
    structlog.get_logger().info('one\n{"event": "forged"}', name="\x1b[31m")
    assert len(out.getvalue().splitlines()) == 1
    terminal = Terminal()
    set_up_logs(out=terminal)
    structlog.get_logger().info("safe\x1b[2Jscreen\nforged", model="a\rb")
    assert "\x1b[2J" not in terminal.getvalue()
    assert "U+001B" in terminal.getvalue()
    assert len(terminal.getvalue().splitlines()) == 1


def test_a_library_that_writes_by_itself_writes_like_all_others() -> None:
    own, out = io.StringIO(), io.StringIO()
    library = logging.getLogger("a_library_of_its_own")
    library.addHandler(logging.StreamHandler(own))
    library.propagate = False
    set_up_logs(out=out)
    library.error("refused %s", TOKEN)
    [told] = lines(out)
    assert (told["event"], told["logger"]) == ("refused •••", "a_library_of_its_own")
    assert own.getvalue() == ""


@pytest.mark.parametrize("out", [io.StringIO(), Terminal()], ids=["file", "terminal"])
def test_an_exception_is_told_without_its_variables_and_secrets(out: io.StringIO) -> None:
    set_up_logs(out=out)

    def fail() -> None:
        variable = "hunter2"
        raise ValueError(f"token {TOKEN} failed after {len(variable)}")

    try:
        fail()
    except ValueError:
        structlog.get_logger().exception("broke")
    assert "ValueError: token ••• failed after 7" in out.getvalue()
    assert "hunter2" not in out.getvalue()


@pytest.mark.parametrize(
    "name", ["password", "new_password", "api_key", "Authorization", "cookie", "webhook_secret", "token"]
)
def test_a_value_is_masked_by_its_name(name: str) -> None:
    event = {"event": "x", name: "hunter2", "nested": {name: {"deep": "hunter2"}}, "list": [{name: "hunter2"}]}
    assert "hunter2" not in repr(mask_secrets(None, "info", event))


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"set {TOKEN} now", "set ••• now"),
        ("postgresql+psycopg://ada:hunter2@db:5432/x", "postgresql+psycopg://•••@db:5432/x"),
        ("redis://:hunter2@host/0", "redis://•••@host/0"),
        ("postgresql://ada:hun/t@er2@db:5432/x", "postgresql://•••@db:5432/x"),
        ("https://hub.example/hook?access_token=hunter2&x=1", "https://hub.example/hook?access_token=•••&x=1"),
        ("s3://b/k?X-Amz-Signature=hunter2#top", "s3://b/k?X-Amz-Signature=•••#top"),
        (
            "connection failed: host=db user=ada password=hunter2 port=5",
            "connection failed: host=db user=ada password=••• port=5",
        ),
        ('refused {"client_secret": "hunter2", "id": 4}', 'refused {"client_secret": "•••", "id": 4}'),
        (
            "the token a41b was revoked, and its password changed",
            "the token a41b was revoked, and its password changed",
        ),
        ("https://host:8080/path?m=ada@bank.example", "https://host:8080/path?m=ada@bank.example"),
        ("Authorization: Bearer abcdef.12345678", "Authorization: Bearer •••"),
        ("basic dXNlcjpwYXNz", "basic •••"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "•••"),
        ("https://host/path?x=1", "https://host/path?x=1"),
        ("nothing secret here", "nothing secret here"),
    ],
)
def test_a_secret_is_masked_by_its_look(text: str, masked: str) -> None:
    assert mask_text(text) == masked
    assert mask_secrets(None, "info", {"event": text})["event"] == masked


def test_what_is_no_text_stays_what_it_is() -> None:
    event = {"event": "x", "n": 1, "ratio": 0.5, "flag": True, "nothing": None, "token": None, "items": (1, "a")}
    assert mask_secrets(None, "info", event) == {**event, "items": [1, "a"]}


def test_below_the_level_nothing_is_told() -> None:
    out = io.StringIO()
    set_up_logs(out=out, level=logging.WARNING)
    structlog.get_logger().info("quiet")
    logging.getLogger("x").info("quiet")
    assert out.getvalue() == ""
