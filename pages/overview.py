"""What waits for the one who looks, how the registry stands, what happened lately, and what most needs mending."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import ui
from app.ui.session import current_actor, get_gatehouse
from pages.parts import drift
from services.audit import EventQuery
from services.changes import Change
from services.errors import GatehouseError
from services.identity import Permission
from services.registry.index import CatalogQuery, CatalogSort, Totals

_WAITING_SHOWN = 8
_CHANGES_LOOKED_AT = 50
_EVENTS_SHOWN = 10
_EVENTS_LOOKED_AT = 100
_MODELS_SHOWN = 5

gatehouse = get_gatehouse()
actor = current_actor()
now = gatehouse.clock()


def find_waiting() -> list[Change]:
    """Return what this person could decide or execute now, what expires first before others, as in the inbox."""
    found = gatehouse.changes.list_open(waiting_for=actor, limit=_CHANGES_LOOKED_AT)
    return [change for change in found if gatehouse.changes.waits_for(change, actor)]


def show_cards(totals: Totals, waiting: int) -> None:
    """Draw the four figures."""
    opened = gatehouse.changes.count_open()
    ui.metric_cards(
        [
            ui.Card(
                label="Waiting for you",
                value=ui.figure(waiting),
                delta=f"{sum(opened.values()):,} open in all",
                tone=ui.Tone.ACTIVE if waiting else ui.Tone.QUIET,
            ),
            ui.Card(
                label="In production",
                value=ui.figure(totals.in_production),
                delta=f"of {ui.count(totals.models, 'model')}",
            ),
            ui.Card(
                label="With problems",
                value=ui.figure(totals.with_problems),
                delta=ui.figure(totals.with_problems / totals.models if totals.models else None, unit="%"),
                tone=ui.Tone.CAUTION if totals.with_problems else ui.Tone.GOOD,
                note="of all models",
            ),
            ui.Card(
                label="Drift",
                value=ui.figure(totals.drifting),
                delta="not approved here" if totals.drifting else "as approved",
                tone=ui.Tone.BAD if totals.drifting else ui.Tone.GOOD,
            ),
        ]
    )


def show_waiting(waiting: list[Change]) -> None:
    """Draw what waits, each a click from its review."""
    ui.section("Waiting for you")
    if not waiting:
        ui.empty_state("Nothing waits for you", "What needs your decision appears here.", icon="task_alt")
        return
    shown = waiting[:_WAITING_SHOWN]
    picked = ui.data_table(
        [
            {"title": each.title, "state": each.state, "requester": each.requester, "asked": each.created_at}
            for each in shown
        ],
        [
            ui.Column(name="title", label="What", kind=ui.Kind.OPEN, width=240),
            ui.Column(name="state", label="State", kind=ui.Kind.STATE, width=150),
            ui.Column(name="requester", label="Asked by"),
            ui.Column(name="asked", label="Asked", kind=ui.Kind.WHEN),
        ],
        key="waiting",
        alt="Changes that wait for you, those that expire first before others",
    )
    if len(waiting) > len(shown):
        st.page_link(ui.page_path("promotions"), label=f"All {len(waiting):,} in the inbox", help="")
    if picked.opened is not None:
        st.switch_page(ui.page_path("promotions"), query_params={"id": str(shown[picked.opened].id)})


def show_standing(totals: Totals) -> None:
    """Draw how the registry and the log stand."""
    ui.section("Standing")
    with ui.panel():
        integrity = gatehouse.audit.checkpoints.get_integrity()
        verified = ui.state_markdown("verified" if integrity.problem is None else "unverified")
        ui.key_values(
            [
                ("Models", ui.figure(totals.models)),
                ("Versions", ui.figure(totals.versions)),
                ("Audit log", verified),
                ("Events", ui.figure(integrity.size)),
                ("Last checkpoint", f"at {integrity.checkpoint.size:,}" if integrity.checkpoint else ui.NOTHING),
            ],
            alt="How the registry and the audit log stand",
        )


def show_events() -> None:
    """Draw what happened lately."""
    ui.section("Lately")
    newest = gatehouse.audit.list_events(EventQuery(), newest_first=True, limit=_EVENTS_LOOKED_AT).events
    # Who came and went is in the log; what was done is what one comes here for.
    events = [event for event in newest if not event.action.startswith("session:")][:_EVENTS_SHOWN]
    rows: list[dict[str, Any]] = [
        {
            "at": event.at,
            "actor": event.actor,
            "what": ui.action_words(event.action),
            "subject": event.subject,
            "reason": event.reason,
        }
        for event in events
    ]
    ui.data_table(
        rows,
        [
            ui.Column(name="at", label="When", kind=ui.Kind.WHEN, width=136),
            ui.Column(name="actor", label="Who", width=130),
            ui.Column(name="what", label="What", width=230),
            ui.Column(name="subject", label="About", width=200),
            ui.Column(name="reason", label="Reason", width=320),
        ],
        key="events",
        alt="The newest events of the audit log",
    )
    st.page_link(ui.page_path("audit_log"), label="The whole log", icon=":material/history_edu:", help="")


def show_worst() -> None:
    """Draw the models that most need mending."""
    query = CatalogQuery(sort=CatalogSort.PROBLEMS, is_descending=True, limit=_MODELS_SHOWN)
    worst = [model for model in gatehouse.index.list_models(query).models if model.problems]
    if not worst:
        return
    ui.section("Most to fix")
    picked = ui.data_table(
        [
            {"name": model.name, "count": len(model.problems), "first": model.problems[0].message, "owner": model.owner}
            for model in worst
        ],
        [
            ui.Column(name="name", label="Model", kind=ui.Kind.OPEN, width=220),
            ui.Column(name="count", label="Problems", kind=ui.Kind.NUMBER, width=90, format="%d"),
            ui.Column(name="first", label="First of them", width=480),
            ui.Column(name="owner", label="Owner"),
        ],
        key="worst",
        alt="Models with the most problems",
    )
    if picked.opened is not None:
        query_params = {"name": worst[picked.opened].name, "tab": "To fix"}
        st.switch_page(ui.page_path("model"), query_params=query_params)


def show() -> None:
    """Draw the page; what fails in one part leaves the others."""
    counted = gatehouse.index.count_totals()
    waiting: list[Change] = []
    try:
        waiting = find_waiting()
        show_cards(counted, len(waiting))
    except GatehouseError as error:
        ui.show_error(error)
    left, right = st.columns([0.68, 0.32], gap="medium")
    with left:
        show_waiting(waiting)
    with right, ui.guarded():
        show_standing(counted)
    if Permission.READ_MODEL in actor.permissions:
        with ui.guarded():
            drift.show_all(gatehouse)
    if Permission.READ_AUDIT in actor.permissions:
        with ui.guarded():
            show_events()
    if Permission.READ_MODEL in actor.permissions:
        show_worst()


ui.page_header("Overview")
show()
