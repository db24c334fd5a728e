"""The pages there are, in the order of the menu; each is a file of `pages/`."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from app.ui.frame import page_path
from services.identity import Actor, Permission


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One page.

    Args:
        is_listed: False for pages that others lead to, such as one model's.
        takes: the permission without which it is not run at all; pages that are partly for everybody ask themselves.
    """

    name: str
    title: str
    icon: str
    help: str
    is_listed: bool = True
    takes: Permission | None = None


PAGES = (
    Entry(name="overview", title="Overview", icon="dashboard", help="What waits for you, what changed, what is wrong."),
    Entry(
        name="promotions",
        title="Promotions",
        icon="approval_delegation",
        help="The inbox: what needs somebody's yes, the evidence for it, and the decision.",
        takes=Permission.READ_MODEL,
    ),
    Entry(name="catalog", title="Catalog", icon="inventory_2", help="Every model: search, filter, compare, open."),
    Entry(
        name="model",
        title="Model",
        icon="deployed_code",
        help="One model: versions, metrics, lineage, what to fix.",
        is_listed=False,
    ),
    Entry(
        name="signature_diff",
        title="Signature diff",
        icon="difference",
        help="What changes for callers between two versions, and whether a file of yours still fits.",
        takes=Permission.READ_MODEL,
    ),
    Entry(
        name="gate_results",
        title="Gate results",
        icon="rule",
        help="What the gates found, exceptions first.",
        takes=Permission.READ_MODEL,
    ),
    Entry(
        name="shadow_comparison",
        title="Shadow comparison",
        icon="compare_arrows",
        help="Champion and candidate on the same traffic, and what that says about a promotion.",
    ),
    Entry(
        name="policy_editor",
        title="Policies",
        icon="policy",
        help="Decision policies, gate policies and other governed documents: edit, simulate, propose.",
    ),
    Entry(
        name="deployments",
        title="Deployments",
        icon="rocket_launch",
        help="What serves where and since when, ramps, and the way back.",
        takes=Permission.READ_PRODUCTION_MODEL,
    ),
    Entry(
        name="audit_log",
        title="Audit log",
        icon="history_edu",
        help="Who did what and when, and the proof that nothing was changed.",
    ),
    Entry(name="settings", title="Settings", icon="settings", help="People, roles, tokens and this installation."),
)


def find_refusal(actor: Actor, title: str) -> Permission | None:
    """Return the permission that an actor lacks for the page of a title, if one is lacking."""
    takes = next((entry.takes for entry in PAGES if entry.title == title), None)
    return None if takes in actor.permissions else takes


def pages() -> list[st.Page]:
    """Return the pages for `st.navigation`; a flat list, since sections break the list for screen readers."""
    return [
        st.Page(
            page_path(entry.name),
            title=entry.title,
            icon=f":material/{entry.icon}:",
            help=entry.help,
            url_path=entry.name,
            default=entry.name == "overview",
            visibility="visible" if entry.is_listed else "hidden",
        )
        for entry in PAGES
        if page_path(entry.name).exists()
    ]
