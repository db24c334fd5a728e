"""What runs where: every model with its pins, since when, by whose approval, how ready the ways back are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from app import ui
from app.facade import Gatehouse
from services.changes import Change, ChangeState, DecisionRecord
from services.deployments import PinSet, Ramp, RampState, Rollback, StandbyState
from services.promotions import Promotion
from services.registry.drift_values import Drift
from services.registry.values import Stage
from services.registry.writes import Watched

_MAX_RAMPS = 1000
_SHOWN_RAMPS = 15
_PAGE = 15
_UNREADY = (StandbyState.COLD, StandbyState.FAILED, StandbyState.UNPROVEN)


def show_cards(gatehouse: Gatehouse) -> None:
    """Draw the four figures."""
    pins = gatehouse.pins.list_pins()
    ramps = gatehouse.ramps.list_ramps(is_open=True, limit=_MAX_RAMPS)
    asking = sum(ramp.state is RampState.PAUSED for ramp in ramps)
    known = gatehouse.standbys.list_standbys()
    wanted = [(model, version) for model, pinned in pins.items() for version in pinned.versions]
    cold = sum(key not in known or known[key].state in _UNREADY for key in wanted)
    edits = [drift for drift in gatehouse.drifts.list_drifts(limit=200) if drift.kind is Watched.PINS]
    ui.metric_cards(
        [
            ui.Card(label="In production", value=ui.figure(len(pins)), delta=ui.count(len(pins), "model")),
            ui.Card(
                label="Ramps",
                value=ui.figure(len(ramps)),
                delta=f"{asking:,} ask for you" if asking else "none asks for you",
                tone=ui.Tone.CAUTION if asking else ui.Tone.QUIET,
            ),
            ui.Card(
                label="Warm",
                value=f"{len(wanted) - cold:,} of {len(wanted):,}",
                delta=f"{cold:,} not warm" if cold else "all ready",
                tone=ui.Tone.CAUTION if cold else ui.Tone.GOOD,
                help="Pinned versions that lie in the home, byte for byte, and were tried in the sandbox within a day.",
            ),
            ui.Card(
                label="Pins file",
                value="Edited" if edits else "In step",
                delta=ui.count(len(edits), "model") if edits else "as pinned",
                tone=ui.Tone.BAD if edits else ui.Tone.GOOD,
                help="The YAML file that serving platforms may follow.",
            ),
        ]
    )
    for drift in edits:
        _show_edit(drift)


def _show_edit(drift: Drift) -> None:
    st.warning(
        f"{ui.md(drift.describe())} Revert it with `gatehouse drift revert {drift.id} --reason TEXT`.",
        icon=":material/call_split:",
    )


def pick_model(gatehouse: Gatehouse) -> str | None:
    """Draw the table of models and return the one that was opened, if one was."""
    pager = ui.Pager("pins", size=_PAGE)
    found = gatehouse.pins.list_pins(after=pager.after, limit=pager.size)
    names = list(found)
    changes = find_changes(gatehouse, list(found.values()))
    ramps = {ramp.model: ramp for ramp in gatehouse.ramps.list_ramps(is_open=True, limit=_MAX_RAMPS)}
    standbys = gatehouse.standbys.list_standbys(names)
    states = {key: standby.state.value for key, standby in standbys.items()}
    picked = ui.data_table(
        [
            {
                "model": each.model,
                "current": each.current,
                "previous": each.previous,
                "fallback": each.fallback,
                "standbys": [states.get((each.model, version), StandbyState.COLD.value) for version in each.versions],
                "ramp": _ramp_words(ramps.get(each.model)),
                "since": each.since,
                "approved": approved_by(gatehouse, each, changes),
            }
            for each in found.values()
        ],
        [
            ui.Column(name="model", label="Model", kind=ui.Kind.OPEN, width="medium"),
            ui.Column(name="current", label="Current", kind=ui.Kind.VERSION),
            ui.Column(name="previous", label="Previous", kind=ui.Kind.VERSION),
            ui.Column(name="fallback", label="Fallback", kind=ui.Kind.VERSION),
            ui.Column(name="standbys", label="Ready", kind=ui.Kind.STATES, help="Current, previous, fallback"),
            ui.Column(name="ramp", label="Ramp"),
            ui.Column(name="since", label="Since", kind=ui.Kind.WHEN),
            ui.Column(name="approved", label="Approved by"),
        ],
        key="pins_table",
        alt="Pins of every model: versions, readiness, ramp, since when, by whose approval",
    )
    pager.draw(shown=len(found), next_after=names[-1] if len(found) == pager.size else None, noun="model")
    return None if picked.opened is None else names[picked.opened]


def show_ramps(gatehouse: Gatehouse) -> str | None:
    """Draw the ramps that go on and return the model whose ramp was opened, if one was."""
    ramps = gatehouse.ramps.list_ramps(is_open=True, limit=_SHOWN_RAMPS)
    if not ramps:
        return None
    ui.section("Ramps")
    picked = ui.data_table(
        [
            {
                "model": ramp.model,
                "champion": ramp.champion,
                "candidate": ramp.candidate,
                "share": ramp.traffic_ratio,
                "state": ramp.state.value,
                "kept": [result.outcome.value for result in ramp.guardrails],
                "attention": ramp.attention,
                "started": ramp.started_at,
            }
            for ramp in ramps
        ],
        [
            ui.Column(name="model", label="Model", kind=ui.Kind.OPEN, width="medium"),
            ui.Column(name="champion", label="From", kind=ui.Kind.VERSION),
            ui.Column(name="candidate", label="To", kind=ui.Kind.VERSION),
            ui.Column(name="share", label="Share", kind=ui.Kind.SHARE),
            ui.Column(name="state", label="State", kind=ui.Kind.STATE),
            ui.Column(name="kept", label="Guardrails", kind=ui.Kind.STATES, help="Errors, p99 latency, agreement"),
            ui.Column(name="attention", label="Waits for", width="large"),
            ui.Column(name="started", label="Started", kind=ui.Kind.WHEN),
        ],
        key="ramps_table",
        alt="Ramps that go on, newest first",
    )
    return None if picked.opened is None else ramps[picked.opened].model


def find_changes(gatehouse: Gatehouse, pins: Sequence[PinSet]) -> Mapping[int, Change]:
    """Return the changes that moved some pins, by id."""
    ids = [each.change_id for each in pins if each.change_id is not None]
    found = gatehouse.changes.list_changes(ids=ids, limit=len(ids)) if ids else []
    return {change.id: change for change in found}


def approved_by(gatehouse: Gatehouse, pinned: PinSet, changes: Mapping[int, Change]) -> str | None:
    """Return who approved the version that pins say: for one gone back to, whoever approved it before."""
    change = changes.get(pinned.change_id or 0)
    if change is None:
        return None
    approvals = change.approvals or _find_approvals(gatehouse, pinned)
    return ", ".join(record.actor for record in approvals) or None


def _find_approvals(gatehouse: Gatehouse, pinned: PinSet) -> Sequence[DecisionRecord]:
    done = gatehouse.changes.list_changes(states=[ChangeState.COMPLETED], kinds=[Promotion.name], model=pinned.model)
    is_it = {"version": pinned.current, "to": Stage.PRODUCTION.value}
    return next((change.approvals for change in done if is_it.items() <= change.payload.items()), ())


def went_back(pinned: PinSet, changes: Mapping[int, Change]) -> bool:
    """Return whether pins are there by going back."""
    change = changes.get(pinned.change_id or 0)
    return change is not None and change.kind == Rollback.name


def _ramp_words(ramp: Ramp | None) -> str | None:
    if ramp is None:
        return None
    share = f"{ramp.traffic_ratio:.0%}" if ramp.traffic_ratio else "shadow"
    return f"v{ramp.candidate} {share}" + (", paused" if ramp.state is RampState.PAUSED else "")
