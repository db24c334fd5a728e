"""`audit`: read, prove, verify and export the record."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from app.commands.output import answer, current_actor, current_gatehouse, json_option, table
from app.commands.parameters import ID, WholeNumber
from services.audit import Event, EventQuery
from services.audit.exports import verify_evidence_file, verify_export_files
from services.clock import from_text, to_text
from services.errors import Damaged, InvalidInput, Unverified
from services.promotions.evidence_parts import collect_parts

_file = click.Path(dir_okay=False, path_type=Path)


@click.group("audit")
def audit_command() -> None:
    """The record of who did what, when and why."""


@audit_command.command("list")
@click.option("--since", help="Not before this time (ISO 8601).")
@click.option("--until", help="Before this time.")
@click.option("--actor", help="Only by this person or service.")
@click.option("--action", help="Only this action, or those that begin with it: promotion, promotion:approval.")
@click.option("--subject", help="Only about this reference, such as fraud_detector/7.")
@click.option("--model", help="Only about this model.")
@click.option("--change", "change_id", type=ID, help="Only of this change.")
@click.option("--text", help="Only with these words.")
@click.option("--after", type=WholeNumber(min=-1), help="Only after this number: the next page.")
@click.option("--limit", type=WholeNumber(1, 1000), default=50, show_default=True)
@json_option
def list_events(
    since: str | None, until: str | None, after: int | None, limit: int, *, as_json: bool, **filters: Any
) -> int:
    """List events, oldest first."""
    query = EventQuery(since=_moment(since), until=_moment(until), **filters)
    page = current_gatehouse().auditing.list_events(current_actor(), query, after_seq=after, limit=limit)
    rows = [
        (each.seq, to_text(each.at)[:19], each.actor, each.action, each.subject, each.reason) for each in page.events
    ]
    document = {"events": [event_json(event) for event in page.events], "next": page.next_seq}
    return answer(document, as_json=as_json, lines=table(("SEQ", "AT", "WHO", "WHAT", "ABOUT", "WHY"), rows))


@audit_command.command("export")
@click.option("--out", "path", type=_file, required=True)
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@click.option("--reason", default="", help="What for; it is kept.")
@json_option
def export(path: Path, form: str, reason: str, *, as_json: bool) -> int:
    """Write the log to a file; a JSONL export comes with what verifies it offline."""
    auditing, actor = current_gatehouse().auditing, current_actor()
    if form == "csv":
        count = auditing.export_table(actor, path, reason=reason)
        return answer({"path": str(path), "events": count}, as_json=as_json, lines=[f"{count} events in {path}"])
    written = auditing.export_leaves(actor, path, reason=reason)
    document = {
        "path": str(written.path),
        "events": written.events,
        "checkpoint": str(written.checkpoint),
        "key": str(written.key),
        "verifier": str(written.verifier),
    }
    lines = [
        f"{written.events} events in {written.path}",
        f"verify with: python {written.verifier} {written.path} {written.checkpoint} {written.key}",
    ]
    return answer(document, as_json=as_json, lines=lines)


@audit_command.command("evidence")
@click.argument("change_id", metavar="ID", type=ID)
@click.option("--out", "path", type=_file, required=True)
@json_option
def evidence(change_id: int, path: Path, *, as_json: bool) -> int:
    """Write the evidence of one change as a ZIP that verifies by itself and opens in a browser."""
    gatehouse = current_gatehouse()
    parts = collect_parts(gatehouse.changes.get(change_id), gatehouse.index, gatehouse.documents)
    written = gatehouse.auditing.write_evidence(current_actor(), path, change_id=change_id, parts=parts)
    document = {"path": str(path), "events": written.events}
    return answer(document, as_json=as_json, lines=[f"{written.events} events with proofs in {path}"])


@audit_command.command("checkpoint")
@json_option
def checkpoint(*, as_json: bool) -> int:
    """Sign the log as it is now (C2SP signed note)."""
    signed = current_gatehouse().auditing.sign_checkpoint(current_actor())
    document = {"size": signed.checkpoint.size, "root": signed.checkpoint.root.hex(), "note": signed.note}
    return answer(document, as_json=as_json, lines=signed.note.splitlines())


@audit_command.command("key")
@json_option
def key(*, as_json: bool) -> int:
    """Print the public key that checkpoints are verified with."""
    text = current_gatehouse().auditing.get_key()
    return answer({"key": text}, as_json=as_json, lines=[text])


@audit_command.command("prove")
@click.argument("seq", type=WholeNumber(min=0))
@json_option
def prove(seq: int, *, as_json: bool) -> int:
    """Prove that event SEQ is in the log (RFC 6962)."""
    proof = current_gatehouse().auditing.prove(current_actor(), seq).to_json()
    return answer(proof, as_json=as_json, lines=[f"{name}: {value}" for name, value in proof.items()])


@audit_command.command("verify")
@click.option("--export", "export_file", type=_file, help="Verify this export, or evidence ZIP, instead of the store.")
@click.option("--checkpoint", "checkpoint_file", type=_file, help="The signed checkpoint of the export.")
@click.option("--key", "key_file", type=_file, help="The public key that signed it.")
@json_option
def verify(export_file: Path | None, checkpoint_file: Path | None, key_file: Path | None, *, as_json: bool) -> int:
    """Verify every event and every checkpoint."""
    if export_file is not None:
        return _verify_files(export_file, checkpoint_file, key_file, as_json=as_json)
    try:
        return _verify_store(as_json=as_json)
    except Damaged as error:
        raise Unverified(error.message, next_step=error.next_step) from error


@audit_command.command("redact")
@click.argument("seq", type=click.IntRange(min=0))
@click.option("--place", "places", multiple=True, help="Only this one, as a JSON pointer: /after/issuer_subject.")
@click.option("--reason", required=True, help="Who asked for it, and on what ground; it is kept.")
@json_option
def redact(seq: int, places: tuple[str, ...], reason: str, *, as_json: bool) -> int:
    """Forget the personal values of event SEQ for good; their salted hashes stay, and the log verifies as before."""
    auditing, actor = current_gatehouse().auditing, current_actor()
    names = places or tuple(auditing.list_personal(actor, seq))
    recorded = auditing.redact(actor, [(seq, name) for name in names], reason=reason)
    document = {"event": seq, "forgotten": list(names), "recorded": recorded}
    return answer(
        document, as_json=as_json, lines=[f"{', '.join(names)} of event {seq}: forgotten (event {recorded})."]
    )


def _verify_store(*, as_json: bool) -> int:
    gatehouse, actor = current_gatehouse(), current_actor()
    is_asked = gatehouse.read_witnesses()
    found = gatehouse.auditing.verify(actor)
    found.check()
    document = {
        "ok": True,
        "events": found.size,
        "root": found.root.hex(),
        "checkpoints": found.checkpoints,
        "registry": is_asked,
        "notes": list(found.notes),
    }
    lines = [f"{found.size} events verify, and agree with {found.checkpoints} checkpoints.", *found.notes]
    if not is_asked:
        lines.append("Checkpoints in the registry were not asked for: it is not set, or does not answer.")
    return answer(document, as_json=as_json, lines=lines)


def _verify_files(export_file: Path, checkpoint_file: Path | None, key_file: Path | None, *, as_json: bool) -> int:
    if export_file.suffix == ".zip":
        count = verify_evidence_file(export_file, key_file)
        return answer({"ok": True, "events": count}, as_json=as_json, lines=[f"{count} events verify."])
    if checkpoint_file is None or key_file is None:
        raise InvalidInput(
            "An export verifies against its checkpoint and a key.", next_step="Give --checkpoint FILE and --key FILE."
        )
    found = verify_export_files(export_file, checkpoint_file, key_file)
    document = {"ok": True, "events": found.covered, "uncovered": found.uncovered, "origin": found.origin}
    lines = [f"{found.covered} events verify as signed by {found.origin}; {found.uncovered} came after."]
    return answer(document, as_json=as_json, lines=lines)


def event_json(event: Event) -> dict[str, Any]:
    """Return an event in the JSON of the interface."""
    return {
        "seq": event.seq,
        "at": to_text(event.at),
        "actor": event.actor,
        "action": event.action,
        "subject": event.subject,
        "reason": event.reason,
        "before": event.before,
        "after": event.after,
        "origin": event.origin,
    }


def _moment(text: str | None) -> datetime | None:
    try:
        return None if text is None else from_text(text)
    except ValueError as error:
        raise InvalidInput(f"{text!r} is no time.", next_step="Write such as 2026-03-01T12:00:00Z.") from error
