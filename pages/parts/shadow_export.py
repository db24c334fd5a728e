"""Taking a comparison along: the figures drawn on one page, their data as JSON, slices, time and flow as CSV."""

from __future__ import annotations

import json
from collections.abc import Callable

import streamlit as st

from pages.parts.shadow_report import report_html
from services.shadow.comparison import Comparison
from services.shadow.figures import Figures
from services.shadow.judge import Judgement
from services.shadow.policy import ShadowPolicy
from services.shadow.tables import flow_csv, slices_csv, stretches_csv
from services.shadow.timeline import Stretch


def show_export(
    name: str,
    figures: Figures,
    judgement: Judgement,
    policy: ShadowPolicy,
    find_stretches: Callable[[], tuple[Stretch, ...]],
) -> None:
    """Draw a menu of downloads; each is made when it is asked for."""
    files = {
        "Every figure drawn (HTML)": (
            lambda: report_html(name, figures, judgement, policy, find_stretches),
            "html",
            "text/html",
        ),
        "Figures and judgement (JSON)": (lambda: _json(figures, judgement), "json", "application/json"),
        "Slices (CSV)": (lambda: slices_csv(figures), "slices.csv", "text/csv"),
        "Over time (CSV)": (lambda: stretches_csv(find_stretches()), "time.csv", "text/csv"),
        "Flow of decisions (CSV)": (lambda: flow_csv(figures), "flow.csv", "text/csv"),
    }
    with st.popover("Export", icon=":material/download:"):
        for label, (make, ending, mime) in files.items():
            st.download_button(
                label,
                data=make,
                file_name=f"{name}.{ending}",
                mime=mime,
                on_click="ignore",
                key=f"export_{ending}",
                width="stretch",
            )


def _json(figures: Figures, judgement: Judgement) -> str:
    return json.dumps(Comparison(figures=figures, judgement=judgement).to_json(), ensure_ascii=False, indent=2)
