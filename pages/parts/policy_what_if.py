"""What a draft would change: recorded traffic decided again, which decisions flip, where, and how sure that is."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from app import ui
from app.facade import Gatehouse
from app.ui.session import current_actor
from pages.parts.policy_draft import Draft
from services.errors import GatehouseError, InvalidInput
from services.identity import Actor
from services.jobs.jobs import JobState
from services.policies.simulation import BeforeAfter, Share, Simulation
from services.policies.what_if import WhatIf

_POLL_SECONDS = 1.0
_CHARTED_SLICES = 12


def show(gatehouse: Gatehouse, actor: Actor, draft: Draft, *, is_valid: bool) -> None:
    """Ask for a what-if of the draft and draw the last one."""
    if not is_valid:
        ui.empty_state("The draft has problems", "Correct it first: only a valid policy decides.", icon="edit_note")
        return
    job_key = f"{draft.key}_job"
    if job_key in st.session_state:
        _follow(gatehouse, job_key)
        return
    found = gatehouse.what_ifs.find(draft.name, draft.text)
    _ask(gatehouse, actor, draft, job_key, has_result=found is not None)
    if found is None:
        ui.empty_state(
            "This text was not tried yet",
            "Replay traffic to see which decisions flip; a model of tier 1 needs it before its policy changes.",
            icon="science",
        )
        return
    show_result(gatehouse, found)


def show_result(gatehouse: Gatehouse, found: WhatIf) -> None:
    """Draw a what-if."""
    ui.fact_line(
        f"{ui.md(found.source)}",
        ("replayed", found.at),
        f"by {ui.md(found.actor)}",
        f"kept as event {found.event}",
        now=gatehouse.clock(),
    )
    show_simulation(found.simulation, key="what_if")


def show_simulation(simulation: Simulation, *, key: str) -> None:
    """Draw the figures of a what-if."""
    _cards(simulation)
    for note in simulation.notes:
        st.markdown(f":orange[:material/info:] {ui.md(note)}")
    flow, volume = st.columns([0.55, 0.45], gap="medium")
    with flow:
        ui.section("From action to action", help="Rows: the action in force. Columns: the action of the draft.")
        _flow(simulation, key=key)
    with volume:
        ui.section("Decisions by action")
        _volume(simulation.volume, key=key)
    _slices(simulation, key=key)


def _ask(gatehouse: Gatehouse, actor: Actor, draft: Draft, job_key: str, *, has_result: bool) -> None:
    log = gatehouse.what_ifs.find_log(draft.name)
    sources = [*(["Recorded traffic"] if log is not None else []), "A data file"]
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        source = st.segmented_control("Traffic", sources, default=sources[0], required=True, key=f"{draft.key}_traffic")
        uploaded = None
        if source == "A data file":
            uploaded = st.file_uploader(
                "A file with a column score and the model's inputs",
                type=["parquet", "csv", "json", "jsonl"],
                key=f"{draft.key}_data",
            )
        words = "Run again" if has_result else "Run the what-if"
        is_asked = st.button(
            words,
            key=f"{draft.key}_simulate",
            icon=":material/science:",
            disabled=source == "A data file" and uploaded is None,
        )
    if not is_asked:
        return
    try:
        if uploaded is not None:
            _run_file(gatehouse, actor, draft, uploaded)
        elif gatehouse.what_ifs.is_long(draft.name):
            st.session_state[job_key] = gatehouse.what_ifs.start(actor, draft.name, draft.text)
        else:
            with st.spinner("Deciding the recorded traffic again…"):
                gatehouse.what_ifs.run(actor, draft.name, draft.text)
    except GatehouseError as error:
        ui.show_error(error)
        return
    st.rerun()


def _run_file(gatehouse: Gatehouse, actor: Actor, draft: Draft, uploaded: Any) -> None:
    from services.policies.reading import read_policy
    from services.signatures.data_files import load_data_file

    columns = read_policy(draft.text, draft.name).text_columns | gatehouse.what_ifs.text_columns(draft.name)
    with tempfile.TemporaryDirectory() as folder, st.spinner("Deciding the rows of the file again…"):
        path = Path(folder) / f"data{Path(uploaded.name).suffix.lower()}"
        path.write_bytes(uploaded.getvalue())
        frame = load_data_file(path, text_columns=columns).frame
        if frame is None:
            raise InvalidInput("This is a request, not a table.", next_step="Choose a CSV, Parquet or JSON table.")
        gatehouse.what_ifs.run(actor, draft.name, draft.text, traffic=frame, source=uploaded.name)


@st.fragment(run_every=_POLL_SECONDS)
def _follow(gatehouse: Gatehouse, job_key: str) -> None:
    job = gatehouse.jobs.get(st.session_state[job_key])
    actor = current_actor(is_active=False)
    if job.state in {JobState.QUEUED, JobState.RUNNING}:
        with ui.panel():
            st.markdown(f"{ui.state_markdown(job.state.value)} {ui.md(job.progress.note or 'waits for the worker')}")
            if st.button("Cancel", key=f"{job_key}_cancel"):
                gatehouse.jobs.cancel(job.id, actor)
        return
    del st.session_state[job_key]
    if job.error is not None:
        ui.flash(ui.md(f"{job.error.message} {job.error.next_step}"), icon="error")
    st.rerun(scope="app")


def _cards(simulation: Simulation) -> None:
    flips = simulation.flips
    hits = simulation.guardrail_hits
    ui.metric_cards(
        [
            ui.Card(
                label="Decisions that flip",
                value=f"{flips.rate:.2%}",
                delta=interval(flips),
                note="95% interval",
                help="Wilson's interval of the share.",
            ),
            ui.Card(label="Flips", value=ui.figure(flips.count), delta=f"of {flips.total:,}"),
            ui.Card(
                label="Rows without a score",
                value=ui.figure(simulation.invalid_rows),
                delta="not decided" if simulation.invalid_rows else "none",
            ),
            ui.Card(
                label="Beyond the daily limit",
                value=ui.NOTHING if hits is None else ui.figure(hits.draft),
                delta="not counted" if hits is None else f"{hits.in_force:,} in force",
                help="Blocks that the guardrail turns into a milder action.",
            ),
        ]
    )


def interval(share: Share) -> str:
    """Return the interval of a share as people write it."""
    return f"{share.low:.2%} to {share.high:.2%}"


def _flow(simulation: Simulation, *, key: str) -> None:
    actions = tuple(simulation.volume)
    counts = {before: simulation.flow.get(before, {}) for before in actions}
    ui.show_matrix(
        ui.Matrix(
            rows=tuple(map(_words, actions)),
            columns=tuple(map(_words, actions)),
            tones=tuple(
                tuple(
                    None if not counts[before].get(after) else ui.Tone.QUIET if before == after else ui.Tone.CAUTION
                    for after in actions
                )
                for before in actions
            ),
            texts=tuple(tuple(f"{counts[before].get(after, 0):,}" for after in actions) for before in actions),
        ),
        key=f"{key}_flow",
        alt="How many decisions go from which action to which; off the diagonal they flip",
    )


def _volume(volume: Mapping[str, BeforeAfter], *, key: str) -> None:
    ui.data_table(
        [
            {"action": _words(action), "in_force": both.in_force, "draft": both.draft, "change": _change(both)}
            for action, both in volume.items()
        ],
        [
            ui.Column(name="action", label="Action"),
            ui.Column(name="in_force", label="In force", kind=ui.Kind.NUMBER, format="localized"),
            ui.Column(name="draft", label="Draft", kind=ui.Kind.NUMBER, format="localized"),
            ui.Column(name="change", label="Change"),
        ],
        key=f"{key}_volume",
        alt="Decisions by action, in force and under the draft",
    )


def _change(both: BeforeAfter) -> str:
    return "none" if both.draft == both.in_force else f"{both.draft - both.in_force:+,}"


def _words(action: str) -> str:
    return action.replace("_", " ")


def _slices(simulation: Simulation, *, key: str) -> None:
    if not simulation.slices:
        return
    ui.section("Flips by slice")
    worst = [each for each in simulation.slices if each.flips.count][:_CHARTED_SLICES]
    if not worst:
        st.markdown(":gray[No slice flips.]")
        return
    ui.show_intervals(
        [
            ui.Interval(
                name=f"{each.slice}={'nothing' if each.value is None else each.value}",
                low=each.flips.low,
                value=each.flips.rate,
                high=each.flips.high,
                tone=ui.Tone.CAUTION if each.flips.low > simulation.flips.rate else ui.Tone.ACTIVE,
                hover=f"{each.flips.count:,} of {each.flips.total:,}",
            )
            for each in worst
        ],
        key=f"{key}_slices",
        alt="Share of decisions that flip by slice, most first; orange where clearly above the whole",
    )
    with st.expander("The same as a table"):
        ui.data_table(
            [
                {
                    "slice": each.slice,
                    "value": each.value,
                    "flips": f"{each.flips.count:,} of {each.flips.total:,}",
                    "rate": each.flips.rate,
                    "interval": interval(each.flips),
                }
                for each in simulation.slices
            ],
            [
                ui.Column(name="slice", label="Slice"),
                ui.Column(name="value", label="Value"),
                ui.Column(name="flips", label="Flips"),
                ui.Column(name="rate", label="Share", kind=ui.Kind.SHARE),
                ui.Column(name="interval", label="95% interval"),
            ],
            key=f"{key}_slice_table",
            alt="Flips by slice",
            max_rows=15,
        )
