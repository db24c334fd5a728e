"""What a plan writes, for those who decide on it: tags of the vocabulary, or a model under a new name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app import ui
from services.changes import Change
from services.lineage.migration import Migration
from services.lineage.vocabulary_fix import VocabularyFix

KINDS = frozenset({Migration.name, VocabularyFix.name})
_DOES = {
    "create_model": "Register the name",
    "copy_version": "Copy",
    "set_stage": "Set the stage",
    "set_alias": "Set the alias",
    "deprecate": "Deprecate, in favour of",
}


def show(change: Change) -> None:
    """Draw every step that had still to be written when the plan was last held against the registry."""
    steps = change.findings.get("steps", [])
    ui.section("What is written")
    if not steps:
        ui.empty_state("Nothing is left to write", "The registry has all of the plan.", icon="check")
    elif change.kind == VocabularyFix.name:
        _tags(steps)
    else:
        _moves(steps)


def _tags(steps: Sequence[Mapping[str, Any]]) -> None:
    ui.data_table(
        [
            {
                "where": f"{step['name']}/{step['version']}" if step["version"] else step["name"],
                "tag": step["tag"],
                "before": step["before"],
                "value": step["value"],
            }
            for step in steps
        ],
        [
            ui.Column(name="where", label="Model or version", width=230),
            ui.Column(name="tag", label="Tag", width=120),
            ui.Column(name="before", label="Now", width=140),
            ui.Column(name="value", label="Then", width=140),
        ],
        key="plan_steps",
        alt="Tags that are written, with what they are now",
        max_rows=12,
    )


def _moves(steps: Sequence[Mapping[str, Any]]) -> None:
    ui.data_table(
        [
            {"do": _DOES.get(step["do"], step["do"]), "value": step["value"], "version": step["version"]}
            for step in steps
        ],
        [
            ui.Column(name="do", label="Step", width=190),
            ui.Column(name="value", label="What", width=320),
            ui.Column(name="version", label="Version", kind=ui.Kind.VERSION, width=90),
        ],
        key="plan_steps",
        alt="Steps of the move to the new name, in order",
        max_rows=12,
    )
