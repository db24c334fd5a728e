"""Taking the record along: the whole log, what is shown of it, and the evidence of one request."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import streamlit as st

from app.facade import Gatehouse
from app.ui.session import actor_when_asked
from services.audit import EventQuery
from services.promotions.evidence_parts import collect_parts


def show(gatehouse: Gatehouse, query: EventQuery) -> None:
    """Draw the exports; each is written when it is asked for, and is an event."""
    # Each button runs when it is pressed, which may be long after the page was drawn.
    auditing, asking = gatehouse.auditing, actor_when_asked()
    stamp = f"gatehouse-audit-{gatehouse.clock():%Y-%m-%d}"
    reason = "from the audit page"
    _button(
        "Export all, verifiable (ZIP)",
        f"{stamp}.zip",
        lambda path: auditing.export_archive(asking(), path, reason=reason),
    )
    _button(
        "Export what is shown (CSV)",
        f"{stamp}.csv",
        lambda path: auditing.export_table(asking(), path, query, reason=reason),
    )
    if query.change_id is not None:
        evidence(gatehouse, query.change_id)


def evidence(gatehouse: Gatehouse, change_id: int) -> None:
    """Draw the way to the evidence of one request: a ZIP that verifies by itself and reads as a report."""
    asking = actor_when_asked()

    def write(path: Path) -> None:
        parts = collect_parts(gatehouse.changes.get(change_id), gatehouse.index, gatehouse.documents)
        gatehouse.auditing.write_evidence(asking(), path, change_id=change_id, parts=parts)

    _button(f"Evidence of request {change_id} (ZIP)", f"gatehouse-evidence-{change_id}.zip", write)


def _button(words: str, name: str, write: Callable[[Path], object]) -> None:
    st.download_button(
        words,
        data=partial(_bytes, write, name),
        file_name=name,
        on_click="ignore",
        icon=":material/download:",
        key=f"export_{name}",
    )


def _bytes(write: Callable[[Path], object], name: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="gatehouse-export-") as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()
