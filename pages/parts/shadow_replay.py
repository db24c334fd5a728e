"""Replaying recorded data with two versions, as a job of the worker: asked for here, followed here, opened here."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app import ui
from app.facade import Gatehouse
from pages.parts.job_progress import follow_job, show_failure
from services.errors import GatehouseError
from services.identity import Actor, Permission
from services.jobs.jobs import OPEN, Job, JobState
from services.shadow.replay import ReplayOptions
from services.shadow.replay_data import SUFFIXES, Described
from services.shadow.replay_notes import Outputs

_VERSIONS_OFFERED = 50
_REPLAYS_SHOWN = 10
_OUTPUTS = {"As the model says": None, "Classes": Outputs.CLASSES, "Scores": Outputs.SCORES}


def show_replays(gatehouse: Gatehouse, actor: Actor, model: str) -> None:
    """Draw the replays of a model, and the form that asks for another."""
    jobs = gatehouse.shadow.list_replays(model, actor=actor)[:_REPLAYS_SHOWN]
    for job in jobs:
        if job.state in OPEN:
            follow_job(gatehouse, job.id, _title(job))
            if st.button("Cancel", key=f"cancel_{job.id}", icon=":material/cancel:"):
                with ui.guarded():
                    gatehouse.jobs.cancel(job.id, actor)
                    st.rerun()
    if jobs and jobs[0].state is JobState.FAILED:
        show_failure(jobs[0])
    _list_ended([job for job in jobs if job.state not in OPEN], model)
    if Permission.RUN_GATES in actor.permissions:
        _ask(gatehouse, actor, model)
    else:
        ui.refused_state("Replays are not yours to start", "An ML engineer or a release manager can start one.")


def _title(job: Job) -> str:
    return f"v{job.payload['champion']} and v{job.payload['candidate']}"


def _list_ended(jobs: list[Job], model: str) -> None:
    if not jobs:
        return
    picked = ui.data_table(
        [
            {
                "what": _title(job),
                "state": job.state.value,
                "rows": job.result["rows"] if job.result else None,
                "by": job.requested_by,
                "at": job.ended_at,
            }
            for job in jobs
        ],
        [
            ui.Column(name="what", label="Versions", kind=ui.Kind.OPEN, width="medium"),
            ui.Column(name="state", label="State", kind=ui.Kind.STATE),
            ui.Column(name="rows", label="Pairs", kind=ui.Kind.NUMBER, format="localized"),
            ui.Column(name="by", label="Asked for by"),
            ui.Column(name="at", label="Ended", kind=ui.Kind.WHEN),
        ],
        key="replays",
        alt=f"Replays of {model}, newest first",
    )
    if picked.opened is not None:
        job = jobs[picked.opened]
        for name, value in {"log": Path(job.payload["out"]).name, **job.payload}.items():
            if name in {"log", "champion", "candidate"}:
                st.query_params[name] = str(value)
        st.rerun()


def _ask(gatehouse: Gatehouse, actor: Actor, model: str) -> None:
    ui.section("Replay recorded data")
    versions = [entry.version for entry in gatehouse.index.list_versions(model, limit=_VERSIONS_OFFERED).versions]
    if len(versions) < 2:  # noqa: PLR2004 - a pair
        ui.empty_state("One version alone", "A replay scores data with two versions of the model.")
        return
    pinned = gatehouse.pins.find(model)
    champion = pinned.current if pinned and pinned.current in versions else versions[1]
    # Whoever comes for two versions is offered those.
    asked = [st.query_params.get(name, "") for name in ("champion", "candidate")]
    wanted = [next((at for at in versions if str(at) == name), None) for name in asked]
    champion, candidate = wanted[0] or champion, wanted[1] or versions[0]
    with st.form("replay", border=False):
        with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
            first = st.selectbox(
                "Champion", versions, versions.index(champion), format_func=ui.version_label, width=140
            )
            second = st.selectbox(
                "Candidate", versions, versions.index(candidate), format_func=ui.version_label, width=140
            )
            label = st.text_input("Label column", placeholder="label", width=180)
            slices = st.text_input("Slice by columns", placeholder="country, channel", width=220)
        with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
            outputs = st.selectbox("Numbers are", list(_OUTPUTS), width=180)
            threshold = st.number_input(
                "Positive from score", min_value=0.0, max_value=1.0, value=None, step=0.01, width=180
            )
            is_timed = st.checkbox("Time each row alone")
        upload = st.file_uploader("Recorded requests", type=[suffix[1:] for suffix in SUFFIXES])
        is_sent = st.form_submit_button("Replay with both versions", icon=":material/replay:")
    if not is_sent:
        return
    if upload is None:
        st.warning("Choose a Parquet, CSV or JSON-lines file first.", icon=":material/upload_file:")
        return
    options = ReplayOptions(
        described=Described(
            label=label.strip() or None, slices=tuple(each.strip() for each in slices.split(",") if each.strip())
        ),
        is_timed=is_timed,
        outputs=_OUTPUTS[outputs],
        threshold=threshold,
    )
    try:
        gatehouse.shadow.replay_upload(
            model,
            first,
            second,
            upload.getvalue(),
            suffix=Path(upload.name).suffix.lower(),
            actor=actor,
            options=options,
        )
    except GatehouseError as error:
        ui.show_error(error)
        return
    ui.flash("The worker replays it.", icon="replay")
    st.rerun()
