"""The judgement of a shadow comparison: the verdict with its reasons, its checks, and the figures asked for first."""

from __future__ import annotations

import streamlit as st

from app import ui
from services.shadow.figures import Figures, Task
from services.shadow.judge import Check, Judgement, Outcome, Verdict
from services.shadow.statistics import Interval

_WORDS = {
    "promote": "It can take the champion's place",
    "continue": "Keep it in shadow: some checks are still open",
    "stop": "Take it out: a limit is broken for certain",
    "not_yet": "Too early to say",
}
_SHOWN_REASONS = 5


def show_verdict(judgement: Judgement) -> None:
    """Draw the verdict and why."""
    with ui.panel():
        verdict = judgement.verdict.value
        st.markdown(f"{ui.state_markdown(verdict)} **{_WORDS[verdict]}**")
        for reason in judgement.reasons[:_SHOWN_REASONS]:
            st.markdown(f"- {ui.md(reason)}")
        if len(judgement.reasons) > _SHOWN_REASONS:
            st.markdown(f":gray[and {len(judgement.reasons) - _SHOWN_REASONS} more]")
        passed = [_name(check) for check in judgement.checks if check.outcome is Outcome.PASSED]
        if passed and judgement.verdict is not Verdict.PROMOTE:
            st.markdown(f":gray[Passed: {', '.join(passed)}]")


def show_checks(judgement: Judgement, *, key: str) -> None:
    """Draw each threshold and what was observed against it."""
    ui.data_table(
        [
            {
                "check": _name(check),
                "outcome": check.outcome.value,
                "observed": _shown(check.observed.estimate, check.unit),
                "interval": interval_words(check.observed, unit=check.unit),
                "threshold": _shown(check.threshold, check.unit),
                "message": check.message,
            }
            for check in judgement.checks
        ],
        [
            ui.Column(name="check", label="Check", width="medium"),
            ui.Column(name="outcome", label="Outcome", kind=ui.Kind.STATE),
            ui.Column(name="observed", label="Observed"),
            ui.Column(name="interval", label="Interval"),
            ui.Column(name="threshold", label="Limit"),
            ui.Column(name="message", label="Why", width="large"),
        ],
        key=key,
        alt="Checks of the comparison",
    )


def show_cards(figures: Figures) -> None:
    """Draw agreement, difference, failures and latency of both."""
    agreement, failures, latency = figures.agreement.wilson, figures.failures, figures.latency
    champion, candidate = latency["champion"].p95, latency["candidate"].p95
    errors = failures["candidate"].error_rate.estimate
    ui.metric_cards(
        [
            ui.Card(
                label="Near the champion" if figures.task is Task.REGRESSION else "Agreement",
                value=_percent(agreement.estimate),
                delta=interval_words(agreement, unit="ratio"),
                note="within 1 %" if figures.task is Task.REGRESSION else "",
                help="With Wilson's interval, over pairs that both versions answered.",
            ),
            _quality_card(figures),
            ui.Card(
                label="Candidate's errors",
                value=_percent(errors),
                delta=f"champion {_percent(failures['champion'].error_rate.estimate)}",
                note=f"{failures['candidate'].unusable:,} unusable" if failures["candidate"].unusable else "",
            ),
            ui.Card(
                label="p95 latency",
                value=ui.figure(candidate, unit="ms", digits=1),
                delta=f"champion {ui.figure(champion, unit='ms', digits=1)}",
            ),
        ]
    )


def _quality_card(figures: Figures) -> ui.Card:
    """Return the card of what is known best: errors against labels, accuracy, or else the difference of scores."""
    regression, labels, difference = figures.regression, figures.labels, figures.difference
    if regression.labelled:
        return ui.Card(
            label="Candidate's mean error",
            value=ui.figure(regression.candidate_mae),
            delta=f"champion {ui.figure(regression.champion_mae)}",
        )
    if labels.candidate_accuracy.estimate is not None:
        return ui.Card(
            label="Candidate's accuracy",
            value=_percent(labels.candidate_accuracy.estimate),
            delta=f"champion {_percent(labels.champion_accuracy.estimate)}",
        )
    return ui.Card(
        label="Mean size of the difference",
        value=ui.figure(difference.mean_abs.estimate, digits=4),
        delta=f"largest {ui.figure(difference.max_abs)}",
    )


def _name(check: Check) -> str:
    return check.name.replace("_", " ")


def interval_words(interval: Interval, *, unit: str = "") -> str:
    """Return the bounds of an interval as words, or a dash where there are none."""
    if interval.low is None and interval.high is None:
        return ui.NOTHING
    low, high = ("?" if bound is None else _shown(bound, unit) for bound in (interval.low, interval.high))
    return f"{low} to {high}"


def _shown(value: float | None, unit: str) -> str:
    return _percent(value) if unit == "ratio" else ui.figure(value, unit=unit)


def _percent(ratio: float | None) -> str:
    return ui.NOTHING if ratio is None else f"{ratio:.2%}"
