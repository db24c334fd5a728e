"""How what went wrong is shown: a refusal or failure in its two sentences, a bug as a reference, no stack trace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import streamlit as st

from app.ui.text import md, prose
from services.errors import Forbidden, GatehouseError, NotFound, Unauthenticated, Unreachable, Unverified

_ICONS: dict[type[GatehouseError], str] = {
    Forbidden: "lock",
    Unauthenticated: "lock",
    Unreachable: "cloud_off",
    Unverified: "gpp_bad",
}


def show_error(error: GatehouseError) -> None:
    """Draw an error of ours: what was wrong, and what to do next."""
    icon = next((icon for kind, icon in _ICONS.items() if isinstance(error, kind)), "error")
    draw = st.warning if isinstance(error, Forbidden | Unauthenticated) else st.error
    draw(prose(error.next_step), title=md(error.message), icon=f":material/{icon}:")


def show_bug(reference: str) -> None:
    """Draw that something broke on our side, under the reference that the log has it by."""
    st.error(
        f"Nothing was changed by what failed. Try again; if it stays, report it with the reference `{md(reference)}`, "
        "which finds it in the log.",
        title="This part of Gatehouse broke",
        icon=":material/bug_report:",
    )


def tell_unknown_model(asked: str, names: Sequence[str]) -> None:
    """Draw that an address names a model which is not there, where a page goes on with another one."""
    if asked and asked not in names:
        show_error(NotFound(f"There is no model {asked!r}.", next_step="Choose one of those that there are."))


@contextmanager
def guarded() -> Iterator[None]:
    """Draw an error of ours where the block stands, and let the rest of the page go on."""
    try:
        yield
    except GatehouseError as error:
        show_error(error)
