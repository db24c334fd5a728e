"""Two signatures side by side: verdicts for both callers, what changed and why, and a request that shows it.

Only what changed is listed, unless all columns are asked for; several changes inside one column are folded into it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import streamlit as st

from app import ui
from app.facade import Gatehouse
from services.registry.entries import SignatureKnown
from services.signatures.break_examples import find_break_examples
from services.signatures.compare import compare
from services.signatures.reader import read_signature
from services.signatures.rules import shown
from services.signatures.schema_diff import WHOLE_SIDE
from services.signatures.values import Columns, SignatureReading, SignatureState, column_by_label
from services.signatures.verdicts import Change, Comparison, Direction, Effect, Side, Verdict, finite

_UNREAD: Mapping[str, str] = {
    SignatureKnown.PENDING: "The sync has not come to its MLmodel file yet.",
    SignatureKnown.GONE: "Its files are gone from the registry.",
    SignatureKnown.UNKNOWN: "The registry did not hand over its MLmodel file when it was last asked.",
    SignatureState.UNREADABLE: "Its MLmodel file is too large, or no text, or lies where the registry does not reach.",
}
_TOO_LARGE = "Its MLmodel file is too large to be kept here: `gatehouse signature diff` reads it from the registry."
_TONES = {
    Verdict.IDENTICAL: ui.Tone.QUIET,
    Verdict.COMPATIBLE: ui.Tone.GOOD,
    Verdict.RISKY: ui.Tone.CAUTION,
    Verdict.UNKNOWN: ui.Tone.CAUTION,
    Verdict.BREAKING: ui.Tone.BAD,
}
_WORST_FIRST = (Effect.BREAKING, Effect.RISKY, Effect.COMPATIBLE)
_UNFOLDED = "signature_unfolded"
_MAX_EXAMPLE = 4000

_Groups = dict[tuple[Side, str], list[Change]]


def read_indexed(gatehouse: Gatehouse, model: str, version: int) -> SignatureReading:
    """Return the signature of a version as the index has it, or why it has none."""
    mlmodel = gatehouse.index.find_mlmodel(model, version)
    if mlmodel is None:
        entry = gatehouse.index.find_version(model, version)
        reason = _UNREAD.get(entry.signature_state, _TOO_LARGE) if entry else "The index has no such version any more."
        return SignatureReading(state=SignatureState.UNREADABLE, reason=reason)
    return read_signature(mlmodel)


def tone_of(verdict: Verdict) -> ui.Tone:
    """Return the colour of a verdict."""
    return _TONES[verdict]


def show_comparison(
    gatehouse: Gatehouse, model: str, old: int, new: int, direction: Direction = Direction.BACKWARD
) -> Comparison:
    """Draw the comparison of two versions."""
    before, after = read_indexed(gatehouse, model, old), read_indexed(gatehouse, model, new)
    comparison = compare(before, after, direction)
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
    has_columns = before.signature is not None or after.signature is not None
    is_all = has_columns and st.toggle("Show unchanged columns too", key="signature_all")
    if changes or is_all:
        groups = _by_column(changes, before, after)
        unchanged = list(_unchanged(after if after.signature else before, groups)) if is_all else []
        _show_rows([*_changed(groups), *unchanged])
    elif not comparison.reason:
        ui.empty_state("Nothing changed", "Whoever calls one version can call the other.", icon="drag_handle")
    _show_remarks(comparison)
    _show_examples(comparison, before, after)
    return comparison


def _show_remarks(comparison: Comparison) -> None:
    for rename in comparison.renames:
        st.markdown(
            f":gray[{ui.md(rename.before)} may have been renamed to {ui.md(rename.after)}: a guess, by name and type.]"
        )
    for note in comparison.notes:
        st.markdown(f":gray[{ui.md(note)}]")


def _show_examples(comparison: Comparison, old: SignatureReading, new: SignatureReading) -> None:
    if Verdict.BREAKING not in {comparison.verdict, comparison.json_verdict}:
        return
    panel = st.expander("A request that shows the break", icon=":material/bug_report:", on_change="rerun")
    if not panel.open:
        return
    examples = find_break_examples(comparison, old, new)
    labels = {"counter_example": "As a DataFrame", "json_counter_example": "As JSON to the scoring server"}
    with panel:
        for name, label in labels.items():
            if examples[name]:
                text = json.dumps(finite(examples[name]), ensure_ascii=False)
                st.markdown(f":gray[{label}]")
                st.code(text[:_MAX_EXAMPLE], language=None, wrap_lines=True)
        if not any(examples.values()):
            st.markdown(":gray[What breaks here are the answers, not the requests.]")


def _verdict_card(label: str, verdict: Verdict) -> ui.Card:
    told = {
        Verdict.IDENTICAL: "nothing changed",
        Verdict.COMPATIBLE: "served as before",
        Verdict.RISKY: "look before you go on",
        Verdict.UNKNOWN: "cannot be judged",
        Verdict.BREAKING: "refused or misread",
    }
    return ui.Card(label=label, value=verdict.value.capitalize(), delta=told[verdict], tone=_TONES[verdict])


def _by_column(changes: Sequence[Change], *readings: SignatureReading) -> _Groups:
    """Return the changes by the column, tensor or param that they lie in; a name may itself hold dots."""
    names = {(side, name) for reading in readings for side, name, _ in _declared(reading)}
    groups: _Groups = {}
    for change in changes:
        ends = [at for at, mark in enumerate(change.path) if mark in ".[{"]
        inside = (change.path[:at] for at in ends if (change.side, change.path[:at]) in names)
        is_whole = (change.side, change.path) in names
        root = change.path if is_whole else next(inside, change.path)
        groups.setdefault((change.side, root), []).append(change)
    return groups


def _changed(groups: _Groups) -> list[Mapping[str, Any]]:
    """Return the rows of what changed, worst first; several changes inside one column are one row until unfolded."""
    unfolded = st.session_state.setdefault(_UNFOLDED, set())
    rows: list[Mapping[str, Any]] = []
    for (side, root), inside in sorted(groups.items(), key=lambda group: min(map(_rank, group[1]))):
        ordered = sorted(inside, key=_rank)
        if len(ordered) == 1:
            rows.append(_row(ordered[0]))
            continue
        key = f"{side} {root}"
        rows.append(_folded_row(key, root, ordered, is_open=key in unfolded))
        if key in unfolded:
            rows.extend({**_row(change), "path": f"    {change.path}"} for change in ordered)
    return rows


def _row(change: Change) -> dict[str, Any]:
    reason, json_reason = change.judged.frame.reason, change.judged.json.reason
    return {
        "path": change.path,
        "side": change.side,
        "kind": change.kind,
        "before": _shown(change.before),
        "after": _shown(change.after),
        "effect": change.effect,
        "json_effect": change.json_effect,
        "reason": reason if reason == json_reason else f"{reason}; JSON: {json_reason}",
    }


def _folded_row(key: str, root: str, inside: Sequence[Change], *, is_open: bool) -> dict[str, Any]:
    return {
        "path": root,
        "side": inside[0].side,
        "fold": f"{'Hide' if is_open else 'Show'} {len(inside)} inside",
        "fold_key": key,
        "effect": min((change.effect for change in inside), key=_WORST_FIRST.index),
        "json_effect": min((change.json_effect for change in inside), key=_WORST_FIRST.index),
        "reason": "Several changes inside this column.",
    }


def _unchanged(reading: SignatureReading, groups: _Groups) -> Iterable[Mapping[str, Any]]:
    for side, name, of in _declared(reading):
        if (side, name) not in groups and (side, WHOLE_SIDE) not in groups:
            yield {"path": name, "side": side, "kind": "same", "before": of, "after": of}


def _declared(reading: SignatureReading) -> Iterable[tuple[Side, str, str]]:
    """Yield side, name and type of everything at the top of a signature."""
    signature = reading.signature
    if signature is None:
        return
    for side, schema in ((Side.INPUTS, signature.inputs), (Side.OUTPUTS, signature.outputs)):
        if isinstance(schema, Columns):
            for label, column in column_by_label(schema).items():
                yield side, str(label), shown(column.type)
        elif schema is not None:
            for index, tensor in enumerate(schema.tensors):
                yield side, str(index if tensor.name is None else tensor.name), str(tensor)
    for param in signature.params or ():
        yield Side.PARAMS, param.name, shown(param)


def _show_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    has_folds = any("fold" in row for row in rows)
    columns = [
        ui.Column(name="path", label="Column", width="medium", pinned=True),
        ui.Column(name="kind", label="Change", kind=ui.Kind.STATE),
        ui.Column(name="effect", label="DataFrame", kind=ui.Kind.STATE),
        ui.Column(name="json_effect", label="JSON", kind=ui.Kind.STATE),
        ui.Column(name="before", label="Was"),
        ui.Column(name="after", label="Is"),
        ui.Column(name="side", label="Side", width="small"),
        ui.Column(name="reason", label="Why", width="large"),
    ]
    if has_folds:
        columns.insert(1, ui.Column(name="fold", label="Nested", kind=ui.Kind.OPEN))
    picked = ui.data_table(rows, columns, key="signature_changes", alt="Changes of signature, worst first", max_rows=20)
    if picked.opened is not None and (key := rows[picked.opened].get("fold_key")):
        st.session_state[_UNFOLDED] ^= {key}
        st.rerun()


def _worse_effect(change: Change) -> Effect:
    return min(change.effect, change.json_effect, key=_WORST_FIRST.index)


def _rank(change: Change) -> int:
    return _WORST_FIRST.index(_worse_effect(change))


def _shown(value: object) -> str | None:
    if value is None:
        return None
    return value if isinstance(value, str) else json.dumps(finite(value), ensure_ascii=False)
