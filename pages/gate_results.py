"""What the gates found: the newest report of a version, all versions side by side, and one gate over versions."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app import ui
from app.ui.session import current_actor, get_gatehouse
from pages.parts.gates import exceptions_first, gate_cards, gate_evidence, gate_table, summary
from pages.parts.shadow_link import offer_shadow
from services.gates import GateMatrix, GateReport
from services.identity import Permission
from services.promotions import parse_stage
from services.registry.values import Stage

gatehouse = get_gatehouse()
actor = current_actor()
gates = gatehouse.gates
now = gatehouse.clock()

_STAGES = (Stage.PRODUCTION.value, Stage.STAGING.value)
_REPORTS, _LATEST = "Reports", "Latest versions"
_TONES = {"passed": ui.Tone.GOOD, "failed": ui.Tone.BAD, "error": ui.Tone.BAD, "inconclusive": ui.Tone.CAUTION}


def show_recent(stage: Stage) -> None:
    """Draw the newest reports of all models."""
    pager = ui.Pager("reports", reset_on=stage)
    found = gates.list_reports(stage=stage, before_id=pager.after, limit=pager.size)
    if not found:
        ui.empty_state(
            "No gates have run yet",
            "They run when somebody asks for a promotion, or with gatehouse gates run.",
            icon="rule",
            action=("catalog", "Open the catalog"),
        )
        return
    picked = ui.data_table(
        [
            {
                "what": report.reference,
                "outcome": report.outcome.value,
                "held": ", ".join(result.gate for result in report.obstacles),
                "champion": report.champion,
                "actor": report.actor,
                "at": report.at,
            }
            for report in found
        ],
        [
            ui.Column(name="what", label="Version", kind=ui.Kind.OPEN, width="medium"),
            ui.Column(name="outcome", label="Outcome", kind=ui.Kind.STATE),
            ui.Column(name="held", label="Held up by", width="large"),
            ui.Column(name="champion", label="Against", kind=ui.Kind.VERSION),
            ui.Column(name="actor", label="Run by"),
            ui.Column(name="at", label="When", kind=ui.Kind.WHEN),
        ],
        key="reports_table",
        alt="Gate reports, newest first",
    )
    pager.draw(shown=len(found), next_after=found[-1].id if len(found) == pager.size else None, noun="report")
    if picked.opened is not None:
        ui.go_in_page(model=found[picked.opened].model, version=str(found[picked.opened].version))


def show_model(model: str, stage: Stage) -> None:
    """Draw one model: a version's report, the matrix and a trend."""
    matrix = gates.get_matrix(model, stage)
    asked = st.query_params.get("version", "")
    if not matrix.reports:
        latest = gatehouse.index.get_model(model).latest_version
        ui.empty_state(f"No {stage.value.lower()} gates have run for {model}", "Ask for a promotion, or run them.")
        run_gates(model, stage, int(asked) if asked.isdecimal() else latest)
        return
    versions = [report.version for report in matrix.reports]
    wanted = int(asked) if asked.isdecimal() and int(asked) in versions else versions[0]
    version = st.selectbox("Version", versions, index=versions.index(wanted), format_func=ui.version_label, width=140)
    report = next(each for each in matrix.reports if each.version == version)
    show_report(report)
    run_gates(model, stage, version)
    ui.section("All versions")
    ordered = sorted(matrix.reports, key=lambda each: each.version)
    picked = ui.pick_from_matrix(
        ui.Matrix(
            rows=matrix.gates,
            columns=tuple(ui.version_label(each.version) for each in ordered),
            tones=tuple(
                tuple(
                    _TONES[cell.outcome.value] if (cell := matrix.cells.get((gate, each.version))) else None
                    for each in ordered
                )
                for gate in matrix.gates
            ),
        ),
        key="matrix",
        alt=f"Gates of {model} by version; what was found at a cell shows on a click",
    )
    if picked is not None:
        show_cell(matrix, *picked)
    show_trend(model, stage, matrix.gates)


def show_cell(matrix: GateMatrix, gate: str, label: str) -> None:
    """Draw the evidence of the gate and the version that were clicked."""
    for report in matrix.reports:
        result = matrix.cells.get((gate, report.version))
        if result is not None and ui.version_label(report.version) == label:
            gate_evidence(result.to_json(), of=label)


