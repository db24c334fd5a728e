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
    """Offer to lift a gate that stands in the way, to those who may."""
    is_held = gate["outcome"] != "passed" and not gate["dry_run"] and not gate["waived"]
    if not is_held or change.state not in PENDING or Permission.WAIVE_GATE not in actor.permissions:
        return
    if st.button("Waive this gate…", icon=":material/verified:", key="waive"):
        title = f"Waive {ui.md(gate['gate'])}"
        st.dialog(title, width="medium", position="right", icon=":material/verified:")(_ask)(
            gatehouse, change, gate["gate"]
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
    stage = Stage(change.payload["to"])
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
