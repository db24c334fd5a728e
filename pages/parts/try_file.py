"""A file of the user's against a version: whether it is taken as it is, and what conforming it would take."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from app import ui
from app.facade import Gatehouse
from pages.parts.signatures import read_indexed
from services.signatures.check import Problem, check
from services.signatures.conform import conform, text_columns
from services.signatures.data_files import load_data_file, write_data_file
from services.signatures.scoring import check_request
from services.signatures.values import Signature, SignatureReading

_KINDS = ["csv", "parquet", "json", "jsonl"]
_MAX_ADJUSTMENTS = 50


def show(gatehouse: Gatehouse, model: str, versions: Sequence[int], default: int) -> None:
    """Draw the choice of version and file, and the answer."""
    version = st.selectbox(
        "Against", versions, index=versions.index(default), format_func=ui.version_label, key="file_version", width=140
    )
    uploaded = st.file_uploader("A data file", type=_KINDS, key="file")
    if uploaded is None:
        st.markdown(f":gray[A table, or a request as the scoring server takes it: is it what v{version} takes?]")
        return
    reading = read_indexed(gatehouse, model, version)
    if reading.signature is None:
        st.warning(ui.md(reading.reason), icon=":material/help:")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"data{Path(uploaded.name).suffix.lower()}"
        path.write_bytes(uploaded.getvalue())
        # As callers read it for the check; with text kept as text for conforming.
        data = load_data_file(path)
        kept = load_data_file(path, text_columns=text_columns(reading.signature)).frame
    if data.request is not None:
        _show_result(version, check_request(reading.signature, data.request).problems, "this request")
        return
    assert data.frame is not None
    assert kept is not None
    result = check(reading.signature, data.frame)
    _show_result(version, result.problems, f"this data ({ui.count(len(data.frame), 'row')})")
    _offer_conformed(reading, reading.signature, kept, is_needed=not result.ok)


def _show_result(version: int, problems: Sequence[Problem], what: str) -> None:
    if any(problem.is_refusal for problem in problems):
        st.error(f"v{version} refuses {what}.", icon=":material/close:")
    else:
        st.success(f"v{version} takes {what}.", icon=":material/check:")
    if problems:
        _problem_table(problems, key="problems", alt="What is to know about the file")


def _problem_table(problems: Sequence[Problem], *, key: str, alt: str) -> None:
    ui.data_table(
        [problem.to_json() for problem in problems],
        [
            ui.Column(name="column", label="Column", width="medium"),
            ui.Column(name="kind", label="Problem"),
            ui.Column(name="expected", label="Expected"),
            ui.Column(name="found", label="Found"),
            ui.Column(name="fix", label="What to do", width="large"),
        ],
        key=key,
        alt=alt,
        max_rows=20,
    )


def _offer_conformed(reading: SignatureReading, signature: Signature, frame: pd.DataFrame, *, is_needed: bool) -> None:
    if not st.toggle("Conform it: order, declared defaults, casts that lose nothing", value=is_needed, key="conform"):
        return
    columns = [str(label) for label in frame.columns]
    allowed = st.multiselect(
        "May lose digits, fractions or time zones", columns, key="allow", help="Nothing is lost anywhere else."
    )
    declared = set(_names(signature))
    allow = [column for column in allowed if column in declared]
    conformed = conform(signature, frame, allow=allow, defaults=reading.column_defaults)
    for each in conformed.adjustments[:_MAX_ADJUSTMENTS]:
        lost = f", losing {each.lost}" if each.lost else ""
        st.markdown(f":gray[{ui.md(each.column)}: {ui.md(each.what + lost)}]")
    if conformed.frame is None:
        st.error("It cannot be conformed.", icon=":material/close:")
        _problem_table(conformed.problems, key="conform_problems", alt="What stands in the way of conforming")
        return
    st.download_button(
        "Download the conformed data",
        data=_parquet(conformed.frame),
        file_name="conformed.parquet",
        mime="application/vnd.apache.parquet",
        on_click="ignore",
        icon=":material/download:",
        key="download_conformed",
    )


def _names(signature: Signature) -> list[str]:
    inputs = signature.inputs
    parts = getattr(inputs, "columns", ())
    return [str(index if part.name is None else part.name) for index, part in enumerate(parts)]


def _parquet(frame: pd.DataFrame) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "conformed.parquet"
        write_data_file(frame.rename(columns=str), path)
        return path.read_bytes()
