"""What of the audit log is asked for: words, person, action, model, request and time, all of it in the address."""

from __future__ import annotations

from datetime import datetime, timedelta

import streamlit as st

from services.audit import EventQuery
from services.identity import Actor
from services.identity.auditing import Auditing

_PERIODS = {"All time": None, "24 hours": timedelta(days=1), "7 days": timedelta(days=7), "30 days": timedelta(days=30)}
_EXACT = "Between two days"
_LONGEST_NUMBER = 18


def show(auditing: Auditing, actor: Actor, now: datetime) -> EventQuery:
    """Draw the filters, each with what occurs in the log, and return what they say."""
    counts = auditing.count_values(actor)
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        words = st.text_input(
            "Words", key="words", placeholder="Search", icon=":material/search:", bind="query-params", width=170
        )
        who = _choose("Who", "who", list(counts["actor"]), "Anybody", 135)
        what = _choose("What", "what", _with_groups(list(counts["action"])), "Anything", 200)
        model = _choose("Model", "model", list(counts["model"]), "Any", 150)
        request = st.text_input("Request", key="request", placeholder="Number", bind="query-params", width=95)
        period = st.selectbox("When", [*_PERIODS, _EXACT], key="when", bind="query-params", width=140)
    since, until = _between(now) if period == _EXACT else (_since(period, now), None)
    number = str(request or "").strip().removeprefix("#")
    return EventQuery(
        since=since,
        until=until,
        actor=who,
        action=what,
        model=model,
        change_id=int(number) if number.isdecimal() and len(number) <= _LONGEST_NUMBER else None,
        text=str(words or "").strip() or None,
    )


def _choose(label: str, key: str, found: list[str], nothing: str, width: int) -> str | None:
    return st.selectbox(label, found, key=key, index=None, placeholder=nothing, bind="query-params", width=width)


def _with_groups(actions: list[str]) -> list[str]:
    """Return actions by name, each group of them before its members: `promotion` finds every action of promotions."""
    groups = {":".join(action.split(":")[:count]) for action in actions for count in (1, 2)}
    return sorted({*actions, *groups})


def _since(period: str, now: datetime) -> datetime | None:
    length = _PERIODS[period]
    # To the minute, so that the same question stays the same for as long as a reader turns pages.
    return None if length is None else (now - length).replace(second=0, microsecond=0)


def _between(now: datetime) -> tuple[datetime | None, datetime | None]:
    chosen = st.date_input("From and to (UTC days)", value=(now.date() - timedelta(days=30), now.date()), key="days")
    # While a reader has chosen the first day alone, there is one.
    moments = [datetime(day.year, day.month, day.day, tzinfo=now.tzinfo) for day in chosen]
    since = moments[0] if moments else None
    return since, moments[1] + timedelta(days=1) if len(moments) > 1 else None
