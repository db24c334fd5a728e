"""What somebody writes at the moment: kept in their session until it is proposed, saved or given up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from app import ui
from app.facade import Gatehouse
from services.documents import DocumentKind, Merge, Revision
from services.policies.document import DECISION_POLICY


@dataclass(slots=True, kw_only=True)
class Draft:
    """One document being edited.

    Args:
        base: the revision that a proposal will name as the one it began from.
        loaded: what the editor was given last; it replaces what stands in the editor when it changes.
        text: what stands in the editor.
        theirs: the revision that came first, while its merge with this text is looked at.
    """

    kind: str
    name: str
    base: int | None
    loaded: str
    text: str
    theirs: Revision | None = None
    merge: Merge | None = None

    @property
    def key(self) -> str:
        """The key of the editor."""
        return f"editor_{self.kind}_{self.name}"

    def load(self, text: str, *, base: int | None) -> None:
        """Put another text into the editor."""
        self.base = base
        self.theirs = self.merge = None
        self.replace(text)

    def replace(self, text: str) -> None:
        """Put another edit of the same text into the editor."""
        self.loaded = self.text = text
        # Where the editor was given this very text before, and something else was typed since.
        st.session_state.pop(f"{self.key}_loaded", None)

    def take_typed(self) -> None:
        """Take what was typed before this run; the editor forgets it in a run that does not draw it."""
        self.text = ui.editor_text(self.key, self.loaded)

    def forget(self) -> None:
        """Give the text up."""
        st.session_state.pop(_key(self.kind, self.name), None)
        st.session_state.pop(f"{self.key}_loaded", None)


def open_draft(gatehouse: Gatehouse, kind: DocumentKind[object], name: str) -> Draft:
    """Return what this person writes of a document; of its newest text where they changed nothing yet."""
    key = _key(kind.name, name)
    if key not in st.session_state:
        head = gatehouse.documents.find_head(kind.name, name)
        text = _first_text(kind, name) if head is None else gatehouse.documents.get_revision(kind.name, name, head).text
        st.session_state[key] = Draft(kind=kind.name, name=name, base=head, loaded=text, text=text)
    draft = st.session_state[key]
    assert isinstance(draft, Draft)
    return draft


def check(gatehouse: Gatehouse, kind: str, text: str) -> Sequence[ui.Finding]:
    """Return what the validator has to say about a text."""
    problems = gatehouse.documents.validate(kind, text)
    if problems:
        return [ui.Finding(line=each.line, message=_told(each.path, each.message)) for each in problems]
    if kind != DECISION_POLICY.name:
        return []
    from services.policies.reading import find_notes

    return [
        ui.Finding(line=each.line, message=_told(each.path, each.message), severity="warning")
        for each in find_notes(text)
    ]


def is_valid(findings: Sequence[ui.Finding]) -> bool:
    """Return whether nothing but notes was found."""
    return all(finding.severity != "error" for finding in findings)


def _told(path: str, message: str) -> str:
    return f"{path}: {message}" if path else message


def _key(kind: str, name: str) -> str:
    return f"draft_{kind}_{name}"


def _text_of(gatehouse: Gatehouse, kind: DocumentKind[object], name: str, number: int | None) -> str:
    if number is None:
        return _first_text(kind, name)
    return gatehouse.documents.get_revision(kind.name, name, number).text


def _first_text(kind: DocumentKind[object], name: str) -> str:
    default = kind.read_default()
    if default is not None:
        return default
    if kind.name != DECISION_POLICY.name:
        return f"kind: {kind.name}\n"
    return (
        f"{json.dumps(name, ensure_ascii=False)}:\n"
        "  # The strictest first; the last is 0, so that every score has an action.\n"
        "  thresholds:\n    block: 0.7\n    manual_review: 0.4\n    allow: 0.0\n"
        "  rules: []\n  flags: {}\n"
    )
