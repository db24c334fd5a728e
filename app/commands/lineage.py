"""`lineage`, `story`, `deprecate` and `migrate`: where a version is from, what it lacks, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import click

from app.commands.gates import read_bytes
from app.commands.output import (
    answer,
    current_actor,
    current_gatehouse,
    json_option,
    reading_gatehouse,
    table,
    write_file,
)
from app.commands.plans import answer_outcome, answer_plan, file_type, out_option
from app.facade import Gatehouse
from app.stories import list_marks, tell_story
from services.errors import InvalidInput
from services.lineage.data_use import list_data_uses
from services.lineage.graph import Graph, NodeKind
from services.lineage.graph_exports import list_openlineage_events, write_dot
from services.lineage.records import LineageRecords, build_graph, read_data_set, read_records, version_id
from services.lineage.story_exports import write_html, write_markdown
from services.registry.references import parse_reference, resolve_reference

_SUNSET_DAYS = 90
_WRITERS = {".html": write_html, ".md": write_markdown}


@click.command("lineage")
@click.argument("ref")
@click.option(
    "--direction", type=click.Choice(("both", "upstream", "downstream")), default="both", help="Which way from REF."
)
@click.option("--from", "node", help="Begin at another node of the graph, by its id, such as a data set.")
@click.option("--format", "form", type=click.Choice(("table", "dot", "openlineage")), default="table")
@json_option
def lineage_command(ref: str, direction: str, node: str | None, form: str, *, as_json: bool) -> int:
    """Show where REF came from and what came of it."""
    gatehouse = reading_gatehouse(ref)
    version = resolve_reference(gatehouse.registry, parse_reference(ref))
    names = [version.name, *_other_models(gatehouse, version.name, node or "")]
    records = read_records(gatehouse.registry, names)
    whole = build_graph(records, [mark for name in names for mark in list_marks(gatehouse, name)])
    start = [node or version_id(version.name, version.version)]
    if whole.find(start[0]) is None:
        raise InvalidInput(f"{start[0]!r} is no node of this graph.", next_step="`--json` lists the ids of all nodes.")
    walks = {"both": whole.around, "upstream": whole.upstream, "downstream": whole.downstream}
    graph = walks[direction](start)
    return answer(graph.document(), as_json=as_json, lines=_drawn(graph, records, form, version.name))


@click.command("story")
@click.argument("ref")
@click.option("--out", type=file_type, help="Write the whole story to a file: .html or .md.")
@json_option
def story_command(ref: str, out: Path | None, *, as_json: bool) -> int:
    """Tell what is known of REF, and what is missing."""
    gatehouse = reading_gatehouse(ref)
    version = resolve_reference(gatehouse.registry, parse_reference(ref))
    story = tell_story(gatehouse, version)
    if out is not None:
        writer = _WRITERS.get(out.suffix.lower())
        if writer is None:
            raise InvalidInput(f"{out} is neither .html nor .md.", next_step="Name the file by what it should be.")
        write_file(out, writer(story))
    missing = [{"part": part.name, "how_to_add": part.how_to_add} for part in story.completeness.missing]
    document = {
        "reference": version.reference,
        "completeness": story.completeness.ratio,
        "missing": missing,
        "metrics": {line.name: line.value for line in story.metrics},
        "problems": list(story.problems),
        "written_to": None if out is None else str(out),
    }
    lines = [f"{version.reference}: {story.completeness.ratio:.0%} of the story is told.", *story.problems]
    if missing:
        rows = [(part.title, part.how_to_add) for part in story.completeness.missing]
        lines += table(("MISSING", "HOW TO ADD IT"), rows)
    if out is not None:
        lines.append(f"Written to {out}.")
    return answer(document, as_json=as_json, lines=lines)


@click.command("deprecate")
@click.argument("ref")
@click.option("--sunset", help="The day from which nobody should use it, as YYYY-MM-DD.")
@click.option("--replacement", help="The version to use instead.")
@click.option("--withdraw", is_flag=True, help="Take the deprecation back.")
@click.option("--reason", required=True, help="Why, in a sentence; it is kept.")
@json_option
def deprecate_command(
    ref: str, sunset: str | None, replacement: str | None, reason: str, *, withdraw: bool, as_json: bool
) -> int:
    """Deprecate REF: tags, a notice in its description, and an event."""
    gatehouse, actor = current_gatehouse(), current_actor()
    version = resolve_reference(gatehouse.registry, parse_reference(ref))
    if withdraw:
        done = gatehouse.deprecations.withdraw(actor, version, reason=reason)
        return answer({"reference": done.reference, "deprecated": False}, as_json=as_json, lines=[f"{ref} stays."])
    day = _day(sunset)
    instead = resolve_reference(gatehouse.registry, parse_reference(replacement)) if replacement else None
    done = gatehouse.deprecations.declare(actor, version, sunset=day, replacement=instead, reason=reason)
    document = {
        "reference": done.reference,
        "deprecated": True,
        "sunset_on": day.isoformat(),
        "replacement": instead.reference if instead else None,
    }
    lines = [f"{done.reference} is deprecated, with its sunset on {day}."]
    return answer(document, as_json=as_json, lines=lines)


@click.group("migrate")
def migrate_command() -> None:
    """Move a model to a new name: plan first, then apply the plan."""


@migrate_command.command("plan")
@click.argument("old")
@click.argument("new")
@click.option("--sunset", help=f"When the old name ends, as YYYY-MM-DD; in {_SUNSET_DAYS} days unless given.")
@out_option
@json_option
def plan(old: str, new: str, sunset: str | None, out: Path | None, *, as_json: bool) -> int:
    """Say what moving OLD to NEW would write; nothing is written."""
    gatehouse = reading_gatehouse(old)
    day = _day(sunset) if sunset else gatehouse.clock().date() + timedelta(days=_SUNSET_DAYS)
    document = gatehouse.migrations.plan(old, new, sunset=day).to_json()
    rows = [(step["do"], step["version"], step["value"]) for step in document["steps"]]
    return answer_plan(document, table(("DO", "VERSION", "VALUE"), rows), out=out, as_json=as_json)


@migrate_command.command("apply")
@click.argument("plan_file", metavar="PLAN", type=file_type)
@click.option("--reason", default="The name of the product.", help="Why, in a sentence; it is kept.")
@json_option
def apply(plan_file: Path, reason: str, *, as_json: bool) -> int:
    """Apply PLAN; what is done already is not done again. Exit code 0 when all of it is done."""
    gatehouse, actor = current_gatehouse(), current_actor()
    outcome = gatehouse.migrations.apply(read_bytes(plan_file), actor=actor, reason=reason)
    old, new = outcome.plan.old, outcome.plan.new
    return answer_outcome(outcome, about={"from": old, "to": new}, label=f"{old} to {new}", as_json=as_json)


def _other_models(gatehouse: Gatehouse, model: str, node: str) -> Sequence[str]:
    """Return which other models rest on the data set that a walk begins at."""
    if not node.startswith(f"{NodeKind.DATASET}:"):
        return ()
    uses = list_data_uses(gatehouse.registry, gatehouse.index, *read_data_set(node))
    return sorted({use.version.name for use in uses} - {model})


def _drawn(graph: Graph, records: LineageRecords, form: str, namespace: str) -> Sequence[str]:
    if form == "dot":
        return [write_dot(graph)]
    if form == "openlineage":
        events = list_openlineage_events(records, graph, namespace=namespace)
        return [json.dumps(event, ensure_ascii=False) for event in events]
    labels = {node.id: f"{node.label}{' (gone)' if node.is_gone else ''}" for node in graph.nodes}
    return table(("FROM", "", "TO"), [(labels[edge.source], edge.kind, labels[edge.target]) for edge in graph.edges])


def _day(text: str | None) -> date:
    try:
        return date.fromisoformat(text or "")
    except ValueError as error:
        raise InvalidInput(
            f"The sunset {text!r} is no date." if text else "A sunset is needed.",
            next_step="Write it as YYYY-MM-DD, such as --sunset 2027-06-30.",
        ) from error
