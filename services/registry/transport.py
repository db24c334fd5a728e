"""HTTP to an MLflow server: bounded in time and size, and every failure as one of our errors.

The rule: no call takes ten seconds, and a file comes at 64 KiB a second at least once they have passed. A server that
refuses, hangs, drips, is too busy, answers 5xx or answers what is no MLflow's is `Unreachable`; what the server itself
refuses is told in its own words, cut and made visible.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import httpx

from services.errors import Forbidden, GatehouseError, InvalidInput, NotFound, Unauthenticated, Unreachable
from services.logs import mask_text
from services.untrusted.escape import as_line

CONNECT_TIMEOUT_S = 2.0
READ_TIMEOUT_S = 7.0
CALL_TIMEOUT_S = 9.0
RETRY_WITHIN_S = 0.5
MIN_BYTES_A_SECOND = 64 * 1024
MAX_JSON_BYTES = 128 * 1024 * 1024
MAX_SHORT_BYTES = 64 * 1024
_MAX_REASON_CHARACTERS = 300
_TRY_LATER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_CHECK_ADDRESS = "Start the registry, or check MLFLOW_TRACKING_URI; `gatehouse doctor` tests it."

Query = Mapping[str, str | int | Sequence[str]]


class Transport:
    """One server. Safe to share between threads."""

    def __init__(self, address: str, *, token: str | None = None, timeout_s: float = CALL_TIMEOUT_S) -> None:
        check_address(address)
        self.address = address.rstrip("/")
        self._timeout_s = timeout_s
        share = timeout_s / CALL_TIMEOUT_S
        self._client = httpx.Client(
            base_url=self.address,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=httpx.Timeout(READ_TIMEOUT_S * share, connect=CONNECT_TIMEOUT_S * share),
            follow_redirects=False,
        )

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Mapping[str, Any] | None = None,
        is_idempotent: bool = True,
    ) -> dict[str, Any]:
        """Send one API request and return the JSON object it answers.

        Raises:
            Unreachable, NotFound, InvalidInput, Forbidden, Unauthenticated: see the module.
        """
        started = time.monotonic()
        try:
            status, content = self._send(method, path, query, body)
        except (httpx.RemoteProtocolError, httpx.ReadError) as error:
            # A kept connection that the server closed meanwhile fails at once; anything later is no accident.
            if not is_idempotent or time.monotonic() - started > RETRY_WITHIN_S:
                raise self._unreachable(f"broke the connection ({type(error).__name__})") from error
            with self._translated():
                status, content = self._send(method, path, query, body)
        answer = self._decode(status, content)
        if status != HTTPStatus.OK:
            raise self._refusal(status, answer)
        return answer

    @contextmanager
    def open_file(self, path: str, *, query: Query | None = None) -> Iterator[Iterator[bytes]]:
        """Open a file for reading in pieces.

        Raises:
            NotFound: the server has no such file.
        """
        with self._translated(), self._client.stream("GET", path, params=query) as response:
            if response.status_code == HTTPStatus.NOT_FOUND:
                raise NotFound("The file is gone.", next_step="Restore it in the registry's artifact store.")
            pieces = self._paced(response)
            if response.status_code != HTTPStatus.OK:
                raise self._refusal(response.status_code, self._decode(response.status_code, self._join(pieces)))
            yield pieces

    def read_short(self, path: str) -> bytes:
        """Return a short answer that is no API's; raises as `open_file`."""
        with self.open_file(path) as pieces:
            return self._join(pieces)

    def close(self) -> None:
        """Give back the connections."""
        self._client.close()

    def corrupt(self, what: str) -> Unreachable:
        """Return the error for an answer that no MLflow gives."""
        return self._unreachable(f"answered what no MLflow registry does ({what})")

    def _send(self, method: str, path: str, query: Query | None, body: Mapping[str, Any] | None) -> tuple[int, bytes]:
        deadline = time.monotonic() + self._timeout_s
        with (
            self._translated(reraise=(httpx.RemoteProtocolError, httpx.ReadError)),
            self._client.stream(method, path, params=query, json=body) as response,
        ):
            content = bytearray()
            for piece in response.iter_bytes():
                content += piece
                if len(content) > MAX_JSON_BYTES:
                    raise self.corrupt(f"more than {MAX_JSON_BYTES} bytes")
                if time.monotonic() > deadline:
                    raise self._unreachable(f"took longer than {self._timeout_s:g} s to answer")
            return response.status_code, bytes(content)

    def _paced(self, response: httpx.Response) -> Iterator[bytes]:
        """Yield the pieces of a file while they come fast enough."""
        started, received = time.monotonic(), 0
        for piece in response.iter_bytes():
            received += len(piece)
            if time.monotonic() - started > self._timeout_s + received / MIN_BYTES_A_SECOND:
                raise self._unreachable(f"sends a file at less than {MIN_BYTES_A_SECOND // 1024} KiB a second")
            yield piece

    def _join(self, pieces: Iterator[bytes]) -> bytes:
        content = bytearray()
        for piece in pieces:
            content += piece
            if len(content) > MAX_SHORT_BYTES:
                raise self.corrupt(f"more than {MAX_SHORT_BYTES} bytes")
        return bytes(content)

    def _decode(self, status: int, content: bytes) -> dict[str, Any]:
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _TRY_LATER:
            raise self._unreachable(f"answered {status}")
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError) as error:
            # Refusals by proxies and by MLflow's own host check are text; only their status counts.
            if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
                return {"message": content[:_MAX_REASON_CHARACTERS].decode(errors="replace")}
            raise self.corrupt(f"{status} without JSON") from error
        if not isinstance(answer, dict):
            raise self.corrupt("JSON that is no object")
        return answer

    def _refusal(self, status: int, answer: Mapping[str, Any]) -> GatehouseError:
        reason = as_line(str(answer.get("message", ""))[:_MAX_REASON_CHARACTERS]).rstrip(".") or f"status {status}"
        if status == HTTPStatus.UNAUTHORIZED:
            return Unauthenticated(
                f"The registry does not know who asks: {reason}.", next_step="Set MLFLOW_TRACKING_TOKEN."
            )
        if status == HTTPStatus.FORBIDDEN:
            return Forbidden(
                f"The registry refuses: {reason}.",
                next_step="Check that MLFLOW_TRACKING_TOKEN is that of the service, and that the address is allowed.",
            )
        if status == HTTPStatus.NOT_FOUND or answer.get("error_code") == "RESOURCE_DOES_NOT_EXIST":
            return NotFound(f"Not in the registry: {reason}.", next_step="See the names with `gatehouse models list`.")
        if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return InvalidInput(f"The registry does not accept this: {reason}.", next_step="Correct it and try again.")
        return self.corrupt(f"status {status}")

    def _unreachable(self, what: str) -> Unreachable:
        return Unreachable(f"The registry at {_without_secrets(self.address)} {what}.", next_step=_CHECK_ADDRESS)

    @contextmanager
    def _translated(self, *, reraise: tuple[type[Exception], ...] = ()) -> Iterator[None]:
        try:
            yield
        except reraise:
            raise
        except httpx.TimeoutException as error:
            raise self._unreachable(f"did not answer in time ({type(error).__name__})") from error
        except httpx.ConnectError as error:
            raise self._unreachable("does not answer") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(f"broke the connection ({type(error).__name__})") from error


def check_address(address: str) -> None:
    """Let pass only an http or https address.

    Raises:
        InvalidInput: it is none.
    """
    try:
        is_usable = address.startswith(("http://", "https://")) and bool(httpx.URL(address).host)
    except httpx.InvalidURL:
        is_usable = False
    if not is_usable:
        raise InvalidInput(
            "The registry's address is not an http or https address.",
            next_step="Set MLFLOW_TRACKING_URI to the address of an MLflow server, such as http://127.0.0.1:5000.",
        )


def _without_secrets(address: str) -> str:
    bare = str(httpx.URL(address).copy_with(username=None, password=None)) if "@" in address else address
    return mask_text(bare)
