"""Requests to a model that stays loaded, and its answers: frames over one socket, the same code at both ends.

A frame is its length (4 bytes, big-endian), the number of the request (8), the length of its head (4), the head (JSON)
and the body, as it came or as it goes. The model's end is not to be trusted: a frame that is too long or malformed ends
the exchange.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MAX_FRAME_BYTES = 256 * 1024 * 1024
READY = 0

_PREFIX = struct.Struct("!IQI")
_LENGTH_BYTES = 4


class FrameBroken(Exception):
    """The other end does not keep to the form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One request or answer; an answer has the number of its request."""

    number: int
    head: Mapping[str, Any]
    body: bytes = b""


def encode(frame: Frame) -> bytes:
    r"""Return a frame as bytes.

    >>> list(Frames().feed(encode(Frame(number=7, head={"status": 200}, body=b"[1]"))))
    [Frame(number=7, head={'status': 200}, body=b'[1]')]
    """
    head = json.dumps(frame.head).encode()
    length = _PREFIX.size - _LENGTH_BYTES + len(head) + len(frame.body)
    return b"".join((_PREFIX.pack(length, frame.number, len(head)), head, frame.body))


class Frames:
    """Takes bytes as they come and gives whole frames.

    Args:
        max_bytes: the longest frame that is taken.
    """

    def __init__(self, *, max_bytes: int = MAX_FRAME_BYTES) -> None:
        self._max_bytes = max_bytes
        self._unread = bytearray()

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Yield the frames that are complete now.

        Raises:
            FrameBroken: what came is no frame.
        """
        self._unread += chunk
        while len(self._unread) >= _PREFIX.size:
            length, number, head_length = _PREFIX.unpack_from(self._unread)
            end = _LENGTH_BYTES + length
            if end > self._max_bytes or _PREFIX.size + head_length > end:
                raise FrameBroken(f"a frame of {length} bytes with a head of {head_length}")
            if len(self._unread) < end:
                return
            taken = bytes(self._unread[_PREFIX.size : end])
            del self._unread[:end]
            yield Frame(number=number, head=_read_head(taken[:head_length]), body=taken[head_length:])


def _read_head(text: bytes) -> dict[str, Any]:
    try:
        head = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FrameBroken("a head that is no JSON") from error
    if not isinstance(head, dict):
        raise FrameBroken("a head that is no mapping")
    return head
