"""Restoring: a verified backup takes the place of the store, and the log says what was lost by it.

The keys of a home are never replaced. The checkpoint that a restored store is older than is kept beside the new one, as
evidence.
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from services.audit.archive import opened_archive
from services.audit.backup import (
    HOME_PARTS,
    Backup,
    compute_snapshot_root,
    read_hashes,
    read_key,
    secrets_path,
    verify_backup,
)
from services.audit.checkpoints import Checkpoints
from services.audit.events import Acting
from services.audit.files import told, write_whole
from services.audit.log import AuditLog
from services.audit.notes import Checkpoint
from services.audit.restores import RESTORED
from services.clock import Clock, to_text
from services.errors import InvalidInput
from services.store import Store
from services.store.migrations import upgrade
from services.store.snapshots import restore_snapshot
from services.untrusted import check_relative, resolve_under


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore did.

    Args:
        lost_events: how many events of the last checkpoint the backup does not have.
        warning: one sentence, where the backup does not continue the last checkpoint; None otherwise.
    """

    backup: Backup
    lost_events: int
    warning: str | None


def restore_backup(
    store: Store, path: Path, *, home: Path, actor: Acting, clock: Clock, notes: Iterable[str] = ()
) -> Restored:
    """Put a backup in place of a store and of the home's pins and shadow states.

    Args:
        notes: signed checkpoints from the registry, which the backup may be older than as well.

    Raises:
        NotFound: there is no such backup.
        InvalidInput: it is no backup, or one of another kind of database.
        Unverified: something in it is not as it was signed; nothing is changed then.
        Unreachable: the database does not answer, or there is no space.
    """
    checkpoints = Checkpoints(store, home)
    _restore_secrets(home, secrets_path(path))
    backup = verify_backup(path, checkpoints.keys)
    if backup.dialect != store.engine.dialect.name:
        raise InvalidInput(
            f"{path} is a backup of {backup.dialect}, and the store is {store.engine.dialect.name}.",
            next_step="Set GATEHOUSE_STORE_URL to a database of that kind.",
        )
    with tempfile.TemporaryDirectory(prefix="gatehouse-restore-") as folder, opened_archive(path) as archive:
        checkpoints.keys.trust(read_key(archive))
        if checkpoints.keys.find_signer() is None:
            checkpoints.keys.create_signer()
        outside = _find_newest(checkpoints, notes)
        with told(Path(folder)):
            snapshot = Path(archive.extract("store", folder))
        warning = _find_loss(backup, read_hashes(backup.dialect, snapshot), outside)
        restore_snapshot(store, snapshot)
        upgrade(store)
        _restore_home(archive, home)
    _replace_checkpoint(checkpoints, backup, is_superseded=warning is not None)
    lost = max(0, outside.size - backup.size) if outside is not None and warning is not None else 0
    _record(AuditLog(store, clock=clock, home=home), backup, outside, lost, actor)
    return Restored(backup=backup, lost_events=lost, warning=warning)


def _find_newest(checkpoints: Checkpoints, notes: Iterable[str]) -> Checkpoint | None:
    outside = [checkpoint for _, checkpoint in checkpoints.list_outside()]
    outside += [checkpoint for _, checkpoint in checkpoints.list_trusted(notes)]
    return max(outside, key=lambda checkpoint: checkpoint.size, default=None)


def _find_loss(backup: Backup, hashes: bytes, outside: Checkpoint | None) -> str | None:
    if outside is None or compute_snapshot_root(hashes, outside.size) == outside.root:
        return None
    if backup.size < outside.size:
        return (
            f"The backup of {to_text(backup.created_at)} is older than the last checkpoint: "
            f"{outside.size - backup.size} of {outside.size} events are lost."
        )
    return f"The backup of {to_text(backup.created_at)} does not continue the last checkpoint of {outside.size} events."


def _restore_secrets(home: Path, path: Path) -> None:
    """Put keys and settings where there are none yet."""
    if (home / "keys").exists() or not path.exists():
        return
    with opened_archive(path) as archive, told(home):
        for name in archive.namelist():
            place = resolve_under(home, name)
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                write_whole(place, archive.read(name), mode=0o644 if place.suffix == ".pub" else 0o600)


def _restore_home(archive: zipfile.ZipFile, home: Path) -> None:
    """Replace the parts of the home that a backup holds."""
    with told(home), tempfile.TemporaryDirectory(dir=home, prefix=".restore.") as folder:
        for name in archive.namelist():
            if name.startswith("home/"):
                place = Path(folder) / check_relative(name)
                place.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(name) as source, place.open("wb") as out:
                    shutil.copyfileobj(source, out)
        for part in HOME_PARTS:
            old, new = home / part, Path(folder) / "home" / part
            if old.exists():
                old.replace(Path(folder) / f"old-{part}")
            if new.exists():
                new.replace(old)


def _replace_checkpoint(checkpoints: Checkpoints, backup: Backup, *, is_superseded: bool) -> None:
    with told(checkpoints.path):
        if is_superseded:
            for path, checkpoint in checkpoints.list_outside():
                path.replace(checkpoints.folder / f"superseded-{checkpoint.size}-{checkpoint.root.hex()[:16]}")
        if is_superseded or checkpoints.find_outside() is None:
            write_whole(checkpoints.path, backup.note.encode())


def _record(audit: AuditLog, backup: Backup, outside: Checkpoint | None, lost: int, actor: Acting) -> None:
    with audit.store.write() as unit:
        audit.record(
            unit,
            actor=actor,
            action=RESTORED,
            subject="store",
            before=None if outside is None else {"checkpoint_size": outside.size, "root": outside.root.hex()},
            after={"events": backup.size, "created_at": to_text(backup.created_at), "lost_events": lost},
        )
        unit.commit()
    audit.checkpoints.write()
