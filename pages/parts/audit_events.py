"""Events of the audit log as a table or as a timeline by day, and everything that one of them says."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, date, timedelta
from itertools import groupby

import streamlit as st

from app import ui
from services.audit import Event, EventQuery
from services.identity import Actor, Permission
from services.identity.auditing import Auditing

_MOST_DAYS = 92
_ICONS = {
    "granted": "check_circle",
    "completed": "check_circle",
    "succeeded": "login",
    "made": "add_circle",
    "refused": "block",
    "rejected": "cancel",
    "failed": "error",
    "aborted": "error",
    "detected": "warning",
    "written": "download",
    "redacted": "visibility_off",
    "started": "play_circle",
}


def show_days(auditing: Auditing, actor: Actor, query: EventQuery) -> None:
    """Draw how many events each day has, or each month where the days are many; nothing for a single day."""
    days = auditing.count_days(actor, query)
    if len(days) < 2:  # noqa: PLR2004 - one bar compares nothing
        return
    first, last = min(days), max(days)
    if (last - first).days < _MOST_DAYS:
        shown = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        names, values = [f"{each:%d %b %Y}" for each in shown], [days.get(each, 0) for each in shown]
        said = "Events a day"
    else:
        months = groupby(sorted(days), key=lambda each: each.replace(day=1))
        counted = {month: sum(days[each] for each in those) for month, those in months}
        names, values = [f"{month:%b %Y}" for month in counted], list(counted.values())
        said = "Events a month"
    st.markdown(f":gray[:small[{said}, UTC]]")
    ui.show_bars(names, values, key="histogram", alt=said, height=150)


def show_events(auditing: Auditing, actor: Actor, query: EventQuery, *, as_timeline: bool) -> None:
    """Draw one page of events, newest first."""
    pager = ui.Pager("events", size=20, reset_on=(query, as_timeline))
    page = auditing.list_events(actor, query, before_seq=pager.after, newest_first=True, limit=pager.size)
    if not page.events:
        ui.empty_state("No event is like this", "Take a filter away to see more.", icon="search_off")
        return
    chosen = None
    if as_timeline:
        _timeline(page.events)
    else:
        chosen = _table(page.events)
    pager.draw(shown=len(page.events), next_after=page.next_seq, noun="event")
    if chosen is not None:
        show_event(auditing, actor, chosen)


def show_event(auditing: Auditing, actor: Actor, event: Event) -> None:
    """Draw everything one event says, and what can be done about it."""
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
    with st.expander("Proof that it is in the log (RFC 6962)"):
        st.code(json.dumps(auditing.prove(actor, event.seq).to_json(), indent=2), language="json", wrap_lines=True)
    if Permission.REDACT_AUDIT in actor.permissions:
        _redaction(auditing, actor, event)


def _redaction(auditing: Auditing, actor: Actor, event: Event) -> None:
    places = auditing.list_personal(actor, event.seq)
    if places and st.button("Forget personal values…", icon=":material/visibility_off:", key="redact"):
        ui.open_drawer(
            ui.Confirmation(
                key="redact",
                title=f"Forget what event {event.seq} says about a person",
                icon="visibility_off",
                text="The values are deleted for good. Their salted hashes stay in the event, so the log still "
                "verifies, and who forgot them, when and why becomes an event itself.",
                facts=[("Places", ui.md(", ".join(places)))],
                placeholder="Who asked for it, and on what ground?",
                confirm="Forget them",
                run=lambda who, reason: auditing.redact(who, [(event.seq, place) for place in places], reason=reason),
                done="The values are forgotten.",
            )
        )


def _table(events: Sequence[Event]) -> Event | None:
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
            for event in events
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
    return events[picked.selected[0]] if picked.selected else None


def _timeline(events: Sequence[Event]) -> None:
    for day, those in groupby(events, key=lambda event: event.at.astimezone(UTC).date()):
        _day(day, those)


def _day(day: date, events: Iterable[Event]) -> None:
    with ui.panel():
        st.markdown(f"**{day:%A, %d %B %Y}**")
        for event in events:
            what = event.action.rpartition(":")[2]
            icon = _ICONS.get(what, "radio_button_unchecked")
            said = f"{ui.strong(ui.action_words(event.action))} · {ui.md(event.subject)}"
            told = f": {ui.md(event.reason)}" if event.reason else ""
            time = f":gray[{event.at.astimezone(UTC):%H:%M:%S}]"
            st.markdown(f"{time} :material/{icon}: {said} :gray[by {ui.md(event.actor)}{told}]")
