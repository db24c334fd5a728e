"""Checkpoints outside the database: what they are, who may read the key, and what a lost or foreign one stops."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from services.audit import AuditLog, checkpoints
from services.audit.keys import KeyRing
from services.audit.notes import Checkpoint, Signer, Verifier, check_note, parse_checkpoint
from services.audit.verification import verify_log
from services.errors import Unreachable, Unverified
from services.store import Store, open_store
from services.store.migrations import upgrade
from tests.audit.builders import fill, open_log, record


@pytest.fixture
def audit(store: Store, tmp_path: Path) -> AuditLog:
    return open_log(store, tmp_path / "home")


def test_a_checkpoint_commits_to_the_log_as_it_is(any_store: Store, tmp_path: Path) -> None:
    audit = open_log(any_store, tmp_path / "home")
    fill(audit, 300)
    signed = audit.checkpoints.write()
    key = Verifier.parse(audit.checkpoints.get_key())
    assert parse_checkpoint(check_note(signed.note, [key])) == signed.checkpoint
    assert (signed.checkpoint.size, signed.checkpoint.root) == (300, verify_log(audit).root)
    assert signed.checkpoint.origin == key.name
    assert audit.checkpoints.path.read_text(encoding="utf-8") == signed.note
    integrity = audit.checkpoints.get_integrity()
    assert (integrity.size, integrity.checkpoint, integrity.problem) == (300, signed.checkpoint, None)


def test_the_same_log_gives_the_same_checkpoint(audit: AuditLog) -> None:
    record(audit)
    first = audit.checkpoints.write()
    assert audit.checkpoints.write() == first
    record(audit)
    assert audit.checkpoints.write().checkpoint.origin == first.checkpoint.origin


def test_a_home_put_back_with_its_database_does_not_agree_with_the_registry(store: Store, tmp_path: Path) -> None:
    audit = open_log(store, tmp_path / "home")
    fill(audit, 300)
    early = audit.checkpoints.write().note
    fill(audit, 10)
    late = audit.checkpoints.write().note
    audit.checkpoints.witness([early, "garbage", late])
    assert verify_log(audit).is_verified

    forged = open_log(open_store(f"sqlite:///{tmp_path / 'forged.db'}"), tmp_path / "forged")
    upgrade(forged.store)
    shutil.copytree(audit.home / "keys", forged.home / "keys")
    fill(forged, 305)
    forged.checkpoints.write()
    record(forged)
    forged.checkpoints.witness([early, late])
    with pytest.raises(Unverified, match="has 306 events, but the last checkpoint in the registry covers 310"):
        record(forged)
    assert forged.checkpoints.get_integrity().problem
    assert "covers 310" in verify_log(forged).problems[0].message
    fill_despite(forged, 10)
    assert f"not those of the checkpoint in {forged.checkpoints.witness_path}" in verify_log(forged).problems[0].message
    forged.store.close()


def fill_despite(audit: AuditLog, count: int) -> None:
    """Go on writing as a forger would, with what the registry said out of the way for that long."""
    kept = audit.checkpoints.witness_path.read_text("utf-8")
    audit.checkpoints.witness_path.unlink()
    fill(audit, count)
    audit.checkpoints.witness_path.write_text(kept, "utf-8")


def test_what_a_stranger_signed_in_the_registry_says_nothing(audit: AuditLog) -> None:
    record(audit)
    stranger = Signer.generate("example.org/other")
    note = stranger.sign(Checkpoint(origin=stranger.name, size=9000, root=bytes(32)).text)
    audit.checkpoints.witness([note, note.replace(stranger.name, "gatehouse"), ""])
    assert not audit.checkpoints.witness_path.exists()
    assert record(audit) == 1


def test_writing_stops_once_a_checkpoint_outside_says_otherwise(
    audit: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "LOOK_AGAIN_S", 0.0)
    record(audit)
    signer = audit.checkpoints.get_signer()
    audit.checkpoints.write()
    record(audit)
    audit.checkpoints.path.write_text(
        signer.sign(Checkpoint(origin=signer.name, size=2, root=bytes(32)).text), encoding="utf-8"
    )
    with pytest.raises(Unverified, match="not those of its last checkpoint outside"):
        record(audit)


def test_an_installation_without_checkpoint_is_well(audit: AuditLog) -> None:
    record(audit)
    assert audit.checkpoints.get_integrity().problem is None
    assert audit.checkpoints.get_integrity().checkpoint is None


def test_the_key_is_made_once_and_for_its_owner_alone(audit: AuditLog) -> None:
    key = audit.checkpoints.get_key()
    private = audit.home / "keys" / "audit.key"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE(private.parent.stat().st_mode) == 0o700
    assert (audit.home / "keys" / "audit.pub").read_text() == f"{key}\n"
    assert audit.checkpoints.get_key() == key
    assert key not in private.read_text()


def test_two_processes_that_make_the_key_at_once_agree(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys")
    assert ring.create_signer() == ring.create_signer() == ring.find_signer()


def test_a_key_that_went_missing_is_not_made_again(audit: AuditLog) -> None:
    audit.checkpoints.write()
    (audit.home / "keys" / "audit.key").unlink()
    with pytest.raises(Unverified, match=r"signing key .* is missing"):
        audit.checkpoints.write()
    record(audit)
    assert verify_log(audit).is_verified


def test_without_any_key_nothing_is_written(audit: AuditLog) -> None:
    audit.checkpoints.write()
    shutil.rmtree(audit.home / "keys")
    with pytest.raises(Unverified, match=r"signed by gatehouse/.* none of the keys that are trusted here"):
        record(open_log(audit.store, audit.home))
    assert not verify_log(audit).is_verified


@pytest.mark.parametrize("content", ["", "not a key\n", "PRIVATE+KEY+x+00000000+AAAA\n", "PRIVATE+KEY+é\n"])
def test_a_key_file_that_holds_no_key_says_so(audit: AuditLog, content: str) -> None:
    audit.checkpoints.write()
    (audit.home / "keys" / "audit.key").write_text(content, encoding="utf-8")
    with pytest.raises(Unverified, match=r"audit\.key does not hold a key") as refused:
        audit.checkpoints.write()
    assert "Put the key back" in refused.value.next_step


def test_a_public_key_file_that_holds_no_key_says_so(audit: AuditLog) -> None:
    audit.checkpoints.write()
    (audit.home / "keys" / "other.pub").write_text("nonsense\n")
    problem = audit.checkpoints.get_integrity().problem
    assert problem is not None
    assert "other.pub does not hold a key" in problem


def test_a_checkpoint_of_somebody_else_stops_writing(audit: AuditLog) -> None:
    record(audit)
    audit.checkpoints.write()
    foreign = Signer.generate("other.example/log")
    note = foreign.sign(Checkpoint(origin="other.example/log", size=1, root=bytes(32)).text)
    audit.checkpoints.path.write_text(note, encoding="utf-8")
    match = "is no checkpoint that this installation trusts"
    with pytest.raises(Unverified, match=match) as refused:
        record(open_log(audit.store, audit.home))
    with pytest.raises(Unverified, match=match) as verified:
        verify_log(audit).check()
    assert "add the public key that signed it" in refused.value.next_step
    assert refused.value.next_step == verified.value.next_step
    assert audit.checkpoints.get_integrity().checkpoint is None


def test_a_checkpoint_of_another_installation_is_trusted_once_its_key_is(audit: AuditLog, tmp_path: Path) -> None:
    record(audit)
    audit.checkpoints.write()
    other = open_log(audit.store, tmp_path / "other")
    record(other)
    other.checkpoints.write()
    assert "not to be trusted" in verify_log(audit).problems[0].message
    audit.checkpoints.keys.trust(Verifier.parse(other.checkpoints.get_key()))
    assert verify_log(audit).checkpoints == 3


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"gatehouse\n5\nAAAA\n"])
def test_a_checkpoint_file_that_is_none_stops_writing(audit: AuditLog, content: bytes) -> None:
    audit.checkpoints.write()
    audit.checkpoints.path.write_bytes(content)
    with pytest.raises(Unverified, match="latest is no checkpoint"):
        record(open_log(audit.store, audit.home))


def test_a_checkpoint_file_that_went_missing_stops_writing(audit: AuditLog) -> None:
    record(audit)
    audit.checkpoints.write()
    audit.checkpoints.path.unlink()
    with pytest.raises(Unverified, match=r"has a checkpoint of 1 events, but .* is gone"):
        record(open_log(audit.store, audit.home))
    assert "is gone" in verify_log(audit).problems[0].message


def test_a_checkpoint_file_that_cannot_be_read_says_so(audit: AuditLog) -> None:
    audit.checkpoints.write()
    audit.checkpoints.path.unlink()
    audit.checkpoints.path.mkdir()
    with pytest.raises(Unreachable, match="latest cannot be used: Is a directory"):
        record(open_log(audit.store, audit.home))


def test_a_log_that_disagrees_is_not_signed_again(audit: AuditLog, postgres_store: Store) -> None:
    fill(audit, 3)
    audit.checkpoints.write()
    empty = open_log(postgres_store, audit.home)
    with pytest.raises(Unverified, match="has 0 events, but its last checkpoint outside covers 3"):
        empty.checkpoints.write()
