"""What changed in the registry without Gatehouse: each finding in words, and the decision to adopt or to revert it."""

from __future__ import annotations

import streamlit as st

from app import ui
from app.facade import Gatehouse
from services.identity import Actor, Permission
from services.registry.drift_values import Drift
from services.registry.writes import Watched

_SHOWN_OF_A_MODEL = 20
_SHOWN = 5


def show_of_model(gatehouse: Gatehouse, actor: Actor, model: str) -> None:
    """Draw what is open of a model, which may itself be gone, with what the person may do about it."""
    found = gatehouse.drifts.list_drifts(model=model, limit=_SHOWN_OF_A_MODEL + 1)
    for drift in found[:_SHOWN_OF_A_MODEL]:
        _show(gatehouse, actor, drift)
    if len(found) > _SHOWN_OF_A_MODEL:
        st.markdown(f":gray[There is more: `gatehouse drift list --model` with {ui.md(model)} lists it.]")


def show_all(gatehouse: Gatehouse) -> None:
    """Draw a table of all that is open, deleted models too; opening one leads to its model's page."""
    pager = ui.Pager("drifts", size=_SHOWN)
    found = gatehouse.drifts.list_drifts(before_id=pager.after, limit=pager.size)
    if not found:
        return
    ui.section("Not approved here", help="Somebody changed the registry past Gatehouse. Open one to decide on it.")
    picked = ui.data_table(
        [{"what": drift.describe(), "model": drift.model, "found": drift.detected_at} for drift in found],
        [
            ui.Column(name="what", label="What", kind=ui.Kind.OPEN, width=560),
            ui.Column(name="model", label="Model", width=200),
            ui.Column(name="found", label="Found", kind=ui.Kind.WHEN, width=140),
        ],
        key="drifts_table",
        alt="What nobody approved of the registry, found last first",
    )
    pager.draw(shown=len(found), next_after=found[-1].id if len(found) == pager.size else None, noun="drift")
    if picked.opened is not None:
        st.switch_page(ui.page_path("model"), query_params={"name": found[picked.opened].model})


def _show(gatehouse: Gatehouse, actor: Actor, drift: Drift) -> None:
    with ui.panel(key=f"drift_{drift.id}"):
        found = ui.ago(drift.detected_at, gatehouse.clock())
        st.markdown(f"{ui.state_markdown('drift')} {ui.md(drift.describe())} :gray[Found {found}.]")
        with st.container(horizontal=True, gap="small"):
            is_adoptable = drift.kind is not Watched.PINS and Permission.REQUEST_CHANGE in actor.permissions
            if is_adoptable and st.button("Adopt…", key=f"adopt_{drift.id}", icon=":material/add_task:"):
                _adopt(gatehouse, drift)
            is_revertible = drift.can_be_reverted and Permission.PROMOTE_TO_PRODUCTION in actor.permissions
            if is_revertible and st.button("Revert…", key=f"revert_{drift.id}", icon=":material/undo:"):
                _revert(gatehouse, drift)


def _adopt(gatehouse: Gatehouse, drift: Drift) -> None:
    gates = "A version that came to production this way passes the gates of a promotion first."
    ui.open_drawer(
        ui.Confirmation(
            key=f"adopt_{drift.id}",
            title="Adopt what was found",
            icon="add_task",
            text=f"{ui.md(drift.describe())} Somebody else approves that it stays so; until then it stays open. "
            f"{gates if drift.kind is Watched.ALIAS else ''}",
            placeholder="Why should it stay as it is?",
            confirm="Ask for it",
            run=lambda person, reason: gatehouse.drift_decisions.adopt(drift.id, actor=person, reason=reason),
            done="Asked for: it waits in the inbox for somebody else",
        )
    )


def _revert(gatehouse: Gatehouse, drift: Drift) -> None:
    ui.open_drawer(
        ui.Confirmation(
            key=f"revert_{drift.id}",
            title="Write back what was approved",
            icon="undo",
            text=f"{ui.md(drift.describe())} What was approved is written to the registry at once.",
            placeholder="Why is it not to stay?",
            confirm="Write it back",
            run=lambda person, reason: gatehouse.drift_decisions.revert(drift.id, actor=person, reason=reason),
            done="What was approved is written back",
        )
    )
