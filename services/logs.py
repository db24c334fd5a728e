"""Structured logs: one event a line, with the ids of its request and operation, and no secret in it.

JSON when the output is no terminal. The id of a request stands in every log line, in the origin of every audit event
and in the reference of an unexpected error, so that the three can be brought together.
"""

from __future__ import annotations

import contextlib
import logging
import re
import secrets
import sys
from collections.abc import Iterator, MutableMapping
from typing import Any, TextIO

import structlog

from services.untrusted.escape import as_line, as_text

MASK = "•••"

_SECRET_NAME = re.compile(r"password|secret|token|cookie|authorization|credential|api_?key", re.IGNORECASE)
_SECRET_TEXT = re.compile(
    r"(?P<token>gth_[0-9a-f]{12}_[A-Za-z0-9_-]{20,})"
    r"|(?P<hook>whsec_[A-Za-z0-9+/=]{8,})"
    r"|(?<=://)(?P<login>[^\s/@]+)(?=@)"
    r"|(?i:(?<=bearer )|(?<=basic ))(?P<header>[A-Za-z0-9._~+/=-]{8,})"
)


def set_up_logs(*, out: TextIO = sys.stderr, level: int = logging.INFO) -> None:
    """Send the logs of this process, ours and those of libraries, to one stream in one form."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
        mask_secrets,
    ]
    if out.isatty():
        renderer: Any = structlog.dev.ConsoleRenderer()
        shared.append(_show_hidden)
    else:
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


@contextlib.contextmanager
def request(place: str, request_id: str | None = None) -> Iterator[str]:
    """Give everything inside the block one request id; yields the origin for actors, such as `app 4f1c09aa`."""
    request_id = request_id or secrets.token_hex(4)
    with structlog.contextvars.bound_contextvars(place=place, request=request_id):
        yield f"{place} {request_id}"


def current_reference() -> str:
    """Return the id of the request at hand for an error message, or a new one outside of any."""
    return str(structlog.contextvars.get_contextvars().get("request") or secrets.token_hex(4))


def mask_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask every value that is a secret by its name or by its look."""
    return {name: _masked(name, value) for name, value in event.items()}


def mask_text(text: str) -> str:
    """Return text without the secrets that can be known by their look.

    >>> mask_text("postgresql://ada:pw@db/x, Authorization: Bearer abcdefgh123")
    'postgresql://•••@db/x, Authorization: Bearer •••'
    """
    return _SECRET_TEXT.sub(MASK, text)


def _masked(name: str, value: Any) -> Any:
    if _SECRET_NAME.search(name) and value is not None:
        return MASK
    if isinstance(value, dict):
        return {key: _masked(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(name, item) for item in value]
    if value is None or isinstance(value, bool | int | float) or name.startswith("_"):
        return value
    return mask_text(str(value))


def _show_hidden(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # A terminal obeys control characters; only a traceback has lines of its own.
    return {
        name: (as_text if name == "exception" else as_line)(value) if isinstance(value, str) else value
        for name, value in event.items()
    }
