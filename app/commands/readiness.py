"""`readiness`: the checklist of a version, and answering an item of it."""

from __future__ import annotations

from typing import Any

import click

from app.commands.output import answer, current_actor, current_gatehouse, json_option, reading_gatehouse, table
from services.gates.checklists import Answer, ItemState
from services.gates.evidence import tier_of
from services.registry.references import parse_reference, resolve_reference

_ANSWERS = {answer.value.replace("_", "-"): answer for answer in Answer}


@click.group("readiness")
def readiness_command() -> None:
    """The readiness checklist of a version."""


@readiness_command.command("show")
@click.argument("ref")
@json_option
def show(ref: str, *, as_json: bool) -> int:
    """Show what evidence and people answered for REF; exit code 0 when every item is held."""
    gatehouse = reading_gatehouse(ref)
    version = resolve_reference(gatehouse.registry, parse_reference(ref))
    tier = tier_of(gatehouse.registry.get_model(version.name), version)
    evidence = gatehouse.readiness.list_evidence(version)
    states = gatehouse.checklists.list_states(
        version.name, version.version, evidence, made_at=version.created_at, tier=tier
    )
    held = sum(state.is_held for state in states)
    document = {
        "reference": version.reference,
        "held": held,
        "items": [_item_json(state) for state in states],
    }
    rows = [
        (state.category, state.item, state.answer.value if state.answer else "open", state.by, state.note or state.asks)
        for state in states
    ]
    lines = [
        *table(("CATEGORY", "ITEM", "ANSWER", "BY", "WHERE, OR WHAT IS ASKED"), rows),
        "",
        f"{held} of {len(states)} items are held.",
    ]
    return answer(document, as_json=as_json, lines=lines, is_yes=held == len(states))


@readiness_command.command("answer")
@click.argument("ref")
@click.argument("item")
@click.argument("given", metavar="ANSWER", type=click.Choice(list(_ANSWERS)))
@click.option("--note", default="", help="Where it can be seen, a link for a yes; or why it does not apply.")
@json_option
def answer_item(ref: str, item: str, given: str, note: str, *, as_json: bool) -> int:
    """Answer ITEM of the checklist for REF with yes, no or not-applicable."""
    gatehouse, actor = current_gatehouse(), current_actor()
    version = resolve_reference(gatehouse.registry, parse_reference(ref))
    gatehouse.checklists.answer(actor, version.name, version.version, item, _ANSWERS[given], note=note)
    document = {"reference": version.reference, "item": item, "answer": _ANSWERS[given].value, "by": actor.name}
    return answer(document, as_json=as_json, lines=[f"{item} of {version.reference}: {given}, says {actor.name}."])


def _item_json(state: ItemState) -> dict[str, Any]:
    return {
        "category": state.category,
        "item": state.item,
        "asks": state.asks,
        "answer": None if state.answer is None else state.answer.value,
        "by": state.by or None,
        "note": state.note,
    }
