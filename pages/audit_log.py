"""The record: who did what, when, why; whether it is whole; and taking it along."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import streamlit as st

from app import ui
from app.ui.session import current_actor, get_gatehouse
from services.audit import Event, EventQuery
from services.identity import Permission

gatehouse = get_gatehouse()
actor = current_actor()
auditing = gatehouse.auditing
now = gatehouse.clock()

_PERIODS = {"All time": None, "24 hours": timedelta(days=1), "7 days": timedelta(days=7), "30 days": timedelta(days=30)}


def show_integrity() -> None:
    """Draw how the log stands, and verify it on request."""
    integrity = auditing.get_integrity()
    checkpoint = integrity.checkpoint
    ui.metric_cards(
        [
            ui.Card(label="Events", value=ui.figure(integrity.size)),
            ui.Card(
                label="Integrity",
                value="Broken" if integrity.problem else "Whole",
                delta="nothing more is written" if integrity.problem else "agrees with its last checkpoint",
                tone=ui.Tone.BAD if integrity.problem else ui.Tone.GOOD,
            ),
            ui.Card(
                label="Covered by a checkpoint",
                value=ui.figure(checkpoint.size if checkpoint else None),
                note="signed, kept outside the database",
            ),
        ]
    )
    if integrity.problem:
        st.error(ui.md(integrity.problem), title="The record does not verify", icon=":material/gpp_bad:")


def verify() -> None:
    """Verify every event, telling how far it is."""
    bar = st.progress(0.0, "Verifying …")

    def tell(done: int, total: int) -> None:
        bar.progress(done / max(total, 1), f"{done:,} of {total:,}")

    found = auditing.verify(actor, tell)
    bar.empty()
    if found.is_verified:
        st.success(
            f"{ui.count(found.size, 'event')} verify and agree with {ui.count(found.checkpoints, 'checkpoint')}.",
            icon=":material/verified_user:",
        )
    for problem in found.problems:
        st.error(ui.md(problem.message), icon=":material/gpp_bad:")


def export_bytes(form: str) -> bytes:
    """Return an export as bytes, written when somebody asks for it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"audit.{form}"
        if form == "csv":
            auditing.export_table(actor, path, read_query(), reason="from the audit page")
        else:
            auditing.export_leaves(actor, path, reason="from the audit page")
        return path.read_bytes()


def read_query() -> EventQuery:
    """Return what the filters say."""
    chosen = st.session_state
    period = _PERIODS[chosen.get("period", "All time")]
    subject = str(chosen.get("request") or "").strip()
    return EventQuery(
        since=None if period is None else now - period,
        actor=chosen.get("who") or None,
        action=chosen.get("what") or None,
        model=chosen.get("model") or None,
        change_id=int(subject) if subject.isdecimal() else None,
        text=str(chosen.get("words") or "").strip() or None,
    )


def show_filters() -> None:
    """Draw the filters, each with what occurs in the log."""
    counts = auditing.count_values(actor)
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        st.text_input("Words", key="words", placeholder="Search", icon=":material/search:", width=190)
        st.selectbox("Who", list(counts["actor"]), key="who", index=None, placeholder="Anybody", width=150)
        st.selectbox("What", list(counts["action"]), key="what", index=None, placeholder="Anything", width=210)
        st.selectbox("Model", list(counts["model"]), key="model", index=None, placeholder="Any", width=160)
        st.text_input("Request", key="request", placeholder="Number", width=100)
        st.selectbox("When", list(_PERIODS), key="period", width=130)


def show_days(query: EventQuery) -> None:
    """Draw how many events each day has."""
    days = auditing.count_days(actor, query)
    if len(days) > 1:
        ui.show_bars(
            tuple(f"{each:%d %b}" for each in days), list(days.values()), key="days", alt="Events a day", height=140
        )


def show_events(query: EventQuery) -> None:
    """Draw one page of events, newest first, and the one that is selected."""
    pager = ui.Pager("events", size=20, reset_on=query)
    page = auditing.list_events(actor, query, before_seq=pager.after, newest_first=True, limit=pager.size)
    if not page.events:
        ui.empty_state("No event is like this", "Take a filter away to see more.", icon="search_off")
        return
    picked = ui.data_table(
        [
            {
                "seq": event.seq,
                "at": event.at,
                "actor": event.actor,
                "action": event.action,
                "subject": event.subject,
                "reason": event.reason,
            }
            for event in page.events
        ],
        [
            ui.Column(name="seq", label="No.", kind=ui.Kind.NUMBER, width="small", format="%d"),
            ui.Column(name="at", label="When", kind=ui.Kind.WHEN),
            ui.Column(name="actor", label="Who"),
            ui.Column(name="action", label="What", width="medium"),
            ui.Column(name="subject", label="About"),
            ui.Column(name="reason", label="Why", width="large"),
        ],
        key="events_table",
        alt="Events, newest first",
        select="one",
    )
    pager.draw(shown=len(page.events), next_after=page.next_seq, noun="event")
    if picked.selected:
        show_event(page.events[picked.selected[0]])


def show_event(event: Event) -> None:
    """Draw everything one event says."""
    ui.section(f"Event {event.seq}")
    ui.key_values(
        [
            ("At", ui.exact(event.at.astimezone(UTC))),
            ("Who", ui.md(event.actor)),
            ("What", ui.md(event.action)),
            ("About", ui.md(event.subject)),
            ("Why", ui.md(event.reason)),
            ("Under", ui.md(event.policy_revision or "")),
            ("From", ui.md(event.origin)),
        ],
        alt=f"Event {event.seq}",
    )
    before, after = st.columns(2)
    for column, title, value in ((before, "Before", event.before), (after, "After", event.after)):
        with column:
            st.markdown(f":gray[{title}]")
            st.code(json.dumps(value, indent=2, ensure_ascii=False), language="json", wrap_lines=True)


ui.page_header("Audit log")
if Permission.READ_AUDIT not in actor.permissions:
    show_integrity()
    ui.refused_state("The record is not shown to you", "Ask an admin for the role compliance reviewer.")
    st.stop()

show_integrity()
show_filters()
query = read_query()
with ui.guarded():
    show_days(query)
    show_events(query)
with st.container(horizontal=True, gap="small"):
    if st.button("Verify all", icon=":material/verified_user:"):
        with ui.guarded():
            verify()
    if Permission.EXPORT_AUDIT in actor.permissions:
        stamp = f"{datetime.now(UTC):%Y-%m-%d}"
        for form, words in (("jsonl", "Export (verifiable)"), ("csv", "Export what is shown (CSV)")):
            st.download_button(
                words,
                data=partial(export_bytes, form),
                file_name=f"gatehouse-audit-{stamp}.{form}",
                on_click="ignore",
                icon=":material/download:",
                key=f"export_{form}",
            )
