"""What the plan and apply commands share: a plan as a file, and how applying it ended."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from app.commands.output import answer, write_file
from services.lineage.plans import P, PlanOutcome

file_type = click.Path(dir_okay=False, path_type=Path)
out_option = click.option("--out", type=file_type, help="Write the plan to a file.")


def answer_plan(document: Mapping[str, Any], lines: Iterable[str], *, out: Path | None, as_json: bool) -> int:
    """Write a plan to a file where one is named, and print it."""
    if out is not None:
        write_file(out, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    return answer(document, as_json=as_json, lines=[*lines, document["digest"]])


def answer_outcome(outcome: PlanOutcome[P], *, about: Mapping[str, Any], label: str, as_json: bool) -> int:
    """Print how applying a plan ended; the answer is no where it is not done yet.

    Args:
        about: what the JSON says of the plan besides its digest.
        label: the plan in a few words, where no change has a title of it.
    """
    change = outcome.change
    document = {
        **about,
        "digest": outcome.plan.digest,
        "state": "completed" if change is None else change.state.value,
        "id": None if change is None else change.id,
        "written": 0 if change is None else (change.outcome or {}).get("detail", {}).get("written", 0),
        "obstacle": "" if change is None else change.blocker,
    }
    lines = [f"{label}: done before; nothing was written."]
    if change is not None:
        lines = [f"change {change.id}  {change.title}: {change.state.replace('_', ' ')}.", change.blocker]
    return answer(document, as_json=as_json, lines=filter(None, lines), is_yes=outcome.is_done)
