"""Thresholds in force, movable: what the judge would say, and what both versions would decide; nothing is read anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import streamlit as st

from app import ui
from app.facade import Gatehouse
from pages.parts.shadow_charts import flow_chart
from pages.parts.shadow_verdict import interval_words, show_checks, show_verdict
from services.gates.shadow_thresholds import read_shadow_policy
from services.policies.document import DECISION_POLICY
from services.policies.reading import read_revision
from services.registry.values import Stage
from services.shadow.figures import Figures, Task
from services.shadow.judge import judge
from services.shadow.policy import ShadowPolicy
from services.shadow.thresholds import decide_again

_EVEN = {"positive": 0.5, "negative": 0.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slider:
    """How one threshold is moved; `scale` is 100 where it is shown as a percentage."""

    label: str
    low: float
    high: float
    step: float
    start: float
    scale: int = 1
    unit: str = ""


_SLIDERS: Mapping[str, _Slider] = {
    "min_agreement": _Slider(label="Agreement at least", low=50, high=100, step=0.5, start=90, scale=100, unit="%"),
    "min_slice_agreement": _Slider(
        label="Agreement of every slice at least", low=50, high=100, step=0.5, start=85, scale=100, unit="%"
    ),
    "max_error_rate": _Slider(
        label="Candidate's failures at most", low=0, high=20, step=0.1, start=1, scale=100, unit="%"
    ),
    "max_latency_p99_ms": _Slider(label="p99 latency at most", low=1, high=2000, step=1, start=100, unit=" ms"),
    "max_latency_ratio": _Slider(label="p95 beside the champion's at most", low=0.5, high=5, step=0.05, start=1.5),
    "max_psi": _Slider(label="Stability index at most", low=0, high=1, step=0.01, start=0.1),
    "max_accuracy_loss": _Slider(
        label="Loss of accuracy at most", low=0, high=20, step=0.1, start=2, scale=100, unit="%"
    ),
    "max_mae_increase": _Slider(
        label="Growth of the mean error at most", low=0, high=50, step=0.5, start=2, scale=100, unit="%"
    ),
    "max_mean_abs_difference": _Slider(
        label="Mean size of the difference at most", low=0, high=1, step=0.005, start=0.05
    ),
    "min_pairs": _Slider(label="Pairs at least", low=0, high=10_000, step=50, start=500),
    "min_days": _Slider(label="Days at least", low=0, high=30, step=1, start=3),
}
_COUNTS = frozenset({"min_pairs", "min_days"})
_OF_NUMBERS = frozenset({"max_mae_increase", "max_mean_abs_difference"})
_OF_CLASSES = frozenset({"max_accuracy_loss"})


def policy_in_force(gatehouse: Gatehouse, model: str) -> tuple[ShadowPolicy, str]:
    """Return the thresholds that the gates to production hold this model to, and which revision they stand in."""
    policy = gatehouse.gates.get_policy()
    entry = gatehouse.index.find_model(model)
    gates = policy.list_gates(Stage.PRODUCTION, model=model, tier=entry.tier if entry else "")
    return read_shadow_policy(gates), policy.revision


@st.fragment
def show_judge(figures: Figures, policy: ShadowPolicy, revision: str) -> None:
    """Draw the thresholds of the judge as sliders, and the verdict under them."""
    st.markdown(f":gray[In force: {ui.md(revision)}. Moving a slider changes nothing but what is drawn here.]")
    in_force = {name: value for name, value in asdict(policy).items() if value is not None}
    is_regression = figures.task is Task.REGRESSION
    offered = [name for name in _SLIDERS if name not in (_OF_CLASSES if is_regression else _OF_NUMBERS)]
    # As the judge has it: numbers need not agree within a hundredth unless somebody asks for it.
    passed_over = {"min_agreement"} - policy.named if is_regression else set()
    looked_at = [name for name in offered if name in in_force.keys() - passed_over]
    chosen = st.pills(
        "Thresholds",
        offered,
        selection_mode="multi",
        default=looked_at,
        format_func=lambda name: name.removeprefix("max_").removeprefix("min_").replace("_", " "),
        key="judged_by",
    )
    moved: dict[str, float | None] = dict.fromkeys(name for name in _SLIDERS if name not in _COUNTS)
    with st.grid(2, min_column_width=260):
        for name in offered:
            if name in chosen:
                moved[name] = _slide(name, in_force.get(name))
    counts = {name: int(moved.pop(name) or 0) for name in _COUNTS if name in moved}
    # A count that is not looked at asks for none.
    drafted = replace(
        policy,
        named=policy.named | (set(chosen) - set(looked_at)),
        **dict.fromkeys(_COUNTS, 0) | counts | moved,  # type: ignore[arg-type]
    )
    judgement = judge(figures, drafted)
    show_verdict(judgement)
    show_checks(judgement, key="moved_checks")


def _slide(name: str, in_force: float | None) -> float:
    slider = _SLIDERS[name]
    start = slider.start if in_force is None else in_force * slider.scale
    low, high = min(slider.low, start), max(slider.high, start)
    moved = st.slider(
        slider.label,
        min_value=float(low),
        max_value=float(high),
        value=float(start),
        step=float(slider.step),
        format=f"%.3g{slider.unit.replace('%', '%%')}",
        key=f"judge_{name}",
    )
    return in_force if in_force is not None and moved == float(start) else moved / slider.scale


def decision_thresholds(gatehouse: Gatehouse, model: str) -> tuple[Mapping[str, float], str]:
    """Return the thresholds of the decision policy in force, by action, and its revision; an even cut where none is."""
    revision = gatehouse.documents.find_in_force(DECISION_POLICY.name, model)
    if revision is None:
        return _EVEN, ""
    policy = read_revision(revision)
    return {threshold.action: threshold.lowest_score for threshold in policy.thresholds}, revision.reference


@st.fragment
def show_redecided(figures: Figures, thresholds: Mapping[str, float], revision: str) -> None:
    """Draw what both versions would decide under the thresholds of the decision policy, and under others."""
    if figures.grid is None or figures.task is Task.REGRESSION:
        ui.empty_state("No scores to decide by", "Thresholds need scores from 0 to 1 of both versions.", icon="tune")
        return
    said = f"In force: {ui.md(revision)}." if revision else "No decision policy is in force: an even cut."
    st.markdown(f":gray[{said} Rules and flags of a policy are left out; thresholds are whole hundredths.]")
    *movable, mildest = thresholds
    moved = {}
    with st.grid(2, min_column_width=260):
        for action in movable:
            moved[action] = st.slider(
                f"{ui.md(action.replace('_', ' '))} from",
                min_value=0.0,
                max_value=1.0,
                value=round(thresholds[action], 2),
                step=0.01,
                key=f"decide_{action}",
            )
    found = decide_again(figures.grid, {**moved, mildest: 0.0})
    agreement = found.agreement
    rate = ui.NOTHING if agreement.estimate is None else f"{agreement.estimate:.2%}"
    st.markdown(
        f"**{rate}** of {ui.count(found.pairs, 'pair')} would be decided alike"
        f" :gray[({interval_words(agreement, unit='ratio')})]"
    )
    ui.data_table(
        [
            {"action": action, "from": least, **{side: found.shares[side][action] for side in found.shares}}
            for action, least in found.thresholds.items()
        ],
        [
            ui.Column(name="action", label="Action", width="medium"),
            ui.Column(name="from", label="From score", kind=ui.Kind.NUMBER, format="%.2f"),
            ui.Column(name="champion", label="Champion", kind=ui.Kind.SHARE),
            ui.Column(name="candidate", label="Candidate", kind=ui.Kind.SHARE),
        ],
        key="shares",
        alt="Share of pairs that each action would be taken for",
    )
    alt = "Decisions under these thresholds, champion left, candidate right"
    chart = flow_chart(found.flow, ui.palette().theme, alt=alt)
    if chart is not None:
        ui.show_chart(chart, key="flow_again")
