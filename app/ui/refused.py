"""A page that is not shown to whoever looks: it says so in the place of its content, and the refusal is an event."""

from __future__ import annotations

from contextlib import suppress

from app.ui import session
from app.ui.frame import page_header
from app.ui.placeholders import refused_state
from app.ui.text import role_words
from services.errors import Forbidden
from services.identity import Actor, Permission, roles_that_grant


def refused_page(actor: Actor, title: str, lacking: Permission) -> None:
    """Draw a page that takes a permission which the actor lacks."""
    with suppress(Forbidden):
        session.get_gatehouse().identity.demand(actor, lacking, subject=f"page/{title}")
    page_header(title)
    refused_state(f"{title} is not shown to you", f"Ask an admin for a role: {role_words(roles_that_grant(lacking))}.")
