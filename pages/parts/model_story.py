"""The story of one version on one page: what is missing first, then all that is known, and the same as a file.

It is read from the registry itself and kept for a minute, since artifacts are in no index.
"""

from __future__ import annotations

from functools import partial

import streamlit as st

from app import ui
from app.facade import Gatehouse
from app.stories import tell_story
from pages.parts.model_versions import choose
from pages.parts.story_blocks import draw_section
from services.lineage.story import HappeningKind, Story
from services.lineage.story_exports import write_html, write_markdown
from services.lineage.story_sections import lay_out
from services.registry.entries import ModelEntry
from services.registry.references import parse_reference, resolve_reference

_KEPT_S = 60


def show(gatehouse: Gatehouse, model: ModelEntry) -> None:
    """Draw the story of the version that is chosen above it."""
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        version = choose(gatehouse, model)
        files = st.container(horizontal=True, width="content")
    if version is None:
        ui.empty_state("No version yet", "A story begins with a version.", icon="auto_stories")
        return
    with ui.guarded(), ui.loading(height=400):
        story = _tell(gatehouse, f"{model.name}/{version}", model.updated_at.isoformat())
        with files:
            _offer_files(story, f"{model.name}-{version}")
        _cards(story)
        for section in lay_out(story):
            draw_section(section)
        ui.reach_by_keyboard(ui.TABLES, label=f"Story of {model.name}", key="story_scrolling")


# A story is frozen all through, so that all who look may share it.
@st.cache_resource(ttl=_KEPT_S, max_entries=16, show_spinner=False)
def _tell(_gatehouse: Gatehouse, reference: str, updated: str) -> Story:  # noqa: ARG001 - `updated` is part of the key
    return tell_story(_gatehouse, resolve_reference(_gatehouse.registry, parse_reference(reference)))


def _offer_files(story: Story, name: str) -> None:
    for label, suffix, mime, write in (
        ("HTML", "html", "text/html", write_html),
        ("Markdown", "md", "text/markdown", write_markdown),
    ):
        st.download_button(
            label,
            data=partial(write, story),
            file_name=f"story-{name}.{suffix}",
            mime=mime,
            key=f"story_{suffix}",
            help=f"The whole story as one {label} file.",
            icon=":material/download:",
            on_click="ignore",
        )


def _cards(story: Story) -> None:
    missing = story.completeness.missing
    approvals = [each for each in story.happenings if "approval granted" in each.what.lower()]
    incidents = [each for each in story.happenings if each.kind is HappeningKind.INCIDENT]
    ui.metric_cards(
        [
            ui.Card(
                label="Told",
                value=f"{story.completeness.ratio:.0%}",
                delta=f"{len(story.completeness.present)} of {len(story.completeness.parts)} parts",
                tone=ui.Tone.CAUTION if missing else ui.Tone.GOOD,
            ),
            ui.Card(
                label="Missing",
                value=str(len(missing)),
                delta=missing[0].title if missing else "nothing",
                tone=ui.Tone.CAUTION if missing else ui.Tone.GOOD,
            ),
            ui.Card(
                label="Approvals",
                value=str(len(approvals)),
                delta=f"last by {approvals[-1].actor}" if approvals else "none",
                tone=ui.Tone.QUIET,
            ),
            ui.Card(
                label="Incidents",
                value=str(len(incidents)),
                delta=incidents[-1].what if incidents else "none",
                tone=ui.Tone.BAD if incidents else ui.Tone.GOOD,
            ),
        ]
    )
