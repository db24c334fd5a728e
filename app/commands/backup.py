"""`backup`: a verified copy of the store, the pins and the shadow states, and putting it back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from app.commands.output import answer, current_actor, current_gatehouse, json_option
from services.audit.backup import Backup, secrets_path, verify_backup
from services.audit.keys import KeyRing
from services.clock import to_text
from services.logs import current_reference
from services.registry.artifact_manifest import Comparison, compare, list_digests
from services.registry.witnesses import list_notes

_file = click.Path(dir_okay=False, path_type=Path)


@click.group("backup")
def backup_command() -> None:
    """Copies of everything that is governed here."""


@backup_command.command("create")
@click.argument("path", metavar="FILE", type=_file)
@json_option
def create(path: Path, *, as_json: bool) -> int:
    """Write the store, pins, policies and shadow states to FILE, and keys and settings to a file beside it."""
    gatehouse, actor = current_gatehouse(), current_actor()
    with gatehouse.registry_if_there() as registry:
        digests = list_digests(gatehouse.store, registry)
    made = gatehouse.keeping.create(actor, path, artifacts=digests)
    keys = secrets_path(path)
    document = {**_to_json(made), "keys": str(keys)}
    lines = [*_tell(made), f"Keys and settings are in {keys}: keep that file apart from this one."]
    return answer(document, as_json=as_json, lines=lines)


@backup_command.command("verify")
@click.argument("path", metavar="FILE", type=_file)
@json_option
def verify(path: Path, *, as_json: bool) -> int:
    """Check every file of a backup, and every event in it against its signed checkpoint."""
    gatehouse = current_gatehouse()
    found = verify_backup(path, KeyRing(gatehouse.home / "keys"))
    with gatehouse.registry_if_there() as registry:
        held = None if registry is None else compare(registry, found.artifacts)
    return answer(_to_json(found, held), as_json=as_json, lines=[*_tell(found), *_tell_artifacts(held)])


@backup_command.command("restore")
@click.argument("path", metavar="FILE", type=_file)
@json_option
def restore(path: Path, *, as_json: bool) -> int:
    """Put a backup in place of the store; it says what is lost by it, in its answer and in the log."""
    gatehouse = current_gatehouse()
    token = gatehouse.settings.token
    with gatehouse.registry_if_there() as registry, gatehouse.restoring() as keeping:
        done = keeping.restore(
            path,
            token=None if token is None else token.get_secret_value(),
            origin=f"cli {current_reference()}",
            notes=[] if registry is None else list_notes(registry),
        )
        held = None if registry is None else compare(registry, done.backup.artifacts)
    document = {**_to_json(done.backup, held), "lost_events": done.lost_events, "warning": done.warning}
    lines = ["Restored.", *_tell(done.backup), *_tell_artifacts(held)]
    if done.warning:
        lines += [done.warning, "What was revoked, disabled or redacted since the backup was made has to be once more."]
    return answer(document, as_json=as_json, lines=lines)


def _to_json(backup: Backup, held: Comparison | None = None) -> dict[str, Any]:
    document: dict[str, Any] = {
        "ok": True,
        "path": str(backup.path),
        "created_at": to_text(backup.created_at),
        "store": backup.dialect,
        "events": backup.size,
        "checkpoint": {"size": backup.checkpoint.size, "root": backup.checkpoint.root.hex()},
        "artifacts": dict(backup.artifacts),
    }
    if held is not None:
        document["registry"] = {"changed": list(held.changed), "gone": list(held.gone)}
    return document


def _tell(backup: Backup) -> list[str]:
    return [
        f"{backup.path} holds {backup.size} events and what they are about, as of {to_text(backup.created_at)}.",
        f"It verifies, and lists the digests of {len(backup.artifacts)} versions.",
    ]


def _tell_artifacts(held: Comparison | None) -> list[str]:
    if held is None:
        return ["The registry was not asked: it is not set, or does not answer."]
    differing: Mapping[str, tuple[str, ...]] = {"has other files now": held.changed, "is gone": held.gone}
    return [f"{reference} {how}." for how, found in differing.items() for reference in found]
