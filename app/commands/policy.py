"""`policy`: governed documents, of which decision policies are one kind; deciding and what-if."""

from __future__ import annotations

from pathlib import Path

import click

from app.commands.changes import change_json
from app.commands.gates import MAX_POLICY_BYTES, read_text
from app.commands.output import answer, current_actor, current_gatehouse, json_option, table
from app.facade import DOCUMENT_KINDS
from services.clock import to_text
from services.documents import DEFAULT_NAME, DocumentKind, Problem, unified_diff, validate
from services.documents.activation import propose
from services.errors import InvalidInput
from services.policies.deciding import Decider
from services.policies.decisions import to_json
from services.policies.document import DECISION_POLICY
from services.policies.reading import find_column_problems, read_policy, read_revision
from services.policies.traffic import simulate
from services.signatures.data_files import load_data_file

_KINDS = {kind.name: kind for kind in DOCUMENT_KINDS}
_file = click.Path(dir_okay=False, path_type=Path)
_path = click.Path(path_type=Path)
_kind = click.option("--kind", type=click.Choice(sorted(_KINDS)), help="By default what the document says it is.")


@click.group("policy")
def policy_command() -> None:
    """Decision policies, gate policies and other governed documents."""


@policy_command.command("list")
@_kind
@json_option
def list_documents(kind: str | None, *, as_json: bool) -> int:
    """List documents and what is in force."""
    found = current_gatehouse().documents.list_documents(kind=kind)
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
    return answer(
        {"documents": documents}, as_json=as_json, lines=table(("KIND", "NAME", "IN FORCE", "LAST REVISION"), rows)
    )


@policy_command.command("show")
@click.argument("name")
@click.option("--kind", type=click.Choice(sorted(_KINDS)), default=DECISION_POLICY.name, show_default=True)
@click.option("--revision", type=int, help="This revision instead of the one in force.")
@json_option
def show(name: str, kind: str, revision: int | None, *, as_json: bool) -> int:
    """Print a document: what is in force, or one revision."""
    documents = current_gatehouse().documents
    found = documents.get_in_force(kind, name) if revision is None else documents.get_revision(kind, name, revision)
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
    problems = _find_problems(file, kind)
    document = {"ok": not problems, "problems": [_problem_json(problem) for problem in problems]}
    lines = [f"{file}:{problem.line}: {problem.path}: {problem.message}" for problem in problems]
    return answer(document, as_json=as_json, lines=lines or [f"{file} is valid."], is_yes=not problems)


@policy_command.command("diff")
@click.argument("file", type=_file)
@click.option("--name", help="Its document; by default the model it is for, or `default`.")
@_kind
@json_option
def diff(file: Path, name: str | None, kind: str | None, *, as_json: bool) -> int:
    """Compare a document with the revision in force."""
    text = read_text(file)
    found = _kind_of(text, kind)
    name = name or _name_of(text, found)
    current = current_gatehouse().documents.find_in_force(found.name, name)
    told = unified_diff(
        "" if current is None else current.text, text, old_name=f"{found.name}/{name} in force", new_name=str(file)
    )
    return answer({"diff": told, "same": not told}, as_json=as_json, lines=told.splitlines())


@policy_command.command("propose")
@click.argument("file", type=_file)
@click.option("--reason", required=True, help="Why, in a sentence; it is kept.")
@click.option("--name", help="Its document; by default the model it is for, or `default`.")
@click.option("--base", type=int, help="The revision the edit began from; by default the newest one.")
@_kind
@json_option
def propose_file(
    file: Path, reason: str, name: str | None, base: int | None, kind: str | None, *, as_json: bool
) -> int:
    """Put a document forward; somebody else approves it, and then it is in force."""
    gatehouse, text = current_gatehouse(), read_text(file)
    found = _kind_of(text, kind)
    name = name or _name_of(text, found)
    base = gatehouse.documents.find_head(found.name, name) if base is None else base
    change = propose(
        gatehouse.documents, gatehouse.changes, current_actor(), found.name, name, text, reason=reason, base=base
    )
    return answer(change_json(change), as_json=as_json, lines=[f"{change.id}  {change.title}: {change.state}"])


