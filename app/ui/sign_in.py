"""The page of somebody who is not signed in: a name and a password, an identity provider, or the people of the demo."""

from __future__ import annotations

import streamlit as st

from app.ui.buttons import primary_button
from app.ui.post_form import Field, post_form
from app.ui.session import get_gatehouse, is_oidc_configured, is_on_loopback
from app.ui.text import md, prose, role_words
from services.errors import Forbidden, Unauthenticated
from services.identity import Role, system_actor
from services.identity.credentials import BOOTSTRAP_FILE

_WAYS = {"password": "Sign in", "choose": "Choose a password", "bootstrap": "First admin"}


def sign_in_page(why: Unauthenticated | Forbidden | None) -> None:
    """Draw the ways in; `why` is what ended the session before."""
    with st.container(horizontal_alignment="center"), st.container(width=400):
        st.space("large")
        st.title("Sign in to Gatehouse", anchor=False)
        if why is not None:
            st.info(prose(why.next_step), title=md(why.message), icon=":material/logout:")
        _organisation()
        people = _demo_people()
        if people:
            _one_click(people)
            with st.expander("Sign in with a name and a password"):
                _local()
        else:
            _local()


def _organisation() -> None:
    """Draw the way in through an identity provider; a session that ended stays ended, so its token is dropped first."""
    if not is_oidc_configured():
        return
    if st.user.is_logged_in:
        if primary_button("Sign out of your organisation and in again", key="oidc", width="stretch"):
            st.logout()
    elif primary_button("Sign in with your organisation", key="oidc", width="stretch"):
        st.login()


def _one_click(people: list[tuple[str, str]]) -> None:
    st.markdown(":gray[This is the demo on this machine: be anybody in it with one click.]")
    with st.container(gap="xsmall"):
        for name, roles in people:
            post_form(
                "/api/sign-in/demo",
                key=f"demo_{name}",
                submit=_display_name(name),
                note=roles,
                hidden={"name": name},
                look="person",
            )


def _local() -> None:
    is_fresh = (get_gatehouse().home / BOOTSTRAP_FILE).exists()
    way = st.segmented_control(
        "Way to sign in",
        [way for way in _WAYS if is_fresh or way != "bootstrap"],
        format_func=_WAYS.__getitem__,
        default="bootstrap" if is_fresh else "password",
        required=True,
        key="way_in",
        label_visibility="collapsed",
    )
    name = Field(name="name", label="Name", autocomplete="username")
    chosen = Field(name="password", label="New password", type="password", autocomplete="new-password")
    if way == "choose":
        st.markdown(":gray[An admin gave you a token: use it within a day to choose your password.]")
        token = Field(name="token", label="Token", type="password")
        post_form("/api/password", key="choose", submit="Choose it and sign in", fields=[token, chosen])
    elif way == "bootstrap":
        st.markdown(
            ":gray[The console that Gatehouse was started from shows a one-time token while there is no admin.]"
        )
        token = Field(name="token", label="One-time token", type="password")
        post_form("/api/bootstrap", key="bootstrap", submit="Become the first admin", fields=[token, name, chosen])
    else:
        password = Field(name="password", label="Password", type="password", autocomplete="current-password")
        post_form("/api/sign-in", key="sign_in", submit="Sign in", fields=[name, password])


def _demo_people() -> list[tuple[str, str]]:
    identity = get_gatehouse().identity
    if not is_on_loopback(st.context.ip_address or "127.0.0.1", st.context.headers) or not identity.sign_in.is_demo():
        return []
    accounts = identity.accounts.list_accounts(system_actor("app"), limit=20)
    return [
        (account.name, role_words(account.roles))
        for account in accounts
        if account.disabled_at is None and Role.SERVICE_ACCOUNT not in account.roles
    ]


def _display_name(name: str) -> str:
    return name.replace(".", " ").replace("_", " ").title()
