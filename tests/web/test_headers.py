from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from app.web.headers import HEADERS, SecurityHeaders
from tests.web.client import Client


def client() -> Client:
    def answer(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("x", headers={"Content-Security-Policy": "default-src *"})

    routes = [Route("/", answer), Route("/app/static/{file:path}", answer)]
    return Client(Starlette(routes=routes, middleware=[Middleware(SecurityHeaders)]))


def test_every_response_carries_every_header_and_none_of_another_policy() -> None:
    headers = client().get("/").headers
    assert {name: headers[name] for name in HEADERS} == HEADERS
    assert headers.get_list("content-security-policy") == [HEADERS["Content-Security-Policy"]]


def test_what_is_not_found_carries_them_too() -> None:
    assert client().get("/nothing").headers["x-frame-options"] == "DENY"


def test_scripts_come_from_the_app_alone() -> None:
    policy = dict(part.strip().split(" ", 1) for part in HEADERS["Content-Security-Policy"].split(";"))
    assert "'unsafe-inline'" not in policy["script-src"]
    assert "'unsafe-eval'" not in policy["script-src"]
    assert "http" not in HEADERS["Content-Security-Policy"]
    assert policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == "'self'"


def test_only_what_never_changes_is_kept_by_browsers() -> None:
    assert "immutable" in client().get("/app/static/inter.woff2").headers["cache-control"]
    assert "immutable" in client().get("/app/static/editor.js?v=1").headers["cache-control"]
    assert "cache-control" not in client().get("/app/static/editor.js").headers
    assert "strict-transport-security" not in client().get("/").headers
