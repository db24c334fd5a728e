"""`pins` and `rollback`: what serves, and going back with one command."""

from __future__ import annotations

from datetime import datetime

import click

from app.commands.output import answer, current_actor, current_gatehouse, json_option, table
from services.clock import from_text, to_text
from services.deployments import to_configmap, to_env, to_yaml
from services.errors import InvalidInput

_WRITERS = {"yaml": to_yaml, "configmap": to_configmap, "env": to_env}


@click.group("pins")
def pins_command() -> None:
    """Which version of each model serves."""


@pins_command.command("show")
@click.argument("name", required=False)
@click.option("--at", "at_text", help="As it was at this time (ISO 8601, UTC unless it says otherwise).")
@json_option
def show(name: str | None, at_text: str | None, *, as_json: bool) -> int:
    """Show the pins of all models, or of NAME."""
    gatehouse = current_gatehouse()
    at = None if at_text is None else _moment(at_text)
    if name is not None and at is None:
        gatehouse.deployments.pins.get(name)
    found = gatehouse.deployments.pins.list_pins(model=name, at=at)
    rows = [
        (model, pinned.current, pinned.previous, pinned.fallback, to_text(pinned.since)[:16])
        for model, pinned in found.items()
    ]
    document = {"models": {model: pinned.to_json() for model, pinned in found.items()}}
    lines = table(("MODEL", "CURRENT", "PREVIOUS", "FALLBACK", "SINCE"), rows)
    return answer(document, as_json=as_json, lines=lines)


@pins_command.command("export")
@click.option("--format", "form", type=click.Choice(sorted(_WRITERS)), default="yaml", show_default=True)
@json_option
def export(form: str, *, as_json: bool) -> int:
    """Print the pins as a file for a serving platform."""
    text = _WRITERS[form](current_gatehouse().deployments.pins.list_pins())
    return answer({"format": form, "text": text}, as_json=as_json, lines=text.splitlines())


@click.command("rollback")
@click.argument("name")
@click.option("--to", "target", default="previous", show_default=True, help="previous, fallback, or a version.")
@click.option("--reason", required=True, help="Why, in a sentence; it is kept.")
@json_option
def rollback_command(name: str, target: str, reason: str, *, as_json: bool) -> int:
    """Make a former version of NAME serve again, at once."""
    outcome = current_gatehouse().deployments.roll_back(name, target, actor=current_actor(), reason=reason)
    document = outcome.to_json()
    lines = [f"{name} serves version {document['to']} instead of {document['from']}: {document['state']}"]
    return answer(document, as_json=as_json, lines=[*lines, *([outcome.remaining] if outcome.remaining else [])])


def _moment(text: str) -> datetime:
    try:
        return from_text(text)
    except ValueError as error:
        raise InvalidInput(f"{text!r} is no time.", next_step="Write such as 2026-03-01T12:00:00Z.") from error
