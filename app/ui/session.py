"""Who looks at the page, and the one installation that all pages of this process share.

The browser's cookie names a session in the store; it is looked up at every rerun, so that a session that was ended, a
role that was taken or an account that was disabled counts from the next click on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial

import streamlit as st

from app.facade import Gatehouse
from services.errors import Forbidden, Unauthenticated
from services.identity import Actor
from services.logs import current_reference
from services.settings import load_settings

ORIGIN = "app"
# Cookies do not tell ports apart: two installations on one machine must not sign each other out.
COOKIE = f"gatehouse_session_{st.get_option('server.port')}"

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@cache
def get_gatehouse() -> Gatehouse:
    """Return the installation."""
    return Gatehouse(load_settings())


def current_actor(*, is_active: bool = True) -> Actor:
    """Return who is signed in, with the roles of this moment.

    Args:
        is_active: whether a person did something; pass False from a fragment that refreshes itself, so that an open
            window keeps no session alive.

    Raises:
        Unauthenticated: nobody is, or the session has ended.
    """
    return actor_when_asked(is_active=is_active)()


def actor_when_asked(*, is_active: bool = True) -> Callable[[], Actor]:
    """Return what finds out who is signed in at the moment it is called.

    For what Streamlit runs later and outside the page, as it does downloads; arguments and errors as `current_actor`.
    """
    identity = get_gatehouse().identity
    origin = current_origin()
    if cookie := st.context.cookies.get(COOKIE):
        return partial(identity.sessions.get_actor, cookie, origin=origin, is_active=is_active)
    if is_oidc_configured() and st.user.is_logged_in:
        return partial(identity.oidc.get_actor, st.user.to_dict(), origin=origin, is_active=is_active)
    raise Unauthenticated("Nobody is signed in.", next_step="Sign in.")


def current_origin() -> str:
    """Return where what is done now comes from, for actors: the app, and the id of the request."""
    return f"{ORIGIN} {current_reference()}"


def find_actor() -> tuple[Actor | None, Unauthenticated | Forbidden | None]:
    """Return who is signed in, or why nobody is; the reason is None for somebody who was not here before."""
    had_session = COOKIE in st.context.cookies or (is_oidc_configured() and st.user.is_logged_in)
    try:
        return current_actor(), None
    except (Unauthenticated, Forbidden) as error:
        return None, error if had_session else None


def is_oidc_configured() -> bool:
    """Return whether an identity provider is set up (`[auth]` in Streamlit's secrets)."""
    return "is_logged_in" in st.user


def is_signed_in_by_provider() -> bool:
    """Return whether it is an identity provider's word that somebody is signed in, and no cookie of ours."""
    return COOKIE not in st.context.cookies and is_oidc_configured() and bool(st.user.is_logged_in)


def sign_out_of_provider() -> None:
    """End the session of an identity provider's token, in every window, and forget the token."""
    get_gatehouse().identity.oidc.sign_out(st.user.to_dict(), origin=current_origin())
    st.logout()


def is_on_loopback(client: str, headers: Mapping[str, str]) -> bool:
    """Return whether a request comes from this machine to an app that only this machine reaches."""
    address = st.get_option("server.address")
    return client in _LOOPBACK and address in _LOOPBACK and "x-forwarded-for" not in headers
