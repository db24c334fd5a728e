"""Colour only for state: the one closed mapping from an outcome or state to what a person sees of it.

A state that is not in the mapping is drawn as it is written, in grey: what nobody knows never looks like a pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

import streamlit as st

from services.untrusted.escape import as_line, as_markdown

BadgeColor = Literal["green", "red", "orange", "blue", "violet", "gray"]


class Tone(StrEnum):
    """How something is meant; the value is Streamlit's name of the colour."""

    GOOD = "green"
    BAD = "red"
    CAUTION = "orange"
    ACTIVE = "blue"
    SPECIAL = "violet"
    QUIET = "gray"

    @property
    def color(self) -> BadgeColor:
        """The colour for Streamlit's calls."""
        return self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class StateStyle:
    """How one state is drawn."""

    label: str
    tone: Tone
    icon: str

    @property
    def markdown(self) -> str:
        """The state as a badge inside Markdown."""
        return f":{self.tone.color}-badge[:material/{self.icon}: {as_markdown(self.label)}]"


def _styles(tone: Tone, **icons: str) -> dict[str, StateStyle]:
    return {
        state: StateStyle(label=state.replace("_", " ").capitalize(), tone=tone, icon=icon)
        for state, icon in icons.items()
    }


STATES = MappingProxyType(
    {
        # Outcomes of gates and of every check
        **_styles(Tone.GOOD, passed="check", ok="check", verified="verified_user", valid="check", ready="check"),
        **_styles(Tone.BAD, failed="close", error="error", unverified="gpp_bad", invalid="close"),
        **_styles(Tone.CAUTION, inconclusive="help", not_ready="schedule", missing="help"),
        **_styles(Tone.SPECIAL, waived="verified", dry_run="science"),
        **_styles(Tone.QUIET, not_run="remove", unknown="question_mark", none="remove"),
        # Changes
        **_styles(Tone.GOOD, approved="check", completed="check_circle", in_force="check_circle"),
        **_styles(Tone.BAD, blocked="block", rejected="close"),
        **_styles(
            Tone.ACTIVE, awaiting_approval="hourglass_top", executing="sync", proposed="outbox", pending="schedule"
        ),
        **_styles(Tone.CAUTION, void="published_with_changes", changes_requested="rate_review"),
        **_styles(Tone.BAD, expires_soon="timer"),
        **_styles(
            Tone.QUIET, cancelled="cancel", expired="timer_off", draft="edit", superseded="history", reverted="undo"
        ),
        **_styles(Tone.QUIET, commented="chat_bubble", requested="outbox", evidence_renewed="refresh"),
        # Signatures
        **_styles(Tone.GOOD, compatible="check", added="add"),
        **_styles(Tone.QUIET, identical="drag_handle", same="drag_handle", reordered="swap_vert"),
        **_styles(Tone.CAUTION, risky="warning", default_changed="edit", made_required="lock", reshaped="aspect_ratio"),
        **_styles(Tone.BAD, breaking="broken_image", removed="remove", retyped="swap_horiz"),
        **_styles(Tone.ACTIVE, made_optional="lock_open"),
        "signature_present": StateStyle(label="Present", tone=Tone.GOOD, icon="check"),
        "answer_yes": StateStyle(label="Yes", tone=Tone.GOOD, icon="check"),
        "answer_no": StateStyle(label="No", tone=Tone.BAD, icon="close"),
        "answer_not_applicable": StateStyle(label="Does not apply", tone=Tone.QUIET, icon="remove"),
        "answer_open": StateStyle(label="Open", tone=Tone.CAUTION, icon="pending"),
        "sunset_near": StateStyle(label="Deprecated", tone=Tone.CAUTION, icon="hourglass_bottom"),
        "sunset_over": StateStyle(label="Past sunset", tone=Tone.BAD, icon="event_busy"),
        "signature_absent": StateStyle(label="None", tone=Tone.CAUTION, icon="priority_high"),
        "signature_inputs_only": StateStyle(label="Inputs only", tone=Tone.CAUTION, icon="priority_high"),
        "signature_no_inputs": StateStyle(label="No inputs", tone=Tone.CAUTION, icon="priority_high"),
        "signature_unreadable": StateStyle(label="Unreadable", tone=Tone.BAD, icon="error"),
        "signature_gone": StateStyle(label="Files gone", tone=Tone.BAD, icon="error"),
        "signature_pending": StateStyle(label="To be read", tone=Tone.QUIET, icon="schedule"),
        "signature_unknown": StateStyle(label="Unknown", tone=Tone.QUIET, icon="question_mark"),
        # Stages and what runs where
        **_styles(Tone.SPECIAL, production="rocket_launch", current="rocket_launch"),
        **_styles(Tone.ACTIVE, staging="science", previous="history", fallback="support", shadow="visibility"),
        **_styles(Tone.QUIET, archived="inventory_2", stopped="stop_circle", disabled="person_off"),
        **_styles(Tone.ACTIVE, ramping="trending_up", running="sync", queued="schedule", ramp="trending_up"),
        **_styles(Tone.ACTIVE, started="play_arrow", advanced="trending_up", resumed="play_arrow", promoting="sync"),
        **_styles(Tone.QUIET, overtaken="call_merge"),
        **_styles(
            Tone.CAUTION, paused="pause_circle", rolled_back="undo", aborted="stop_circle", stale="history_toggle_off"
        ),
        **_styles(Tone.GOOD, full="rocket_launch", warm="local_fire_department", active="check", healthy="check"),
        **_styles(Tone.CAUTION, unproven="help", cold="ac_unit", drift="call_split", deprecated="event_busy"),
        **_styles(Tone.BAD, down="error", silent="signal_disconnected"),
        **_styles(Tone.CAUTION, degraded="warning", not_pinned="call_split"),
        # Judgements on shadow traffic
        **_styles(Tone.GOOD, promote="trending_up"),
        **_styles(Tone.ACTIVE, not_yet="hourglass_top"),
        **_styles(Tone.BAD, stop="front_hand"),
        "continue": StateStyle(label="Continue", tone=Tone.ACTIVE, icon="play_arrow"),
        # Health of a model
        "good": StateStyle(label="Good", tone=Tone.GOOD, icon="check"),
        "attention": StateStyle(label="Attention", tone=Tone.CAUTION, icon="priority_high"),
        # Risk
        "low": StateStyle(label="Low risk", tone=Tone.QUIET, icon="keyboard_arrow_down"),
        "medium": StateStyle(label="Medium risk", tone=Tone.CAUTION, icon="priority_high"),
        "high": StateStyle(label="High risk", tone=Tone.CAUTION, icon="priority_high"),
    }
)


