"""How far the page can be trusted: the age of the index, and what stands above every page when something is wrong."""

from __future__ import annotations

from datetime import timedelta

import streamlit as st

from app.ui.frame import page_path
from app.ui.session import get_gatehouse
from app.ui.text import count, md
from app.ui.times import ago, duration, exact
from services.errors import GatehouseError
from services.registry.entries import SyncState

_REFRESH_S = 15
# What every page asks is asked of the store once in this time, however many people look.
_KEPT_S = 5
# A sync that is late by this many turns has stopped rather than waited.
_TURNS_UNTIL_STALE = 4


def index_age(*, key: str) -> None:
    """Draw how long ago the index was brought in step, counting on while the page stays open."""
    with st.container(key=f"{key}_age"):
        _age_line()


def banners() -> None:
    """Draw what is wrong for everybody: a registry that does not answer, a log that does not verify, drift."""
    if problem := _find_audit_problem():
        st.error(
            "Nothing can be changed until it verifies again. `gatehouse audit verify` says where it was altered.",
            title=f"The audit log does not verify: {md(problem)}",
            icon=":material/gpp_bad:",
        )
    _sync_banner(_get_sync_state())
    if drifting := _count_drifting():
        with st.container(horizontal=True, vertical_alignment="center"):
            verb, subject = ("differs", "it was") if drifting == 1 else ("differ", "they were")
            st.warning(
                f"{count(drifting, 'model')} in the registry {verb} from what was approved here: {subject} changed "
                "elsewhere.",
                icon=":material/call_split:",
                width="stretch",
            )
            # Not the catalog: what was deleted is not in it.
            st.page_link(page_path("overview"), label="Show them", help="")


@st.fragment(run_every=_REFRESH_S)
def _age_line() -> None:
    state = _get_sync_state()
    if state.last_success_at is None:
        st.markdown(":gray[:small[Index not synced yet]]")
        return
    said = f"Index synced {ago(state.last_success_at, get_gatehouse().clock())}"
    if state.versions_pending:
        said += f", {count(state.versions_pending, 'version')} to read"
    st.markdown(f":gray[:small[{said}]]", help=exact(state.last_success_at))


def _sync_banner(state: SyncState) -> None:
    gatehouse = get_gatehouse()
    if state.last_error:
        since = "" if state.last_success_at is None else f" What follows is from {exact(state.last_success_at)}."
        st.warning(
            f"Pages show what was read before, and decisions wait until it answers.{since}",
            title=md(state.last_error),
            icon=":material/cloud_off:",
        )
    elif state.age_s is not None and state.age_s > _TURNS_UNTIL_STALE * gatehouse.settings.sync_seconds:
        st.warning(
            "Start the worker (`gatehouse worker`, or `gatehouse up` for everything).",
            title=f"The index has not been synced for {duration(timedelta(seconds=state.age_s))}",
            icon=":material/history_toggle_off:",
        )


@st.cache_data(ttl=_KEPT_S, show_spinner=False)
def _get_sync_state() -> SyncState:
    return get_gatehouse().index.get_sync_state()


@st.cache_data(ttl=_KEPT_S, show_spinner=False)
def _count_drifting() -> int:
    return get_gatehouse().index.count_totals().drifting


@st.cache_data(ttl=_KEPT_S, show_spinner=False)
def _find_audit_problem() -> str | None:
    try:
        return get_gatehouse().audit.checkpoints.get_integrity().problem
    except GatehouseError as error:
        return error.message
