"""Two signatures side by side: verdicts for both callers, and each change with its reason."""

from __future__ import annotations

import json
from collections.abc import Sequence

import streamlit as st

from app import ui
from app.facade import Gatehouse
from services.signatures.compare import compare
from services.signatures.reader import read_signature
from services.signatures.values import SignatureReading, SignatureState
from services.signatures.verdicts import Change, Comparison, Direction, Effect, Verdict

_NOT_INDEXED = "Its MLmodel file has not been read: it may be gone, or the sync has not come to it yet."
_TONES = {
    Verdict.IDENTICAL: ui.Tone.QUIET,
    Verdict.COMPATIBLE: ui.Tone.GOOD,
    Verdict.RISKY: ui.Tone.CAUTION,
    Verdict.UNKNOWN: ui.Tone.CAUTION,
    Verdict.BREAKING: ui.Tone.BAD,
}
_WORST_FIRST = (Effect.BREAKING, Effect.RISKY, Effect.COMPATIBLE)


def read_indexed(gatehouse: Gatehouse, model: str, version: int) -> SignatureReading:
    """Return the signature of a version as the index has it."""
    mlmodel = gatehouse.index.find_mlmodel(model, version)
    if mlmodel is None:
        return SignatureReading(state=SignatureState.UNREADABLE, reason=_NOT_INDEXED)
    return read_signature(mlmodel)


def tone_of(verdict: Verdict) -> ui.Tone:
    """Return the colour of a verdict."""
    return _TONES[verdict]


def show_comparison(
    gatehouse: Gatehouse, model: str, old: int, new: int, direction: Direction = Direction.BACKWARD
) -> Comparison:
    """Draw the comparison of two versions."""
    comparison = compare(read_indexed(gatehouse, model, old), read_indexed(gatehouse, model, new), direction)
    changes = comparison.changes
    counts = {effect: sum(_worse_effect(change) is effect for change in changes) for effect in _WORST_FIRST}
    ui.metric_cards(
        [
            _verdict_card("DataFrame callers", comparison.verdict),
            _verdict_card("JSON callers", comparison.json_verdict),
            ui.Card(label="Changes", value=ui.figure(len(changes)), note=f"v{old} → v{new}"),
            ui.Card(
                label="Breaking",
                value=ui.figure(counts[Effect.BREAKING]),
                delta=f"{counts[Effect.RISKY]} risky",
                tone=ui.Tone.CAUTION if counts[Effect.RISKY] else ui.Tone.QUIET,
            ),
        ]
    )
    if comparison.reason:
        st.warning(ui.md(comparison.reason), icon=":material/help:")
    if changes:
        _show_changes(changes)
    elif not comparison.reason:
        ui.empty_state("Nothing changed", "Whoever calls one version can call the other.", icon="drag_handle")
    for rename in comparison.renames:
        st.markdown(
            f":gray[{ui.md(rename.before)} may have been renamed to {ui.md(rename.after)}: a guess, by name and type.]"
        )
    for note in comparison.notes:
        st.markdown(f":gray[{ui.md(note)}]")
    return comparison


def _verdict_card(label: str, verdict: Verdict) -> ui.Card:
    told = {
        Verdict.IDENTICAL: "nothing changed",
        Verdict.COMPATIBLE: "served as before",
        Verdict.RISKY: "look before you go on",
        Verdict.UNKNOWN: "cannot be judged",
        Verdict.BREAKING: "would be refused or misread",
    }
    return ui.Card(label=label, value=verdict.value.capitalize(), delta=told[verdict], tone=_TONES[verdict])


def _show_changes(changes: Sequence[Change]) -> None:
    ordered = sorted(changes, key=lambda change: _WORST_FIRST.index(_worse_effect(change)))
    ui.data_table(
        [
            {
                "path": change.path,
                "side": change.side,
                "kind": change.kind,
                "before": _shown(change.before),
                "after": _shown(change.after),
                "effect": change.effect,
                "json_effect": change.json_effect,
                "reason": change.judged.frame.reason,
            }
            for change in ordered
        ],
        [
            ui.Column(name="path", label="Column", width="medium", pinned=True),
            ui.Column(name="side", label="Side", width="small"),
            ui.Column(name="kind", label="Change", kind=ui.Kind.STATE),
            ui.Column(name="before", label="Was"),
            ui.Column(name="after", label="Is"),
            ui.Column(name="effect", label="DataFrame", kind=ui.Kind.STATE),
            ui.Column(name="json_effect", label="JSON", kind=ui.Kind.STATE),
            ui.Column(name="reason", label="Why", width="large"),
        ],
        key="signature_changes",
        alt="Changes of signature, worst first",
        max_rows=20,
    )


def _worse_effect(change: Change) -> Effect:
    return min(change.effect, change.json_effect, key=_WORST_FIRST.index)


def _shown(value: object) -> str | None:
    if value is None:
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
