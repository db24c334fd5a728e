"""Signing in and out: the browser holds an opaque cookie that scripts cannot read and other sites cannot send.

The session behind it lives in the store (services/identity) and can be ended from anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.ui.session import COOKIE, current_origin, get_gatehouse, is_on_loopback
from app.web.forms import read_form
from services.errors import InvalidInput
from services.identity.sessions import ABSOLUTE_LIFE, SignedIn


async def sign_in(request: Request) -> Response:
    """Sign in with a name and a password."""
    form = await read_form(request)
    name, password = _field(form, "name").strip(), _field(form, "password")
    return await _sign_in_as(request, name, password)


async def sign_in_with_one_click(request: Request) -> Response:
    """Sign in as a person of the demo; services refuse it elsewhere."""
    form = await read_form(request)
    name, is_loopback = (
        _field(form, "name"),
        is_on_loopback(request.client.host if request.client else "", request.headers),
    )
    return await _begin(
        request,
        lambda: get_gatehouse().identity.sign_in.with_one_click(name, is_loopback=is_loopback, origin=current_origin()),
    )


async def bootstrap(request: Request) -> Response:
    """Make the first admin with the one-time token from the console, and sign them in."""
    form = await read_form(request)
    token, name, password = _field(form, "token").strip(), _field(form, "name").strip(), _field(form, "password")
    credentials = get_gatehouse().identity.credentials
    await run_in_threadpool(credentials.bootstrap, token, name=name, password=password, origin=current_origin())
    return await _sign_in_as(request, name, password)


async def choose_password(request: Request) -> Response:
    """Choose a password with a fresh API token, and sign in with it."""
    form = await read_form(request)
    token, password = _field(form, "token").strip(), _field(form, "password")
    credentials = get_gatehouse().identity.credentials
    name = await run_in_threadpool(credentials.choose_password, token, password, origin=current_origin())
    return await _sign_in_as(request, name, password)


async def sign_out(request: Request) -> Response:
    """End the session and forget the cookie."""
    await read_form(request)
    if cookie := request.cookies.get(COOKIE):
        await run_in_threadpool(get_gatehouse().identity.sessions.sign_out, cookie, origin=current_origin())
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response


ROUTES = [
    Route("/sign-in", sign_in, methods=["POST"]),
    Route("/sign-in/demo", sign_in_with_one_click, methods=["POST"]),
    Route("/bootstrap", bootstrap, methods=["POST"]),
    Route("/password", choose_password, methods=["POST"]),
    Route("/sign-out", sign_out, methods=["POST"]),
]


async def _sign_in_as(request: Request, name: str, password: str) -> Response:
    address = _address(request)
    return await _begin(
        request,
        lambda: get_gatehouse().identity.sign_in.with_password(
            name, password, address=address, origin=current_origin()
        ),
    )


async def _begin(request: Request, begin: Callable[[], SignedIn]) -> Response:
    signed_in = await run_in_threadpool(begin)
    response = Response(status_code=204)
    response.set_cookie(
        COOKIE,
        signed_in.cookie,
        max_age=int(ABSOLUTE_LIFE.total_seconds()),
        path="/",
        secure=request.url.scheme == "https" or get_gatehouse().settings.behind_proxy,
        httponly=True,
        samesite="strict",
    )
    return response


def _address(request: Request) -> str:
    """Return where a request came from, which attempts to sign in are counted by."""
    address = request.client.host if request.client else "unknown"
    if not get_gatehouse().settings.behind_proxy:
        return address
    # The proxy adds whom it saw at the end; what stands before that is the caller's own word.
    return request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip() or address


def _field(form: Mapping[str, str], name: str) -> str:
    value = form.get(name, "")
    if not value:
        raise InvalidInput(f"The field {name} is empty.", next_step="Fill it in and send the form again.")
    return value
