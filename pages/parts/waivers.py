"""Waivers on the review: how long a gate is lifted for, and lifting one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app import ui
from app.facade import Gatehouse
from app.ui.session import current_actor
from services.changes import PENDING, Change
from services.errors import GatehouseError
from services.identity import Actor, Permission
from services.registry.values import Stage


def tell(gate: Mapping[str, Any]) -> str:
    """Return which gate is lifted, and until when."""
    expires = str(gate.get("details", {}).get("waiver", {}).get("expires", ""))
    return f"{gate['gate']} until {expires[:10]}" if expires else str(gate["gate"])


def offer(gatehouse: Gatehouse, actor: Actor, change: Change, gate: Mapping[str, Any]) -> None:
    """Offer to lift a gate that stands in the way, or to end its waiver, to those who may."""
    if change.state not in PENDING or Permission.WAIVE_GATE not in actor.permissions:
        return
    is_held = gate["outcome"] != "passed" and not gate["dry_run"]
    if gate["waived"]:
        _offer_end(gatehouse, change, gate)
    elif is_held and st.button("Waive this gate…", icon=":material/verified:", key="waive"):
        title = f"Waive {ui.md(gate['gate'])}"
        st.dialog(title, width="medium", position="right", icon=":material/verified:")(_ask)(
            gatehouse, change, gate["gate"]
        )


def _offer_end(gatehouse: Gatehouse, change: Change, gate: Mapping[str, Any]) -> None:
    waiver = gate["details"]["waiver"]
    if not st.button("End this waiver…", icon=":material/undo:", key="end_waiver"):
        return

    def end(actor: Actor, reason: str) -> None:
        gatehouse.gates.waivers.revoke(actor, waiver["id"], reason=reason)
        gatehouse.changes.renew(change.id, actor=actor)

    ui.open_drawer(
        ui.Confirmation(
            key="end_waiver",
            title=f"End the waiver of {gate['gate']}",
            icon="undo",
            text=f"**{ui.md(gate['gate'])}** decides again for {ui.md(change.subject)}, and the gates run anew.",
            facts=[("Granted by", ui.md(waiver["granted_by"])), ("Because", ui.md(waiver["reason"]))],
            confirm="End it and run the gates again",
            run=end,
            done=f"The waiver of {gate['gate']} has ended, and the gates ran again.",
        )
    )


def _ask(gatehouse: Gatehouse, change: Change, gate: str) -> None:
    longest = gatehouse.gates.get_policy().text.waiver_days
    st.markdown(
        f"**{ui.md(gate)}** is still run and shown for {ui.md(change.subject)}, and no longer decides. "
        "The reason stands on every review."
    )
    days = st.number_input("Days", min_value=0.5, max_value=float(longest), value=min(7.0, float(longest)), step=0.5)
    reason = st.text_area(
        "Reason", key="waive_reason", required=True, placeholder="Why may it be passed over?", height=120
    )
    if not ui.primary_button("Waive and run the gates again", key="waive_confirm", width="stretch"):
        return
    # What is adopted as serving is judged for production.
    stage = Stage(change.payload.get("to", Stage.PRODUCTION))
    try:
        with st.spinner("Running the gates…"):
            actor = current_actor()
            version = gatehouse.registry.get_version(str(change.model), int(change.payload["version"]))
            gatehouse.gates.waive(actor, version, stage, gate, reason=reason, days=float(days))
            gatehouse.changes.renew(change.id, actor=actor)
    except GatehouseError as error:
        ui.show_error(error)
        return
    ui.flash(f"{gate} is waived, and the gates ran again.")
    st.rerun()
