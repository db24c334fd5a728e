"""What a page or a callback let escape: shown by Streamlit through this instead of as a stack trace."""

from __future__ import annotations

import structlog

from app.ui.errors import show_bug, show_error
from services.errors import GatehouseError
from services.logs import current_reference

_LOG = structlog.get_logger("app")


def show_script_error(error: Exception) -> bool:
    """Draw an error of ours as what it says, anything else as a bug with its reference in the log."""
    if isinstance(error, GatehouseError):
        show_error(error)
    else:
        reference = current_reference()
        _LOG.error("a page failed", reference=reference, exc_info=error)
        show_bug(reference)
    return True
