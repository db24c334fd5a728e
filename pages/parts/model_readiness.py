"""The readiness checklist of one version: what evidence answers, what people answered, and what is still open."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from app import ui
from app.facade import Gatehouse
from pages.parts.model_versions import choose
from services.errors import GatehouseError
from services.gates.checklists import EVIDENCE, Answer, ItemState
from services.identity import Actor, Permission
from services.registry.entries import ModelEntry

_KEPT_S = 60
_WORDS = {Answer.YES: "Yes", Answer.NO: "No", Answer.NOT_APPLICABLE: "Does not apply"}


def show(gatehouse: Gatehouse, actor: Actor, model: ModelEntry) -> None:
    """Draw the checklist of the version that is chosen above it."""
    version = choose(gatehouse, model)
    if version is None:
        ui.empty_state("No version yet", "Readiness is asked of a version.", icon="checklist")
        return
    with ui.guarded(), ui.loading(height=400):
        made_at, evidence = _evidence(gatehouse, model.name, version, model.updated_at.isoformat())
        states = gatehouse.checklists.list_states(model.name, version, evidence, made_at=made_at, tier=model.tier)
        _cards(states)
        _table(gatehouse, states)
        if Permission.REQUEST_CHANGE in actor.permissions:
            _offer_answer(gatehouse, actor, model.name, version, states)


@st.cache_data(ttl=_KEPT_S, max_entries=64, show_spinner=False)
def _evidence(_gatehouse: Gatehouse, name: str, version: int, updated: str) -> tuple[datetime, dict[str, str]]:  # noqa: ARG001 - `updated` is part of the key
    found = _gatehouse.registry.get_version(name, version)
    return found.created_at, dict(_gatehouse.readiness.list_evidence(found))


def _cards(states: Sequence[ItemState]) -> None:
    held = [state for state in states if state.is_held]
    by_evidence = [state for state in held if state.by == EVIDENCE]
    refused = [state for state in states if state.answer is Answer.NO]
    still_open = [state for state in states if state.answer is None]
    ui.metric_cards(
        [
            ui.Card(
                label="Ready",
                value=f"{len(held) / len(states):.0%}" if states else ui.NOTHING,
                delta=f"{len(held)} of {len(states)} items",
                tone=ui.Tone.GOOD if states and len(held) == len(states) else ui.Tone.CAUTION,
            ),
            ui.Card(label="By evidence", value=str(len(by_evidence)), delta="seen here", tone=ui.Tone.QUIET),
            ui.Card(
                label="Answered with no",
                value=str(len(refused)),
                delta="to be done" if refused else "none",
                tone=ui.Tone.BAD if refused else ui.Tone.GOOD,
            ),
            ui.Card(
                label="Open",
                value=str(len(still_open)),
                delta="nobody answered" if still_open else "none",
                tone=ui.Tone.CAUTION if still_open else ui.Tone.GOOD,
            ),
        ]
    )


def _table(gatehouse: Gatehouse, states: Sequence[ItemState]) -> None:
    titles = {category.category: category.title for category in gatehouse.checklists.get_checklist().categories}
    ui.data_table(
        [
            {
                "answer": f"answer_{state.answer.value if state.answer else 'open'}",
                "asks": state.asks,
                "category": titles.get(state.category, state.category),
                "by": state.by,
                "note": state.note or state.hint,
            }
            for state in states
        ],
        [
            ui.Column(name="answer", label="Answer", kind=ui.Kind.STATE, width=116),
            ui.Column(name="asks", label="Item", width=410),
            ui.Column(name="category", label="Category", width=140),
            ui.Column(name="by", label="By", width=84),
            ui.Column(name="note", label="Where it can be seen", width=320),
        ],
        key="readiness_table",
        alt="Readiness checklist, by category",
        max_rows=18,
    )


def _offer_answer(gatehouse: Gatehouse, actor: Actor, name: str, version: int, states: Sequence[ItemState]) -> None:
    asks = {state.item: state.asks for state in states}
    with st.form("readiness_answer", border=True):
        item = st.selectbox("Item", list(asks), format_func=lambda chosen: asks[chosen], key="readiness_item")
        answer = st.segmented_control(
            "Answer", list(_WORDS), format_func=lambda chosen: _WORDS[chosen], default=Answer.YES, required=True
        )
        note = st.text_input(
            "Where it can be seen, or why it does not apply", key="readiness_note", placeholder="https://…"
        )
        is_sent = st.form_submit_button("Answer", icon=":material/check:")
    if not is_sent or answer is None:
        return
    try:
        gatehouse.checklists.answer(actor, name, version, str(item), answer, note=note)
    except GatehouseError as error:
        ui.show_error(error)
        return
    ui.flash(f"Answered for {ui.md(f'{name}/{version}')}.")
    st.rerun()
