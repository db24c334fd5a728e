"""`signature`: what a model takes and returns, what a change does to callers, and whether data fits."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import pandas as pd

from app.commands.output import answer, current_gatehouse, json_option, table
from services.errors import InvalidInput, NotFound
from services.registry.references import parse_reference, resolve_reference
from services.signatures.check import CheckResult, check
from services.signatures.compare import compare
from services.signatures.conform import conform, text_columns
from services.signatures.data_files import load_data_file, write_data_file
from services.signatures.explain import find_explanation
from services.signatures.reader import read_reference_path, read_signature
from services.signatures.scoring import check_request
from services.signatures.values import Signature, SignatureReading, params_json, schema_json
from services.signatures.verdicts import Direction

MAX_MLMODEL_BYTES = 16 * 1024 * 1024
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
        "params": params_json(signature.params) if signature else None,
    }
    document = {
        "state": reading.state.value,
        "reason": reading.reason,
        **sides,
        "has_input_example": reading.has_input_example,
        "mlflow_version": reading.mlflow_version,
    }
    rows = [
        (side, each.get("name"), each["type"], "" if each.get("required", True) else "optional")
        for side, fields in sides.items()
        for each in fields or ()
    ]
    told = table(("SIDE", "NAME", "TYPE", ""), rows) if rows else []
    lines = [*([reading.reason] if reading.reason else []), *told]
    return answer(document, as_json=as_json, lines=lines, is_yes=signature is not None)


@signature_command.command("diff")
@click.argument("old")
@click.argument("new")
@click.option(
    "--direction", type=click.Choice([each.value for each in Direction]), default="backward", show_default=True
)
@json_option
def diff(old: str, new: str, direction: str, *, as_json: bool) -> int:
    """Say what changes for callers from OLD to NEW; exit code 1 when it breaks them or cannot be judged."""
    comparison = compare(read_reference(old), read_reference(new), Direction(direction))
    rows = [
        (change.side, change.path, change.kind, change.effect, change.json_effect, change.judged.frame.reason)
        for change in comparison.changes
    ]
    lines = [
        f"DataFrame callers: {comparison.verdict}; JSON callers: {comparison.json_verdict}",
        *([comparison.reason] if comparison.reason else []),
        *(table(("SIDE", "PATH", "CHANGE", "DATAFRAME", "JSON", "WHY"), rows) if rows else []),
        *comparison.notes,
    ]
    return answer(comparison.to_json(), as_json=as_json, lines=lines, is_yes=comparison.verdict.is_pass)


@signature_command.command("check")
@click.argument("ref")
@click.option("--data", "path", type=_file, required=True, help="CSV, Parquet or JSON.")
@json_option
def check_data(ref: str, path: Path, *, as_json: bool) -> int:
    """Say whether REF takes the data: exactly what MLflow's own enforcement does with it."""
    signature = _signature(ref)
    data = load_data_file(path, text_columns=text_columns(signature))
    result = (
        check_request(signature, data.request) if data.request is not None else check(signature, _frame(data.frame))
    )
    return _answer_check(result, {"ok": result.ok}, as_json=as_json)


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
    """Write the data as REF declares it, listing every change; nothing is coerced in silence."""
    reading = read_reference(ref)
    signature = _signature(ref, reading)
    frame = _frame(load_data_file(path, text_columns=text_columns(signature)).frame)
    declared = {**reading.column_defaults, **dict(map(_default, defaults))}
    conformed = conform(signature, frame, allow=allow, defaults=declared)
    if conformed.frame is not None:
        write_data_file(conformed.frame, out)
    lines = [
        *(f"{each.column}: {each.what}" for each in conformed.adjustments),
        *(f"{each.column}: expected {each.expected}, found {each.found}. {each.fix}" for each in conformed.problems),
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
    lines = [found.cause, found.remedy, "", *found.lines.splitlines()]
    return answer(found.to_json(), as_json=as_json, lines=lines)


def read_reference(text: str) -> SignatureReading:
    """Return the signature that a reference or a path names."""
    reference = parse_reference(text, allow_path=True)
    if reference.path is not None:
        return read_reference_path(reference.path)
    registry = current_gatehouse().registry
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


def _default(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidInput(f"{text!r} is no COLUMN=VALUE.", next_step="Write such as --default country=US.")
    return name, value


def _answer_check(result: CheckResult, document: dict[str, Any], *, as_json: bool) -> int:
    document["problems"] = [problem.to_json() for problem in result.problems]
    rows = [(each.column, each.kind, each.expected, each.found, each.fix) for each in result.problems]
    lines = [
        "MLflow takes this data." if result.ok else "MLflow refuses this data.",
        *(table(("COLUMN", "PROBLEM", "EXPECTED", "FOUND", "WHAT TO DO"), rows) if rows else []),
    ]
    return answer(document, as_json=as_json, lines=lines, is_yes=result.ok)