def style_of(state: str) -> StateStyle:
    """Return how `state` is drawn; an enum member, its value in any case, or a text nobody foresaw.

    >>> style_of("Awaiting approval").tone
    <Tone.ACTIVE: 'blue'>
    >>> style_of("splendid").tone
    <Tone.QUIET: 'gray'>
    """
    known = STATES.get(state.strip().lower().replace(" ", "_").replace("-", "_"))
    return known or StateStyle(label=as_line(state), tone=Tone.QUIET, icon="question_mark")


def state_badge(state: str, *, label: str | None = None, help: str | None = None) -> None:  # noqa: A002 (Streamlit's name for it)
    """Draw one state as a badge; `label` replaces its words, `help` shows on hover."""
    style = style_of(state)
    st.badge(
        as_markdown(label) if label else style.label,
        icon=f":material/{style.icon}:",
        color=style.tone.color,
        help=as_markdown(help) if help else None,
    )


def tag(text: str) -> str:
    """Return a word that says what something is, rather than how it stands, as a grey badge for Markdown."""
    return f":gray-badge[{as_markdown(text)}]"


def state_markdown(state: str, *, label: str | None = None) -> str:
    """Return one state as a badge for `st.markdown` and `st.table`."""
    style = style_of(state)
    return StateStyle(label=label, tone=style.tone, icon=style.icon).markdown if label else style.markdown
