"""Buttons whose label can be read in both themes, and the line that says what was done."""

from __future__ import annotations

from typing import Literal

import streamlit as st

_FLASH = "gatehouse_flash"


def primary_button(
    label: str,
    *,
    key: str,
    icon: str | None = None,
    disabled: bool = False,
    help: str | None = None,  # noqa: A002 (Streamlit's name for it)
    width: Literal["content", "stretch"] = "content",
) -> bool:
    """Draw the one main action of a page or drawer. Its key is prefixed so that the dark theme can darken its label."""
    return st.button(
        label,
        key=f"primary_{key}",
        type="primary",
        icon=f":material/{icon}:" if icon else None,
        disabled=disabled,
        help=help,
        width=width,
    )


def flash(message: str, *, icon: str = "check") -> None:
    """Say something after the next rerun, such as that a change was made; Markdown, escaped by the caller."""
    st.session_state.setdefault(_FLASH, []).append((message, icon))


def show_flash() -> None:
    """Draw everything that `flash` left, once."""
    for message, icon in st.session_state.pop(_FLASH, ()):
        st.toast(message, icon=f":material/{icon}:")
