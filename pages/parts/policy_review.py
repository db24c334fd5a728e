"""What somebody who decides on a document sees: the text beside what is in force, and what traffic says about it."""

from __future__ import annotations

import streamlit as st

from app import ui
from app.facade import Gatehouse
from pages.parts.policy_edit import show_values
from pages.parts.policy_what_if import show_simulation
from services.changes import Change
from services.policies.document import DECISION_POLICY
from services.policies.what_if import read_simulation

_HEIGHT_PX = 420


def show_text(gatehouse: Gatehouse, change: Change) -> None:
    """Draw the proposed text against the revision that approvals are bound to."""
    kind, name, number = (change.payload[key] for key in ("kind", "name", "number"))
    revision = gatehouse.documents.get_revision(kind, name, number)
    in_force = change.bound["in_force"]
    base = None if in_force is None else gatehouse.documents.get_revision(kind, name, in_force)
    ui.section("What it changes")
    ui.yaml_editor(
        revision.text,
        key=f"review_{revision.reference}",
        label=f"Revision {number}, proposed",
        read_only=True,
        base=None if base is None else base.text,
        base_label="" if base is None else f"Revision {base.number}, in force",
        height=_HEIGHT_PX,
    )
    if base is None:
        st.markdown(":gray[Nothing is in force yet.]")
    else:
        show_values(base.text, revision.text)
    st.page_link(
        ui.page_path("policy_editor"),
        label="Open it among the policies",
        icon=":material/policy:",
        help="",
        query_params={"kind": kind, "name": name, "revision": str(number)},
    )


def show_what_if(change: Change) -> None:
    """Draw the what-if that the approval covers."""
    if change.payload["kind"] != DECISION_POLICY.name:
        return
    ui.section("What-if")
    found = change.findings.get("what_if")
    if found is None:
        why = change.findings.get("why_no_what_if", "This was asked for before what-ifs were kept.")
        ui.empty_state("No traffic was replayed", why, icon="science")
        return
    st.markdown(f":gray[{ui.md(found['source'])} · by {ui.md(found['actor'])} · kept as event {found['event']}]")
    show_simulation(read_simulation(found), key="review_what_if")
