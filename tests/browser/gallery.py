"""Every component in its states on a few pages, for pictures and accessibility checks; `streamlit run` starts it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import streamlit as st

from app import ui
from app.ui import drawer
from app.ui.buttons import show_flash
from services.errors import Conflict, Forbidden, Unreachable
from services.identity import Actor, Role

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DOCUMENT = """# promotion policy
version: 3
gates:
  - id: auc-floor
    metric: val_auc
    op: ">="
    value: 0.82
    severity: block
  - id: latency
    metric: p95_ms
    op: "<="
    value: 120
approvals:
  production: 2
  staging: 1
owners: [ml-platform]
"""
CHANGED = DOCUMENT.replace("0.82", "0.85").replace("production: 2", "production: 3\n  archived: 1")
SCHEMA = {
    "type": "object",
    "required": ["version", "gates"],
    "properties": {
        "version": {"type": "integer"},
        "gates": {"type": "array", "items": {"$ref": "#/$defs/gate"}},
        "approvals": {"type": "object", "additionalProperties": {"type": "integer"}},
        "owners": {"type": "array", "items": {"type": "string"}},
    },
    "$defs": {
        "gate": {
            "type": "object",
            "required": ["id", "metric"],
            "properties": {
                "id": {"type": "string", "description": "How the gate is called."},
                "metric": {"type": "string"},
                "op": {"enum": [">=", "<="]},
                "value": {"type": "number"},
                "severity": {"enum": ["block", "warn"]},
            },
        }
    },
}


def review() -> None:
    """A page as dense as the review of a promotion."""
    ui.page_header(
        "fraud_detector v17 → v18",
        subtitle=ui.facts(
            ("Requested by Mei Silva", NOW - timedelta(hours=5)),
            f"policy {ui.strong('prod-risk v4')}",
            "1 of 2 approvals",
            now=NOW,
        ),
        back=("overview", "All promotions"),
        badges=("production", ui.state_markdown("high"), ui.state_markdown("expired", label="SLA in 3 h")),
    )
    ui.metric_cards(
        [
            ui.Card(label="AUC", value="0.871", delta="0.009", tone=ui.Tone.GOOD, arrow="up", note="vs v17"),
            ui.Card(label="p95 latency", value="84 ms", delta="6 ms", tone=ui.Tone.BAD, arrow="up", note="vs v17"),
            ui.Card(label="Shadow agreement", value="98.6%", delta="12,408 requests"),
            ui.Card(label="Signature", value="Compatible", delta="1 optional input"),
        ]
    )
    left, right = st.columns([0.68, 0.32], gap="medium")
    with left:
        ui.section("Gates")
        ui.data_table(
            [
                {"gate": "fairness-gap", "result": "waived", "rule": "max_gap ≤ 0.040", "seen": "0.043"},
                {"gate": "auc-floor", "result": "passed", "rule": "val_auc ≥ 0.860", "seen": "0.871"},
                {"gate": "latency-p95", "result": "failed", "rule": "p95_ms ≤ 120", "seen": "184"},
                {"gate": "signature-compat", "result": "inconclusive", "rule": "backward compatible", "seen": None},
            ],
            [
                ui.Column(name="gate", label="Gate"),
                ui.Column(name="result", label="Result", kind=ui.Kind.STATE),
                ui.Column(name="rule", label="Rule"),
                ui.Column(name="seen", label="Observed"),
            ],
            key="gates",
            alt="Gate results",
        )
    with right:
        ui.section("Approvals")
        with ui.panel():
            ui.key_values(
                [
                    ("Jun Chen", ui.state_markdown("approved", label="Approved 1 h ago")),
                    ("Ada Okafor", ui.state_markdown("pending", label="You · pending")),
                ],
                alt="Approvals",
            )
            st.markdown(":gray[Needs 2 approvers. The requester can not approve.]")
    with ui.action_bar("**1 approval left** · 4 gates passed, 1 waived"):
        st.button("Reject")
        st.button("Ask for changes")
        if ui.primary_button("Approve…", key="approve", icon="check"):
            ui.open_drawer(
                ui.Confirmation(
                    key="approve",
                    title="Approve v18 for production",
                    icon="check_circle",
                    text="Approving moves alias **champion** from v17 to v18 and keeps v17 as **rollback**.",
                    facts=[
                        ("Policy", "prod-risk v4"),
                        ("Approvals", "1 of 2 · yours completes it"),
                        ("Waivers", ui.state_markdown("waived", label="fairness-gap until 2026-12-05")),
                    ],
                    reason_label="Comment",
                    placeholder="Why is this safe to ship?",
                    checks=["I reviewed the fairness waiver"],
                    confirm="Approve promotion",
                    run=_refuse,
                    done="Approved",
                )
            )


def _refuse(_who: Actor, reason: str) -> None:
    if reason == "refuse me":
        raise Conflict("The alias production moved to v19 meanwhile.", next_step="Run the gates again.")


def states() -> None:
    """Empty, refused, failed, stale, and text that wants to be markup."""
    ui.page_header("States", badges=("passed", "failed", "unheard_of"))
    ui.empty_state(
        "No models yet",
        "Register one through MLflow or `gatehouse register`.",
        action=("overview", "Open the overview"),
    )
    ui.refused_state("The audit log is not shown to you", "Ask somebody with the role compliance reviewer.")
    ui.show_error(Unreachable("The registry at http://127.0.0.1:5000 does not answer.", next_step="Start it."))
    ui.show_error(Forbidden("ada may not approve change/3.", next_step="Ask a release manager."))
    ui.show_bug("7f3a90c2")
    ui.stale_notice(NOW - timedelta(minutes=10), now=NOW)
    st.markdown(ui.md("<b>not bold</b> :green-badge[forged] ![x](http://evil.example/x.png) \u202egpj.exe"))
    ui.fact_line(("Synced", NOW - timedelta(seconds=12)), "4 s of work", now=NOW, small=True)


def charts() -> None:
    """Figures and the graph."""
    ui.page_header("Charts")
    versions = tuple(f"v{number}" for number in range(1, 9))
    values = (0.81, 0.83, 0.825, 0.84, 0.86, 0.855, 0.868, 0.871)
    ui.show_lines(
        [
            ui.Line(
                name="AUC",
                x=versions,
                y=values,
                low=tuple(v - 0.01 for v in values),
                high=tuple(v + 0.01 for v in values),
            ),
            ui.Line(name="Accuracy", x=versions, y=tuple(v + 0.05 for v in values)),
        ],
        markers=[ui.Marker(name="champion", at=0.868)],
        key="lines",
        alt="AUC over versions, rising to 0.871",
    )
    ui.show_intervals(
        [
            ui.Interval(name="country=US", low=0.96, value=0.97, high=0.98, tone=ui.Tone.BAD),
            ui.Interval(name="country=DE", low=0.985, value=0.99, high=0.995),
        ],
        key="intervals",
        alt="Agreement by slice, worst for US",
    )
    good, bad = ui.Tone.GOOD, ui.Tone.BAD
    ui.show_matrix(
        ui.Matrix(
            rows=("auc-floor", "latency"),
            columns=("v1", "v2", "v3"),
            tones=((good, bad, good), (good, None, ui.Tone.CAUTION)),
        ),
        key="matrix",
        alt="Gates by version",
    )
    ui.show_bars(versions, [3, 5, 2, 9, 4, 4, 0, 1], key="bars", alt="Events by version")
    picked = ui.lineage_graph(
        [
            ui.Node(id="d", kind="Data set", label="transactions"),
            ui.Node(id="r1", kind="Run", label="train-2026-11-01"),
            ui.Node(id="r2", kind="Run", label="train-2026-11-08 with a long name"),
            ui.Node(id="v1", kind="Version", label="fraud_detector/17", tone=ui.Tone.SPECIAL),
            ui.Node(id="v2", kind="Version", label="fraud_detector/18"),
            ui.Node(id="a", kind="Alias", label="@production"),
            *(ui.Node(id=f"c{number}", kind="Copy", label=f"copy {number}") for number in range(3)),
        ],
        [
            ui.Edge(source="d", target="r1", kind="input"),
            ui.Edge(source="d", target="r2", kind="input"),
            ui.Edge(source="r1", target="v1", kind="logged"),
            ui.Edge(source="r2", target="v2", kind="logged"),
            ui.Edge(source="v1", target="a", kind="alias"),
            *(
                ui.Edge(source=f"c{number - 1}" if number else "a", target=f"c{number}", kind="copied")
                for number in range(3)
            ),
        ],
        key="graph",
        alt="Lineage of fraud_detector",
    )
    st.markdown(f"Picked: {ui.md(picked)}")


@st.fragment
def editor() -> None:
    """The editor with findings, and a comparison."""
    ui.page_header("Editor")
    text = ui.editor_text("policy", CHANGED)
    findings = [
        ui.Finding(line=number, message="approvals take at most 2 people")
        for number, line in enumerate(text.splitlines(), 1)
        if "production: 3" in line
    ]
    typed = ui.yaml_editor(CHANGED, key="policy", label="Policy", findings=findings, schema=SCHEMA, height=360)
    st.markdown(f"{len(typed.splitlines())} lines")
    ui.section("Compared with revision 4")
    ui.yaml_editor(typed, key="diff", label="Draft", read_only=True, base=DOCUMENT, base_label="Revision 4", height=360)


# Nobody signs in to the gallery.
ADA = Actor(name="ada", roles=frozenset({Role.RELEASE_MANAGER}), origin="gallery")
drawer.current_actor = lambda **_: ADA  # type: ignore[attr-defined]
PAGES = [
    st.Page(page, title=page.__name__.capitalize(), default=page is review) for page in (review, states, charts, editor)
]

st.set_page_config(page_title="Gallery", layout="wide")
overview = st.Page(ui.page_path("overview"), title="Overview", visibility="hidden")
current = st.navigation([*PAGES, overview])
st.html(ui.frame.PAGES.parent / "app" / "ui" / "style.css")
show_flash()
current.run()
