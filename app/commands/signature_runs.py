"""`signature test | predict | plan`: what runs a version on the strength of its signature, and what a break takes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from app.commands.output import (
    answer,
    current_actor,
    current_gatehouse,
    json_option,
    reading_gatehouse,
    table,
    write_file,
)
from app.commands.parameters import WholeNumber
from app.commands.signature import column_value, read_reference, signature_command, told_adjustments
from services.errors import InvalidInput
from services.registry.references import parse_reference, resolve_reference
from services.signatures.compare import compare
from services.signatures.migration import OwnerRole, draft_plan, list_breaking, list_plan_problems
from services.signatures.verdicts import Comparison
from services.untrusted.escape import as_line

__all__ = ["signature_command"]

_file = click.Path(dir_okay=False, path_type=Path)


@signature_command.command("test")
@click.argument("ref")
@json_option
def test_version(ref: str, *, as_json: bool) -> int:
    """Run the signature tests of REF in the sandbox: what it must take, and what it must refuse.

    They are kept in the audit log. Exit code 0 when every one passed.
    """
    gatehouse, actor = current_gatehouse(), current_actor()
    version = resolve_reference(gatehouse.registry, parse_reference(ref))
    report = gatehouse.signature_runs.test(version, actor=actor)
    rows = [
        (result.name, "taken" if result.is_accepted else "refused", result.outcome, result.detail)
        for result in report.results
    ]
    verdict = "passed" if report.is_passed else "did not pass"
    lines = [*table(("TEST", "MUST BE", "OUTCOME", "WHAT HAPPENED"), rows), "", f"{report.reference} {verdict}."]
    return answer(report.to_json(), as_json=as_json, lines=lines, is_yes=report.is_passed)


@signature_command.command("predict")
@click.argument("ref")
@click.option("--data", "path", type=_file, required=True, help="CSV, Parquet or JSON.")
@click.option("--out", type=_file, required=True, help="A Parquet file: row, score, label, latency_ms, error.")
@click.option("--allow", multiple=True, metavar="COLUMN", help="A column that may lose digits; may repeat.")
@click.option("--default", "defaults", multiple=True, metavar="COLUMN=VALUE", help="A value for what is missing.")
@click.option("--chunk-rows", type=WholeNumber(1, 1_000_000), default=100_000, show_default=True)
@json_option
def predict_file(
    ref: str,
    path: Path,
    out: Path,
    allow: tuple[str, ...],
    defaults: tuple[str, ...],
    chunk_rows: int,
    *,
    as_json: bool,
) -> int:
    """Conform a file to REF part by part, and predict it in the sandbox.

    Nothing is predicted unless every row could be conformed. Exit code 0 when every row has its prediction.
    """
    if out.suffix.lower() != ".parquet":
        raise InvalidInput(f"{out.name!r} is no Parquet file.", next_step="Name a .parquet file.")
    gatehouse, actor = current_gatehouse(), current_actor()
    version = resolve_reference(gatehouse.registry, parse_reference(ref))
    report = gatehouse.signature_runs.predict(
        version,
        path,
        out,
        actor=actor,
        allow=allow,
        defaults=dict(map(column_value, defaults)),
        chunk_rows=chunk_rows,
        progress=lambda rows: click.echo(f"{rows} rows", err=True),
    )
    written = f"{report.rows} rows predicted into {out}, {report.failed_rows} of them failed."
    lines = [
        *told_adjustments(report.changes, report.problems),
        "Nothing was predicted." if report.problems else written,
    ]
    return answer(report.to_json(), as_json=as_json, lines=lines, is_yes=report.ok)


@signature_command.command("plan")
@click.argument("old")
@click.argument("new")
@click.option("--out", type=_file, help="Where the plan goes, for `promotions request --migration-plan`.")
@click.option("--start", type=click.DateTime(["%Y-%m-%d"]), help="The first day; today unless given.")
@click.option("--owner", "owners", multiple=True, metavar="ROLE=PERSON", help="Who does the steps of a role.")
@json_option
def plan_migration(
    old: str, new: str, out: Path | None, start: datetime | None, owners: Sequence[str], *, as_json: bool
) -> int:
    """Draw up the migration plan of a breaking change: steps, owners, dates.

    The roles are serving, callers, data_science and release. Exit code 0 when nothing is missing.
    """
    gatehouse = reading_gatehouse(new)
    before, after = (resolve_reference(gatehouse.registry, parse_reference(ref)) for ref in (old, new))
    if before.name != after.name:
        raise InvalidInput(
            f"{old} and {new} are versions of different models.", next_step="Name two versions of one model."
        )
    today = gatehouse.clock().date()
    comparison = compare(read_reference(old), read_reference(new))
    plan = draft_plan(
        comparison,
        model=after.name,
        old_version=before.version,
        new_version=after.version,
        start=start.date() if start else today,
        owners=dict(map(_owner, owners)),
    )
    problems = _problems(comparison, list_plan_problems(plan, today=today))
    if out is not None:
        write_file(out, json.dumps(plan.to_json(), ensure_ascii=False, indent=2) + "\n")
    steps = [(step.due.isoformat(), step.owner or "nobody yet", step.what) for step in plan.steps]
    lines = [
        *(f"Breaks {as_line(change)}" for change in plan.breaking),
        *table(("BY", "WHO", "WHAT"), steps),
        *map(as_line, problems),
    ]
    return answer({**plan.to_json(), "problems": list(problems)}, as_json=as_json, lines=lines, is_yes=not problems)


def _problems(comparison: Comparison, problems: Sequence[str]) -> list[str]:
    if list_breaking(comparison):
        return list(problems)
    if comparison.reason:
        return [f"Whether a plan is needed is not known. {comparison.reason}"]
    return ["Nothing breaks between the two versions, so no plan is needed."]


def _owner(text: str) -> tuple[OwnerRole, str]:
    role, equals, person = text.partition("=")
    if not equals or role not in {*OwnerRole}:
        raise InvalidInput(f"{text!r} is no ROLE=PERSON.", next_step=f"The roles are {', '.join(OwnerRole)}.")
    return OwnerRole(role), person.strip()
