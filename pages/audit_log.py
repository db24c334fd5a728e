"""The record: who did what, when, why; whether it is whole; and taking it along."""

from __future__ import annotations

import streamlit as st

from app import ui
from app.ui.session import current_actor, get_gatehouse
from pages.parts import audit_export, audit_filters
from pages.parts.audit_events import show_days, show_events
from services.identity import Permission

gatehouse = get_gatehouse()
actor = current_actor()
auditing = gatehouse.auditing


def show_integrity() -> None:
    """Draw how the log stands."""
    integrity = auditing.get_integrity()
    checkpoint = integrity.checkpoint
    ui.metric_cards(
        [
            ui.Card(label="Events", value=ui.figure(integrity.size)),
            ui.Card(
                label="Integrity",
                value="Broken" if integrity.problem else "Whole",
                delta="writing stopped" if integrity.problem else "as last signed",
                tone=ui.Tone.BAD if integrity.problem else ui.Tone.GOOD,
            ),
            ui.Card(
                label="Signed up to",
                value=ui.figure(checkpoint.size if checkpoint else None),
                note="kept outside the store",
            ),
        ]
    )
    if integrity.problem:
        st.error(ui.md(integrity.problem), title="The record does not verify", icon=":material/gpp_bad:")


def verify() -> None:
    """Verify every event, telling how far it is."""
    bar = st.progress(0.0, "Asking the registry for checkpoints …")

    def tell(done: int, total: int) -> None:
        bar.progress(done / max(total, 1), f"{done:,} of {total:,} events")

    is_asked = gatehouse.read_witnesses()
    found = auditing.verify(actor, tell)
    bar.empty()
    if found.is_verified:
        also = "" if is_asked else " The registry could not be asked for the checkpoints in it."
        st.success(
            f"{ui.count(found.size, 'event')} verify and agree with {ui.count(found.checkpoints, 'checkpoint')}.{also}",
            icon=":material/verified_user:",
        )
    for note in found.notes:
        st.info(ui.md(note), icon=":material/schedule:")
    for problem in found.problems:
        st.error(ui.md(problem.message), icon=":material/gpp_bad:")


ui.page_header("Audit log")
show_integrity()
if Permission.READ_AUDIT not in actor.permissions:
    ui.refused_state("The record is not shown to you", "Ask an admin for the role compliance reviewer.")
    st.stop()

query = audit_filters.show(auditing, actor, gatehouse.clock())
with ui.guarded():
    show_days(auditing, actor, query)
    view = st.segmented_control(
        "View",
        ["Table", "Timeline"],
        default="Table",
        required=True,
        key="view",
        bind="query-params",
        label_visibility="collapsed",
    )
    show_events(auditing, actor, query, as_timeline=view == "Timeline")
with st.container(horizontal=True, gap="small"):
    is_asked_to_verify = st.button("Verify all", icon=":material/verified_user:")
    if Permission.EXPORT_AUDIT in actor.permissions:
        audit_export.show(gatehouse, query)
if is_asked_to_verify:
    with ui.guarded():
        verify()
