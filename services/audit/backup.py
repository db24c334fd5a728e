"""Backups: the store, pins and shadow states in one signed file, and what is secret in another beside it.

Keys are kept apart, because whoever holds both the store and the key can rewrite the log. Model artifacts stay in the
registry's own storage; a backup lists their digests.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from services.audit.archive import check_archive, opened_archive, write_archive
from services.audit.files import told, writing
from services.audit.keys import KeyRing
from services.audit.log import AuditLog
from services.audit.merkle import HASH_BYTES, CompactRange, leaf_hash
from services.audit.notes import Checkpoint, Verifier, check_note, parse_checkpoint
from services.clock import Clock, from_text, to_text
from services.errors import InvalidInput, Unverified
from services.store.snapshots import list_snapshot_leaves, take_snapshot

TITLE = "gatehouse backup v1"
HOME_PARTS = ("pins.yaml", "shadow-states")
"""What of the home is the installation's own and no secret."""
SECRET_PARTS = ("keys", "gatehouse.yaml", "secrets.toml")
"""What is kept in the second file: keys, and settings, which may hold tokens and the secret of an identity provider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What a backup holds.

    Args:
        dialect: which database it is a snapshot of.
        checkpoint: the signed head of the log that the snapshot agrees with.
        size: how many events the snapshot has.
        artifacts: the digest of each model version's artifacts, by reference.
    """

    path: Path
    created_at: datetime
    dialect: str
    checkpoint: Checkpoint
    note: str
    size: int
    artifacts: Mapping[str, str]


def secrets_path(path: Path) -> Path:
    """Return where the secrets that belong to a backup are kept."""
    return path.with_name(f"{path.name}.keys")


def create_backup(audit: AuditLog, path: Path, *, clock: Clock, artifacts: Mapping[str, str] | None = None) -> Backup:
    """Write a backup to `path` and its secrets beside it, verify it, and return what it holds.

    Raises:
        Unverified: the log disagrees with itself or its last checkpoint: such a state is not worth keeping.
        Unreachable: the store does not answer.
        InvalidInput: a file cannot be written.
        Unavailable: PostgreSQL's programs are not installed.
    """
    signed, signer = audit.checkpoints.write(), audit.checkpoints.get_signer()
    about = {
        "created_at": to_text(clock()),
        "dialect": audit.store.engine.dialect.name,
        "artifacts": dict(artifacts or {}),
    }
    with (
        told(path, raised=InvalidInput),
        tempfile.TemporaryDirectory(dir=_made(path.parent), prefix=".backup.") as folder,
    ):
        snapshot = Path(folder) / "store"
        take_snapshot(audit.store, snapshot)
        files: dict[str, bytes | Path] = {
            "backup.json": f"{json.dumps(about, ensure_ascii=False, indent=2)}\n".encode(),
            "checkpoint": signed.note.encode(),
            "key": f"{signer.verifier.text}\n".encode(),
            "store": snapshot,
        }
        files |= {f"home/{name}": found for name, found in _list_files(audit.home, HOME_PARTS)}
        write_archive(path, files, title=TITLE, signer=signer)
    _write_secrets(audit.home, secrets_path(path))
    return verify_backup(path, KeyRing(audit.home / "keys"))


def verify_backup(path: Path, keys: KeyRing) -> Backup:
    """Check every file of a backup, and that the events in it are those of its signed checkpoint.

    The keys of the home are trusted; where there are none yet, the key inside the backup.

    Raises:
        NotFound: there is no such file.
        InvalidInput: it is no backup.
        Unverified: something in it is not as it was signed.
        Unavailable: PostgreSQL's programs are not installed.
    """
    with opened_archive(path) as archive, tempfile.TemporaryDirectory(prefix="gatehouse-backup-") as folder:
        verifiers = keys.list_verifiers() or [read_key(archive)]
        check_archive(archive, title=TITLE, verifiers=verifiers)
        about = _read_about(archive)
        note = archive.read("checkpoint").decode()
        try:
            checkpoint = parse_checkpoint(check_note(note, verifiers))
        except ValueError as error:
            raise _unusable(path, f"its checkpoint cannot be trusted: {error}") from error
        with told(Path(folder)):
            snapshot = Path(archive.extract("store", folder))
        hashes = read_hashes(about["dialect"], snapshot)
    if compute_snapshot_root(hashes, checkpoint.size) != checkpoint.root:
        raise _unusable(path, f"its events are not the {checkpoint.size} of its checkpoint")
    return Backup(
        path=path,
        created_at=from_text(about["created_at"]),
        dialect=about["dialect"],
        checkpoint=checkpoint,
        note=note,
        size=len(hashes) // HASH_BYTES,
        artifacts=about["artifacts"],
    )


def read_key(archive: zipfile.ZipFile) -> Verifier:
    """Return the public key inside a backup.

    Raises:
        InvalidInput: there is none.
    """
    try:
        return Verifier.parse(archive.read("key").decode())
    except (KeyError, ValueError) as error:
        raise InvalidInput(
            f"{archive.filename} is no backup of Gatehouse.", next_step="Give the file that `backup create` wrote."
        ) from error


def read_hashes(dialect: str, snapshot: Path) -> bytes:
    """Return the leaf hashes of every event in a snapshot, by number, one after the other.

    Raises:
        Unverified: the snapshot is damaged, or numbers are missing.
    """
    hashes, count = bytearray(), 0
    for seq, leaf in list_snapshot_leaves(dialect, snapshot):
        start = seq * HASH_BYTES
        if start >= len(hashes):
            hashes.extend(bytes(start + HASH_BYTES - len(hashes)))
        hashes[start : start + HASH_BYTES] = leaf_hash(leaf)
        count += 1
    if count * HASH_BYTES != len(hashes):
        raise Unverified("The snapshot of the store lacks events.", next_step="Use another backup.")
    return bytes(hashes)


def compute_snapshot_root(hashes: bytes, size: int) -> bytes | None:
    """Return the root over the first `size` of the hashes, or None if they are fewer."""
    if len(hashes) < size * HASH_BYTES:
        return None
    return CompactRange.of(hashes[at : at + HASH_BYTES] for at in range(0, size * HASH_BYTES, HASH_BYTES)).root


def _read_about(archive: zipfile.ZipFile) -> dict[str, Any]:
    try:
        about: dict[str, Any] = json.loads(archive.read("backup.json"))
        from_text(about["created_at"])
        about["dialect"], about["artifacts"] = str(about["dialect"]), dict(about["artifacts"])
    except (KeyError, ValueError, TypeError) as error:
        raise _unusable(Path(str(archive.filename)), "its backup.json cannot be read") from error
    return about


def _list_files(home: Path, parts: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    for part in parts:
        root = home / part
        found = sorted(root.rglob("*")) if root.is_dir() else [root]
        yield from ((str(path.relative_to(home)), path) for path in found if path.is_file())


def _write_secrets(home: Path, path: Path) -> None:
    with (
        told(path, raised=InvalidInput),
        writing(path, mode=0o600) as out,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, found in _list_files(home, SECRET_PARTS):
            archive.write(found, name)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _unusable(path: Path, why: str) -> Unverified:
    return Unverified(f"The backup {path} does not verify: {why}.", next_step="Use another backup.")
