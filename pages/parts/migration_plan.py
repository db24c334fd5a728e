"""The migration plan of a breaking change: drawn up with owners and a start, and shown as steps with dates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app import ui
from app.facade import Gatehouse
from pages.parts.signatures import read_indexed
from services.signatures.compare import compare
from services.signatures.migration import MigrationPlan, OwnerRole, draft_plan, list_breaking
from services.signatures.verdicts import Comparison

_ROLES = {
    OwnerRole.SERVING: "Serves both versions",
    OwnerRole.CALLERS: "Moves the callers",
    OwnerRole.DATA_SCIENCE: "Compares in shadow",
    OwnerRole.RELEASE: "Switches and archives",
}


def find_break(gatehouse: Gatehouse, model: str, old: int | None, new: int) -> Comparison | None:
    """Return the comparison of two versions as the index has them, if the new one breaks callers of the old one."""
    if old is None or old == new:
        return None
    comparison = compare(read_indexed(gatehouse, model, old), read_indexed(gatehouse, model, new))
    return comparison if list_breaking(comparison) else None


def draw_up(gatehouse: Gatehouse, comparison: Comparison, model: str, old: int, new: int) -> MigrationPlan:
    """Draw the fields that a plan needs, and return the plan they make."""
    with st.container(horizontal=True, gap="small"):
        start = st.date_input("Starts", value=gatehouse.clock().date(), key="plan_start", width=140)
        owners = {
            role: st.text_input(label, key=f"plan_{role}", placeholder="Who?", width=170)
            for role, label in _ROLES.items()
        }
    return draft_plan(comparison, model=model, old_version=old, new_version=new, start=start, owners=owners)


def show_steps(plan: Mapping[str, Any], *, key: str) -> None:
    """Draw the steps of a plan, in order."""
    ui.data_table(
        [
            {"number": number, "what": step["what"], "owner": step["owner"] or None, "due": step["due"]}
            for number, step in enumerate(plan["steps"], 1)
        ],
        [
            ui.Column(name="number", label="Step", width="small"),
            ui.Column(name="what", label="What", width="large"),
            ui.Column(name="owner", label="Who"),
            ui.Column(name="due", label="By"),
        ],
        key=key,
        alt=f"Steps from version {plan['old_version']} to version {plan['new_version']}, in order",
    )
