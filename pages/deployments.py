"""What serves, since when and by whose approval; candidates on their way; and going back with one click."""

from __future__ import annotations

import streamlit as st

from app import ui
from app.ui.session import current_actor, get_gatehouse
from pages.parts.deployments_back import show_standbys, show_ways_back
from pages.parts.deployments_export import show_export
from pages.parts.deployments_history import show_history
from pages.parts.deployments_overview import approved_by, find_changes, pick_model, show_cards, show_ramps, went_back
from pages.parts.deployments_ramp import show_ramp
from pages.parts.deployments_servers import show_servers
from services.deployments import PinSet
from services.identity import Permission

gatehouse = get_gatehouse()
actor = current_actor()
now = gatehouse.clock()


def show_model(pinned: PinSet) -> None:
    """Draw one model: what serves, how ready the others are, its ramp, the ways back, its servers and its history."""
    changes = find_changes(gatehouse, [pinned])
    approved = approved_by(gatehouse, pinned, changes)
    ui.fact_line(
        f"{ui.strong(ui.version_label(pinned.current))} serves",
        ("since", pinned.since),
        f"approved by {ui.md(approved)}" if approved else None,
        f"{ui.md(pinned.actor)} {'went back to it' if went_back(pinned, changes) else 'executed it'}",
        now=now,
    )
    left, right = st.columns([0.64, 0.36], gap="medium")
    with left, ui.guarded():
        show_ramp(gatehouse, actor, pinned.model)
    with right, ui.guarded():
        show_standbys(gatehouse, pinned)
        show_ways_back(gatehouse, actor, pinned)
    show_servers(gatehouse, pinned.model)
    with ui.guarded():
        show_history(gatehouse, pinned.model)


def show_all() -> None:
    """Draw every model; the one that is opened gets a page of its own."""
    if not gatehouse.pins.list_pins(limit=1):
        ui.empty_state(
            "Nothing is in production yet",
            "The first promotion to production pins a version here.",
            icon="rocket_launch",
            action=("catalog", "Open the catalog"),
        )
        return
    with ui.guarded():
        show_cards(gatehouse)
        show_export(gatehouse)
    opened = pick_model(gatehouse) or show_ramps(gatehouse)
    show_servers(gatehouse)
    if opened is not None:
        ui.go_in_page(model=opened)


asked = st.query_params.get("model")
pinned = gatehouse.pins.find(asked) if asked else None
if Permission.READ_PRODUCTION_MODEL not in actor.permissions:
    ui.page_header("Deployments")
    ui.refused_state("Deployments are not shown to you", "Ask an administrator for a role that reads models.")
elif pinned is not None:
    ui.page_header(pinned.model, back=("deployments", "All deployments"))
    show_model(pinned)
else:
    ui.page_header("Deployments")
    if asked:
        st.info(f"Nothing of {ui.md(asked)} is in production.", icon=":material/info:")
    show_all()
