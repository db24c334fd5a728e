"""The app's process: Streamlit with the pages, and around it headers, signing in and health.

`streamlit run app/main.py` starts it.

What start-up imports and builds is frozen out of garbage collection: a full collection of pandas, Plotly and the pages
holds the interpreter for a tenth of a second, and would come after every click.
"""

from __future__ import annotations

import gc
import importlib
import sys
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
from app.web.binding import check_binding
from app.web.forms import error_response
from app.web.headers import SecurityHeaders
from app.web.health import healthz
from services.errors import GatehouseError
from services.identity.credentials import BOOTSTRAP_FILE
from services.logs import set_up_logs

_WARM = ("pandas", "pyarrow", "plotly.graph_objects", "plotly.io", "app.ui")


@asynccontextmanager
async def lifespan(_app: object) -> AsyncIterator[None]:
    """Import what pages need, open the store, tell the one-time token, and freeze it all."""
    for module in _WARM:
        await to_thread.run_sync(importlib.import_module, module)
    set_up_logs()
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
    # The token itself is for a console, and this output may be kept in a log: `gatehouse up` prints it.
    gatehouse = get_gatehouse()
    if gatehouse.identity.credentials.prepare_bootstrap() is not None:
        path = gatehouse.home / BOOTSTRAP_FILE
        print(f"Nobody is admin yet. Whoever signs in with the one-time token in {path} is.", flush=True)  # noqa: T201


def _check_binding() -> None:
    try:
        check_binding(
            st.get_option("server.address") or "",
            has_tls=bool(st.get_option("server.sslCertFile")),
            is_behind_proxy=get_gatehouse().settings.behind_proxy,
        )
    except GatehouseError as error:
        sys.exit(f"{error.message} {error.next_step}")


_check_binding()


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
