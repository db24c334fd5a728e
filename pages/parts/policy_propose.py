"""Putting a draft forward: the bar at the bottom of the editor, and the drawer that asks why."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app import ui
from app.facade import Gatehouse
from pages.parts.policy_draft import Draft, is_valid
from pages.parts.policy_what_if import interval
from services.documents import DocumentConflict, DocumentKind, Revision, compare_texts
from services.documents.activation import propose
from services.identity import Actor
from services.policies.activation_evidence import needs_what_if
from services.policies.document import DECISION_POLICY


def bar(
    gatehouse: Gatehouse,
    kind: DocumentKind[object],
    draft: Draft,
    base: Revision | None,
    findings: Sequence[ui.Finding],
) -> None:
    """Draw where the draft stands and the buttons that move it on."""
    is_changed = base is None or base.text != draft.text
    with ui.action_bar(_summary(draft, base, findings)):
        if is_changed and st.button("Give up", key="give_up", help="Go back to the text it began from."):
            draft.forget()
            st.rerun()
        can_go_on = is_changed and is_valid(findings)
        if st.button("Save as draft…", key="save", disabled=not can_go_on):
            _open_save(gatehouse, draft)
        if ui.primary_button("Propose…", key="propose", icon="outbox", disabled=not can_go_on):
            _open_propose(gatehouse, kind, draft, base)


def _summary(draft: Draft, base: Revision | None, findings: Sequence[ui.Finding]) -> str:
    if not is_valid(findings):
        return f"**{ui.count(len(findings), 'problem')}** to correct before this can be proposed"
    if base is None:
        return "**New document**, valid"
    changed = compare_texts(base.text, draft.text)
    if changed.is_same_text:
        return f"**No change** from revision {base.number}"
    told = ui.count(len(changed.values), "value") if changed.values else "No value"
    return f"**{told} changed** from revision {base.number}, valid"


def _open_save(gatehouse: Gatehouse, draft: Draft) -> None:
    def run(who: Actor, reason: str) -> None:
        with _merging(draft):
            gatehouse.documents.save_draft(who, draft.kind, draft.name, draft.text, reason=reason, base=draft.base)

    ui.open_drawer(
        ui.Confirmation(
            key="save",
            title=f"Save a draft of {draft.name}",
            icon="edit",
            text="It is kept among the revisions, where you and others can go on with it. Nobody is asked yet.",
            reason_label="What it is about",
            placeholder="What are you trying?",
            confirm="Save the draft",
            run=run,
            done="The draft is among the revisions.",
        )
    )


def _open_propose(gatehouse: Gatehouse, kind: DocumentKind[object], draft: Draft, base: Revision | None) -> None:
    def run(who: Actor, reason: str) -> None:
        with _merging(draft):
            change = propose(
                gatehouse.documents,
                gatehouse.changes,
                who,
                draft.kind,
                draft.name,
                draft.text,
                reason=reason,
                base=draft.base,
            )
        draft.forget()
        if change.blocker:
            ui.flash(ui.md(change.blocker), icon="block")

    values = compare_texts("" if base is None else base.text, draft.text).values
    ui.open_drawer(
        ui.Confirmation(
            key="propose",
            title=f"Propose {draft.name}",
            icon="outbox",
            text="Somebody else has to approve it; then it is in force at once.",
            facts=[
                ("Document", ui.md(kind.title)),
                ("Begun from", "nothing" if draft.base is None else f"revision {draft.base}"),
                ("Values that change", ui.figure(len(values))),
                *(_what_if_facts(gatehouse, draft) if kind.name == DECISION_POLICY.name else []),
            ],
            placeholder="What does it change, and why now?",
            confirm="Propose it",
            run=run,
            done=f"{ui.md(draft.name)} is proposed.",
        )
    )


def _what_if_facts(gatehouse: Gatehouse, draft: Draft) -> list[tuple[str, str]]:
    found = gatehouse.what_ifs.find(draft.name, draft.text)
    is_needed = needs_what_if(gatehouse.find_risk_tier(draft.name))
    if found is not None:
        flips = found.simulation.flips
        told = f"{flips.count:,} of {flips.total:,} flip ({interval(flips)})"
    elif gatehouse.what_ifs.find_log(draft.name) is not None:
        told = "is run on the recorded traffic when you propose"
    else:
        told = ui.state_markdown("missing", label="none, and tier 1 needs one") if is_needed else "none was run"
    return [("What-if", told)]


class _merging:  # noqa: N801 (reads as the statement it is)
    """Keep what came first when somebody else did, so that the editor shows both edits."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: object, _trace: object) -> None:
        if isinstance(error, DocumentConflict):
            self._draft.load(error.merge.text, base=error.theirs.number)
            self._draft.theirs, self._draft.merge = error.theirs, error.merge
            st.rerun()
