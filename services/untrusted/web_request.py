"""One HTTP request to an address from data: to the network address that was checked, no redirect, within a deadline.

Timeouts of sockets begin anew with every byte, so a server that drips could hold a caller for ever; at the deadline the
connection is shut down, whatever it is at.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from services.errors import Unreachable
from services.untrusted.uris import WebTarget

DEADLINE_SECONDS = 15.0
MAX_ANSWER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class WebAnswer:
    """What a server answered: a redirect is an answer like any other. `body` is cut at 64 KiB."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def post(
    target: WebTarget, body: bytes, *, headers: Mapping[str, str], deadline_s: float = DEADLINE_SECONDS
) -> WebAnswer:
    """Send a POST request to a checked address.

    Raises:
        Unreachable: the server does not answer in time, or not in HTTP.
    """
    with contextlib.closing(_PinnedConnection(target, deadline_s)) as connection:
        watch = threading.Timer(deadline_s, connection.cut)
        watch.daemon = True
        watch.start()
        try:
            connection.request("POST", target.path, body, {**headers, "Host": target.authority, "Connection": "close"})
            response = connection.getresponse()
            answered = {name.lower(): value for name, value in response.getheaders()}
            answer = WebAnswer(status=response.status, headers=answered, body=response.read(MAX_ANSWER_BYTES))
            connection.check_whole()
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = f"not within {deadline_s:g} seconds" if connection.is_cut else _told(error)
            raise Unreachable(
                f"{target.scheme}://{target.authority} does not answer ({why}).",
                next_step="Check the address, and that the receiver is running.",
            ) from error
        finally:
            watch.cancel()
    return answer


class _PinnedConnection(http.client.HTTPConnection):
    def __init__(self, target: WebTarget, timeout_s: float) -> None:
        super().__init__(target.host, target.port, timeout=timeout_s)
        self.is_cut = False
        self._target = target
        self._raw: socket.socket | None = None

    def connect(self) -> None:
        self._raw = socket.create_connection((self._target.address, self._target.port), self.timeout)
        self.sock = self._raw
        if self._target.scheme == "https":
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self._raw, server_hostname=self._target.host)

    def check_whole(self) -> None:
        # What was cut off looks like an answer that ended.
        if self.is_cut:
            raise TimeoutError

    def cut(self) -> None:
        self.is_cut = True
        for end in (self.sock, self._raw):
            if end is not None:
                # Of the plain socket, also under TLS: its farewell would wait for the other side.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(end, socket.SHUT_RDWR)


def _told(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:200]
