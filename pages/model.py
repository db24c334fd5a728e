"""One model: which versions there are, how they measure, where they came from, what serves, and what to fix."""

from __future__ import annotations

import streamlit as st

from app import ui
from app.ui.session import current_actor, get_gatehouse
from pages.parts import (
    drift,
    model_deprecation,
    model_endings,
    model_lineage,
    model_metrics,
    model_problems,
    model_readiness,
    model_record,
    model_story,
    model_versions,
    promotion_request,
)
from services.identity import Permission
from services.registry.entries import Health, ModelEntry
from services.registry.values import Stage

gatehouse = get_gatehouse()
actor = current_actor()
now = gatehouse.clock()

_BACK = ("catalog", "All models")


def show_header(model: ModelEntry) -> None:
    """Draw what the model is and how it stands."""
    badges = [] if model.stage is Stage.NONE else [model.stage.value]
    if model.tier:
        badges.append(ui.tag(model.tier))
    if model.open_drifts:
        badges.append(ui.state_markdown("drift"))
    elif model.health is Health.ATTENTION:
        badges.append(ui.state_markdown("attention", label=ui.count(len(model.problems), "problem")))
    ui.page_header(
        model.name,
        subtitle=ui.facts(
            ui.md(model.description),
            f"team {ui.strong(model.team)}" if model.team else None,
            f"owner {ui.strong(model.owner)}" if model.owner else None,
            ("updated", model.updated_at),
            now=now,
        ),
        back=_BACK,
        badges=badges,
    )


def show_cards(model: ModelEntry) -> None:
    """Draw what serves, what could, the main metric and what is to be fixed."""
    pinned = gatehouse.pins.find(model.name)
    serving = model.stage_versions.get(Stage.PRODUCTION)
    candidate = model.stage_versions.get(Stage.STAGING, model.latest_version)
    waiting = gatehouse.index.list_chosen_versions([(model.name, candidate)]) if candidate else []
    ui.metric_cards(
        [
            ui.Card(
                label="In production",
                value=ui.version_label(serving),
                delta=f"since {ui.ago(pinned.since, now)}"
                if pinned and pinned.current == serving
                else "not pinned here",
                tone=ui.Tone.SPECIAL if pinned and pinned.current == serving else ui.Tone.QUIET,
            ),
            ui.Card(
                label="Newest" if candidate == model.latest_version else "In staging",
                value=ui.version_label(candidate),
                delta=waiting[0].stage.value if waiting and waiting[0].stage is not Stage.NONE else "no stage",
                note=ui.ago(waiting[0].created_at, now) if waiting else "",
            ),
            model_metrics.main_card(gatehouse, model),
            ui.Card(
                label="To fix",
                value=ui.figure(len(model.problems)),
                delta="nothing" if not model.problems else model.problems[0].rule.replace("_", " "),
                tone=ui.Tone.CAUTION if model.problems else ui.Tone.GOOD,
            ),
        ]
    )


def show_tabs(model: ModelEntry) -> None:
    """Draw the tab that is open, and none of the others."""
    versions, metrics, story, lineage, readiness, deployments, changes, problems = st.tabs(
        ["Versions", "Metrics", "Story", "Lineage", "Readiness", "Deployments", "Changes", "To fix"],
        on_change="rerun",
        key="tab",
        bind="query-params",
    )
    with versions:
        if versions.open:
            model_versions.show(gatehouse, model)
            model_endings.show(gatehouse, model)
            model_deprecation.offer(gatehouse, actor, model)
    with metrics:
        if metrics.open:
            model_metrics.show(gatehouse, model)
    with story:
        if story.open:
            model_story.show(gatehouse, model)
    with lineage:
        if lineage.open:
            model_lineage.show(gatehouse, model)
    with readiness:
        if readiness.open:
            model_readiness.show(gatehouse, actor, model)
    with deployments:
        if deployments.open:
            model_record.show_pins(gatehouse, model)
    with changes:
        if changes.open:
            model_record.show_changes(gatehouse, model)
    with problems:
        if problems.open:
            model_problems.show(model)


name = st.query_params.get("name", "")
if not name:
    ui.page_header("Model", back=_BACK)
    ui.empty_state("No model is chosen", "Choose one in the catalog.", action=("catalog", "Open the catalog"))
elif Permission.READ_MODEL not in actor.permissions:
    ui.page_header("Model", back=_BACK)
    ui.refused_state("Models are not shown to you", "Ask an admin for a role that may read models.")
elif (entry := gatehouse.index.find_model(name)) is None:
    ui.page_header("Model", back=_BACK)
    model_record.show_gone(gatehouse, name)
    with ui.guarded():
        drift.show_of_model(gatehouse, actor, name)
else:
    show_header(entry)
    with ui.guarded():
        drift.show_of_model(gatehouse, actor, name)
    with ui.guarded():
        show_cards(entry)
    show_tabs(entry)
    if Permission.REQUEST_CHANGE in actor.permissions and entry.latest_version is not None:
        promotion_request.offer(gatehouse, entry)