@policy_command.command("approve")
@click.argument("change_id", metavar="ID", type=int)
@click.option("--reason", default="approved", help="Why, in a sentence; it is kept.")
@json_option
def approve(change_id: int, reason: str, *, as_json: bool) -> int:
    """Approve a proposed document, which brings it into force."""
    change = current_gatehouse().changes.approve(change_id, actor=current_actor(), reason=reason)
    return answer(change_json(change), as_json=as_json, lines=[f"{change.id}  {change.title}: {change.state}"])


@policy_command.command("decide")
@click.argument("name")
@click.option("--policy", "policy_file", type=_file, required=True, help="The decision policy.")
@click.option("--data", type=_file, required=True, help="The model's inputs and a column `score`.")
@json_option
def decide(name: str, policy_file: Path, data: Path, *, as_json: bool) -> int:
    """Decide on every row of a data file."""
    text = read_text(policy_file)
    policy = read_policy(text, name)
    frame = load_data_file(data).frame
    if frame is None:
        raise InvalidInput("The data is a request, not a table.", next_step="Give a CSV, Parquet or JSON table.")
    problems = find_column_problems(text, name, [str(column) for column in frame.columns])
    if problems:
        first = problems[0]
        raise InvalidInput(
            f"{policy_file}, line {first.line}, {first.path}: {first.message}.",
            next_step="Add the column to the data, or correct the policy.",
        )
    batch = Decider(policy).decide_frame(frame)
    decisions = [dict(to_json(decision)) for decision in batch]
    rows = [(each["action"], f"{each['probability']:.4g}", ", ".join(each["reasons"])) for each in decisions]
    lines = [*table(("ACTION", "SCORE", "REASONS"), rows), *batch.notes]
    return answer({"decisions": decisions, "notes": list(batch.notes)}, as_json=as_json, lines=lines)


@policy_command.command("simulate")
@click.argument("name")
@click.option("--with", "draft_file", type=_file, required=True, help="The draft.")
@click.option("--log", type=_path, required=True, help="Recorded traffic: a paired log or a Parquet file.")
@click.option("--against", type=_file, help="A policy file to compare with instead of the one in force.")
@json_option
def simulate_file(name: str, draft_file: Path, log: Path, against: Path | None, *, as_json: bool) -> int:
    """Show which recorded decisions would flip under a draft."""
    if against is None:
        in_force = read_revision(current_gatehouse().documents.get_in_force(DECISION_POLICY.name, name))
    else:
        in_force = read_policy(read_text(against), name)
    found = simulate(in_force, read_policy(read_text(draft_file), name), log)
    rows = [(action, both.in_force, both.draft) for action, both in found.volume.items()]
    flips = found.flips
    lines = [
        f"{flips.count} of {flips.total} decisions flip: {flips.rate:.2%} ({flips.low:.2%} to {flips.high:.2%})",
        *table(("ACTION", "IN FORCE", "DRAFT"), rows),
        *found.notes,
    ]
    return answer(found.to_json(), as_json=as_json, lines=lines)


def _find_problems(file: Path, kind: str | None) -> list[Problem]:
    try:
        size = file.stat().st_size
    except OSError:
        size = 0
    if size > MAX_POLICY_BYTES:
        message = f"the document has {size} bytes; {MAX_POLICY_BYTES} are read"
        return [Problem(line=1, path="", message=message)]
    text = read_text(file)
    return validate(_kind_of(text, kind), text)


def _kind_of(text: str, name: str | None) -> DocumentKind[object]:
    if name is not None:
        return _KINDS[name]
    # Only the first level is looked at, line by line: the document itself may be anything yet.
    for line in text.splitlines():
        if line.startswith("kind:"):
            said = line.partition(":")[2].partition("#")[0].strip().strip("'\"")
            return _KINDS.get(said, DECISION_POLICY)
    return DECISION_POLICY


def _name_of(text: str, kind: DocumentKind[object]) -> str:
    if not kind.is_by_model:
        return DEFAULT_NAME
    models = [line.partition(":")[0] for line in text.splitlines() if line[:1].isalpha() and ":" in line]
    if len(models) != 1:
        raise InvalidInput("The document does not say its model in one name.", next_step="Give it with --name.")
    return models[0]


def _problem_json(problem: Problem) -> dict[str, object]:
    return {"line": problem.line, "path": problem.path, "message": problem.message}
