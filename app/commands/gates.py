"""`gates`: what a version has to prove before it moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from app.commands.output import answer, current_actor, current_gatehouse, json_option, reading_gatehouse, table
from app.commands.parameters import ID, FiniteNumber, WholeNumber
from services.clock import to_text
from services.errors import InvalidInput
from services.gates.waivers import Waiver
from services.promotions import parse_stage
from services.registry.references import parse_reference, resolve_reference
from services.untrusted.yaml_reader import MAX_BYTES

MAX_READ_BYTES = 64 * 1024 * 1024

_file = click.Path(dir_okay=False, path_type=Path)
_folder = click.Path(file_okay=False, exists=True, path_type=Path)


@click.group("gates")
def gates_command() -> None:
    """What a version has to prove before it moves."""


@gates_command.command("run")
@click.argument("ref")
@click.option("--to", "stage", required=True, help="staging or production.")
@click.option("--champion", help="What REF is compared with; the version in production unless given.")
@click.option("--policy", type=_file, help="A gate policy to judge by instead.")
@click.option("--evidence", type=_folder, help="A folder of result files that goes before those of the run.")
@click.option("--data", type=_file, help="What the sandbox measures on; the model's input example unless given.")
@json_option
def run(
    ref: str,
    stage: str,
    champion: str | None,
    policy: Path | None,
    evidence: Path | None,
    data: Path | None,
    *,
    as_json: bool,
) -> int:
    """Run the gates of a stage on REF; exit code 0 when they pass."""
    gatehouse, actor = current_gatehouse(), current_actor()
    reference, wanted = parse_reference(ref), parse_stage(stage)
    text = None if policy is None else read_text(policy)
    report = gatehouse.gates.run(
        resolve_reference(gatehouse.registry, reference),
        wanted,
        actor=actor,
        champion=None if champion is None else resolve_reference(gatehouse.registry, parse_reference(champion)),
        policy_text=text,
        collectors=gatehouse.list_collectors(evidence=evidence, data=data) if evidence or data else None,
        evidence_from=" ".join(str(path) for path in (evidence, data) if path is not None),
    )
    rows = [
        (
            result.gate,
            "waived" if result.waived else f"{result.outcome} (dry run)" if result.dry_run else result.outcome,
            result.message,
        )
        for result in report.results
    ]
    lines = [*table(("GATE", "OUTCOME", "WHY"), rows), "", f"{report.reference} to {report.stage}: {report.outcome}"]
    return answer(report.to_json(), as_json=as_json, lines=lines, is_yes=report.is_passed)


@gates_command.command("sweep")
@click.option("--to", "stage", required=True, help="staging or production.")
@json_option
def sweep(stage: str, *, as_json: bool) -> int:
    """Judge the latest version of every model on records alone, the worst first; an overview, which clears none."""
    wanted = parse_stage(stage)
    reports = current_gatehouse().gates.run_records(wanted, actor=current_actor())
    held_up = sum(bool(report.obstacles) for report in reports)
    document = {
        "to": wanted.value.lower(),
        "held_up": held_up,
        "versions": [
            {
                "model": report.model,
                "version": report.version,
                "champion": report.champion,
                "outcome": report.outcome.value,
                "held_up_by": [result.gate for result in report.obstacles],
                "gates": [result.to_json() for result in report.results],
            }
            for report in reports
        ],
    }
    rows = [
        (report.reference, report.outcome, ", ".join(result.gate for result in report.obstacles)) for report in reports
    ]
    lines = [*table(("VERSION", "OUTCOME", "HELD UP BY"), rows), "", f"{held_up} of {len(reports)} are held up."]
    return answer(document, as_json=as_json, lines=lines)


@gates_command.command("waive")
@click.argument("ref")
@click.argument("gate")
@click.option("--to", "stage", required=True, help="The stage whose gate it is.")
@click.option("--days", type=FiniteNumber(), required=True, help="For how long; the gate policy limits it.")
@click.option("--reason", required=True, help="Why, in a sentence; it is shown on every review.")
@json_option
def waive(ref: str, gate: str, stage: str, days: float, reason: str, *, as_json: bool) -> int:
    """Lift GATE for REF for a time: it is still run and shown, and no longer decides."""
    gatehouse, actor = current_gatehouse(), current_actor()
    version = resolve_reference(gatehouse.registry, parse_reference(ref))
    waiver = gatehouse.gates.waive(actor, version, parse_stage(stage), gate, reason=reason, days=days)
    until = to_text(waiver.expires_at)
    lines = [f"{waiver.gate} is waived for {version.reference} to {waiver.stage} until {until}."]
    return answer(_waiver_json(waiver), as_json=as_json, lines=lines)


@gates_command.command("waivers")
@click.argument("name", required=False)
@click.option("--all", "with_ended", is_flag=True, help="Also those that have ended.")
@click.option("--before", type=ID, help="Only below this id: the next page.")
@click.option("--limit", type=WholeNumber(1, 500), default=50, show_default=True)
@json_option
def list_waivers(name: str | None, before: int | None, limit: int, *, with_ended: bool, as_json: bool) -> int:
    """List the gates that are lifted, of a model or of all, newest first."""
    found = reading_gatehouse(name or "waivers").gates.waivers.list_waivers(
        model=name, only_standing=not with_ended, before_id=before, limit=limit
    )
    rows = [
        (each.id, each.reference, each.stage, each.gate, each.granted_by, to_text(each.expires_at)[:10], each.reason)
        for each in found
    ]
    document = {
        "waivers": [_waiver_json(each) for each in found],
        "next": found[-1].id if len(found) == limit else None,
    }
    return answer(document, as_json=as_json, lines=table(("ID", "VERSION", "TO", "GATE", "BY", "UNTIL", "WHY"), rows))


@gates_command.command("revoke")
@click.argument("waiver_id", metavar="ID", type=ID)
@click.option("--reason", required=True, help="Why, in a sentence; it is kept.")
@json_option
def revoke(waiver_id: int, reason: str, *, as_json: bool) -> int:
    """End a waiver before its time; what was approved with it has to be approved again."""
    revoked = current_gatehouse().gates.waivers.revoke(current_actor(), waiver_id, reason=reason)
    lines = [f"{revoked.gate} decides again for {revoked.reference}."]
    return answer(_waiver_json(revoked), as_json=as_json, lines=lines)


def _waiver_json(waiver: Waiver) -> dict[str, Any]:
    return {
        "id": waiver.id,
        "model": waiver.model,
        "version": waiver.version,
        "to": waiver.stage.value.lower(),
        "gate": waiver.gate,
        "reason": waiver.reason,
        "granted_by": waiver.granted_by,
        "granted_at": to_text(waiver.granted_at),
        "expires": to_text(waiver.expires_at),
        "revoked_by": waiver.revoked_by,
    }


def read_bytes(path: Path) -> bytes:
    """Return what a document file holds; of one that is far too large, as much as shows that.

    Raises:
        InvalidInput: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_READ_BYTES)
    except FileNotFoundError as error:
        raise InvalidInput(f"There is no file {path}.", next_step="Check the path.") from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read.", next_step="Check the file and its permissions.") from error


def read_text(path: Path) -> str:
    """Return the text of a document file.

    Raises:
        InvalidInput: it cannot be read, is too large, or is no text.
    """
    content = read_bytes(path)
    if len(content) > MAX_BYTES:
        raise InvalidInput(
            f"{path} is larger than the {MAX_BYTES} bytes that are read.",
            next_step="A document is a page or two of YAML.",
        )
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is no UTF-8 text.", next_step="Save it as UTF-8.") from error
