"""Every revision of a document: who wrote it, why, what it changed, its states, and what was in force at any time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time

import streamlit as st

from app import ui
from app.facade import Gatehouse
from pages.parts.policy_draft import Draft
from pages.parts.policy_list import open_document
from services.changes import OPEN
from services.documents import DocumentKind, Revision, RevisionState
from services.documents.activation import Activation, ask
from services.identity import Actor, Permission


def show(gatehouse: Gatehouse, kind: DocumentKind[object], name: str) -> None:
    """Draw the list, and what was in force when."""
    pager = ui.Pager("revisions", reset_on=(kind.name, name))
    found = gatehouse.documents.list_revisions(kind.name, name, before=pager.after, limit=pager.size)
    if not found:
        ui.empty_state("No revision yet", "The first one is made when this text is proposed or saved.", icon="history")
        return
    picked = ui.data_table(
        [
            {
                "number": f"Revision {each.number}",
                "state": each.state.value,
                "author": each.author,
                "reason": each.reason,
                "at": each.created_at,
                "base": None if each.base is None else f"revision {each.base}",
                "digest": each.digest[:19],
            }
            for each in found
        ],
        [
            ui.Column(name="number", label="Revision", kind=ui.Kind.OPEN),
            ui.Column(name="state", label="State", kind=ui.Kind.STATE),
            ui.Column(name="author", label="Author"),
            ui.Column(name="reason", label="Why", width="large"),
            ui.Column(name="at", label="Written", kind=ui.Kind.WHEN),
            ui.Column(name="base", label="Begun from"),
            ui.Column(name="digest", label="Digest"),
        ],
        key="revisions_table",
        alt="Revisions, newest first",
    )
    following = found[-1].number if len(found) == pager.size and found[-1].number > 1 else None
    pager.draw(shown=len(found), next_after=following, noun="revision")
    if picked.opened is not None:
        open_document(kind.name, name, revision=str(found[picked.opened].number))
    _in_force_at(gatehouse, kind, name)


def _in_force_at(gatehouse: Gatehouse, kind: DocumentKind[object], name: str) -> None:
    ui.section("What was in force at a time")
    now = gatehouse.clock()
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        day = st.date_input("Day (UTC)", now.date(), width=180, key="at_day", bind="query-params")
        moment = st.time_input("Time (UTC)", time(23, 59), step=60, width=140, key="at_time")
    at = datetime.combine(day, moment, tzinfo=UTC)
    found = gatehouse.documents.find_in_force(kind.name, name, at=at)
    if found is None:
        st.markdown(f"Nothing was in force on {ui.exact(at)}.")
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        since = found.since or found.created_at
        number = ui.strong(f"Revision {found.number}")
        ui.fact_line(number, ("in force since", since), f"by {ui.md(found.author)}", now=now)
        if st.button("Open it", key="open_at", icon=":material/visibility:"):
            open_document(kind.name, name, revision=str(found.number))


def show_one(
    gatehouse: Gatehouse, actor: Actor, kind: DocumentKind[object], revision: Revision, draft: Draft | None
) -> None:
    """Draw one revision, what it changed, and the ways on."""
    documents = gatehouse.documents
    _life(gatehouse, revision)
    in_force = documents.find_in_force(kind.name, revision.name)
    beside = _choose_beside(revision, in_force)
    base = None if beside is None else documents.get_revision(kind.name, revision.name, beside)
    ui.yaml_editor(
        revision.text,
        key=f"revision_{kind.name}_{revision.name}_{revision.number}",
        label=f"{kind.title} {revision.name}, revision {revision.number}",
        read_only=True,
        base=None if base is None else base.text,
        base_label="" if base is None else f"Revision {base.number}, {base.state.value.replace('_', ' ')}",
        height=520,
    )
    st.download_button(
        "Download this text",
        data=revision.text,
        file_name=f"{kind.name}-{revision.name}-{revision.number}.yaml",
        mime="application/yaml",
        on_click="ignore",
        icon=":material/download:",
    )
    if Permission.EDIT_DOCUMENT in actor.permissions and draft is not None:
        _ways_on(gatehouse, actor, revision, in_force, draft)


def _life(gatehouse: Gatehouse, revision: Revision) -> None:
    now = gatehouse.clock()
    states = gatehouse.documents.list_states(revision)
    st.markdown(ui.md(revision.reason or "No reason was given."))
    ui.key_values(
        [
            *(
                (
                    f"{entry.state.value.replace('_', ' ').capitalize()}",
                    f"{ui.exact(entry.at)} · {ui.md(entry.actor)}"
                    + (f" · change {entry.change_id}" if entry.change_id is not None else ""),
                )
                for entry in states
            ),
            ("Written", f"{ui.ago(revision.created_at, now)} by {ui.md(revision.author)}"),
        ],
        alt="What became of this revision",
    )
    st.markdown(f":gray[Digest] `{revision.digest}`")


def _choose_beside(revision: Revision, in_force: Revision | None) -> int | None:
    """Return the number of the revision that is drawn beside it."""
    choices: dict[str, int | None] = {"This text alone": None}
    if revision.base is not None:
        choices[f"Against revision {revision.base}, which it began from"] = revision.base
    if in_force is not None and in_force.number not in {revision.number, revision.base}:
        choices[f"Against revision {in_force.number}, in force"] = in_force.number
    names: Sequence[str] = list(choices)
    chosen = st.segmented_control(
        "Compare", names, default=names[-1], required=True, label_visibility="collapsed", key="beside"
    )
    return choices[chosen]


def _ways_on(gatehouse: Gatehouse, actor: Actor, revision: Revision, in_force: Revision | None, draft: Draft) -> None:
    is_in_force = in_force is not None and in_force.number == revision.number
    summary = f"**Revision {revision.number}** · {ui.md(revision.state.value.replace('_', ' '))}"
    with ui.action_bar(summary):
        if st.button("Edit from this text", icon=":material/edit:"):
            draft.load(revision.text, base=gatehouse.documents.find_head(revision.kind, revision.name))
            open_document(revision.kind, revision.name)
        is_overlooked = revision.state is RevisionState.PROPOSED and not _is_asked(gatehouse, revision)
        if is_overlooked and st.button("Ask for approval", icon=":material/outbox:"):
            _ask_again(gatehouse, actor, revision)
        can_return = not is_in_force and revision.state in {RevisionState.SUPERSEDED, RevisionState.REJECTED}
        if can_return and ui.primary_button("Bring back…", key="revert", icon="settings_backup_restore"):
            _open_revert(gatehouse, revision, in_force)


def _is_asked(gatehouse: Gatehouse, revision: Revision) -> bool:
    asked = gatehouse.changes.list_changes(kinds=[Activation.name], states=OPEN, limit=500)
    return any(change.subject == revision.subject for change in asked)


def _ask_again(gatehouse: Gatehouse, actor: Actor, revision: Revision) -> None:
    with ui.guarded():
        change = ask(gatehouse.documents, gatehouse.changes, actor, revision, reason=revision.reason)
        ui.flash(f"Asked for as change {change.id}.")
        st.rerun()


def _open_revert(gatehouse: Gatehouse, revision: Revision, in_force: Revision | None) -> None:
    def run(who: Actor, reason: str) -> None:
        documents = gatehouse.documents
        again = documents.revert(who, revision.kind, revision.name, revision.number, reason=reason)
        ask(documents, gatehouse.changes, who, again, reason=reason)

    ui.open_drawer(
        ui.Confirmation(
            key="revert",
            title=f"Bring back revision {revision.number}",
            icon="settings_backup_restore",
            text="Its text is proposed again as a new revision; somebody else approves it, and it is in force.",
            facts=[
                ("In force now", "nothing" if in_force is None else f"revision {in_force.number}"),
                ("Brought back", f"revision {revision.number}, by {ui.md(revision.author)}"),
            ],
            placeholder="What is wrong with what is in force?",
            confirm="Propose it again",
            run=run,
            done=f"Revision {revision.number} is proposed again.",
        )
    )
