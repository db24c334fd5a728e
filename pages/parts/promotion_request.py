"""Asking for a promotion: the bar at the bottom of a model, and the drawer that asks for the decision context."""

from __future__ import annotations

import streamlit as st

from app import ui
from app.facade import Gatehouse
from app.ui.session import current_actor
from pages.parts import migration_plan
from services.errors import GatehouseError
from services.registry.entries import ModelEntry
from services.registry.references import parse_reference
from services.registry.values import Stage
from services.signatures.migration import MigrationPlan

_STAGES = (Stage.PRODUCTION, Stage.STAGING)
_CONTEXT = {
    "improvements": ("Expected improvement", "What gets better, by how much, for whom?"),
    "risks": ("Risks", "What could go wrong, and how would it be noticed?"),
    "context": ("Business context", "Why now?"),
    "plan": ("Deployment plan", "Shadow, ramp, who watches, how to go back?"),
}


def offer(gatehouse: Gatehouse, model: ModelEntry) -> None:
    """Draw the bar with the button that opens the drawer."""
    serving = model.stage_versions.get(Stage.PRODUCTION)
    said = f"**v{serving}** is in production" if serving else "Nothing is in production"
    with ui.action_bar(f"{said} · newest is **v{model.latest_version}**"):
        if ui.primary_button("Request promotion…", key="request", icon="outbox"):
            st.dialog("Request a promotion", width="medium", position="right", icon=":material/outbox:")(_ask)(
                gatehouse, model
            )


def _ask(gatehouse: Gatehouse, model: ModelEntry) -> None:
    versions = [version.version for version in gatehouse.index.list_versions(model.name, limit=50).versions]
    left, right = st.columns(2)
    version = left.selectbox("Version", versions, format_func=ui.version_label, key="request_version")
    stage = right.selectbox("To", _STAGES, format_func=str, key="request_stage")
    reason = st.text_area(
        "Reason", key="request_reason", required=True, placeholder="Why should this version move?", height=96
    )
    with st.expander("Decision context", expanded=True):
        told = {
            name: st.text_area(label, key=f"request_{name}", placeholder=placeholder, height=68)
            for name, (label, placeholder) in _CONTEXT.items()
        }
    plan = _plan(gatehouse, model, version) if stage is Stage.PRODUCTION else None
    st.markdown(":gray[:small[The gates run at once, on the version as it is in the registry now.]]")
    if not ui.primary_button("Run the gates and request", key="request_send", width="stretch"):
        return
    try:
        with st.spinner("Running the gates…"):
            change = gatehouse.promotions.request(
                parse_reference(f"{model.name}/{version}"),
                stage,
                actor=current_actor(),
                reason=reason.strip(),
                migration_plan=plan,
                risks=told["risks"],
                improvements=told["improvements"],
                context=told["context"],
                plan=told["plan"],
            )
    except GatehouseError as error:
        ui.show_error(error)
        return
    ui.flash(f"Asked for as change {change.id}.")
    st.switch_page(ui.page_path("promotions"), query_params={"id": str(change.id)})


def _plan(gatehouse: Gatehouse, model: ModelEntry, version: int) -> MigrationPlan | None:
    serving = model.aliases.get("production")
    comparison = migration_plan.find_break(gatehouse, model.name, serving, version)
    if serving is None or comparison is None:
        return None
    with st.expander("Migration of callers", expanded=True):
        st.warning(
            f"v{version} breaks callers of v{serving}. Say who does each step; a promotion without an owner for every "
            "step is blocked.",
            icon=":material/move_down:",
        )
        plan = migration_plan.draw_up(gatehouse, comparison, model.name, serving, version)
        migration_plan.show_steps(plan.to_json(), key="request_steps")
    return plan
