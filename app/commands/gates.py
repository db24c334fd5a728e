"""`gates`: what a version has to prove before it moves."""

from __future__ import annotations

from pathlib import Path

import click

from app.commands.output import answer, current_actor, current_gatehouse, json_option, table
from services.errors import InvalidInput
from services.promotions import parse_stage
from services.registry.references import parse_reference, resolve_reference

MAX_POLICY_BYTES = 256 * 1024


@click.group("gates")
def gates_command() -> None:
    """What a version has to prove before it moves."""


@gates_command.command("run")
@click.argument("ref")
@click.option("--to", "stage", required=True, help="staging or production.")
@click.option("--champion", help="What REF is compared with; the version in production unless given.")
@click.option("--policy", type=click.Path(dir_okay=False, path_type=Path), help="A gate policy to judge by instead.")
@json_option
def run(ref: str, stage: str, champion: str | None, policy: Path | None, *, as_json: bool) -> int:
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


def read_text(path: Path) -> str:
    """Return the text of a document file.

    Raises:
        InvalidInput: it cannot be read, is too large, or is no text.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_POLICY_BYTES + 1)
        if len(content) > MAX_POLICY_BYTES:
            raise InvalidInput(
                f"{path} is larger than {MAX_POLICY_BYTES} bytes.", next_step="A document is a page or two of YAML."
            )
        return content.decode("utf-8")
    except FileNotFoundError as error:
        raise InvalidInput(f"There is no file {path}.", next_step="Check the path.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read as UTF-8 text.", next_step="Check the file.") from error
