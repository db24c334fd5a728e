"""The guard: `mlflow server --app-name gatehouse` is MLflow's own server, where Gatehouse alone moves what is governed.

Who carries the service's token (MLFLOW_TRACKING_TOKEN, as bearer) passes; everybody else passes too but for the rules
of `guard_rules`. Direct access to the database or the artifact store goes past any server: that is what drift detection
is for.
"""

from __future__ import annotations

import hmac
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import cache
from typing import TYPE_CHECKING, Any

from services.errors import GatehouseError, InvalidInput
from services.registry.direct_database import Database, open_database
from services.registry.guard_facts import ServerRegistry, mlflow_module
from services.registry.guard_rules import (
    HARMLESS,
    MESSAGES,
    RULES,
    Asked,
    GuardedRegistry,
    is_near_registry,
    refuse_write,
)
from services.registry.rest_records import DATA_VERSION_PATH
from services.settings import load_settings

if TYPE_CHECKING:
    from fastapi import FastAPI
    from flask import Flask, Request

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

_UPLOAD = "mlflow-artifacts/artifacts/"
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_BEARER = "Bearer "
_PROTOBUFS = ("model_registry_pb2", "mlflow_artifacts_pb2", "service_pb2")


def create_app() -> FastAPI:
    """Return the guarded server; MLflow finds it by the entry point `mlflow.app`.

    Raises:
        InvalidInput: no token is set for the service, or this MLflow has doors that the guard does not know.
    """
    flask_app = mlflow_module("server").app
    token = load_settings().tracking_token
    if token is None or not token.get_secret_value():
        raise InvalidInput(
            "The guard knows no token of the service, so nobody could promote.",
            next_step="Set MLFLOW_TRACKING_TOKEN to the same secret for the server and for Gatehouse.",
        )
    check_doors(flask_app)
    registry = ServerRegistry()
    is_service = _recogniser(token.get_secret_value())
    flask_app.before_request(lambda: _gate(registry, is_service))
    app: FastAPI = mlflow_module("server.fastapi_app").create_fastapi_app(flask_app)
    app.add_middleware(Uploads, registry=registry, is_service=is_service)
    app.add_middleware(DataVersion, open_backend=cache(_open_backend))
    return app


def check_doors(flask_app: Flask) -> None:
    """Let pass only an MLflow of which every handler that changes the registry is known.

    Raises:
        InvalidInput: a handler is missing, or there is a new one.
    """
    changing = {
        rule.endpoint
        for rule in flask_app.url_map.iter_rules()
        if is_near_registry(rule.rule) and (rule.methods or set()) - _READING
    }
    unknown = changing - RULES.keys() - HARMLESS
    missing = RULES.keys() - flask_app.view_functions.keys()
    if unknown or missing:
        raise InvalidInput(
            f"This MLflow is not the one the guard was made for: {', '.join(sorted(unknown | missing))}.",
            next_step="Install the MLflow version that Gatehouse names, or start the server without --app-name.",
        )


class Uploads:
    """ASGI middleware: uploads of artifacts do not pass through Flask, so they are held here."""

    def __init__(self, app: Asgi, *, registry: GuardedRegistry, is_service: Callable[[str], bool]) -> None:
        self._app = app
        self._registry = registry
        self._is_service = is_service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a write below a registered model's folder."""
        import anyio.to_thread

        refusal = None
        if scope["type"] == "http" and scope["method"] not in _READING and _UPLOAD in scope["path"]:
            headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
            if not self._is_service(headers.get("authorization", "")):
                refusal = await anyio.to_thread.run_sync(self._refusal, scope["path"])
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await _respond(send, 403, _denial(refusal))

    def _refusal(self, path: str) -> str | None:
        _, _, inside = path.partition(_UPLOAD)
        try:
            # It decodes once more before the artifact store sees the path.
            inside = mlflow_module("utils.uri").validate_path_is_safe(inside)
        except mlflow_module("exceptions").MlflowException:
            return None
        return refuse_write(Asked(path={"artifact_path": inside}), self._registry)


class DataVersion:
    """ASGI middleware: one more address, which says whether anything was written since the last look."""

    def __init__(self, app: Asgi, *, open_backend: Callable[[], Database | None]) -> None:
        self._app = app
        self._open_backend = open_backend
        # Counters of two processes cannot be compared.
        self._process = uuid.uuid4().hex

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the data version, or pass on."""
        import anyio.to_thread

        if scope["type"] != "http" or scope["path"] != DATA_VERSION_PATH:
            await self._app(scope, receive, send)
            return
        try:
            version = await anyio.to_thread.run_sync(self._find_data_version)
        except GatehouseError as error:
            await _respond(send, 503, {"message": error.message})
        else:
            await _respond(send, 200, {"data_version": version})

    def _find_data_version(self) -> str | None:
        database = self._open_backend()
        return None if database is None else f"{self._process}-{database.find_data_version()}"


def _gate(registry: GuardedRegistry, is_service: Callable[[str], bool]) -> Any:
    """Refuse in Flask what a rule refuses; None lets the request through."""
    from flask import jsonify, request

    rule = RULES.get(request.endpoint or "")
    if rule is None or is_service(request.headers.get("Authorization", "")):
        return None
    try:
        asked = _read(request)
    except (TypeError, ValueError, AttributeError, LookupError):
        return jsonify({"error_code": "INVALID_PARAMETER_VALUE", "message": "The request cannot be read."}), 400
    refusal = None if asked is None else rule(asked, registry)
    return None if refusal is None else (jsonify(_denial(refusal)), 403)


def _read(request: Request) -> Asked | None:
    """Read a request as its handler will; None for one that the handler refuses in the same words."""
    path, message = dict(request.view_args or {}), None
    try:
        if "artifact_path" in path:
            path["artifact_path"] = mlflow_module("utils.uri").validate_path_is_safe(path["artifact_path"])
        if (name := MESSAGES.get(request.endpoint or "")) is not None:
            message = mlflow_module("server.handlers")._get_request_message(  # noqa: SLF001 - as the handler reads it
                message_kind(name)(), flask_request=request
            )
    except mlflow_module("exceptions").MlflowException:
        return None
    return Asked(message=message, path=path, query=request.args)


def message_kind(name: str) -> Any:
    """Return the protobuf message of that name."""
    modules = (mlflow_module(f"protos.{module}") for module in _PROTOBUFS)
    return next(getattr(module, name) for module in modules if hasattr(module, name))


def _recogniser(token: str) -> Callable[[str], bool]:
    expected = f"{_BEARER}{token}".encode()
    return lambda header: hmac.compare_digest(header.encode("utf-8", "replace"), expected)


def _open_backend() -> Database | None:
    """Return the registry's database, or None where it is of a kind without a data version."""
    store = mlflow_module("server.handlers")._get_model_registry_store()  # noqa: SLF001 - what its handlers use
    try:
        return open_database(getattr(store, "db_uri", ""))
    except InvalidInput:
        return None


def _denial(refusal: str) -> dict[str, str | None]:
    return {
        "error_code": "PERMISSION_DENIED",
        "message": f"Gatehouse guards this registry: {refusal}. Ask for it with `gatehouse promotions request`.",
    }


async def _respond(send: Send, status: int, document: Mapping[str, str | None]) -> None:
    content = json.dumps(document).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
