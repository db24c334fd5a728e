"""Restoring: a verified backup takes the place of the store, and the log says what was lost by it.

The keys of a home are never replaced. The checkpoint that a restored store is older than is kept beside the new one, as
evidence.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.audit.archive import opened_archive
from services.audit.backup import (
    HOME_PARTS,
    SECRET_PARTS,
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
from services.audit.keys import KeyRing
from services.audit.log import AuditLog
from services.audit.notes import Checkpoint, Verifier
from services.audit.restores import RESTORED
from services.clock import Clock, to_micros, to_text
from services.errors import InvalidInput
from services.store import Store, sessions
from services.store.migrations import check_known, upgrade
from services.store.snapshots import find_snapshot_migration, restore_snapshot
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

    Cut off at any point, it is as if it had not begun, or the log is held to be shorter than its last checkpoint until
    it is done again: what is lost is on record before the checkpoint that shows it is put away.

    Args:
        notes: signed checkpoints from the registry, which the backup may be older than as well.

    Raises:
        NotFound: there is no such backup.
        InvalidInput: it is no backup, or one of another kind of database.
        Conflict: a newer Gatehouse made it.
        Unverified: something in it is not as it was signed; nothing is changed then.
        Unreachable: the database does not answer, or there is no space.
    """
    checkpoints = Checkpoints(store, home)
    with _room_in(home) as room, tempfile.TemporaryDirectory(prefix="gatehouse-restore-") as folder:
        secrets = _unpack_secrets(checkpoints.keys, secrets_path(path), room / "secrets")
        backup = _check_backup(store, path, checkpoints.keys if secrets is None else KeyRing(secrets / "keys"))
        snapshot, key = _unpack(path, room, Path(folder))
        check_known(find_snapshot_migration(backup.dialect, snapshot))
        hashes = read_hashes(backup.dialect, snapshot)
        if secrets is not None:
            _place_secrets(secrets, home)
        checkpoints.keys.trust(key)
        if checkpoints.keys.find_signer() is None:
            checkpoints.keys.create_signer()
        outside = _find_newest(checkpoints, notes)
        warning = _find_loss(backup, hashes, outside)
        lost = max(0, outside.size - backup.size) if outside is not None and warning is not None else 0
        restore_snapshot(store, snapshot)
        upgrade(store)
        _replace_home(room, home)
        _record(_open_as_of(backup, store, clock, home, room), backup, outside, lost, actor, clock)
    _replace_checkpoint(checkpoints, backup, is_superseded=warning is not None)
    checkpoints.write()
    return Restored(backup=backup, lost_events=lost, warning=warning)


@contextmanager
def _room_in(home: Path) -> Iterator[Path]:
    """Make a folder on the home's file system, from which files only have to be moved."""
    with told(home):
        home.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=home, prefix=".restore.")
    with folder as room:
        yield Path(room)


def _check_backup(store: Store, path: Path, keys: KeyRing) -> Backup:
    backup = verify_backup(path, keys)
    if backup.dialect != store.engine.dialect.name:
        raise InvalidInput(
            f"{path} is a backup of {backup.dialect}, and the store is {store.engine.dialect.name}.",
            next_step="Set GATEHOUSE_STORE_URL to a database of that kind.",
        )
    return backup


def _unpack(path: Path, room: Path, folder: Path) -> tuple[Path, Verifier]:
    """Unpack the parts of the home into `room`, and return the snapshot, in `folder`, and the public key."""
    with opened_archive(path) as archive:
        with told(room):
            for name in archive.namelist():
                if name.startswith("home/"):
                    place = room / check_relative(name)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(name) as source, place.open("wb") as out:
                        shutil.copyfileobj(source, out)
        with told(folder):
            return Path(archive.extract("store", folder)), read_key(archive)


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


def _unpack_secrets(keys: KeyRing, path: Path, room: Path) -> Path | None:
    """Unpack keys and settings where there are none yet; they are put in place once the backup has verified by them."""
    if keys.list_verifiers() or not path.exists():
        return None
    with opened_archive(path) as archive, told(room):
        for name in archive.namelist():
            place = resolve_under(room, name)
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(place, archive.read(name), mode=0o644 if place.suffix == ".pub" else 0o600)
    return room


def _place_secrets(secrets: Path, home: Path) -> None:
    with told(home):
        for part in SECRET_PARTS:
            if (secrets / part).exists() and not (home / part).exists():
                (secrets / part).replace(home / part)


def _replace_home(room: Path, home: Path) -> None:
    """Let the parts of the home that are the installation's own be as they were."""
    with told(home):
        for part in HOME_PARTS:
            old, new = home / part, room / "home" / part
            if old.exists():
                old.replace(room / f"old-{part}")
            if new.exists():
                new.replace(old)


def _open_as_of(backup: Backup, store: Store, clock: Clock, home: Path, room: Path) -> AuditLog:
    """Open the log held against the checkpoint of the backup, which is all that it agrees with so far."""
    then = room / "then"
    with told(then):
        write_whole(then / "checkpoints" / "latest", backup.note.encode())
        (then / "keys").symlink_to((home / "keys").absolute())
    return AuditLog(store, clock=clock, home=then)


def _replace_checkpoint(checkpoints: Checkpoints, backup: Backup, *, is_superseded: bool) -> None:
    with told(checkpoints.path):
        if is_superseded:
            for path, checkpoint in checkpoints.list_outside():
                path.replace(checkpoints.folder / f"superseded-{checkpoint.size}-{checkpoint.root.hex()[:16]}")
        if is_superseded or checkpoints.find_outside() is None:
            write_whole(checkpoints.path, backup.note.encode())


def _record(
    audit: AuditLog, backup: Backup, outside: Checkpoint | None, lost: int, actor: Acting, clock: Clock
) -> None:
    with audit.store.write() as unit:
        # Whoever signed out after the backup was made would be signed in again.
        sessions.end_every_session(unit, now_us=to_micros(clock()), reason="a backup was restored")
        audit.record(
            unit,
            actor=actor,
            action=RESTORED,
            subject="store",
            before=None if outside is None else {"checkpoint_size": outside.size, "root": outside.root.hex()},
            after={"events": backup.size, "created_at": to_text(backup.created_at), "lost_events": lost},
        )
        unit.commit()
