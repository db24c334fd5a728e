"""What happened to a model here: what was pinned, what was asked for, and what is left of one that is gone."""

from __future__ import annotations

import streamlit as st

from app import ui
from app.facade import Gatehouse
from services.registry.entries import ModelEntry


def show_pins(gatehouse: Gatehouse, model: ModelEntry) -> None:
    """Draw what serves and what served before."""
    pinned = gatehouse.pins.find(model.name)
    if pinned is None:
        ui.empty_state(
            "Nothing is pinned",
            "A promotion to production pins its version once it is executed.",
            icon="push_pin",
        )
        return
    ui.key_values(
        [
            ("Current", f"{ui.state_markdown('current', label=f'v{pinned.current}')}"),
            ("Previous", ui.version_label(pinned.previous)),
            ("Fallback", ui.version_label(pinned.fallback)),
        ],
        alt=f"Pins of {model.name}",
    )
    ui.section("History")
    pager = ui.Pager("pins", reset_on=model.name)
    history = gatehouse.pins.list_history(model.name, before_id=pager.after, limit=pager.size)
    ui.data_table(
        [
            {"version": each.current, "since": each.since, "actor": each.actor, "change": each.change_id}
            for each in history
        ],
        [
            ui.Column(name="version", label="Current", kind=ui.Kind.VERSION, width=90),
            ui.Column(name="since", label="Since", kind=ui.Kind.WHEN),
            ui.Column(name="actor", label="By"),
            ui.Column(name="change", label="Change"),
        ],
        key="pins_table",
        alt=f"What was pinned for {model.name}, newest first",
    )
    pager.draw(shown=len(history), next_after=history[-1].id if len(history) == pager.size else None, noun="pin")
    st.page_link(
        ui.page_path("deployments"), label="Deployments and rollback", icon=":material/rocket_launch:", help=""
    )


def show_changes(gatehouse: Gatehouse, model: ModelEntry) -> None:
    """Draw what was asked for, newest first."""
    pager = ui.Pager("changes", reset_on=model.name)
    found = gatehouse.changes.list_changes(model=model.name, before_id=pager.after, limit=pager.size)
    if not found:
        ui.empty_state("Nothing was asked for yet", "Ask for a promotion with the button below.", icon="outbox")
        return
    picked = ui.data_table(
        [
            {
                "title": change.title,
                "state": change.state,
                "requester": change.requester,
                "reason": change.reason,
                "asked": change.created_at,
            }
            for change in found
        ],
        [
            ui.Column(name="title", label="What", kind=ui.Kind.OPEN, width=300),
            ui.Column(name="state", label="State", kind=ui.Kind.STATE),
            ui.Column(name="requester", label="Asked by"),
            ui.Column(name="asked", label="When", kind=ui.Kind.WHEN),
            ui.Column(name="reason", label="Reason", width=320),
        ],
        key="changes_table",
        alt=f"Changes asked for {model.name}, newest first",
    )
    pager.draw(shown=len(found), next_after=found[-1].id if len(found) == pager.size else None, noun="change")
    if picked.opened is not None:
        st.switch_page(ui.page_path("promotions"), query_params={"id": str(found[picked.opened].id)})


def show_gone(gatehouse: Gatehouse, name: str) -> None:
    """Draw that a model is not there, and what is known of it if it was."""
    gone = gatehouse.index.list_gone(model=name, limit=50)
    if not gone:
        ui.empty_state(
            f"There is no model {name}",
            "It was never seen in the registry; what is new appears after the next sync.",
            icon="search_off",
            action=("catalog", "Open the catalog"),
        )
        return
    ui.empty_state(
        f"{name} was deleted from the registry",
        "What was known of it is kept: see below, and the audit log for what was decided.",
        icon="delete",
    )
    ui.data_table(
        [
            {
                "version": entry.version,
                "created": entry.created_at,
                "gone": entry.gone_at,
                "description": entry.record.get("description"),
            }
            for entry in gone
        ],
        [
            ui.Column(name="version", label="Version", kind=ui.Kind.VERSION, width=90),
            ui.Column(name="created", label="Created", kind=ui.Kind.WHEN),
            ui.Column(name="gone", label="Gone", kind=ui.Kind.WHEN),
            ui.Column(name="description", label="Description", width=400),
        ],
        key="gone",
        alt=f"What is left of {name}",
    )
