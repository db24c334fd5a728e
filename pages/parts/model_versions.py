"""The versions of a model, newest first, with what tells them apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from app import ui
from app.facade import Gatehouse
from pages.parts.shadow_link import offer_shadow
from services.lineage.artifacts import PART_METRIC_PREFIXES
from services.registry.entries import ModelEntry, VersionEntry
from services.registry.values import Stage

_METRICS_SHOWN = 3
_CHOICES = 200


def show(gatehouse: Gatehouse, model: ModelEntry) -> None:
    """Draw one page of versions; two that are selected can be compared."""
    pager = ui.Pager("versions", reset_on=model.name)
    page = gatehouse.index.list_versions(model.name, before=pager.after, limit=pager.size)
    if not page.versions:
        ui.empty_state("No version yet", "Register one: it appears after the next sync.")
        return
    measured = [gatehouse.vocabulary.show_metrics(version.metrics) for version in page.versions]
    metrics = _metrics_shown(model, measured)
    picked = ui.data_table(
        [_row(version, values, metrics) for version, values in zip(page.versions, measured, strict=True)],
        [
            ui.Column(name="version", label="Version", kind=ui.Kind.VERSION, width=76, pinned=True),
            ui.Column(name="stage", label="Stage", kind=ui.Kind.STATE, width=104),
            ui.Column(name="signature", label="Signature", kind=ui.Kind.STATE, width=120),
            *(
                ui.Column(name=f"metric_{name}", label=name, kind=ui.Kind.NUMBER, width=84, format="%.4g")
                for name in metrics
            ),
            ui.Column(name="author", label="Author", width=96),
            ui.Column(name="created", label="Created", kind=ui.Kind.WHEN, width=116),
            ui.Column(name="aliases", label="Aliases", width=110),
            ui.Column(name="description", label="Description", width=320),
        ],
        key="versions_table",
        alt=f"Versions of {model.name}, newest first",
        select="many",
    )
    pager.draw(shown=len(page.versions), next_after=page.next, noun="version", total=model.version_count)
    _offer_comparison(model, [page.versions[row].version for row in picked.selected])


def choose(gatehouse: Gatehouse, model: ModelEntry) -> int | None:
    """Draw the choice of a version, at first the one in production, which the address keeps; None where none is."""
    versions = [version.version for version in gatehouse.index.list_versions(model.name, limit=_CHOICES).versions]
    if not versions:
        return None
    serving = model.stage_versions.get(Stage.PRODUCTION)
    labels = [ui.version_label(version) for version in versions]
    chosen = st.selectbox(
        "Version",
        labels,
        index=versions.index(serving) if serving in versions else 0,
        key="version",
        bind="query-params",
        width=140,
    )
    return versions[labels.index(str(chosen))]


def _metrics_shown(model: ModelEntry, measured: Sequence[Mapping[str, float]]) -> Sequence[str]:
    names = dict.fromkeys([model.metric_name] if model.metric_name else [])
    names.update(dict.fromkeys(name for values in measured for name in values))
    return [name for name in names if not name.startswith(PART_METRIC_PREFIXES)][:_METRICS_SHOWN]


def _row(version: VersionEntry, values: Mapping[str, float], metrics: Sequence[str]) -> dict[str, object]:
    return {
        "version": version.version,
        "stage": None if version.stage is Stage.NONE else version.stage,
        "signature": f"signature_{version.signature_state}",
        **{f"metric_{name}": values.get(name) for name in metrics},
        "author": version.author,
        "created": version.created_at,
        "aliases": ", ".join(f"@{alias}" for alias in version.aliases),
        "description": version.description,
    }


def _offer_comparison(model: ModelEntry, selected: Sequence[int]) -> None:
    path = ui.page_path("signature_diff")
    if not path.exists():
        return
    if len(selected) == 2:  # noqa: PLR2004 - a pair
        old, new = sorted(selected)
        st.page_link(
            path,
            label=f"Compare the signatures of v{old} and v{new}",
            icon=":material/difference:",
            help="",
            query_params={"old": f"{model.name}/{old}", "new": f"{model.name}/{new}"},
        )
        offer_shadow(model.name, old, new)
    else:
        st.markdown(":gray[:small[Select two versions to compare their signatures, or how they did in shadow.]]")
