"""A server that answers badly on purpose: each test gives it the raw bytes, pieces and pauses to answer with."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

Answer = Callable[[socket.socket, bytes], None]


def respond(status: str, body: bytes | str = b"", *headers: str) -> Answer:
    """Answer with one complete response."""
    content = body.encode() if isinstance(body, str) else body
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", *headers, "", ""])

    def answer(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(head.encode() + content)

    return answer


def drip(pieces: int, pause_s: float) -> Answer:
    """Answer with a body that never stalls long and never ends."""

    def answer(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        for _ in range(pieces):
            connection.sendall(b" ")
            time.sleep(pause_s)

    return answer


def hang(seconds: float) -> Answer:
    """Take the request and say nothing."""

    def answer(_connection: socket.socket, _request: bytes) -> None:
        time.sleep(seconds)

    return answer


def hang_up(_connection: socket.socket, _request: bytes) -> None:
    """Close the connection without a word."""


@contextmanager
def stub_server(*answers: Answer) -> Iterator[tuple[str, Sequence[bytes]]]:
    """Serve each answer once, in order, the last for ever; yields the address and the requests as they came."""
    requests: list[bytes] = []
    left = list(answers)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    request = connection.recv(65536)
                    requests.append(request)
                    answer = left.pop(0) if len(left) > 1 else left[0]
                    try:
                        answer(connection, request)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", requests
        # Closing alone leaves a thread inside accept().
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)
