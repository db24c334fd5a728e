"""What serves, since when and by whose decision; and going back with one click."""

from __future__ import annotations

import streamlit as st

from app import ui
from app.ui.session import current_actor, get_gatehouse
from services.deployments import PinSet
from services.identity.actors import Permission

gatehouse = get_gatehouse()
actor = current_actor()
pins = gatehouse.deployments.pins
now = gatehouse.clock()


def ask_to_roll_back(pinned: PinSet, version: int) -> None:
    """Open the drawer that asks why."""

    def run(reason: str) -> None:
        outcome = gatehouse.deployments.roll_back(pinned.model, str(version), actor=actor, reason=reason)
        for told in outcome.remaining:
            ui.flash(told, icon="hourglass_top")

    ui.open_drawer(
        ui.Confirmation(
            key=f"rollback_{pinned.model}_{version}",
            title=f"Roll {pinned.model} back to v{version}",
            icon="undo",
            text=f"Version {version} serves again at once. It was approved before, so nobody has to approve it now.",
            facts=[
                ("Serving now", ui.version_label(pinned.current)),
                ("Serving then", ui.version_label(version)),
                ("Kept as previous", ui.version_label(pinned.current)),
            ],
            placeholder="What is wrong with the version that serves?",
            confirm=f"Roll back to v{version}",
            run=run,
            done=f"{pinned.model} serves v{version}.",
        )
    )


def show_model(pinned: PinSet) -> None:
    """Draw one model: the ways back and its history."""
    ui.section(pinned.model)
    ui.fact_line(f"v{pinned.current} serves", ("since", pinned.since), f"by {ui.md(pinned.actor)}", now=now)
    if Permission.ROLL_BACK in actor.permissions:
        history = pins.list_history(pinned.model, limit=20)
        former = list(dict.fromkeys([*pinned.versions[1:], *(each.current for each in history)]))
        with st.container(horizontal=True, gap="small"):
            for version in [each for each in former if each != pinned.current]:
                role = {pinned.previous: " (previous)", pinned.fallback: " (fallback)"}.get(version, "")
                if st.button(f"Roll back to v{version}{role}", key=f"back_{version}", icon=":material/undo:"):
                    ask_to_roll_back(pinned, version)
    show_history(pinned.model)


def show_history(model: str) -> None:
    """Draw what was pinned when."""
    pager = ui.Pager("history", size=15, reset_on=model)
    history = pins.list_history(model, before_id=pager.after, limit=pager.size)
    ids = [each.change_id for each in history if each.change_id is not None]
    changes = {change.id: change for change in gatehouse.changes.list_changes(ids=ids, limit=pager.size)}
    rows = [
        {
            "version": each.current,
            "when": each.since,
            "why": changes[each.change_id].title if each.change_id in changes else None,
            "reason": changes[each.change_id].reason if each.change_id in changes else None,
            "actor": each.actor,
        }
        for each in history
    ]
    ui.data_table(
        rows,
        [
            ui.Column(name="version", label="Served", kind=ui.Kind.VERSION),
            ui.Column(name="when", label="Since", kind=ui.Kind.WHEN),
            ui.Column(name="why", label="By", width="medium"),
            ui.Column(name="reason", label="Reason", width="large"),
            ui.Column(name="actor", label="Executed by"),
        ],
        key="history_table",
        alt=f"What served of {model}, newest first",
    )
    pager.draw(shown=len(rows), next_after=history[-1].id if len(history) == pager.size else None, noun="move")


ui.page_header("Deployments")
pager = ui.Pager("pins", size=15)
found = pins.list_pins(after=pager.after, limit=pager.size)
if not found:
    ui.empty_state(
        "Nothing is in production yet",
        "The first promotion to production pins a version here.",
        icon="rocket_launch",
        action=("catalog", "Open the catalog"),
    )
    st.stop()

names = list(found)
asked = st.query_params.get("model")
picked = ui.data_table(
    [
        {
            "model": each.model,
            "current": each.current,
            "previous": each.previous,
            "fallback": each.fallback,
            "since": each.since,
            "actor": each.actor,
        }
        for each in found.values()
    ],
    [
        ui.Column(name="model", label="Model", kind=ui.Kind.OPEN, width="medium"),
        ui.Column(name="current", label="Current", kind=ui.Kind.VERSION),
        ui.Column(name="previous", label="Previous", kind=ui.Kind.VERSION),
        ui.Column(name="fallback", label="Fallback", kind=ui.Kind.VERSION),
        ui.Column(name="since", label="Since", kind=ui.Kind.WHEN),
        ui.Column(name="actor", label="Executed by"),
    ],
    key="pins_table",
    alt="Pins of every model",
)
pager.draw(shown=len(found), next_after=names[-1] if len(found) == pager.size else None, noun="model")
if picked.opened is not None:
    asked = st.query_params["model"] = names[picked.opened]
pinned = pins.find(asked) if asked else None
if pinned is not None:
    show_model(pinned)
else:
    st.markdown(":gray[Choose a model to see its history and the ways back.]")
