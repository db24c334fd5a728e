"""Writing a document: the editor with what the validator finds, the form beside it, and what differs from in force."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app import ui
from pages.parts import policy_form
from pages.parts.policy_draft import Draft
from services.documents import DocumentKind, Revision, compare_texts

_HEIGHT_PX = 560


def show(
    kind: DocumentKind[object],
    draft: Draft,
    in_force: Revision | None,
    findings: Sequence[ui.Finding],
    *,
    is_writable: bool,
) -> None:
    """Draw the editor."""
    if draft.theirs is not None:
        _merge_notice(draft)
    base, base_label = _beside(draft, in_force)
    if base is None:
        text, form = st.columns([0.66, 0.34], gap="medium")
        with text:
            _editor(kind, draft, findings, is_writable=is_writable)
        with form, ui.panel(key="policy_form"):
            policy_form.show(draft, is_by_model=kind.is_by_model, is_writable=is_writable)
    else:
        _editor(kind, draft, findings, is_writable=is_writable, base=base, base_label=base_label)
        show_values(base, draft.text)


def _beside(draft: Draft, in_force: Revision | None) -> tuple[str | None, str]:
    """Return what is compared with, and what it is called."""
    if draft.theirs is not None:
        return draft.theirs.text, f"Revision {draft.theirs.number}, by {draft.theirs.author}"
    if in_force is None:
        return None, ""
    label = f"Compare with revision {in_force.number}, in force"
    is_compared = st.toggle(label, key="compare", bind="query-params")
    return (in_force.text, f"Revision {in_force.number}, in force") if is_compared else (None, "")


def _editor(
    kind: DocumentKind[object],
    draft: Draft,
    findings: Sequence[ui.Finding],
    *,
    is_writable: bool,
    base: str | None = None,
    base_label: str = "",
) -> None:
    draft.text = ui.yaml_editor(
        draft.loaded,
        key=draft.key,
        label=f"{kind.title} {draft.name}",
        findings=findings,
        schema=kind.json_schema(),
        read_only=not is_writable,
        base=base,
        base_label=base_label,
        height=_HEIGHT_PX,
    )


def _merge_notice(draft: Draft) -> None:
    assert draft.theirs is not None
    assert draft.merge is not None
    conflicts = draft.merge.conflicts
    clashes = (
        f" You both changed {ui.count(len(conflicts), 'place')}; your lines stand there: "
        + ", ".join(f"line {each.line}" for each in conflicts)
        + "."
        if conflicts
        else " You changed different places; both changes are in the text."
    )
    st.warning(
        f"Left is their revision, right both edits together.{clashes} Look at it, and propose again.",
        title=f"{ui.md(draft.theirs.author)} proposed revision {draft.theirs.number} while you wrote",
        icon=":material/merge:",
    )
    for number, conflict in enumerate(conflicts):
        with st.expander(f"Line {conflict.line}: yours stands, theirs was"):
            st.code(conflict.theirs or "(nothing)", language="yaml")
            if st.button("Take theirs", key=f"{draft.key}_theirs_{number}", icon=":material/swap_horiz:"):
                _take_theirs(draft, number)


def _take_theirs(draft: Draft, number: int) -> None:
    assert draft.merge is not None
    conflict = draft.merge.conflicts[number]
    lines = draft.text.splitlines(keepends=True)
    start, mine = conflict.line - 1, conflict.mine.splitlines(keepends=True)
    if lines[start : start + len(mine)] != mine:
        ui.flash("These lines were changed or moved meanwhile: edit them in the text.", icon="error")
    else:
        lines[start : start + len(mine)] = [conflict.theirs]
        draft.replace("".join(lines))
    st.rerun()


def show_values(base: str, text: str) -> None:
    """Draw the values that differ between two texts."""
    changes = compare_texts(base, text).values
    if not changes:
        st.markdown(":gray[No value differs.]")
        return
    ui.data_table(
        [{"path": each.path, "old": _shown(each.old), "new": _shown(each.new)} for each in changes],
        [
            ui.Column(name="path", label="Value", width="large"),
            ui.Column(name="old", label="Was"),
            ui.Column(name="new", label="Is now"),
        ],
        key="values",
        alt="Values that differ",
        max_rows=12,
    )


def _shown(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)
