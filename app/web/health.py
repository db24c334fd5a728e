"""Whether the app is well: it can read its store. `gatehouse up` and load balancers ask."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.ui.session import get_gatehouse
from services.errors import GatehouseError


async def healthz(_request: Request) -> Response:
    """Answer 200 when the store answers, 503 when it does not."""
    try:
        await run_in_threadpool(_read_store)
    except GatehouseError as error:
        return JSONResponse({"status": "failing", "reason": error.message}, status_code=503)
    return JSONResponse({"status": "ok"})


def _read_store() -> None:
    with get_gatehouse().store.read():
        pass
