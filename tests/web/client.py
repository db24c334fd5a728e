"""A browser's HTTP without a server: requests go straight into the ASGI app, cookies are kept."""

from __future__ import annotations

from collections.abc import Mapping

import anyio
import httpx
from starlette.types import ASGIApp


class Client:
    """Keeps cookies between requests; sends `origin` as a browser would."""

    def __init__(self, app: ASGIApp, *, host: str = "http://localhost:8501") -> None:
        self.app = app
        self.host = host
        self.headers: dict[str, str] = {"origin": host}
        self.cookies = httpx.Cookies()

    def get(self, path: str) -> httpx.Response:
        """Ask for a path."""
        return self._send("GET", path)

    def post(
        self,
        path: str,
        *,
        data: Mapping[str, str] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Post a form, or any bytes."""
        return self._send("POST", path, data=data, content=content, headers=headers)

    def _send(
        self,
        method: str,
        path: str,
        *,
        data: Mapping[str, str] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url=self.host, cookies=self.cookies) as client:
                answer = await client.request(
                    method, path, data=data, content=content, headers={**self.headers, **(headers or {})}
                )
                self.cookies = client.cookies
                return answer

        return anyio.run(send)
