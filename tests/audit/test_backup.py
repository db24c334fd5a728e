"""Backups: verified when made and before used, keys apart, and a restore that says what it loses."""

from __future__ import annotations

import shutil
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from services.audit import AuditLog, EventQuery
from services.audit.archive import write_archive
from services.audit.backup import TITLE, Backup, create_backup, secrets_path, verify_backup
from services.audit.keys import KeyRing
from services.audit.restore import Restored, restore_backup
from services.audit.verification import verify_log
from services.errors import Conflict, GatehouseError, InvalidInput, NotFound, Unavailable, Unreachable, Unverified
from services.store import Store, accounts, open_store, servers, sessions, snapshots
from services.store.migrations import HEAD, upgrade
from tests.audit.builders import ADA, fill, open_log, record
from tests.conftest import FakeClock

ARTIFACTS = {"fraud/7": "sha256:aa", "fraud/8": "sha256:bb"}


@pytest.fixture
def audit(store: Store, tmp_path: Path) -> AuditLog:
    return furnish(store, tmp_path / "home")


def furnish(store: Store, home: Path) -> AuditLog:
    """Open a log of 300 events, with pins, shadow states and settings in its home."""
    log = open_log(store, home)
    (log.home / "shadow-states" / "fraud" / "duckdb").mkdir(parents=True)
    (log.home / "shadow-states" / "fraud" / "duckdb" / "2026-03-01.parquet").write_bytes(b"state")
    (log.home / "pins.yaml").write_text("models: {}\n")
    (log.home / "gatehouse.yaml").write_text("webhook_secret: hush\n")
    fill(log, 300)
    return log


def make(audit: AuditLog, path: Path) -> Backup:
    return create_backup(audit, path, clock=FakeClock(), artifacts=ARTIFACTS)


def restore(audit: AuditLog, path: Path) -> Restored:
    return restore_backup(audit.store, path, home=audit.home, actor=ADA, clock=FakeClock())


@pytest.fixture
def backup(audit: AuditLog, tmp_path: Path) -> Backup:
    return make(audit, tmp_path / "out" / "backup.zip")


def test_a_backup_says_what_it_holds(audit: AuditLog, backup: Backup) -> None:
    assert backup.size == backup.checkpoint.size == 300
    assert backup.artifacts == ARTIFACTS
    assert backup.created_at == FakeClock().now
    assert backup.dialect == audit.store.engine.dialect.name
    assert verify_backup(backup.path, audit.checkpoints.keys) == backup


def test_keys_and_settings_are_kept_apart(backup: Backup) -> None:
    with zipfile.ZipFile(backup.path) as archive:
        names = set(archive.namelist())
        assert not any("PRIVATE" in archive.read(name).decode(errors="replace") for name in names)
    assert names >= {"store", "home/pins.yaml", "home/shadow-states/fraud/duckdb/2026-03-01.parquet", "key"}
    assert not any("keys" in name or "gatehouse.yaml" in name for name in names)
    apart = secrets_path(backup.path)
    assert stat.S_IMODE(apart.stat().st_mode) == 0o600
    with zipfile.ZipFile(apart) as archive:
        assert {"keys/audit.key", "keys/audit.pub", "gatehouse.yaml"} <= set(archive.namelist())


