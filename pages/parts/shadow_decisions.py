"""How far both versions agree: over time, and which decisions move where."""

from __future__ import annotations

from datetime import timedelta

import streamlit as st

from app import ui
from pages.parts.shadow_charts import flow_chart
from pages.parts.shadow_verdict import interval_words
from services.shadow.answers import SIDES
from services.shadow.figures import Basis, Figures, Task
from services.shadow.policy import ShadowPolicy
from services.shadow.timeline import Stretch

STRETCHES = {"10 minutes": 10, "Hour": 60, "Day": 1440}
_MOVES_SHOWN = _CLASSES_SHOWN = 15
_COMPARED = {
    Basis.LABELS: ("Champion alone right", "Candidate alone right"),
    Basis.DECISIONS: ("Moves one way", "Moves the other way"),
    Basis.ERRORS: ("Champion nearer to the label", "Candidate nearer to the label"),
    Basis.DIFFERENCES: ("Candidate below the champion", "Candidate above the champion"),
}


def choose_stretch(figures: Figures, *, key: str) -> int:
    """Draw the choice of how long a stretch of time is, and return it in minutes."""
    names = list(STRETCHES)
    span = figures.last_at - figures.first_at if figures.first_at and figures.last_at else timedelta()
    default = names[0] if span <= timedelta(hours=6) else names[1] if span <= timedelta(days=4) else names[2]
    return STRETCHES[
        st.segmented_control("By", names, key=key, default=default, required=True, label_visibility="collapsed")
    ]


def show_over_time(stretches: tuple[Stretch, ...], policy: ShadowPolicy, task: Task) -> None:
    """Draw agreement by stretch, with its interval and the limit."""
    chart = agreement_chart(stretches, policy, task, ui.palette().theme)
    if chart is None:
        ui.empty_state("No valid pair has a time", "Agreement over time needs the column ts.", icon="show_chart")
        return
    ui.show_chart(chart, key="agreement_over_time")


def agreement_chart(
    stretches: tuple[Stretch, ...], policy: ShadowPolicy, task: Task, theme: ui.Theme
) -> ui.Chart | None:
    """Return agreement by stretch, with its interval and the limit."""
    known = [stretch for stretch in stretches if stretch.valid_pairs]
    if not known:
        return None
    limit = policy.min_agreement if task is not Task.REGRESSION else None
    return ui.line_chart(
        [
            ui.Line(
                name="agreement",
                x=tuple(stretch.start for stretch in known),
                y=tuple(stretch.agreement.estimate for stretch in known),
                low=tuple(stretch.agreement.low or 0.0 for stretch in known),
                high=tuple(1.0 if stretch.agreement.high is None else stretch.agreement.high for stretch in known),
            )
        ],
        markers=[] if limit is None else [ui.Marker(name=f"at least {limit:.0%}", at=limit)],
        alt=f"Agreement with its interval over {ui.count(len(known), 'stretch', 'stretches')} of time",
        y_format=".1%",
        theme=theme,
    )


def show_decisions(figures: Figures) -> None:
    """Draw the flow between decisions, the largest moves, and the tests."""
    chart = decision_chart(figures, ui.palette().theme)
    if chart is None:
        ui.empty_state(
            "No decisions",
            "These models give numbers alone: their scores and errors are compared instead.",
            icon="alt_route",
        )
        return
    ui.show_chart(chart, key="flow")
    moves = sorted(
        (
            (pairs, one, other)
            for one, row in figures.flow.items()
            for other, pairs in row.items()
            if one != other and pairs
        ),
        key=lambda move: (-move[0], move[1:]),
    )
    ui.section("Largest moves")
    if not moves:
        ui.empty_state("Nothing moves", "Both versions take the same decision on every pair.", icon="check")
    else:
        ui.data_table(
            [
                {"from": one, "to": other, "pairs": pairs, "share": pairs / figures.valid_pairs}
                for pairs, one, other in moves[:_MOVES_SHOWN]
            ],
            [
                ui.Column(name="from", label="Champion decides", width="medium"),
                ui.Column(name="to", label="Candidate decides", width="medium"),
                ui.Column(name="pairs", label="Pairs", kind=ui.Kind.NUMBER, format="localized"),
                ui.Column(name="share", label="Of valid pairs", kind=ui.Kind.SHARE),
            ],
            key="moves",
            alt="Decisions that differ, the most frequent first",
        )
    _by_class(figures)
    show_tests(figures)


def _by_class(figures: Figures) -> None:
    if not figures.labels.classes:
        return
    ui.section("By what turned out to be true")
    shares = [(what, side) for what in ("recall", "precision") for side in SIDES]
    ui.data_table(
        [
            {
                "label": one.label,
                "labelled": one.labelled,
                **{f"{what}_{side}": getattr(one, what)[side].estimate for what, side in shares},
                "interval": interval_words(one.recall["candidate"], unit="ratio"),
            }
            for one in figures.labels.classes[:_CLASSES_SHOWN]
        ],
        [
            ui.Column(name="label", label="Label", width="medium"),
            ui.Column(name="labelled", label="Pairs", kind=ui.Kind.NUMBER, format="localized"),
            *(
                ui.Column(name=f"{what}_{side}", label=f"{side.capitalize()}'s {what}", kind=ui.Kind.SHARE)
                for what, side in shares
            ),
            ui.Column(name="interval", label="Candidate's recall lies in"),
        ],
        key="classes",
        alt="Recall and precision of both versions by label, the most frequent first",
    )


def decision_chart(figures: Figures, theme: ui.Theme) -> ui.Chart | None:
    """Return the flow between decisions, where versions take any."""
    return flow_chart(figures.flow, theme, alt="Decisions of the champion on the left, of the candidate on the right")


def show_tests(figures: Figures) -> None:
    """Draw the tests of paired answers that there are."""
    test, homogeneity = figures.mcnemar, figures.homogeneity
    pairs = []
    if test is not None and figures.mcnemar_basis is not None:
        champion, candidate = _COMPARED[figures.mcnemar_basis]
        pairs += [
            (champion, ui.figure(test.b)),
            (candidate, ui.figure(test.c)),
            ("McNemar's p, good for one look", ui.figure(test.p)),
            ("Evidence that they differ (e-value, good at every look)", ui.figure(min(test.e_value, 1e12))),
        ]
    if homogeneity is not None:
        pairs.append(("Stuart and Maxwell's p: same share of each decision", ui.figure(homogeneity.p)))
    if figures.kappa is not None:
        pairs.append(("Cohen's kappa: agreement beyond chance", ui.figure(figures.kappa)))
    if pairs:
        ui.section("Tests of paired answers")
        ui.key_values(pairs, alt="Tests of paired answers")
