"""The inbox: what waits for the one who looks comes first, and of that what expires first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import ui
from app.facade import Gatehouse
from pages.parts.review import SOON
from services.changes import OPEN, Change, ChangeState
from services.identity import Actor, Permission

_WAITING, _OPEN, _MINE, _ALL = "Waiting for me", "Open", "Mine", "All"
_NOTHING = {
    _WAITING: ("Nothing waits for you", "What others ask for and you may decide on appears here."),
    _OPEN: ("Nothing is open", "What somebody asks for appears here until it is done."),
    _MINE: ("You have asked for nothing", "Ask for a promotion on the page of a model."),
    _ALL: ("Nobody has asked for anything", "Ask for a promotion on the page of a model."),
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
    decides = Permission.PROMOTE_TO_PRODUCTION in actor.permissions
    view = st.segmented_control(
        "Which",
        [_WAITING, _OPEN, _MINE, _ALL],
        key="view",
        default=_WAITING if decides else _OPEN,
        required=True,
        label_visibility="collapsed",
        bind="query-params",
    )
    pager = ui.Pager("inbox", reset_on=view)
    found = _find(gatehouse, actor, view, pager)
    shown = [change for change in found if view != _WAITING or gatehouse.changes.waits_for(change, actor)]
    if shown:
        _table(shown, gatehouse, actor, view)
    else:
        title, text = _NOTHING[view]
        ui.empty_state(title, text, action=("catalog", "Open the catalog"))
    is_full = len(found) == pager.size
    following = (found[-1] if view in {_WAITING, _OPEN} else found[-1].id) if is_full else None
    pager.draw(shown=len(shown), next_after=following, noun="change")


def _find(gatehouse: Gatehouse, actor: Actor, view: str, pager: ui.Pager) -> Sequence[Change]:
    if view in {_WAITING, _OPEN}:
        waiting_for = actor if view == _WAITING else None
        return gatehouse.changes.list_open(waiting_for=waiting_for, after=pager.after, limit=pager.size)
    requester = actor.name if view == _MINE else None
    return gatehouse.changes.list_changes(requester=requester, before_id=pager.after, limit=pager.size)


def _table(changes: Sequence[Change], gatehouse: Gatehouse, actor: Actor, view: str) -> None:
    now = gatehouse.clock()
    rows: list[dict[str, Any]] = [
        {
            "title": change.title,
            "state": [change.state.value, *(["expires_soon"] if _is_soon(change, now) else [])],
            "approvals": f"{len(change.approvals)} of {change.required_approvals}",
            "for_me": "Yours to decide" if gatehouse.changes.waits_for(change, actor) else None,
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
            ui.Column(name="state", label="State", kind=ui.Kind.STATES),
            ui.Column(name="approvals", label="Approvals", width="small"),
            *([] if view == _WAITING else [ui.Column(name="for_me", label="For you")]),
            ui.Column(name="requester", label="Asked by"),
            ui.Column(name="asked", label="Asked", kind=ui.Kind.WHEN),
            ui.Column(name="expires", label="Expires", kind=ui.Kind.WHEN),
        ],
        key="inbox_table",
        alt="Changes, those that expire first before others" if view in {_WAITING, _OPEN} else "Changes, newest first",
    )
    if picked.opened is not None:
        ui.go_in_page(id=str(changes[picked.opened].id))


def _is_soon(change: Change, now: Any) -> bool:
    return change.state in OPEN and change.expires_at - now <= SOON
