"""Keeping what is known of a log up to date: the worker reads what is new, and the page shows how far it is."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import streamlit as st

from app import ui
from app.facade import Gatehouse
from pages.parts.job_progress import follow_job, show_failure
from services.identity import Actor
from services.jobs.jobs import OPEN, JobState
from services.shadow.reading import LatestState

# A log that is written all the time is not read all the time.
_PAUSE = timedelta(seconds=20)


def keep_current(gatehouse: Gatehouse, actor: Actor, log: Path, latest: LatestState | None) -> None:
    """Have new files read where there are any, and draw that, or why it failed."""
    if latest is not None and not latest.unread_files:
        return
    shadow, now = gatehouse.shadow, gatehouse.clock()
    job = shadow.find_reading(log, actor=actor)
    if job is not None and job.state in {JobState.FAILED, JobState.CANCELLED}:
        show_failure(job)
        if st.button("Read it again", icon=":material/refresh:"):
            shadow.ask_to_read(log, actor=actor)
            st.rerun()
        return
    was_just_read = job is not None and job.ended_at is not None and now - job.ended_at < _PAUSE
    if latest is not None:
        files = ui.count(latest.unread_files, "file")
        ui.stale_notice(latest.read_at, now=now, what=f"{files} came or changed since: these figures")
        if was_just_read:
            return
    elif was_just_read:
        ui.empty_state(
            "What was read cannot be used here",
            "The log has changed since, or the worker is of another version than this page: then restart both.",
            icon="sync_problem",
        )
        if st.button("Read it again", icon=":material/refresh:"):
            shadow.ask_to_read(log, actor=actor)
            st.rerun()
        return
    open_job = job.id if job is not None and job.state in OPEN else shadow.ask_to_read(log, actor=actor)
    follow_job(gatehouse, open_job, "Reading the log")
