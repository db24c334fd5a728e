"""The protocol of MLflow's scoring server (3.17) over HTTP, with what a server in front of it would add.

`/invocations`, `/ping` and `/version` answer as MLflow's do; `/health` says more, and `/metrics` is for Prometheus.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version as version_of
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.errors import Forbidden, GatehouseError, Unreachable
from services.serving.access import RateLimit, TokenGate
from services.serving.engine import Engine, Reply, problem
from services.serving.metrics import CONTENT_TYPE, Metrics
from services.serving.process import Invocation

KEY_HEADER = "x-request-key"
ID_HEADER = "x-request-id"
MAX_ID = 200
_UNAVAILABLE = 503
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What a request has to pass.

    Args:
        gate: None lets everybody in: then the server listens on loopback alone.
        max_body_bytes: longer requests are refused unread.
    """

    gate: TokenGate | None
    rate: RateLimit
    max_body_bytes: int


class _Refused(Exception):
    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def build_app(
    engine: Engine,
    metrics: Metrics,
    door: Door,
    *,
    health: Callable[[], Mapping[str, Any]],
    refresh: Callable[[], object],
) -> Starlette:
    """Return the application.

    Args:
        health: what `/health` says; `status` is `ok`, `degraded` or `down`.
        refresh: brings up to date what is measured only when somebody looks.
    """
    endpoints = _Endpoints(engine, metrics, door, health, refresh)
    routes = [
        Route("/invocations", endpoints.invocations, methods=["POST"]),
        Route("/ping", endpoints.ping),
        Route("/health", endpoints.health),
        Route("/version", endpoints.version),
        Route("/metrics", endpoints.metrics),
    ]
    # A page in somebody's browser must not reach a server on their machine by a name of its own.
    hosts = list(LOOPBACK_HOSTS) if door.gate is None else ["*"]
    return Starlette(routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts)])


class _Endpoints:
    def __init__(
        self,
        engine: Engine,
        metrics: Metrics,
        door: Door,
        health: Callable[[], Mapping[str, Any]],
        refresh: Callable[[], object],
    ) -> None:
        self._engine = engine
        self._metrics = metrics
        self._door = door
        self._health = health
        self._refresh = refresh
        self._version = version_of("mlflow")

    async def invocations(self, request: Request) -> Response:
        request_id = request.headers.get(ID_HEADER, "")[:MAX_ID] or secrets.token_hex(8)
        try:
            caller = await self._admit(request, request_id)
            self._limit(caller)
            body = await self._read(request)
        except _Refused as refused:
            return _respond(refused.reply, request_id)
        except ClientDisconnect:
            return Response(status_code=400)
        invocation = Invocation(body=body, content_type=request.headers.get("content-type", ""))
        key = request.headers.get(KEY_HEADER)
        self._metrics.set(self._metrics.in_flight, to=self._metrics.read(self._metrics.in_flight) + 1)
        try:
            reply = await self._engine.answer(invocation, request_id=request_id, key=key)
        finally:
            self._metrics.set(self._metrics.in_flight, to=self._metrics.read(self._metrics.in_flight) - 1)
        return _respond(reply, request_id)

    async def ping(self, _request: Request) -> Response:
        status = 503 if self._health()["status"] == "down" else 200
        return Response(content="\n", status_code=status, media_type="application/json")

    async def health(self, _request: Request) -> Response:
        said = self._health()
        return JSONResponse(said, status_code=503 if said["status"] == "down" else 200)

    async def version(self, _request: Request) -> Response:
        return Response(content=self._version, media_type="application/json")

    async def metrics(self, request: Request) -> Response:
        try:
            await self._admit(request, "metrics")
        except _Refused as refused:
            return _respond(refused.reply, "metrics")
        self._refresh()
        return Response(content=self._metrics.expose(), headers={"content-type": CONTENT_TYPE})

    async def _admit(self, request: Request, request_id: str) -> str:
        if self._door.gate is None:
            return ""
        try:
            authorization = request.headers.get("authorization", "")
            return await self._door.gate.admit(authorization, origin=f"serve {request_id}")
        except GatehouseError as error:
            status, code = 401, "UNAUTHENTICATED"
            if isinstance(error, Forbidden):
                status, code = 403, "PERMISSION_DENIED"
            elif isinstance(error, Unreachable):
                status, code = 503, "UNAVAILABLE"
            raise _Refused(problem(status, code, error.message, error.next_step)) from error

    def _limit(self, caller: str) -> None:
        wait_s = self._door.rate.take(caller)
        if wait_s:
            reply = problem(
                429, "REQUEST_LIMIT_EXCEEDED", "This caller asks more often than it may.", "Ask again a little later."
            )
            headers = {"retry-after": str(max(1, round(wait_s)))}
            raise _Refused(Reply(status=reply.status, body=reply.body, headers=headers))

    async def _read(self, request: Request) -> bytes:
        limit = self._door.max_body_bytes
        told = request.headers.get("content-length", "")
        if told.isdecimal() and int(told) > limit:
            raise _Refused(_too_large(limit))
        pieces, size = [], 0
        async for piece in request.stream():
            size += len(piece)
            if size > limit:
                raise _Refused(_too_large(limit))
            pieces.append(piece)
        return b"".join(pieces)


def _too_large(limit: int) -> Reply:
    return problem(413, "REQUEST_TOO_LARGE", f"The request is longer than {limit} bytes.", "Send fewer rows at a time.")


def _respond(reply: Reply, request_id: str) -> Response:
    headers = {ID_HEADER: request_id, "x-content-type-options": "nosniff", **reply.headers}
    if reply.version is not None:
        headers["x-model-version"] = str(reply.version)
    if reply.status == _UNAVAILABLE:
        headers.setdefault("retry-after", "1")
    return Response(content=reply.body, status_code=reply.status, media_type=reply.mimetype, headers=headers)
