"""Beside every page: who is signed in with which roles, how old the index is, and the way out."""

from __future__ import annotations

import streamlit as st

from app.ui.post_form import post_form
from app.ui.session import is_signed_in_by_provider, sign_out_of_provider
from app.ui.status import index_age
from app.ui.text import md, role_words
from services.identity import Actor


def sidebar(actor: Actor) -> None:
    """Draw the person, the age of the index, and signing out."""
    with st.sidebar:
        with st.container(gap="xxsmall"):
            st.markdown(f":small[**{md(actor.name)}**]")
            st.markdown(f":gray[:small[{md(role_words(actor.roles))}]]")
        index_age(key="sidebar")
        if not is_signed_in_by_provider():
            post_form("/api/sign-out", key="sign_out", submit="Sign out", look="link", next_path="/")
        elif st.button("Sign out", key="sign_out", type="tertiary"):
            sign_out_of_provider()
