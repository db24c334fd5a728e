"""How the versions of a model measure: the main metric on a card, any metric over versions.

A metric that was logged under a synonym stands under its canonical name, with the logged one told.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app import ui
from app.facade import Gatehouse
from services.lineage.artifacts import PART_METRIC_PREFIXES
from services.lineage.vocabulary import Vocabulary
from services.registry.entries import ModelEntry, VersionEntry
from services.registry.values import Stage
from services.untrusted.escape import as_markdown

_VERSIONS_DRAWN = 200
_CHOSEN_AT_FIRST = 2


def main_card(gatehouse: Gatehouse, model: ModelEntry) -> ui.Card:
    """Return the card of the main metric: the newest version's, against the one in production."""
    metric, serving = model.metric_name, model.stage_versions.get(Stage.PRODUCTION)
    if metric is None or model.metric_value is None:
        return ui.Card(label="Main metric", value=ui.NOTHING, delta="none logged")
    champion = gatehouse.index.find_version(model.name, serving) if serving else None
    before = gatehouse.vocabulary.show_metrics(champion.metrics).get(metric) if champion else None
    if before is None or serving == model.latest_version:
        return ui.Card(label=metric, value=ui.figure(model.metric_value), delta=ui.version_label(model.latest_version))
    change = model.metric_value - before
    return ui.Card(
        label=metric,
        value=ui.figure(model.metric_value),
        delta=ui.figure(abs(change)),
        arrow="off" if change == 0 else "up" if change > 0 else "down",
        note=f"vs v{serving}",
    )


def show(gatehouse: Gatehouse, model: ModelEntry) -> None:
    """Draw chosen metrics over versions, with the value of the version in production to read them against."""
    versions = gatehouse.index.list_versions(model.name, limit=_VERSIONS_DRAWN).versions[::-1]
    vocabulary = gatehouse.vocabulary
    names = sorted({name for version in versions for name in vocabulary.map_names(version.metrics)})
    parts = [name for name in names if name.startswith(PART_METRIC_PREFIXES)]
    names = [name for name in names if name not in parts]
    if not names and not parts:
        ui.empty_state("No metrics yet", "None was logged with a version, or none was read yet.", icon="monitoring")
        return
    chosen = st.pills(
        "Metrics",
        names,
        selection_mode="multi",
        default=_chosen_at_first(model, names),
        key="metrics",
        label_visibility="collapsed",
    )
    also = st.multiselect("Slices and differences", parts, key="metric_parts") if parts else []
    for metric in [*(chosen or ()), *also]:
        _chart(model, versions, str(metric), vocabulary)
    if model.version_count > len(versions):
        st.markdown(f":gray[:small[The newest {len(versions):,} of {model.version_count:,} versions are drawn.]]")


def _chosen_at_first(model: ModelEntry, names: Sequence[str]) -> list[str]:
    ordered = sorted(names, key=lambda name: name != model.metric_name)
    return ordered[:_CHOSEN_AT_FIRST]


def _chart(model: ModelEntry, versions: Sequence[VersionEntry], metric: str, vocabulary: Vocabulary) -> None:
    values = {version.version: vocabulary.show_metrics(version.metrics).get(metric) for version in versions}
    measured = {number: value for number, value in values.items() if value is not None}
    serving = model.stage_versions.get(Stage.PRODUCTION)
    markers = [
        ui.Marker(name=f"v{serving}, in production", at=value)
        for number, value in measured.items()
        if number == serving
    ]
    ui.section(metric)
    ui.show_lines(
        [
            ui.Line(
                name=metric,
                x=tuple(map(ui.version_label, measured)),
                y=tuple(measured.values()),
            )
        ],
        markers=markers,
        key=f"metric_{metric}",
        alt=f"{metric} over {ui.count(len(measured), 'version')} of {model.name}",
        height=220,
    )
    synonyms = sorted({vocabulary.map_names(each.metrics).get(metric, metric) for each in versions} - {metric})
    if synonyms:
        logged = ", ".join(map(as_markdown, synonyms))
        st.markdown(f":gray[:small[Logged as {logged}, which is the same metric.]]")
