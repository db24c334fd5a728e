"""`policy`: governed documents, of which decision policies are one kind; deciding and what-if."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from app.commands.changes import change_json
from app.commands.gates import read_bytes, read_text
from app.commands.output import answer, current_actor, current_gatehouse, json_option, reading_gatehouse, table
from app.commands.parameters import ID, WholeNumber
from app.facade import DOCUMENT_KINDS
from services.clock import from_text, to_text
from services.documents import DEFAULT_NAME, DocumentKind, Problem, compare_texts, parse, unified_diff, validate
from services.documents.activation import ask, propose
from services.documents.files import export_documents, import_documents
from services.errors import InvalidInput
from services.policies.document import DECISION_POLICY
from services.policies.policy import Policy
from services.policies.reading import find_column_problems, find_notes, read_policy, read_revision
from services.policies.what_if import LOG_SOURCE
from services.shadow.places import get_log_folder

_KINDS = {kind.name: kind for kind in DOCUMENT_KINDS}
_file = click.Path(dir_okay=False, path_type=Path)
_path = click.Path(path_type=Path)
_kind = click.option("--kind", type=click.Choice(sorted(_KINDS)), help="By default what the document says it is.")


@click.group("policy")
def policy_command() -> None:
    """Decision policies, gate policies and other governed documents."""


@policy_command.command("list")
@_kind
@click.option("--after", help="Only after this KIND/NAME: the next page.")
@click.option("--limit", type=WholeNumber(1, 500), default=100, show_default=True)
@json_option
def list_documents(kind: str | None, after: str | None, limit: int, *, as_json: bool) -> int:
    """List documents and what is in force."""
    last_kind, _, last_name = (after or "").partition("/")
    found = reading_gatehouse("documents").documents.list_documents(
        kind=kind, after=(last_kind, last_name) if after else None, limit=limit
    )
    documents = [
        {
            "kind": each.kind,
            "name": each.name,
            "last_revision": each.last_number,
            "in_force": None if each.in_force is None else each.in_force.number,
        }
        for each in found
    ]
    rows = [(each["kind"], each["name"], each["in_force"], each["last_revision"]) for each in documents]
    following = f"{found[-1].kind}/{found[-1].name}" if len(found) == limit else None
    document = {"documents": documents, "next": following}
    return answer(document, as_json=as_json, lines=table(("KIND", "NAME", "IN FORCE", "LAST REVISION"), rows))


@policy_command.command("show")
@click.argument("name")
@click.option("--kind", type=click.Choice(sorted(_KINDS)), default=DECISION_POLICY.name, show_default=True)
@click.option("--revision", type=ID, help="This revision instead of the one in force.")
@click.option("--at", metavar="TIME", help="What was in force at this time, such as 2026-01-31T12:00:00Z.")
@json_option
def show(name: str, kind: str, revision: int | None, at: str | None, *, as_json: bool) -> int:
    """Print a document: what is in force, what was, or one revision."""
    documents = reading_gatehouse(f"document/{kind}/{name}").documents
    if revision is None:
        found = documents.get_in_force(kind, name, at=None if at is None else _time(at))
    else:
        found = documents.get_revision(kind, name, revision)
    document = {
        "kind": kind,
        "name": name,
        "revision": found.number,
        "state": found.state.value,
        "author": found.author,
        "reason": found.reason,
        "digest": found.digest,
        "created_at": to_text(found.created_at),
        "text": found.text,
    }
    return answer(document, as_json=as_json, lines=found.text.splitlines())


@policy_command.command("validate")
@click.argument("file", type=_file)
@_kind
@json_option
def validate_file(file: Path, kind: str | None, *, as_json: bool) -> int:
    """Name every problem of a document, with its line."""
    raw = read_bytes(file)
    found = _kind_of(raw, kind)
    problems = validate(found, raw)
    notes = find_notes(raw.decode()) if found is DECISION_POLICY and not problems else []
    document = {
        "ok": not problems,
        "problems": [_problem_json(problem) for problem in problems],
        "notes": [_problem_json(note) for note in notes],
    }
    lines = [f"{file}:{problem.line}: {problem.path}: {problem.message}" for problem in (*problems, *notes)]
    closing = f"{file} is valid." if not problems else f"{file} is not valid."
    return answer(document, as_json=as_json, lines=[*lines, closing], is_yes=not problems)


@policy_command.command("diff")
@click.argument("file", type=_file)
@click.option("--name", help="Its document; by default the model it is for, or `default`.")
@_kind
@json_option
def diff(file: Path, name: str | None, kind: str | None, *, as_json: bool) -> int:
    """Compare a document with the revision in force."""
    text = read_text(file)
    found = _kind_of(text.encode(), kind)
    name = name or _name_of(text, found)
    current = reading_gatehouse(f"document/{found.name}/{name}").documents.find_in_force(found.name, name)
    told = unified_diff(
        "" if current is None else current.text, text, old_name=f"{found.name}/{name} in force", new_name=str(file)
    )
    compared = compare_texts("" if current is None else current.text, text)
    values = [{"path": each.path, "from": each.old, "to": each.new} for each in compared.values]
    document = {"same": not told, "values": values, "diff": told}
    return answer(document, as_json=as_json, lines=told.splitlines() or ["They are the same."])


@policy_command.command("propose")
@click.argument("file", type=_file)
@click.option("--reason", required=True, help="Why, in a sentence; it is kept.")
@click.option("--name", help="Its document; by default the model it is for, or `default`.")
@click.option("--base", type=ID, help="The revision the edit began from; by default the newest one.")
@_kind
@json_option
def propose_file(
    file: Path, reason: str, name: str | None, base: int | None, kind: str | None, *, as_json: bool
) -> int:
    """Put a document forward; somebody else approves it, and then it is in force."""
    gatehouse, text = current_gatehouse(), read_text(file)
    found = _kind_of(text.encode(), kind)
    name = name or _name_of(text, found)
    base = gatehouse.documents.find_head(found.name, name) if base is None else base
    change = propose(
        gatehouse.documents, gatehouse.changes, current_actor(), found.name, name, text, reason=reason, base=base
    )
    return answer(change_json(change), as_json=as_json, lines=[f"{change.id}  {change.title}: {change.state}"])


@policy_command.command("approve")
@click.argument("change_id", metavar="ID", type=ID)
@click.option("--reason", default="approved", help="Why, in a sentence; it is kept.")
@json_option
def approve(change_id: int, reason: str, *, as_json: bool) -> int:
    """Approve a proposed document, which brings it into force."""
    change = current_gatehouse().changes.approve(change_id, actor=current_actor(), reason=reason)
    return answer(change_json(change), as_json=as_json, lines=[f"{change.id}  {change.title}: {change.state}"])


@policy_command.command("revisions")
@click.argument("name")
@click.option("--kind", type=click.Choice(sorted(_KINDS)), default=DECISION_POLICY.name, show_default=True)
@click.option("--before", type=ID, help="Only below this number: the next page.")
@click.option("--limit", type=WholeNumber(1, 500), default=50, show_default=True)
@json_option
def revisions(name: str, kind: str, before: int | None, limit: int, *, as_json: bool) -> int:
    """List the revisions of a document, newest first."""
    found = reading_gatehouse(f"document/{kind}/{name}").documents.list_revisions(
        kind, name, before=before, limit=limit
    )
    document = {
        "revisions": [
            {
                "revision": each.number,
                "state": each.state.value,
                "author": each.author,
                "reason": each.reason,
                "base": each.base,
                "digest": each.digest,
                "created_at": to_text(each.created_at),
            }
            for each in found
        ],
        "next": found[-1].number if len(found) == limit else None,
    }
    rows = [(each.number, each.state, each.author, to_text(each.created_at)[:16], each.reason) for each in found]
    return answer(document, as_json=as_json, lines=table(("REVISION", "STATE", "BY", "WRITTEN", "WHY"), rows))


@policy_command.command("revert")
@click.argument("name")
@click.option("--to", "number", type=ID, required=True, help="The revision whose text comes back.")
@click.option("--reason", required=True, help="Why, in a sentence; it is kept.")
@click.option("--kind", type=click.Choice(sorted(_KINDS)), default=DECISION_POLICY.name, show_default=True)
@json_option
def revert(name: str, number: int, reason: str, kind: str, *, as_json: bool) -> int:
    """Propose the text of an earlier revision again."""
    gatehouse, actor = current_gatehouse(), current_actor()
    revision = gatehouse.documents.revert(actor, kind, name, number, reason=reason)
    change = ask(gatehouse.documents, gatehouse.changes, actor, revision, reason=reason)
    return answer(change_json(change), as_json=as_json, lines=[f"{change.id}  {change.title}: {change.state}"])


@policy_command.command("schema")
@click.argument("kind", type=click.Choice(sorted(_KINDS)), default=DECISION_POLICY.name)
@json_option
def schema(kind: str, *, as_json: bool) -> int:
    """Print the JSON schema of a kind of document, for editors."""
    document = _KINDS[kind].json_schema()
    return answer(document, as_json=as_json, lines=json.dumps(document, indent=2, ensure_ascii=False).splitlines())


@policy_command.command("export")
@click.argument("folder", type=_path)
@json_option
def export(folder: Path, *, as_json: bool) -> int:
    """Write every document in force below a folder, as KIND/NAME.yaml."""
    documents = reading_gatehouse("document").documents
    files = [str(file.relative_to(folder)) for file in export_documents(documents, folder)]
    return answer({"files": files}, as_json=as_json, lines=files)


@policy_command.command("import")
@click.argument("folder", type=_path)
@click.option("--reason", required=True, help="Why, in a sentence; it is kept.")
@json_option
def import_folder(folder: Path, reason: str, *, as_json: bool) -> int:
    """Propose every document of a folder that differs from what is in force."""
    gatehouse = current_gatehouse()
    asked = import_documents(gatehouse.documents, gatehouse.changes, current_actor(), folder, reason=reason)
    lines = [f"{change.id}  {change.title}: {change.state}" for change in asked] or ["Everything is in force already."]
    return answer({"changes": [change_json(change) for change in asked]}, as_json=as_json, lines=lines)


@policy_command.command("decide")
@click.argument("name")
@click.option("--policy", "policy_file", type=_file, help="The decision policy; the one in force unless given.")
@click.option("--data", type=_file, required=True, help="The model's inputs and a column `score`.")
@json_option
def decide(name: str, policy_file: Path | None, data: Path, *, as_json: bool) -> int:
    """Decide on every row of a data file. Blocks are counted within the file, not with those of serving."""
    from services.policies.deciding import Decider
    from services.policies.decisions import to_json
    from services.policies.guardrails import MemoryOfBatch

    text, policy = _read_policy(name, policy_file)
    frame = _read_frame(data, policy.text_columns)
    problems = find_column_problems(text, name, [str(column) for column in frame.columns])
    if problems:
        first, more = problems[0], f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise InvalidInput(
            f"{policy_file or policy.revision}, line {first.line}, {first.path}{more}: {first.message.rstrip('?')}.",
            next_step="Add the column to the data, or correct the policy.",
        )
    batch = Decider(policy).decide_frame(frame, memory=MemoryOfBatch())
    decisions = [dict(to_json(decision)) for decision in batch]
    rows = [(each["action"], f"{each['probability']:.4g}", ", ".join(each["reasons"])) for each in decisions]
    lines = [*table(("ACTION", "SCORE", "REASONS"), rows), *batch.notes]
    document = {"decisions": decisions, "notes": list(batch.notes), "policy_digest": policy.digest}
    return answer(document, as_json=as_json, lines=lines)


@policy_command.command("simulate")
@click.argument("name")
@click.option("--with", "draft_file", type=_file, required=True, help="The draft.")
@click.option("--log", type=_path, help="A paired log or a data file; what serving has logged unless given.")
@click.option("--against", type=_file, help="A policy file to compare with instead of the one in force.")
@json_option
def simulate_file(name: str, draft_file: Path, log: Path | None, against: Path | None, *, as_json: bool) -> int:
    """Show which recorded decisions would flip under a draft; against what is in force, it is kept as evidence."""
    from services.policies.traffic import simulate

    text, draft = _read_policy(name, draft_file)
    if against is None:
        gatehouse = current_gatehouse()
        source = LOG_SOURCE if log is None else log.name
        text_columns = draft.text_columns | gatehouse.what_ifs.text_columns(name)
        traffic = None if log is None else _read_traffic(log, text_columns)
        kept = gatehouse.what_ifs.run(current_actor(), name, text, traffic=traffic, source=source)
        found, document = kept.simulation, {**kept.simulation.to_json(), "event": kept.event}
    else:
        _, base = _read_policy(name, against)
        folder = get_log_folder(current_gatehouse().shadow_logs, name) if log is None else log
        found = simulate(base, draft, _read_traffic(folder, base.text_columns | draft.text_columns))
        document = found.to_json()
    rows = [(action, both.in_force, both.draft) for action, both in found.volume.items()]
    flips = found.flips
    lines = [
        f"{flips.count} of {flips.total} decisions flip: {flips.rate:.2%} ({flips.low:.2%} to {flips.high:.2%})",
        *table(("ACTION", "IN FORCE", "DRAFT"), rows),
        *found.notes,
    ]
    return answer(document, as_json=as_json, lines=lines)


def _read_traffic(log: Path, text_columns: frozenset[str]) -> Any:
    is_table = log.is_file() and log.suffix.lower() != ".parquet"
    return _read_frame(log, text_columns) if is_table else log


def _read_policy(name: str, file: Path | None) -> tuple[str, Policy]:
    if file is None:
        revision = current_gatehouse().documents.get_in_force(DECISION_POLICY.name, name)
        return revision.text, read_revision(revision)
    text = read_text(file)
    return text, read_policy(text, name)


def _read_frame(file: Path, text_columns: frozenset[str]) -> Any:
    from services.signatures.data_files import load_data_file

    frame = load_data_file(file, text_columns=text_columns).frame
    if frame is None:
        raise InvalidInput("The data is a request, not a table.", next_step="Give a CSV, Parquet or JSON table.")
    return frame


def _kind_of(raw: bytes, name: str | None) -> DocumentKind[Any]:
    if name is not None:
        return _KINDS[name]
    # Only the first level is looked at, line by line: the document itself may be anything yet.
    for line in raw.splitlines():
        if line.startswith(b"kind:"):
            said = line.partition(b":")[2].partition(b"#")[0].decode(errors="replace").strip().strip("'\"")
            return _KINDS.get(said, DECISION_POLICY)
    return DECISION_POLICY


def _name_of(text: str, kind: DocumentKind[Any]) -> str:
    if not kind.is_by_model:
        return DEFAULT_NAME
    models = list(parse(kind, text).value)
    if len(models) != 1:
        raise InvalidInput(
            f"The document holds the policies of {', '.join(models)}.", next_step="Propose one file a model."
        )
    return str(models[0])


def _time(text: str) -> datetime:
    try:
        return from_text(text)
    except ValueError as error:
        raise InvalidInput(f"{text!r} is no time.", next_step="Write it as 2026-03-14T09:30:00Z.") from error


def _problem_json(problem: Problem) -> dict[str, object]:
    return {"line": problem.line, "path": problem.path, "message": problem.message}
