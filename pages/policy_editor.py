"""Governed documents: what is in force, and one of them to write, try out, propose and look back on."""

from __future__ import annotations

import streamlit as st

from app import ui
from app.ui.session import current_actor, get_gatehouse
from pages.parts import policy_edit, policy_files, policy_list, policy_propose, policy_revisions, policy_what_if
from pages.parts.policy_draft import Draft, check, is_valid, open_draft
from services.changes import OPEN
from services.documents import DocumentKind, get_kind
from services.documents.activation import Activation
from services.errors import InvalidInput
from services.identity.actors import Permission
from services.policies.document import DECISION_POLICY
from services.registry.names import check_model_name

gatehouse = get_gatehouse()
actor = current_actor()
documents = gatehouse.documents
now = gatehouse.clock()

_BACK = ("policy_editor", "All policies")


def show_document(kind: DocumentKind[object], name: str) -> None:
    """Draw one document: the editor, what-if and revisions."""
    in_force = documents.find_in_force(kind.name, name)
    ui.page_header(
        name,
        subtitle=ui.facts(
            ui.md(kind.title),
            None if in_force is None else ui.strong(f"revision {in_force.number}"),
            None if in_force is None else ("in force", in_force.since or in_force.created_at),
            None if in_force is None else f"by {ui.md(in_force.author)}",
            now=now,
        ),
        back=_BACK,
        badges=["in_force" if in_force is not None else "draft"],
    )
    show_proposals(kind.name, name)
    draft = open_draft(gatehouse, kind, name)
    draft.take_typed()
    is_writable = Permission.EDIT_DOCUMENT in actor.permissions
    edit, what_if, revisions, files = st.tabs(
        ["Edit", "What-if", "Revisions", "Files"], on_change="rerun", key="tab", bind="query-params"
    )
    findings = check(gatehouse, kind.name, draft.text)
    if edit.open:
        with edit:
            policy_edit.show(kind, draft, in_force, findings, is_writable=is_writable)
    else:
        draft.loaded = draft.text
    if what_if.open:
        with what_if, ui.guarded():
            show_what_if(kind, draft, is_sound=is_valid(findings))
    if revisions.open:
        with revisions:
            policy_revisions.show(gatehouse, kind, name)
    if files.open:
        with files:
            show_files(draft)
    if is_writable:
        base = None if draft.base is None else documents.get_revision(kind.name, name, draft.base)
        policy_propose.bar(gatehouse, kind, draft, base, findings)


def show_proposals(kind: str, name: str) -> None:
    """Say what waits for somebody's yes."""
    waiting = [
        change
        for change in gatehouse.changes.list_changes(kinds=[Activation.name], states=OPEN, limit=500)
        if (change.payload["kind"], change.payload["name"]) == (kind, name)
    ]
    for change in waiting:
        told, link = st.columns([0.88, 0.12], vertical_alignment="center")
        held = f" Held up: {ui.md(change.blocker)}" if change.blocker else ""
        told.info(
            f"{ui.md(change.requester)} proposed revision {change.payload['number']} "
            f"{ui.ago(change.created_at, now)}: {ui.md(change.reason)}{held}",
            icon=":material/outbox:",
        )
        link.page_link(
            ui.page_path("promotions"),
            label="Review it",
            icon=":material/arrow_forward:",
            help="",
            query_params={"id": str(change.id)},
        )


def show_what_if(kind: DocumentKind[object], draft: Draft, *, is_sound: bool) -> None:
    """Draw the what-if of a decision policy."""
    if kind.name == DECISION_POLICY.name:
        policy_what_if.show(gatehouse, actor, draft, is_valid=is_sound)
    else:
        ui.empty_state(
            "Only decision policies decide traffic",
            "Try a gate policy on a version with `gatehouse gates run REF --to STAGE --policy FILE`.",
            icon="science",
        )


def show_files(draft: Draft) -> None:
    """Take a file into the editor, and give the text as one."""
    text = policy_files.show_file(draft.key)
    if text is not None:
        draft.replace(text)
        ui.flash("The file is in the editor: look at it and propose it.")
        st.rerun()
    st.download_button(
        "Download the text in the editor",
        data=draft.text,
        file_name=f"{draft.name}.yaml",
        mime="application/yaml",
        on_click="ignore",
        icon=":material/download:",
    )


def show_revision(kind: DocumentKind[object], name: str, number: int) -> None:
    """Draw one revision."""
    ui.page_header(
        f"{name}, revision {number}",
        subtitle=ui.facts(ui.md(kind.title), now=now),
        back=("policy_editor", name),
        back_params={"kind": kind.name, "name": name},
        badges=[documents.get_revision(kind.name, name, number).state.value],
    )
    revision = documents.get_revision(kind.name, name, number)
    draft = open_draft(gatehouse, kind, name)
    draft.loaded = draft.text
    policy_revisions.show_one(gatehouse, actor, kind, revision, draft)


def route() -> None:
    """Draw what the address asks for."""
    asked_kind, name, number = (st.query_params.get(key, "") for key in ("kind", "name", "revision"))
    if Permission.READ_MODEL not in actor.permissions:
        ui.page_header("Policies")
        ui.refused_state("Policies are not shown to you", "Ask an admin for a role that may read models.")
    elif not asked_kind and not name:
        policy_list.show(gatehouse, actor)
    else:
        try:
            kind = get_kind(documents.kinds, asked_kind or DECISION_POLICY.name)
            check_model_name(name)
        except Exception:
            ui.page_header("Policies", back=_BACK)
            raise
        if number and not number.isdecimal():
            ui.page_header(name, back=_BACK)
            raise InvalidInput(f"{number!r} is no revision.", next_step="Choose one in the list of revisions.")
        if number:
            show_revision(kind, name, int(number))
        else:
            show_document(kind, name)


route()
