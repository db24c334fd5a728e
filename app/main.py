"""The app's process: Streamlit with the pages, and around it headers, signing in and health.

`streamlit run app/main.py` starts it.

What start-up imports and builds is frozen out of garbage collection: a full collection of pandas, Plotly and the pages
holds the interpreter for a tenth of a second, and would come after every click.
"""

from __future__ import annotations

import gc
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import streamlit as st
from anyio import to_thread
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Mount, Route

from app.ui.failures import show_script_error
from app.ui.session import get_gatehouse
from app.web.accounts import ROUTES
from app.web.forms import error_response
from app.web.headers import SecurityHeaders
from app.web.health import healthz
from services.errors import GatehouseError
from services.logs import set_up_logs

_WARM = ("pandas", "pyarrow", "plotly.graph_objects", "plotly.io", "app.ui")


@asynccontextmanager
async def lifespan(_app: object) -> AsyncIterator[None]:
    """Import what pages need, open the store, tell the one-time token, and freeze it all."""
    set_up_logs()
    for module in _WARM:
        await to_thread.run_sync(importlib.import_module, module)
    await to_thread.run_sync(_announce_bootstrap)
    await to_thread.run_sync(_warm_services)
    gc.collect()
    gc.freeze()
    yield


def _warm_services() -> None:
    # Gates bring in scipy, which the first person to open the inbox would wait for.
    with suppress(GatehouseError):
        _ = get_gatehouse().changes


def _announce_bootstrap() -> None:
    token = get_gatehouse().identity.credentials.prepare_bootstrap()
    if token is not None:
        print(f"No admin yet. Sign in with this one-time token to become the first: {token}", flush=True)  # noqa: T201


app = st.App(
    Path(__file__).with_name("shell.py"),
    lifespan=lifespan,
    routes=[
        Route("/healthz", healthz),
        Mount("/api", Starlette(routes=ROUTES, exception_handlers={GatehouseError: error_response})),
    ],
    middleware=[
        Middleware(SecurityHeaders),
        Middleware(TrustedHostMiddleware, allowed_hosts=list(st.get_option("server.allowedHosts")) or ["*"]),
    ],
    on_script_error=show_script_error,
)
