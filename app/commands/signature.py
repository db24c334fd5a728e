"""`signature`: what a model takes and returns, what a change does to callers, and whether data fits."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.commands.output import answer, json_option, reading_gatehouse, table
from services.errors import InvalidInput, NotFound
from services.registry.references import parse_reference, resolve_reference
from services.signatures.break_examples import find_break_examples
from services.signatures.compare import compare
from services.signatures.explain import find_explanation
from services.signatures.reader import read_reference_path, read_signature
from services.signatures.values import Signature, SignatureReading, Tensors, params_json, schema_json
from services.signatures.verdicts import Direction, finite
from services.untrusted.escape import as_line

if TYPE_CHECKING:
    import pandas as pd

    from services.signatures.check import CheckResult, Problem
    from services.signatures.conform import Adjustment

MAX_MLMODEL_BYTES = 16 * 1024 * 1024
MAX_EXAMPLE_SHOWN = 400
_file = click.Path(dir_okay=False, path_type=Path)


@click.group("signature")
def signature_command() -> None:
    """What a model takes and returns. A REF may also be an MLmodel file or a folder that holds one."""


@signature_command.command("show")
@click.argument("ref")
@json_option
def show(ref: str, *, as_json: bool) -> int:
    """Show the signature of REF."""
    reading = read_reference(ref)
    signature = reading.signature
    sides = {
        "inputs": schema_json(signature.inputs) if signature else None,
        "outputs": schema_json(signature.outputs) if signature else None,
        "params": finite(params_json(signature.params)) if signature else None,
    }
    document = {
        "state": reading.state.value,
        "reason": reading.reason,
        **sides,
        "has_input_example": reading.has_input_example,
        "is_from_type_hints": reading.is_from_type_hints,
        "mlflow_version": reading.mlflow_version,
    }
    rows = _declared(signature) if signature else []
    told = table(("SIDE", "NAME", "TYPE", ""), rows) if rows else []
    hinted = "The model checks its input by its own type hints; MLflow enforces nothing of this."
    notes = [reading.reason] * bool(reading.reason) + [hinted] * reading.is_from_type_hints
    lines = [*map(as_line, notes), *told]
    return answer(document, as_json=as_json, lines=lines, is_yes=signature is not None)


@signature_command.command("diff")
@click.argument("old")
@click.argument("new")
@click.option(
    "--direction", type=click.Choice([each.value for each in Direction]), default="backward", show_default=True
)
@json_option
def diff(old: str, new: str, direction: str, *, as_json: bool) -> int:
    """Say what changes for callers from OLD to NEW.

    Exit code 0 for identical, compatible and risky; 1 for breaking and unknown, by what DataFrame callers meet.
    """
    before, after = read_reference(old), read_reference(new)
    comparison = compare(before, after, Direction(direction))
    examples = find_break_examples(comparison, before, after)
    rows = [
        (change.side, change.path, change.kind, change.effect, change.json_effect, change.judged.frame.reason)
        for change in comparison.changes
    ]
    lines = [
        f"DataFrame callers: {comparison.verdict}; JSON callers: {comparison.json_verdict}",
        *([as_line(comparison.reason)] if comparison.reason else []),
        *(table(("SIDE", "PATH", "CHANGE", "DATAFRAME", "JSON", "WHY"), rows) if rows else []),
        *(
            as_line(f"Perhaps renamed: {guess.before} to {guess.after} (a guess, {guess.likelihood:.0%} likely)")
            for guess in comparison.renames
        ),
        *comparison.notes,
        *(f"{name}: {as_line(_shortened(example))}" for name, example in examples.items() if example),
    ]
    document = {**comparison.to_json(), **examples}
    return answer(document, as_json=as_json, lines=lines, is_yes=comparison.verdict.is_pass)


@signature_command.command("check")
@click.argument("ref")
@click.option("--data", "path", type=_file, required=True, help="CSV, Parquet or JSON.")
@json_option
def check_data(ref: str, path: Path, *, as_json: bool) -> int:
    """Say whether REF takes the data: exactly what MLflow's own enforcement does with it.

    A table is read as pandas reads it, as callers of `predict` do. A JSON file in one of the scoring server's request
    forms is judged as that server treats it, and what arrives altered is told.
    """
    from services.signatures.check import check
    from services.signatures.data_files import load_data_file
    from services.signatures.scoring import check_request

    signature = _signature(ref)
    data = load_data_file(path)
    result = (
        check_request(signature, data.request) if data.request is not None else check(signature, _frame(data.frame))
    )
    return _answer_check(result, as_json=as_json)


@signature_command.command("conform")
@click.argument("ref")
@click.option("--data", "path", type=_file, required=True, help="CSV, Parquet or JSON.")
@click.option("--out", type=_file, required=True, help="Where the conformed data goes.")
@click.option("--allow", multiple=True, metavar="COLUMN", help="A column that may lose digits; may repeat.")
@click.option("--default", "defaults", multiple=True, metavar="COLUMN=VALUE", help="A value for what is missing.")
@json_option
def conform_data(
    ref: str, path: Path, out: Path, allow: tuple[str, ...], defaults: tuple[str, ...], *, as_json: bool
) -> int:
    """Write the data as REF declares it, listing every change; nothing is coerced in silence.

    Only Parquet keeps every type: a CSV file is read back with 64-bit numbers.
    """
    from services.signatures.conform import conform, text_columns
    from services.signatures.data_files import load_data_file, write_data_file

    reading = read_reference(ref)
    signature = _signature(ref, reading)
    frame = _frame(load_data_file(path, text_columns=text_columns(signature)).frame)
    declared = {**reading.column_defaults, **dict(map(column_value, defaults))}
    conformed = conform(signature, frame, allow=allow, defaults=declared)
    if conformed.frame is not None:
        write_data_file(conformed.frame, out)
    lines = [
        *told_adjustments(conformed.adjustments, conformed.problems),
        f"written to {out}" if conformed.ok else "Nothing was written.",
    ]
    return answer(conformed.to_json(), as_json=as_json, lines=lines, is_yes=conformed.ok)


@signature_command.command("explain")
@click.argument("text")
@json_option
def explain(text: str, *, as_json: bool) -> int:
    """Explain an error message: cause, remedy, the lines to write. TEXT `-` reads standard input."""
    message = sys.stdin.read() if text == "-" else text
    found = find_explanation(message)
    if found is None:
        raise NotFound(
            "The catalogue does not know this message.", next_step="Paste the line that begins with the error's name."
        )
    lines = [as_line(found.cause), found.remedy, "", *map(as_line, found.lines.splitlines())]
    return answer(found.to_json(), as_json=as_json, lines=lines)


def read_reference(text: str) -> SignatureReading:
    """Return the signature that a reference or a path names."""
    reference = parse_reference(text, allow_path=True)
    if reference.path is not None:
        return read_reference_path(reference.path)
    registry = reading_gatehouse(text).registry
    version = resolve_reference(registry, reference)
    return read_signature(registry.read_file(version, "MLmodel", max_bytes=MAX_MLMODEL_BYTES))


def _signature(ref: str, reading: SignatureReading | None = None) -> Signature:
    reading = reading or read_reference(ref)
    if reading.signature is None:
        raise InvalidInput(
            f"{ref} has no signature to check data against: {reading.reason}",
            next_step="Log the model with a signature of its inputs and outputs.",
        )
    return reading.signature


def _frame(frame: pd.DataFrame | None) -> pd.DataFrame:
    if frame is None:
        raise InvalidInput("The file is a request, not a table.", next_step="Give a CSV or Parquet file, or records.")
    return frame


def column_value(text: str) -> tuple[str, Any]:
    """Return the column and the value of COLUMN=VALUE."""
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidInput(f"{text!r} is no COLUMN=VALUE.", next_step="Write such as --default country=US.")
    return name, value


def told_adjustments(adjustments: Iterable[Adjustment], problems: Iterable[Problem]) -> list[str]:
    """Return what was done to a table and what stood in the way, a line each."""
    return [
        *(as_line(f"{each.column}: {each.what}{_lost(each.lost)}") for each in adjustments),
        *(as_line(f"{each.column}: expected {each.expected}, found {each.found}. {each.fix}") for each in problems),
    ]


def _lost(lost: str) -> str:
    return f", losing {lost}" if lost else ""


def _declared(signature: Signature) -> list[tuple[str, object, str, str]]:
    rows: list[tuple[str, object, str, str]] = []
    for side, schema in (("inputs", signature.inputs), ("outputs", signature.outputs)):
        if isinstance(schema, Tensors):
            rows.extend((side, tensor.name, str(tensor), "") for tensor in schema.tensors)
        elif schema is not None:
            rows.extend(
                (side, column.name, str(column.type), "" if column.is_required else "optional")
                for column in schema.columns
            )
    rows.extend(
        ("params", param.name, str(param), f"default {json.dumps(param.default, ensure_ascii=False)}")
        for param in signature.params or ()
    )
    return rows


def _shortened(example: dict[str, Any]) -> str:
    text = json.dumps(example, ensure_ascii=False)
    return text if len(text) <= MAX_EXAMPLE_SHOWN else f"{text[:MAX_EXAMPLE_SHOWN]}…"


def _answer_check(result: CheckResult, *, as_json: bool) -> int:
    rows = [(each.column, each.kind, each.expected, each.found, each.fix) for each in result.problems]
    lines = [
        "MLflow takes this data." if result.ok else "MLflow refuses this data.",
        *(table(("COLUMN", "PROBLEM", "EXPECTED", "FOUND", "WHAT TO DO"), rows) if rows else []),
    ]
    return answer(result.to_json(), as_json=as_json, lines=lines, is_yes=result.ok)
