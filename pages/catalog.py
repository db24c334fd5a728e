"""Which models there are, how each stands, and the way to one: search, filters and pages live in the address."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import ui
from app.ui.session import current_actor, get_gatehouse
from pages.parts import catalog_filters
from services.changes import ChangeState
from services.identity import Permission
from services.registry.entries import ModelEntry
from services.registry.index import CatalogQuery
from services.registry.values import Stage

PAGE_SIZE = 15

gatehouse = get_gatehouse()
actor = current_actor()
index = gatehouse.index


def show_cards() -> None:
    """Draw the four figures."""
    totals = index.count_totals()
    waiting = gatehouse.changes.count_open()
    decided = waiting[ChangeState.APPROVED]
    ui.metric_cards(
        [
            ui.Card(
                label="In production",
                value=ui.figure(totals.in_production),
                delta=f"of {ui.count(totals.models, 'model')}",
            ),
            ui.Card(
                label="Awaiting decision",
                value=ui.figure(waiting[ChangeState.AWAITING_APPROVAL]),
                delta=f"{decided:,} to execute",
                tone=ui.Tone.ACTIVE if decided else ui.Tone.QUIET,
            ),
            ui.Card(
                label="With problems",
                value=ui.figure(totals.with_problems),
                delta=ui.figure(totals.with_problems / totals.models if totals.models else None, unit="%"),
                tone=ui.Tone.CAUTION if totals.with_problems else ui.Tone.GOOD,
                note="of all models",
            ),
            ui.Card(
                label="Drift",
                value=ui.figure(totals.drifting),
                delta="not approved here" if totals.drifting else "as approved",
                tone=ui.Tone.BAD if totals.drifting else ui.Tone.GOOD,
            ),
        ]
    )


def show_table(query: CatalogQuery) -> None:
    """Draw one page of models."""
    pager = ui.Pager("catalog_page", size=PAGE_SIZE, reset_on=query)
    page = index.list_models(catalog_filters.at(query, after=pager.after, limit=pager.size))
    if not page.models:
        show_nothing()
        return
    picked = ui.data_table(
        [row_of(model) for model in page.models],
        [
            ui.Column(name="name", label="Model", kind=ui.Kind.OPEN, width=196, pinned=True),
            ui.Column(name="health", label="Health", kind=ui.Kind.STATE, width=104),
            ui.Column(name="production", label="Production", kind=ui.Kind.VERSION, width=90),
            ui.Column(name="candidate", label="Candidate", kind=ui.Kind.VERSION, width=88),
            ui.Column(name="trend", label="Last 12", kind=ui.Kind.TREND, width=92, help="The metric over versions."),
            ui.Column(name="value", label="Value", kind=ui.Kind.NUMBER, width=68, format="%.3f"),
            ui.Column(name="metric", label="Metric", width=78),
            ui.Column(name="team", label="Team", width=84),
            ui.Column(name="owner", label="Owner", width=86),
            ui.Column(name="updated", label="Updated", kind=ui.Kind.WHEN, width=114),
        ],
        key="catalog",
        alt="Models with their health, versions, main metric, team and owner",
    )
    pager.draw(shown=len(page.models), next_after=page.next, noun="model", total=page.total)
    if picked.opened is not None:
        st.switch_page(ui.page_path("model"), query_params={"name": page.models[picked.opened].name})


def row_of(model: ModelEntry) -> dict[str, Any]:
    """Return what the table shows of a model."""
    serving = model.stage_versions.get(Stage.PRODUCTION)
    candidate = model.stage_versions.get(Stage.STAGING, model.latest_version)
    return {
        "name": model.name,
        "health": model.health,
        "production": serving,
        "candidate": candidate if candidate != serving else None,
        "trend": model.trend,
        "value": model.metric_value,
        "metric": model.metric_name,
        "team": model.team,
        "owner": model.owner,
        "updated": model.updated_at,
    }


def show_nothing() -> None:
    """Say why there is no model: none at all, or none of these."""
    if index.count_totals().models:
        ui.empty_state("No model fits", "Take a filter away, or search for fewer words.", icon="search_off")
    elif gatehouse.index.get_sync_state().last_success_at is None:
        ui.empty_state("Not synced yet", "The worker reads the registry; models appear as it goes.", icon="sync")
    else:
        ui.empty_state("The registry is empty", "Register a model through MLflow: it appears after the next sync.")


ui.page_header("Catalog")
if Permission.READ_MODEL in actor.permissions:
    show_cards()
    show_table(catalog_filters.show(index))
else:
    ui.refused_state("The catalog is not shown to you", "Ask an admin for a role that may read models.")
