"""Structured logs: one event a line, with the ids of its request and operation, and no secret in it.

JSON when the output is no terminal. The id of a request stands in every log line, in the origin of every audit event
and in the reference of an unexpected error, so that the three can be brought together.
"""

from __future__ import annotations

import logging
import re
import secrets
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from services.untrusted.escape import as_line, as_text

MASK = "•••"

_SECRET_NAME = re.compile(
    r"password|passwd|passphrase|secret|token|cookie|authorization|credential|(?:api|access|private)[_-]?key",
    re.IGNORECASE,
)
# Every repetition that may fail is bounded: what is logged may be long and hostile.
_SECRET_TEXT = re.compile(
    r"(?P<token>gth_[0-9a-f]{12}_[A-Za-z0-9_-]{20,})"
    r"|(?P<hook>whsec_[A-Za-z0-9+/=]{8,})"
    # A password may hold what stands in paths; what follows a port does.
    r"|(?<=://)(?P<password>[^\s/@:]{0,256}:(?!\d*[/?#])\S{1,256})(?=@)"
    r"|(?<=://)(?P<login>[^\s/@]{1,256})(?=@)"
    r"|(?i:(?<=bearer )|(?<=basic ))(?P<header>[A-Za-z0-9._~+/=-]{8,})"
    # In the query of an address, a connection string or JSON.
    rf"|(?i:(?P<name>(?:{_SECRET_NAME.pattern}|x-\w{{1,9}}-signature|\bsig)[\w-]{{0,32}}(?:=|[\"']\s?:\s?[\"'])))"
    r"(?P<value>[^\s&\"'#;,)]+)"
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
    # Streamlit and uvicorn bring handlers of their own, which would write in another form and mask nothing. Whom they
    # have silenced has none.
    for logger in root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger) and logger.handlers:
            logger.handlers, logger.propagate = [], True
    root.handlers = [handler]
    root.setLevel(level)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def begin_request(place: str) -> str:
    """Give what this thread or task does from now on a new request id; returns the origin for actors.

    It is bound until the next request, so that an error that ends this one is logged under the id of its events.
    """
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(place=place)
    return f"{place} {current_reference()}"


def current_reference() -> str:
    """Return the id of the request at hand, for events and error messages; where there was none, it begins here."""
    if "request" not in structlog.contextvars.get_contextvars():
        structlog.contextvars.bind_contextvars(request=secrets.token_hex(4))
    return str(structlog.contextvars.get_contextvars()["request"])


def mask_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask every value that is a secret by its name or by its look."""
    return {name: _masked(name, value) for name, value in event.items()}


def mask_text(text: str) -> str:
    """Return text without the secrets that can be known by their look.

    >>> mask_text("postgresql://ada:pw@db/x, Authorization: Bearer abcdefgh123")
    'postgresql://•••@db/x, Authorization: Bearer •••'
    """
    return _SECRET_TEXT.sub(lambda found: f"{found['name'] or ''}{MASK}", text)


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
