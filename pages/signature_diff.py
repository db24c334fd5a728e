"""What changes for callers between two versions, every version against every other, and whether a file still fits."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import streamlit as st

from app import ui
from app.ui.session import get_gatehouse
from pages.parts.signatures import read_indexed, show_comparison, tone_of
from services.errors import InvalidInput
from services.signatures.check import check
from services.signatures.conform import text_columns
from services.signatures.data_files import load_data_file
from services.signatures.explain import find_explanation
from services.signatures.matrix import compare_all
from services.signatures.verdicts import Direction

gatehouse = get_gatehouse()
_MATRIX_VERSIONS = 30
_DIRECTIONS = {
    Direction.BACKWARD: "Backward: the new one takes today's requests",
    Direction.FORWARD: "Forward: rolling back is safe",
    Direction.FULL: "Full: both",
}


def choose(label: str, versions: list[int], default: int, key: str) -> int:
    """Draw a choice of version that the address remembers."""
    asked = st.query_params.get(key, "")
    wanted = int(asked) if asked.isdecimal() and int(asked) in versions else default
    chosen = st.selectbox(label, versions, index=versions.index(wanted), format_func=ui.version_label, width=140)
    st.query_params[key] = str(chosen)
    return chosen


def show_matrix(model: str, versions: list[int], direction: Direction) -> None:
    """Draw every version against every other."""
    shown = sorted(versions)[-_MATRIX_VERSIONS:]
    cells = compare_all({version: read_indexed(gatehouse, model, version) for version in shown}, direction)
    names = tuple(ui.version_label(version) for version in shown)
    ui.show_matrix(
        ui.Matrix(
            rows=names,
            columns=names,
            tones=tuple(tuple(tone_of(cells[old, new].verdict) for new in shown) for old in shown),
            texts=tuple(tuple(cells[old, new].verdict.value for new in shown) for old in shown),
        ),
        key="matrix",
        alt=f"Compatibility of every version of {model}, from the row to the column",
    )


def try_file(model: str, version: int) -> None:
    """Check a file of the user's against a version."""
    uploaded = st.file_uploader("A data file", type=["csv", "parquet", "json", "jsonl"], label_visibility="collapsed")
    if uploaded is None:
        st.markdown(f":gray[Choose a CSV, Parquet or JSON file to see whether v{version} would take it.]")
        return
    reading = read_indexed(gatehouse, model, version)
    if reading.signature is None:
        st.warning(ui.md(reading.reason), icon=":material/help:")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"data{Path(uploaded.name).suffix.lower()}"
        path.write_bytes(uploaded.getvalue())
        data = load_data_file(path, text_columns=text_columns(reading.signature))
    if data.frame is None:
        raise InvalidInput("This is a request, not a table.", next_step="Check it with `gatehouse signature check`.")
    result = check(reading.signature, data.frame)
    if result.ok:
        st.success(f"v{version} takes this data: {len(data.frame):,} rows.", icon=":material/check:")
    else:
        st.error(f"v{version} refuses this data.", icon=":material/close:")
    if result.problems:
        ui.data_table(
            [problem.to_json() for problem in result.problems],
            [
                ui.Column(name="column", label="Column", width="medium"),
                ui.Column(name="kind", label="Problem"),
                ui.Column(name="expected", label="Expected"),
                ui.Column(name="found", label="Found"),
                ui.Column(name="fix", label="What to do", width="large"),
            ],
            key="problems",
            alt="What is to know about the file",
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
    st.code(found.lines, language="python", wrap_lines=True)


ui.page_header("Signature diff")
names = list(gatehouse.index.list_names())
if not names:
    ui.empty_state("No models yet", "The index is empty: register a model, or wait for the first sync.")
    st.stop()
asked = st.query_params.get("model", "")
with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
    default = next((name for name in (asked, "fraud_detector") if name in names), names[0])
    model = st.selectbox("Model", names, index=names.index(default), width=300)
    st.query_params["model"] = model
    versions = [entry.version for entry in gatehouse.index.list_versions(model, limit=200).versions]
    entry = gatehouse.index.get_model(model)
    if versions:
        champion = entry.aliases.get("production")
        old = choose("From", versions, champion if champion in versions else versions[min(1, len(versions) - 1)], "old")
        new = choose("To", versions, versions[0], "new")
    direction = st.selectbox("Direction", list(_DIRECTIONS), format_func=_DIRECTIONS.__getitem__, width=360)
if not versions:
    ui.empty_state("This model has no versions", "Register one to compare it.")
    st.stop()

comparison = show_comparison(gatehouse, model, old, new, direction)
st.download_button(
    "Download as JSON",
    data=json.dumps(comparison.to_json(), ensure_ascii=False, indent=2),
    file_name=f"{model}-{old}-{new}.json",
    mime="application/json",
    on_click="ignore",
    icon=":material/download:",
)
matrix, own_file, message = st.tabs(["All versions", "Try my file", "Explain an error"], on_change="rerun", key="tab")
if matrix.open:
    with matrix, ui.guarded():
        show_matrix(model, versions, direction)
if own_file.open:
    with own_file, ui.guarded():
        try_file(model, new)
if message.open:
    with message, ui.guarded():
        explain()
