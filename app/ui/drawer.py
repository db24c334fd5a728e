"""The drawer that asks before something is done: what will happen, why, and a button that says it in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from app.ui.buttons import flash, primary_button
from app.ui.errors import show_error
from app.ui.session import current_actor
from app.ui.text import key_values, md
from services.errors import GatehouseError
from services.identity import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What is asked.

    Args:
        key: unique on the page.
        title: the question, such as `Approve v18 for production`.
        icon: a Material symbol.
        text: Markdown on what will happen, escaped by the caller.
        facts: names and Markdown values under the text.
        reason_label: what the required text is called; empty asks for none.
        placeholder: the question the reason answers.
        checks: statements that must all be ticked.
        confirm: the words on the button.
        run: does it, for who is signed in at that moment and with the reason; what it raises of ours is shown in the
            drawer.
        done: what is said afterwards.
    """

    key: str
    title: str
    icon: str
    text: str
    confirm: str
    run: Callable[[Actor, str], object]
    done: str
    facts: Sequence[tuple[str, str]] = ()
    reason_label: str = "Reason"
    placeholder: str = ""
    checks: Sequence[str] = ()


def open_drawer(asked: Confirmation) -> None:
    """Open the drawer from the right; the page behind it reruns when it was confirmed."""
    st.dialog(md(asked.title), width="medium", position="right", icon=f":material/{asked.icon}:")(_body)(asked)


def _body(asked: Confirmation) -> None:
    st.markdown(asked.text)
    if asked.facts:
        key_values(asked.facts, alt=f"What {asked.confirm.lower()} rests on")
    reason = ""
    if asked.reason_label:
        reason = st.text_area(
            asked.reason_label, key=f"{asked.key}_reason", placeholder=asked.placeholder, required=True, height=120
        ).strip()
    ticked = [st.checkbox(check, key=f"{asked.key}_check_{number}") for number, check in enumerate(asked.checks)]
    if not primary_button(asked.confirm, key=f"{asked.key}_confirm", width="stretch"):
        return
    if asked.reason_label and not reason:
        st.warning(f"{asked.reason_label} is empty: write why, it is kept in the audit log.", icon=":material/edit:")
        return
    if not all(ticked):
        st.warning("Tick every statement above before you go on.", icon=":material/check_box:")
        return
    try:
        # A drawer reruns by itself: whoever opened it may have signed out, or lost the role, since.
        asked.run(current_actor(), reason)
    except GatehouseError as error:
        show_error(error)
        return
    flash(asked.done)
    st.rerun()