def show_report(report: GateReport) -> None:
    """Draw one report."""
    results = exceptions_first(report.to_json()["gates"])
    against = f"against v{report.champion}" if report.champion else "no champion to compare with"
    ui.fact_line(
        ui.state_markdown(report.outcome.value),
        summary(results),
        against,
        f"policy {ui.md(report.policy_revision)}",
        ("run", report.at),
        now=now,
    )
    gate_cards(results)
    gate_table(results, key="report")
    if report.champion is not None and report.champion != report.version:
        offer_shadow(report.model, report.champion, report.version)


def show_trend(model: str, stage: Stage, names: tuple[str, ...]) -> None:
    """Draw how one gate went over versions."""
    ui.section("One gate over versions")
    gate = st.selectbox("Gate", names, key="trend_gate", width=320)
    points = [
        (point.version, point.result.observed, point.result.threshold)
        for point in gates.list_trend(model, stage, gate)
        if isinstance(point.result.observed, int | float) and not isinstance(point.result.observed, bool)
    ]
    if not points:
        ui.empty_state("Nothing was measured", "This gate observes no number.", icon="show_chart")
        return
    limit = points[-1][2]
    ui.show_lines(
        [ui.Line(name=gate, x=tuple(f"v{point[0]}" for point in points), y=tuple(float(point[1]) for point in points))],
        markers=[ui.Marker(name="limit", at=float(limit))] if isinstance(limit, int | float) else [],
        key="trend",
        alt=f"{gate} over versions of {model}",
    )


def run_gates(model: str, stage: Stage, version: int | None) -> None:
    """Offer to run the gates now."""
    if version is None or Permission.RUN_GATES not in actor.permissions:
        return
    if st.button(f"Run gates now on {ui.version_label(version)}", icon=":material/refresh:"):
        with ui.guarded(), st.spinner("Running the gates …"):
            gates.run(gatehouse.registry.get_version(model, version), stage, actor=actor)
            ui.flash("The gates ran.")
            st.rerun()


def show_latest(stage: Stage) -> None:
    """Draw the latest version of every model, judged on records, once somebody asks for it."""
    if Permission.RUN_GATES not in actor.permissions:
        ui.refused_state("You may not run gates", "Ask somebody with the role ML engineer.")
        return
    # The registry is asked for all of it, so on demand alone; what it said stays while one looks around.
    kept = f"swept_{stage.value}"
    if st.button("Judge all latest versions", icon=":material/refresh:"):
        with ui.guarded(), st.spinner("Judging the latest version of every model …"):
            st.session_state[kept] = gates.run_records(stage, actor=actor)
    reports: Sequence[GateReport] | None = st.session_state.get(kept)
    if not reports:
        title = "Nothing was judged yet" if reports is None else "There are no models"
        ui.empty_state(title, "Gates that need no files and no measurement are judged for every model at once.")
        return
    held = [report for report in reports if report.obstacles]
    ui.fact_line(
        f"{ui.strong(ui.figure(len(held)))} of {ui.count(len(reports), 'version')} held up",
        "judged on records alone, so that none may move by this",
        ("judged", reports[0].at),
        now=now,
    )
    picked = ui.data_table(
        [
            {
                "what": report.reference,
                "outcome": report.outcome.value,
                "held": ", ".join(result.gate for result in report.obstacles),
                "why": " ".join(result.message for result in report.obstacles),
                "champion": report.champion,
            }
            for report in reports
        ],
        [
            ui.Column(name="what", label="Version", kind=ui.Kind.OPEN, width="medium"),
            ui.Column(name="outcome", label="Outcome", kind=ui.Kind.STATE),
            ui.Column(name="held", label="Held up by", width="medium"),
            ui.Column(name="why", label="Why", width="large"),
            ui.Column(name="champion", label="Against", kind=ui.Kind.VERSION),
        ],
        key="latest_table",
        alt="Latest version of every model, the worst first",
        max_rows=25,
    )
    if picked.opened is not None:
        ui.go_in_page(model=reports[picked.opened].model, version=str(reports[picked.opened].version))


model = st.query_params.get("model")
ui.page_header(
    f"Gate results: {model}" if model else "Gate results", back=("gate_results", "All reports") if model else None
)
stage = parse_stage(
    st.segmented_control("Stage", _STAGES, key="stage", default=_STAGES[0], required=True, label_visibility="collapsed")
)
if model:
    show_model(model, stage)
else:
    view = st.segmented_control(
        "Which",
        (_REPORTS, _LATEST),
        key="view",
        default=_REPORTS,
        required=True,
        label_visibility="collapsed",
        bind="query-params",
    )
    if view == _LATEST:
        show_latest(stage)
    else:
        show_recent(stage)
