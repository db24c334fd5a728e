"""Security headers on every response, and no answer to a host that the app is not known by.

The policy is what Streamlit's tables, Plotly, ECharts and components need, and no more (W3C CSP 3): scripts and
requests from the app's own origin alone, no plug-ins, no frames around it. `blob:` carries component scripts,
`wasm-unsafe-eval` Streamlit's Arrow reader; what the installed Streamlit writes into its page itself goes by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import streamlit
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


def _own_script_hashes() -> str:
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


_DIRECTIVES = {
    "default-src": "'self'",
    "script-src": f"'self' blob: 'wasm-unsafe-eval' {_own_script_hashes()}",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "media-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "connect-src": "'self' data: blob:",
    "worker-src": "'self' blob:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {sources}" for name, sources in _DIRECTIVES.items()),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
_YEAR = "public, max-age=31536000, immutable"


class SecurityHeaders:
    """ASGI middleware that writes the headers; pure, so that it costs no task a request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and add the headers to its response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if scope["scheme"] == "https":
                    headers["Strict-Transport-Security"] = "max-age=31536000"
                if _is_unchanging(scope) and message["status"] == 200:  # noqa: PLR2004
                    headers["Cache-Control"] = _YEAR
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _is_unchanging(scope: Scope) -> bool:
    path: str = scope["path"]
    return path.startswith("/app/static/") and (path.endswith(".woff2") or b"v=" in scope["query_string"])
