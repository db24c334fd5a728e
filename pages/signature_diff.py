"""What changes for callers between two versions, every version against every other, and whether a file still fits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import streamlit as st

from app import ui
from app.ui.session import get_gatehouse
from pages.parts import migration_plan, try_file
from pages.parts.signatures import read_indexed, show_comparison, tone_of
from services.errors import NotFound
from services.registry.references import MAX_VERSION
from services.signatures.compare import judge
from services.signatures.explain import find_explanation
from services.signatures.matrix import compare_all
from services.signatures.migration import list_plan_problems
from services.signatures.verdicts import Direction, Verdict

gatehouse = get_gatehouse()
_MATRIX_VERSIONS = 50
_VERSIONS_OFFERED = 200
_LONGEST_NUMBER = len(str(MAX_VERSION))
_CALLERS = ("DataFrame", "JSON")
_SIGNS = {
    Verdict.IDENTICAL: "=",
    Verdict.COMPATIBLE: "✓",
    Verdict.RISKY: "!",
    Verdict.UNKNOWN: "?",
    Verdict.BREAKING: "✕",
}
_DIRECTIONS = {
    Direction.BACKWARD: "Backward: the new one takes today's requests",
    Direction.FORWARD: "Forward: rolling back is safe",
    Direction.FULL: "Full: both",
}


def asked_version(key: str) -> int | None:
    """Return the version that the address names, or None."""
    asked = st.query_params.get(key, "")
    return int(asked) if asked.isdecimal() and len(asked) <= _LONGEST_NUMBER else None


def list_offered(model: str, champion: int | None) -> list[int]:
    """Return the newest versions, and those older ones that the address asks for or that serve."""
    newest = [entry.version for entry in gatehouse.index.list_versions(model, limit=_VERSIONS_OFFERED).versions]
    wanted = {asked_version("old"), asked_version("new"), champion} - {None, *newest}
    older = gatehouse.index.list_chosen_versions([(model, version) for version in wanted if version is not None])
    return [*newest, *sorted((entry.version for entry in older), reverse=True)]


def choose(label: str, versions: list[int], default: int, key: str) -> int:
    """Draw a choice of version that the address remembers."""
    asked = asked_version(key)
    wanted = asked if asked in versions else default
    chosen = st.selectbox(label, versions, index=versions.index(wanted), format_func=ui.version_label, width=140)
    st.query_params[key] = str(chosen)
    return chosen


def choose_direction() -> Direction:
    """Draw the choice of direction, which the address remembers too."""
    asked = st.query_params.get("direction", "")
    wanted = Direction(asked) if asked in {*Direction} else Direction.BACKWARD
    words = list(_DIRECTIONS)
    chosen = st.selectbox("Direction", words, index=words.index(wanted), format_func=_DIRECTIONS.__getitem__, width=360)
    st.query_params["direction"] = chosen.value
    return chosen


def show_matrix(model: str, versions: list[int], direction: Direction) -> None:
    """Draw every version against every other, for one kind of caller."""
    shown = sorted(versions)[-_MATRIX_VERSIONS:]
    caller = st.segmented_control("Callers", _CALLERS, default=_CALLERS[0], required=True, key="matrix_callers")
    cells = compare_all({version: read_indexed(gatehouse, model, version) for version in shown}, direction)
    verdicts = [
        [cells[old, new].verdict if caller == _CALLERS[0] else cells[old, new].json_verdict for new in shown]
        for old in shown
    ]
    names = tuple(ui.version_label(version) for version in shown)
    ui.show_matrix(
        ui.Matrix(
            rows=names,
            columns=names,
            tones=tuple(tuple(map(tone_of, row)) for row in verdicts),
            texts=tuple(tuple(_SIGNS[verdict] for verdict in row) for row in verdicts),
            hovers=tuple(tuple(verdict.value for verdict in row) for row in verdicts),
        ),
        key="matrix",
        alt=f"Compatibility of every version of {model} for {caller} callers, from the row to the column",
    )
    legend = " · ".join(f"{sign} {verdict}" for verdict, sign in _SIGNS.items())
    older = f" · the newest {_MATRIX_VERSIONS} of {len(versions)}" if len(versions) > _MATRIX_VERSIONS else ""
    st.markdown(f":gray[From the version of the row to that of the column: {legend}{older}]")


def plan(model: str, old: int, new: int) -> None:
    """Draw up the migration plan of a breaking change."""
    comparison = migration_plan.find_break(gatehouse, model, old, new)
    if comparison is None:
        before, after = read_indexed(gatehouse, model, old), read_indexed(gatehouse, model, new)
        if Verdict.UNKNOWN in judge(before, after, Direction.BACKWARD):
            ui.empty_state("It cannot be judged", "Whether a plan is needed is not known.", icon="help")
        else:
            ui.empty_state("No plan is needed", f"Callers of v{old} can call v{new}.", icon="check")
        return
    drawn = migration_plan.draw_up(gatehouse, comparison, model, old, new)
    migration_plan.show_steps(drawn.to_json(), key="plan_steps")
    if problems := list_plan_problems(drawn, today=gatehouse.clock().date()):
        st.markdown(f":gray[{ui.md(' '.join(problems))}]")
    download(drawn.to_json(), f"migration-{model}-{old}-{new}.json", "Download the plan", key="download_plan")
    st.markdown(":gray[A promotion to production asks for the same; from a pipeline, give it this file.]")


def download(document: Mapping[str, Any], name: str, label: str, *, key: str) -> None:
    """Draw a button that hands over a document."""
    st.download_button(
        label,
        data=json.dumps(document, ensure_ascii=False, indent=2),
        file_name=name,
        mime="application/json",
        on_click="ignore",
        icon=":material/download:",
        key=key,
    )


def explain() -> None:
    """Explain a pasted error message."""
    text = st.text_area("An error message", placeholder="Paste what MLflow said", height=120)
    if not text.strip():
        return
    found = find_explanation(text)
    if found is None:
        ui.empty_state("This message is not in the catalogue", "Look at its first line in MLflow's own documentation.")
        return
    ui.key_values([("Cause", ui.md(found.cause)), ("Remedy", ui.md(found.remedy))], alt="What it means")
    st.code(found.lines, language=None, wrap_lines=True)


ui.page_header("Signature diff")
names = list(gatehouse.index.list_names())
if not names:
    ui.empty_state("No models yet", "The index is empty: register a model, or wait for the first sync.")
    st.stop()
asked = st.query_params.get("model", "")
ui.tell_unknown_model(asked, names)
with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
    default = next((name for name in (asked, "fraud_detector") if name in names), names[0])
    model = st.selectbox("Model", names, index=names.index(default), width=300)
    st.query_params["model"] = model
    champion = gatehouse.index.get_model(model).aliases.get("production")
    versions = list_offered(model, champion)
    # Where another model was chosen, the address still has the versions of the one before.
    keys = ("old", "new") if asked in {"", model} else ()
    missing = [
        st.query_params[key][:20] for key in keys if key in st.query_params and asked_version(key) not in versions
    ]
    if versions:
        old = choose("From", versions, champion if champion in versions else versions[min(1, len(versions) - 1)], "old")
        new = choose("To", versions, versions[0], "new")
    direction = choose_direction()
if not versions:
    ui.empty_state("This model has no versions", "Register one to compare it.")
    st.stop()
for text in missing:
    ui.show_error(NotFound(f"{model} has no version {text!r}.", next_step="Choose one of those that there are."))

comparison = show_comparison(gatehouse, model, old, new, direction)
download(comparison.to_json(), f"{model}-{old}-{new}.json", "Download as JSON", key="download")
matrix, own_file, migration, message = st.tabs(
    ["All versions", "Try my file", "Migration plan", "Explain an error"],
    on_change="rerun",
    key="tab",
    bind="query-params",
)
if matrix.open:
    with matrix, ui.guarded():
        show_matrix(model, versions, direction)
if own_file.open:
    with own_file, ui.guarded():
        try_file.show(gatehouse, model, versions, new)
if migration.open:
    with migration, ui.guarded():
        plan(model, old, new)
if message.open:
    with message, ui.guarded():
        explain()
