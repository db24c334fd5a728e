"""One ramp: how far it is, its figures against their guardrails, what it waits for, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import streamlit as st

from app import ui
from app.facade import Gatehouse
from services.deployments import Ramp, RampState
from services.deployments.guardrails import GuardrailResult
from services.deployments.ramp_plan import RampPlanText
from services.identity import Actor, Permission

_REFRESH_SECONDS = 10
_NAMES = {"error_rate": "Error rate", "latency_p99": "p99 latency", "agreement": "Agreement"}
_TONES = {
    "passed": ui.Tone.GOOD,
    "inconclusive": ui.Tone.CAUTION,
    "error": ui.Tone.BAD,
    "failed": ui.Tone.BAD,
}


def show_ramp(gatehouse: Gatehouse, actor: Actor, model: str) -> None:
    """Draw the ramp that goes on, or the last one, or how one is begun."""
    ui.section("Ramp")
    ramp = gatehouse.ramps.find_latest(model)
    if ramp is None:
        ui.empty_state(
            "No ramp so far",
            f"A candidate takes over step by step after `gatehouse ramp start {model} --candidate VERSION`.",
            icon="trending_up",
        )
    elif ramp.is_open:
        st.fragment(run_every=_REFRESH_SECONDS)(_show_live)(gatehouse, ramp.id)
        _show_actions(gatehouse, actor, ramp)
        _show_way(gatehouse, ramp)
    else:
        _show_state(gatehouse, ramp)
        _show_way(gatehouse, ramp)
    if Permission.PROMOTE_TO_PRODUCTION in actor.permissions and (ramp is None or not ramp.is_open):
        _show_start(gatehouse, model)


def _show_live(gatehouse: Gatehouse, ramp_id: int) -> None:
    with ui.guarded():
        ramp = gatehouse.ramps.get(ramp_id)
        _show_state(gatehouse, ramp)
        if not ramp.is_open:
            st.rerun()


def _show_state(gatehouse: Gatehouse, ramp: Ramp) -> None:
    now = gatehouse.clock()
    plan = gatehouse.ramps.get_plan(ramp)
    with ui.panel():
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            ui.state_badge(ramp.state.value)
            st.markdown(
                f"v{ramp.champion} → v{ramp.candidate} · **{_share(ramp.traffic_ratio)}**"
                + (f" · step {ramp.step + 1} of {len(plan.steps)}" if ramp.is_open else ""),
                width="content",
            )
        if ramp.attention:
            kind = st.info if ramp.state is RampState.COMPLETED else st.warning
            kind(ui.md(ramp.attention), icon=":material/priority_high:")
        _show_steps(ramp, plan)
        if ramp.is_open:
            part = (now - ramp.step_started_at) / max(
                ramp.due_at - ramp.step_started_at, plan.steps[0].duration * 0.001
            )
            st.progress(min(1.0, max(0.0, part)), text=_progress_words(gatehouse, ramp))
            measured = max((result.pairs for result in ramp.guardrails), default=0)
            counted = ui.count(measured, "request") if measured else None
            ui.fact_line(("checked", ramp.checked_at), counted, f"by {ui.md(ramp.plan_revision)}", now=now, small=True)
        if ramp.guardrails:
            _show_guardrails(ramp)
        elif ramp.is_open:
            st.markdown(":gray[The guardrails have not been looked at in this step yet.]")


def _progress_words(gatehouse: Gatehouse, ramp: Ramp) -> str:
    left = ramp.due_at - gatehouse.clock()
    return f"This step lasts {ui.duration(left)} more" if left > timedelta() else "This step has lasted long enough"


def _show_steps(ramp: Ramp, plan: RampPlanText) -> None:
    badges = []
    for index, step in enumerate(plan.steps):
        words = f"{step.traffic_percent:g} %" if step.ratio else "Shadow"
        is_done = index < ramp.step or ramp.state is RampState.COMPLETED
        if is_done:
            badges.append(f":green-badge[:material/check: {words}]")
        elif index == ramp.step:
            style = ui.style_of(ramp.state.value)
            badges.append(f":{style.tone}-badge[:material/{style.icon}: {words}]")
        else:
            badges.append(f":gray-badge[{words}]")
    st.markdown(" ".join(badges))


def _show_guardrails(ramp: Ramp) -> None:
    ui.metric_cards([_card(result) for result in ramp.guardrails])


def _card(result: GuardrailResult) -> ui.Card:
    words = {"passed": "kept", "failed": "broken", "inconclusive": "open", "error": "error"}
    return ui.Card(
        label=_NAMES.get(result.guardrail, result.guardrail),
        value=_told(result.observed, result.unit),
        delta=words[result.outcome.value],
        tone=_TONES[result.outcome.value],
        note=f"{'at most' if result.is_upper else 'at least'} {_told(result.limit, result.unit)}",
        help=ui.md(result.message),
    )


def _told(value: float | None, unit: str) -> str:
    if value is None:
        return ui.NOTHING
    return f"{value:.2%}" if unit == "ratio" else f"{value:,.4g} {unit}".strip()


def _share(ratio: float) -> str:
    return f"{ratio * 100:g} % of requests get the candidate" if ratio else "nobody gets the candidate's answers"


def _show_way(gatehouse: Gatehouse, ramp: Ramp) -> None:
    with st.expander("What happened"):
        ui.data_table(
            [
                {
                    "at": entry.at,
                    "what": entry.what,
                    "share": entry.traffic_ratio,
                    "actor": entry.actor,
                    "reason": entry.reason,
                }
                for entry in reversed(gatehouse.ramps.list_entries(ramp.id))
            ],
            [
                ui.Column(name="at", label="When", kind=ui.Kind.WHEN),
                ui.Column(name="what", label="What", kind=ui.Kind.STATE),
                ui.Column(name="share", label="Share", kind=ui.Kind.SHARE),
                ui.Column(name="actor", label="Who"),
                ui.Column(name="reason", label="Why", width="large"),
            ],
            key="ramp_way",
            alt="What happened to this ramp, newest first",
        )


def _show_actions(gatehouse: Gatehouse, actor: Actor, ramp: Ramp) -> None:
    ramps, model = gatehouse.ramps, ramp.model
    may_promote = Permission.PROMOTE_TO_PRODUCTION in actor.permissions
    may_stop = Permission.ROLL_BACK in actor.permissions
    with st.container(horizontal=True, gap="small"):
        if may_stop and ramp.state is not RampState.PROMOTING:
            _action(
                "Abort", "stop_circle", ramp, lambda who, reason: ramps.abort(model, actor=who, reason=reason), ABORT
            )
        if may_stop and ramp.state is RampState.RUNNING:
            _action(
                "Pause", "pause_circle", ramp, lambda who, reason: ramps.pause(model, actor=who, reason=reason), PAUSE
            )
        if may_promote and ramp.state is RampState.PAUSED:
            _action(
                "Resume", "play_arrow", ramp, lambda who, reason: ramps.resume(model, actor=who, reason=reason), RESUME
            )
        if may_promote and ramp.state is not RampState.PROMOTING:
            _action(
                "Advance",
                "skip_next",
                ramp,
                lambda who, reason: ramps.advance(model, actor=who, reason=reason),
                ADVANCE,
            )


ABORT = "The version in production answers every request again, at once."
PAUSE = "It stays at this share until somebody resumes it. Guardrails are watched all the same."
RESUME = "It goes on by itself, for as long as the step lasts if its time is over."
ADVANCE = "It goes on to the next step now, before its time or although a guardrail was left open."


def _action(word: str, icon: str, ramp: Ramp, run: Callable[[Actor, str], Any], text: str) -> None:
    if st.button(f"{word}…", key=f"ramp_{word.lower()}", icon=f":material/{icon}:"):
        ui.open_drawer(
            ui.Confirmation(
                key=f"ramp_{word.lower()}_{ramp.id}",
                title=f"{word} the ramp of {ramp.model}",
                icon=icon,
                text=text,
                facts=[
                    ("In production", ui.version_label(ramp.champion)),
                    ("Candidate", ui.version_label(ramp.candidate)),
                    ("Share", _share(ramp.traffic_ratio)),
                ],
                placeholder="Why now?",
                confirm=f"{word} the ramp",
                run=run,
                done=f"The ramp of {ui.md(ramp.model)}: {word.lower()}.",
            )
        )


def _show_start(gatehouse: Gatehouse, model: str) -> None:
    pinned = gatehouse.pins.get(model)
    page = gatehouse.index.list_versions(model, limit=20)
    versions = [version.version for version in page.versions if version.version != pinned.current]
    if not versions:
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        candidate = st.selectbox("Candidate", versions, format_func=ui.version_label, key="ramp_candidate", width=160)
        if st.button("Start a ramp…", key="ramp_start", icon=":material/trending_up:"):
            ui.open_drawer(
                ui.Confirmation(
                    key=f"ramp_start_{model}_{candidate}",
                    title=f"Ramp {model} to v{candidate}",
                    icon="trending_up",
                    text="The candidate is tried in the sandbox, and then runs beside what serves by the ramp plan in "
                    "force. Shares above shadow need an approved promotion of this version to production.",
                    facts=[
                        ("In production", ui.version_label(pinned.current)),
                        ("Candidate", ui.version_label(candidate)),
                    ],
                    placeholder="What should it show?",
                    confirm="Start the ramp",
                    run=lambda who, reason: gatehouse.ramps.start(model, candidate=candidate, actor=who, reason=reason),
                    done=f"A ramp of {ui.md(model)} to v{candidate} has begun.",
                )
            )
