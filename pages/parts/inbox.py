"""The inbox: what waits for the one who looks comes first, then the rest by age."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import ui
from app.facade import Gatehouse
from services.changes import OPEN, Change, ChangeState
from services.identity import Actor

_VIEWS = {
    "Waiting for me": (ChangeState.AWAITING_APPROVAL, ChangeState.APPROVED),
    "Open": OPEN,
    "Mine": None,
    "All": None,
}


def show(gatehouse: Gatehouse, actor: Actor) -> None:
    """Draw the inbox."""
    ui.page_header("Promotions")
    counts = gatehouse.changes.count_open()
    ui.metric_cards(
        [
            ui.Card(label=state.value.replace("_", " ").capitalize(), value=ui.figure(counts[state]))
            for state in (ChangeState.AWAITING_APPROVAL, ChangeState.APPROVED, ChangeState.BLOCKED, ChangeState.VOID)
        ]
    )
    view = st.segmented_control(
        "Which",
        list(_VIEWS),
        key="view",
        default="Open",
        required=True,
        label_visibility="collapsed",
        bind="query-params",
    )
    pager = ui.Pager("inbox", reset_on=view)
    found = gatehouse.changes.list_changes(
        states=_VIEWS[view],
        requester=actor.name if view == "Mine" else None,
        before_id=pager.after,
        limit=pager.size,
    )
    following = found[-1].id if len(found) == pager.size else None
    shown = [each for each in found if view != "Waiting for me" or _waits_for(gatehouse, each, actor)]
    if not shown:
        ui.empty_state("Nothing here", "What somebody asks for appears here.", action=("catalog", "Open the catalog"))
    else:
        _table(shown, gatehouse, actor)
    pager.draw(shown=len(shown), next_after=following, noun="change")


def _waits_for(gatehouse: Gatehouse, change: Change, actor: Actor) -> bool:
    return change.state is ChangeState.APPROVED or gatehouse.changes.find_bar(change, actor) is None


def _table(changes: Sequence[Change], gatehouse: Gatehouse, actor: Actor) -> None:
    rows: list[dict[str, Any]] = [
        {
            "title": change.title,
            "state": change.state,
            "approvals": f"{len(change.approvals)} of {change.required_approvals}",
            "for_me": "Yours to decide" if _is_mine(gatehouse, change, actor) else None,
            "requester": change.requester,
            "asked": change.created_at,
            "expires": change.expires_at if change.state in OPEN else None,
        }
        for change in changes
    ]
    picked = ui.data_table(
        rows,
        [
            ui.Column(name="title", label="What", kind=ui.Kind.OPEN, width="large"),
            ui.Column(name="state", label="State", kind=ui.Kind.STATE),
            ui.Column(name="approvals", label="Approvals", width="small"),
            ui.Column(name="for_me", label="For you"),
            ui.Column(name="requester", label="Asked by"),
            ui.Column(name="asked", label="Asked", kind=ui.Kind.WHEN),
            ui.Column(name="expires", label="Expires", kind=ui.Kind.WHEN),
        ],
        key="inbox_table",
        alt="Changes, newest first",
    )
    if picked.opened is not None:
        st.query_params["id"] = str(changes[picked.opened].id)
        st.rerun()


def _is_mine(gatehouse: Gatehouse, change: Change, actor: Actor) -> bool:
    return change.state is ChangeState.AWAITING_APPROVAL and gatehouse.changes.find_bar(change, actor) is None
