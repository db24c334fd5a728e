"""The form beside the editor: numbers, switches and lists; what is changed here is written into the text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import ui
from pages.parts.policy_draft import Draft
from services.documents.editing import Field, Value, list_fields, set_value
from services.errors import GatehouseError
from services.untrusted.yaml_reader import YamlInvalid

_MOST_FIELDS = 24
_SHORTEST_SECTION = 2


def show(draft: Draft, *, is_by_model: bool, is_writable: bool) -> None:
    """Draw the fields of the text as it stands."""
    try:
        fields = list_fields(draft.text)
    except YamlInvalid:
        ui.empty_state("The form waits", "It shows the values as soon as the text can be read.", icon="edit_note")
        return
    sections: dict[str, list[Field]] = {}
    for field in fields:
        sections.setdefault(_section(_steps(field, is_by_model=is_by_model)), []).append(field)
    if not fields:
        ui.empty_state("Nothing to set", "Numbers, switches and lists of the text appear here.", icon="edit_note")
        return
    shown = list(sections)
    if len(fields) > _MOST_FIELDS:
        shown = [st.selectbox("Part of the document", shown, key=f"{draft.key}_part")]
    for section in shown:
        st.markdown(f"**{ui.md(section)}**")
        for field in sections[section]:
            _field(draft, field, section, is_by_model=is_by_model, is_writable=is_writable)


def _steps(field: Field, *, is_by_model: bool) -> Sequence[str]:
    return field.names[1:] if is_by_model else field.names


def _section(steps: Sequence[str]) -> str:
    depth = 1 if len(steps) <= _SHORTEST_SECTION + 1 else _SHORTEST_SECTION
    return _words(steps[:depth]) if len(steps) > 1 else "General"


def _words(steps: Sequence[str]) -> str:
    text = " / ".join(step.replace("_", " ") for step in steps)
    return text[:1].upper() + text[1:]


def _field(draft: Draft, field: Field, section: str, *, is_by_model: bool, is_writable: bool) -> None:
    steps = _steps(field, is_by_model=is_by_model)
    label = ui.md(_words(steps).removeprefix(f"{section} / ").capitalize())
    key = f"{draft.key}_field_{field.path}"
    is_fraction = isinstance(field.value, float) and 0 <= field.value <= 1
    st.session_state[key] = list(field.value) if isinstance(field.value, tuple) else field.value
    arguments: dict[str, Any] = {
        "key": key,
        "on_change": _write,
        "args": (draft, field, key),
        "disabled": not is_writable,
    }
    if isinstance(field.value, bool):
        st.toggle(label, **arguments)
    elif isinstance(field.value, tuple):
        st.multiselect(label, list(field.value), accept_new_options=True, **arguments)
    elif isinstance(field.value, int):
        st.number_input(label, step=1, **arguments)
    else:
        st.number_input(label, step=0.01 if is_fraction else 1.0, format="%.4g", **arguments)


def _write(draft: Draft, field: Field, key: str) -> None:
    given = st.session_state[key]
    value: Value = tuple(given) if isinstance(given, list) else given
    draft.take_typed()
    try:
        draft.replace(set_value(draft.text, field.location, value))
    except GatehouseError as error:
        ui.flash(ui.md(error.message), icon="error")
