"""The list of governed documents, and beginning a new one."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from app import ui
from app.facade import Gatehouse
from pages.parts import policy_files
from services.changes import OPEN
from services.documents import DEFAULT_NAME, DocumentSummary
from services.documents.activation import Activation
from services.identity import Actor, Permission
from services.registry.names import find_unusable

_ALL = "all"


def show(gatehouse: Gatehouse, actor: Actor) -> None:
    """Draw documents of every kind, or of one."""
    documents = gatehouse.documents
    ui.page_header("Policies")
    titles = {_ALL: "All", **{kind.name: kind.title for kind in documents.kinds.values()}}
    chosen = st.segmented_control(
        "Kind",
        list(titles),
        format_func=titles.__getitem__,
        key="of",
        default=_ALL,
        required=True,
        label_visibility="collapsed",
        bind="query-params",
    )
    pager = ui.Pager("documents", reset_on=chosen)
    found = documents.list_documents(kind=None if chosen == _ALL else chosen, after=pager.after, limit=pager.size)
    if found:
        _table(gatehouse, found, titles)
    else:
        ui.empty_state("No document of this kind yet", "Begin one below.", icon="policy")
    last = (found[-1].kind, found[-1].name) if len(found) == pager.size else None
    pager.draw(shown=len(found), next_after=last, noun="document")
    if Permission.EDIT_DOCUMENT in actor.permissions:
        _begin(gatehouse, chosen)
    policy_files.show_folder(gatehouse, actor)


def _table(gatehouse: Gatehouse, found: list[DocumentSummary], titles: Mapping[str, str]) -> None:
    waiting = {
        (change.payload["kind"], change.payload["name"])
        for change in gatehouse.changes.list_changes(kinds=[Activation.name], states=OPEN, limit=500)
    }
    picked = ui.data_table(
        [
            {
                "name": each.name,
                "kind": titles[each.kind],
                "in_force": None if each.in_force is None else f"revision {each.in_force.number}",
                "since": None if each.in_force is None else each.in_force.since,
                "author": None if each.in_force is None else each.in_force.author,
                "states": [
                    *(["in_force"] if each.in_force is not None else []),
                    *(["proposed"] if (each.kind, each.name) in waiting else []),
                ]
                or ["draft"],
                "reason": None if each.in_force is None else each.in_force.reason,
            }
            for each in found
        ],
        [
            ui.Column(name="name", label="Document", kind=ui.Kind.OPEN, width="medium"),
            ui.Column(name="kind", label="Kind"),
            ui.Column(name="states", label="State", kind=ui.Kind.STATES),
            ui.Column(name="in_force", label="In force"),
            ui.Column(name="since", label="Since", kind=ui.Kind.WHEN),
            ui.Column(name="author", label="Written by"),
            ui.Column(name="reason", label="Why", width="large"),
        ],
        key="documents_table",
        alt="Governed documents and what is in force",
    )
    if picked.opened is not None:
        open_document(found[picked.opened].kind, found[picked.opened].name)


def _begin(gatehouse: Gatehouse, chosen: str) -> None:
    kinds = list(gatehouse.documents.kinds.values())
    with st.expander("Begin a document", icon=":material/add:"):
        names = [kind.name for kind in kinds]
        index = names.index(chosen) if chosen in names else names.index("decision_policy")
        kind = st.selectbox("Kind of document", kinds, index=index, format_func=lambda each: each.title, width=320)
        if kind.is_by_model:
            models = list(gatehouse.index.list_names())
            name = st.selectbox("Model", models, index=None, accept_new_options=True, width=320, key="begin_model")
        else:
            name = st.text_input("Name", DEFAULT_NAME, width=320, key="begin_name")
        if st.button("Open the editor", icon=":material/edit:", disabled=not name) and name:
            unusable = find_unusable(name)
            if unusable is None:
                open_document(kind.name, name)
            st.warning(f"The name {ui.md(unusable)}.", icon=":material/edit:")


def open_document(kind: str, name: str, **further: str) -> None:
    """Go to a document."""
    ui.go_in_page(kind=kind, name=name, **further)