def test_a_backup_made_while_others_write_verifies(
    audit: AuditLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = snapshots.take_snapshot

    def take_later(store: Store, path: Path) -> None:
        record(audit, subject="after the checkpoint")
        take(store, path)

    monkeypatch.setattr("services.audit.backup.take_snapshot", take_later)
    made = make(audit, tmp_path / "backup.zip")
    assert (made.checkpoint.size, made.size) == (300, 301)


def test_a_restore_brings_everything_back(any_store: Store, tmp_path: Path) -> None:
    audit = furnish(any_store, tmp_path / "home")
    backup = make(audit, tmp_path / "backup.zip")
    fill(audit, 50)
    (audit.home / "pins.yaml").write_text("models: {changed: true}\n")
    (audit.home / "shadow-states" / "later").mkdir()
    restored = restore(audit, backup.path)
    assert (restored.lost_events, restored.warning) == (0, None)
    assert (audit.home / "pins.yaml").read_text() == "models: {}\n"
    assert (audit.home / "shadow-states" / "fraud" / "duckdb" / "2026-03-01.parquet").read_bytes() == b"state"
    assert not (audit.home / "shadow-states" / "later").exists()
    again = open_log(audit.store, audit.home)
    last = again.list_events(newest_first=True, limit=1).events[0]
    assert (last.seq, last.action, last.actor) == (300, "store:backup:restored", "ada")
    assert verify_log(again).is_verified
    assert [event.seq for event in again.list_events(EventQuery(text="reason 298")).events] == [297, 298]
    record(again)


def test_the_database_still_guards_the_log_after_a_restore(any_store: Store, tmp_path: Path) -> None:
    audit = furnish(any_store, tmp_path / "home")
    restore(audit, make(audit, tmp_path / "backup.zip").path)
    with pytest.raises(Exception, match="append-only"), audit.store.engine.connect() as connection:
        connection.execute(text("DELETE FROM audit_event"))


def test_a_restore_that_is_older_than_the_last_checkpoint_says_so(audit: AuditLog, backup: Backup) -> None:
    fill(audit, 50)
    lost = audit.checkpoints.write()
    restored = restore(audit, backup.path)
    assert restored.lost_events == 50
    assert restored.warning == (
        "The backup of 2026-03-01T12:00:00.000000Z is older than the last checkpoint: 50 of 350 events are lost."
    )
    again = open_log(audit.store, audit.home)
    event = again.list_events(newest_first=True, limit=1).events[0]
    assert event.before == {"checkpoint_size": 350, "root": lost.checkpoint.root.hex()}
    assert event.after["lost_events"] == 50
    (kept,) = (audit.home / "checkpoints").glob("superseded-350-*")
    assert kept.read_text(encoding="utf-8") == lost.note
    assert verify_log(again).is_verified
    record(again)


def test_a_restore_that_is_older_than_a_checkpoint_in_the_registry_says_so(
    audit: AuditLog, backup: Backup, tmp_path: Path
) -> None:
    fill(audit, 40)
    note = audit.checkpoints.write().note
    shutil.rmtree(audit.home / "checkpoints")
    restored = restore_backup(
        audit.store, backup.path, home=audit.home, actor=ADA, clock=FakeClock(), notes=["garbage", note]
    )
    assert restored.lost_events == 40
    assert restored.warning is not None
    again = open_log(audit.store, audit.home)
    again.checkpoints.witness([note])
    assert not again.checkpoints.witness_path.exists()
    assert verify_log(again).is_verified
    fill(again, 100)
    again.checkpoints.witness([note, again.checkpoints.write().note])
    assert verify_log(again).is_verified


def test_a_restore_of_another_branch_of_the_log_says_so(audit: AuditLog, backup: Backup, tmp_path: Path) -> None:
    fill(audit, 50)
    later = make(audit, tmp_path / "later.zip")
    restore(audit, backup.path)
    restored = restore(audit, later.path)
    assert restored.lost_events == 0
    assert restored.warning is not None
    assert "does not continue the last checkpoint of 301 events" in restored.warning
    assert verify_log(open_log(audit.store, audit.home)).is_verified


def test_a_new_machine_is_restored_from_backup_and_keys(audit: AuditLog, backup: Backup, tmp_path: Path) -> None:
    key = audit.checkpoints.get_key()
    shutil.rmtree(audit.home)
    database = str(audit.store.engine.url.database)
    audit.store.close()
    for suffix in ("", "-wal", "-shm"):
        Path(f"{database}{suffix}").unlink(missing_ok=True)
    upgrade(audit.store)
    restore(audit, backup.path)
    again = open_log(audit.store, audit.home)
    assert again.checkpoints.get_key() == key
    assert stat.S_IMODE((audit.home / "keys" / "audit.key").stat().st_mode) == 0o600
    assert (audit.home / "gatehouse.yaml").read_text() == "webhook_secret: hush\n"
    assert verify_log(again).is_verified


def test_a_backup_that_does_not_verify_leaves_no_keys_behind(
    audit: AuditLog, backup: Backup, tmp_path: Path, postgres_store: Store
) -> None:
    new = tmp_path / "new"
    with pytest.raises(InvalidInput, match="is a backup of sqlite"):
        restore_backup(postgres_store, backup.path, home=new, actor=ADA, clock=FakeClock())
    pack_again(backup, audit, checkpoint=b"x")
    with pytest.raises(Unverified, match="checkpoint cannot be trusted"):
        restore_backup(audit.store, backup.path, home=new, actor=ADA, clock=FakeClock())
    assert list(new.iterdir()) == []


def test_keys_and_pins_that_are_links_are_kept_too(audit: AuditLog, tmp_path: Path) -> None:
    """As where a cluster mounts secrets, or a repository holds the pins."""
    audit.checkpoints.write()
    for place in (audit.home / "keys" / "audit.key", audit.home / "pins.yaml"):
        place.rename(tmp_path / place.name)
        place.symlink_to(tmp_path / place.name)
    made = make(audit, tmp_path / "backup.zip")
    with zipfile.ZipFile(made.path) as archive, zipfile.ZipFile(secrets_path(made.path)) as apart:
        assert archive.read("home/pins.yaml") == b"models: {}\n"
        assert b"PRIVATE" in apart.read("keys/audit.key")


@pytest.mark.parametrize("step", ["restore_snapshot", "_replace_home", "_record", "_replace_checkpoint"])
def test_a_restore_that_is_cut_off_forgets_no_loss(
    audit: AuditLog, backup: Backup, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    fill(audit, 50)
    audit.checkpoints.write()

    def cut_off(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(f"services.audit.restore.{step}", cut_off)
        with pytest.raises(KeyboardInterrupt):
            restore(audit, backup.path)
    found = verify_log(open_log(audit.store, audit.home))
    assert found.size == 350 if found.is_verified else "covers 350" in found.problems[-1].message
    assert not list(audit.home.glob(".restore.*"))
    assert restore(audit, backup.path).lost_events == 50
    again = open_log(audit.store, audit.home)
    assert verify_log(again).is_verified
    assert again.list_events(newest_first=True, limit=1).events[0].after["lost_events"] == 50


def test_a_restore_ends_every_session(audit: AuditLog, backup: Backup) -> None:
    del backup
    with audit.store.write() as unit:
        accounts.add_account(unit, accounts.AccountRow(name="ada", roles=["admin"], created_us=0))
        row = sessions.SessionRow(
            digest="d", account="ada", way="oidc", origin="", started_us=0, seen_us=0, expires_us=2**50
        )
        sessions.add_session(unit, row)
        unit.commit()
    restore(audit, make(audit, audit.home / "later.zip").path)
    with audit.store.read() as unit:
        found = sessions.find_session(unit, "d")
        assert found is not None
        assert (found.end_reason, sessions.find_ended_us(unit)) == ("a backup was restored", found.ended_us)


def test_a_store_without_room_for_a_backup_stays_as_it_is(audit: AuditLog, backup: Backup, tmp_path: Path) -> None:
    small = open_store(f"sqlite:///{tmp_path / 'small' / 'gatehouse.db'}")
    upgrade(small)
    fill(open_log(small, tmp_path / "new"), 5)

    @event.listens_for(small.engine, "checkout")
    def bound(connection: Any, *_: object) -> None:
        connection.execute("PRAGMA max_page_count=150")

    with pytest.raises(Unreachable, match=r"cannot take the backup .*full.*, and is as it was"):
        restore_snapshot_of(small, backup)
    assert verify_log(open_log(small, tmp_path / "new")).size == 5
    assert not list((tmp_path / "small").glob("*.damaged*"))
    small.close()


def restore_snapshot_of(store: Store, backup: Backup) -> None:
    with zipfile.ZipFile(backup.path) as archive:
        snapshots.restore_snapshot(store, Path(archive.extract("store", backup.path.parent)))


def test_without_the_keys_a_new_machine_signs_with_its_own_and_trusts_the_old(audit: AuditLog, backup: Backup) -> None:
    key = audit.checkpoints.get_key()
    shutil.rmtree(audit.home)
    secrets_path(backup.path).unlink()
    restore(audit, backup.path)
    again = open_log(audit.store, audit.home)
    assert again.checkpoints.get_key() != key
    assert key in [verifier.text for verifier in again.checkpoints.keys.list_verifiers()]
    assert verify_log(again).is_verified


def test_keys_that_are_there_are_never_replaced(audit: AuditLog, backup: Backup, tmp_path: Path) -> None:
    other = open_log(open_store(f"sqlite:///{tmp_path / 'other' / 'gatehouse.db'}"), tmp_path / "other")
    upgrade(other.store)
    record(other)
    other.checkpoints.write()
    key = other.checkpoints.get_key()
    with pytest.raises(Unverified, match=r"manifest .* cannot be trusted"):
        restore(other, backup.path)
    assert other.checkpoints.get_key() == key
    assert verify_log(other).size == 1
    other.store.close()


def test_a_backup_of_an_older_gatehouse_is_migrated(any_store: Store, tmp_path: Path) -> None:
    audit = furnish(any_store, tmp_path / "home")
    with any_store.write() as unit:
        unit.connection.execute(text("DROP TABLE server"))
        unit.connection.execute(text("UPDATE alembic_version SET version_num = '0003'"))
        unit.commit()
    made = make(audit, tmp_path / "backup.zip")
    upgrade(any_store)
    restore(audit, made.path)
    assert verify_log(open_log(any_store, audit.home)).is_verified
    with any_store.read() as unit:
        assert servers.list_servers(unit, limit=1) == []


def test_a_backup_of_a_newer_gatehouse_changes_nothing(any_store: Store, tmp_path: Path) -> None:
    audit = furnish(any_store, tmp_path / "home")
    with any_store.write() as unit:
        unit.connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        unit.commit()
    made = make(audit, tmp_path / "backup.zip")
    with any_store.write() as unit:
        unit.connection.execute(text(f"UPDATE alembic_version SET version_num = '{HEAD}'"))
        unit.commit()
    fill(audit, 5)
    with pytest.raises(Conflict, match="at migration 9999"):
        restore(audit, made.path)
    assert verify_log(open_log(any_store, audit.home)).size == 305


def test_a_damaged_store_is_set_aside_and_restored(store: Store, tmp_path: Path) -> None:
    audit = open_log(store, tmp_path / "home")
    fill(audit, 10)
    made = make(audit, tmp_path / "backup.zip")
    database = Path(str(store.engine.url.database))
    store.close()
    for suffix in ("-wal", "-shm"):
        Path(f"{database}{suffix}").unlink(missing_ok=True)
    database.write_bytes(b"not a database at all " * 1000)
    restore(audit, made.path)
    assert verify_log(open_log(store, audit.home)).is_verified
    assert database.with_name("gatehouse.db.damaged-1").read_bytes().startswith(b"not a database")


def pack_again(backup: Backup, audit: AuditLog, **changes: bytes) -> None:
    """Change files in a backup and sign it as the key's owner could, but leave its checkpoint as it was."""
    with zipfile.ZipFile(backup.path) as archive:
        files: dict[str, bytes | Path] = {name: archive.read(name) for name in archive.namelist() if name != "manifest"}
    files.update(changes)
    write_archive(backup.path, files, title=TITLE, signer=audit.checkpoints.get_signer())


def test_a_changed_backup_does_not_verify_and_changes_nothing(audit: AuditLog, backup: Backup) -> None:
    whole = backup.path.read_bytes()
    fill(audit, 5)
    for start in range(0, len(whole), max(1, len(whole) // 40)):
        changed = bytearray(whole)
        changed[start] ^= 1
        backup.path.write_bytes(changed)
        try:
            unharmed = verify_backup(backup.path, audit.checkpoints.keys)
        except GatehouseError:
            with pytest.raises(GatehouseError):
                restore(audit, backup.path)
        else:  # what is no content, such as the permissions that a ZIP notes for a file
            assert unharmed == backup
    assert len(open_log(audit.store, audit.home).list_events(limit=1000).events) == 305


def test_a_backup_of_another_store_does_not_pass_for_this_one(store: Store, tmp_path: Path) -> None:
    audit = open_log(store, tmp_path / "home")
    fill(audit, 10)
    made = make(audit, tmp_path / "backup.zip")
    other = open_store(f"sqlite:///{tmp_path / 'other.db'}")
    upgrade(other)
    fill(open_log(other, tmp_path / "other"), 10)
    snapshots.take_snapshot(other, tmp_path / "snapshot")
    pack_again(made, audit, store=(tmp_path / "snapshot").read_bytes())
    with pytest.raises(Unverified, match="events are not the 10 of its checkpoint"):
        verify_backup(made.path, audit.checkpoints.keys)
    other.close()


BAD_PARTS: dict[str, tuple[dict[str, bytes], str]] = {
    "about": ({"backup.json": b"{}"}, "backup.json cannot be read"),
    "checkpoint": ({"checkpoint": b"x"}, "checkpoint cannot be trusted"),
    "store": ({"store": b"nothing"}, "snapshot of the store is damaged"),
}


@pytest.mark.parametrize("name", BAD_PARTS)
def test_a_backup_with_a_bad_part_does_not_verify(audit: AuditLog, backup: Backup, name: str) -> None:
    changes, message = BAD_PARTS[name]
    pack_again(backup, audit, **changes)
    with pytest.raises(Unverified, match=message):
        verify_backup(backup.path, audit.checkpoints.keys)


def test_a_backup_that_lacks_events_does_not_verify(store: Store, tmp_path: Path) -> None:
    audit = open_log(store, tmp_path / "home")
    fill(audit, 10)
    made = make(audit, tmp_path / "backup.zip")
    with store.engine.connect() as connection:
        connection.execute(text("DROP TRIGGER audit_event_delete"))
        connection.execute(text("DELETE FROM audit_event WHERE seq = 5"))
        connection.commit()
    snapshots.take_snapshot(store, tmp_path / "snapshot")
    pack_again(made, audit, store=(tmp_path / "snapshot").read_bytes())
    with pytest.raises(Unverified, match="lacks events"):
        verify_backup(made.path, audit.checkpoints.keys)


def test_what_is_no_backup_says_so(audit: AuditLog, tmp_path: Path) -> None:
    path = tmp_path / "backup.zip"
    with pytest.raises(NotFound, match="no file"):
        verify_backup(path, audit.checkpoints.keys)
    path.write_bytes(b"nothing")
    with pytest.raises(InvalidInput, match="cannot be read as a ZIP"):
        restore(audit, path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("file", "")
    with pytest.raises(InvalidInput, match="no backup of Gatehouse"):
        verify_backup(path, KeyRing(tmp_path / "nowhere"))
    audit.checkpoints.get_key()
    with pytest.raises(Unverified, match="has no manifest"):
        verify_backup(path, audit.checkpoints.keys)


def test_a_backup_of_another_kind_of_database_is_refused(store: Store, postgres_store: Store, tmp_path: Path) -> None:
    audit = open_log(store, tmp_path / "home")
    made = make(audit, tmp_path / "backup.zip")
    with pytest.raises(InvalidInput, match="is a backup of sqlite, and the store is postgresql"):
        restore_backup(postgres_store, made.path, home=audit.home, actor=ADA, clock=FakeClock())


def test_a_log_that_does_not_verify_is_not_backed_up(store: Store, tmp_path: Path) -> None:
    audit = open_log(store, tmp_path / "home")
    fill(audit, 3)
    with store.engine.connect() as connection:
        connection.execute(text("DROP TRIGGER audit_event_delete"))
        connection.execute(text("DELETE FROM audit_event WHERE seq = 2"))
        connection.commit()
    with pytest.raises(Unverified, match="counts 3 events"):
        make(audit, tmp_path / "backup.zip")


def test_a_backup_that_cannot_be_written_says_so(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="cannot be used"):
        make(open_log(store, tmp_path / "home"), tmp_path / "file" / "backup.zip")


def test_postgresql_without_its_programs_or_its_server_says_so(
    postgres_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = open_log(postgres_store, tmp_path / "home")
    gone = open_store("postgresql+psycopg://postgres@127.0.0.1:1/nowhere")
    with pytest.raises(Unreachable, match="pg_dump failed"):
        snapshots.take_snapshot(gone, tmp_path / "snapshot")
    monkeypatch.setattr(snapshots, "_PROGRAMS", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="pg_dump is not installed"):
        make(audit, tmp_path / "backup.zip")
