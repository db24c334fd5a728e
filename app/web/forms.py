"""Forms that the app's own pages post: from the same origin, small, and answered in JSON.

A browser names the origin of every POST (Fetch standard, section 3.2), so a form on another site is refused by it, even
on the same machine at another port.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse

from app.ui.session import ORIGIN
from services.errors import (
    Blocked,
    Conflict,
    Forbidden,
    GatehouseError,
    InvalidInput,
    NotFound,
    Unauthenticated,
    Unreachable,
)
from services.logs import begin_request
from services.untrusted import is_same_origin

_LARGEST_BYTES = 8192
_MOST_FIELDS = 16
_STATUS: tuple[tuple[type[GatehouseError], int], ...] = (
    (Unauthenticated, 401),
    (Forbidden, 403),
    (NotFound, 404),
    (Conflict, 409),
    (Blocked, 429),
    (Unreachable, 503),
)


async def read_form(request: Request) -> Mapping[str, str]:
    """Return the fields of a form that one of our pages posted, which begins a request of its own.

    Raises:
        Forbidden: it comes from another origin, or from something that is no browser of today.
        InvalidInput: it is larger than any form of ours, or malformed.
    """
    # What the server does at its start may have begun one, which each form would go on with.
    begin_request(ORIGIN)
    check_origin(request)
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_BYTES:
            raise InvalidInput("The form is too large.", next_step="Reload the page and try again.")
    try:
        return dict(
            parse_qsl(
                body.decode("utf-8"), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=_MOST_FIELDS
            )
        )
    except ValueError as error:
        raise InvalidInput("The form is malformed.", next_step="Reload the page and try again.") from error


def check_origin(request: Request) -> None:
    """Accept a request that a page of ours made.

    Raises:
        Forbidden: it names another origin, or none.
    """
    if not is_same_origin(origin=request.headers.get("origin"), host=request.headers.get("host")):
        raise Forbidden(
            "This request does not come from the app itself.", next_step="Open the app and use the form on its page."
        )


def error_response(_request: Request, error: Exception) -> JSONResponse:
    """Answer with an error of ours as JSON."""
    assert isinstance(error, GatehouseError)
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 400)
    body = {"kind": error.kind, "message": error.message, "next_step": error.next_step}
    return JSONResponse({"error": body}, status_code=status)
