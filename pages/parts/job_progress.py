"""A job as people see it: how far it is while it runs, and why it failed."""

from __future__ import annotations

from datetime import timedelta

import streamlit as st

from app import ui
from app.facade import Gatehouse
from services.jobs.jobs import OPEN, Job, JobState

_WAITS_LONG = timedelta(seconds=15)
_EVERY_S = 1


@st.fragment(run_every=_EVERY_S)
def follow_job(gatehouse: Gatehouse, job_id: int, words: str) -> None:
    """Draw how far a job is, again and again; the page is drawn anew when it ends."""
    job = gatehouse.jobs.get(job_id)
    if job.state not in OPEN:
        st.rerun()
    if job.state is JobState.QUEUED and gatehouse.clock() - job.created_at > _WAITS_LONG:
        st.warning(
            "Start the worker (`gatehouse worker`, or `gatehouse up` for everything).",
            title=f"{ui.md(words)}: no worker has taken it up",
            icon=":material/hourglass_top:",
        )
        return
    st.progress(_share(job), text=f"{ui.md(words)} · {progress_words(job)}")


def progress_words(job: Job) -> str:
    """Return how far a job is, such as `20,000 of 50,000 rows read`."""
    progress = job.progress
    if job.state is JobState.QUEUED:
        return "waits for a worker"
    done = f"{progress.done:,}" if progress.total is None else f"{progress.done:,} of {progress.total:,}"
    return f"{done} {ui.md(progress.note)}".strip() if progress.done or progress.total else "begins"


def show_failure(job: Job) -> None:
    """Draw why a job failed, or that it was cancelled."""
    if job.error is None:
        st.warning(f"Job {job.id} was cancelled.", icon=":material/cancel:")
        return
    st.error(ui.prose(job.error.next_step), title=ui.md(job.error.message), icon=":material/error:")


def _share(job: Job) -> float:
    progress = job.progress
    return min(1.0, progress.done / progress.total) if progress.total else 0.0
