"""Checkpoints: signed heads of the log, kept outside the database as well, so that a forger must own both.

One stands in a file of the home. The newest of those that stand in the registry, on promoted versions, is kept beside
it once it was read there: a home that was put back together with its database does not agree with that one.

The database is held against the newest checkpoint outside it: if it has fewer events, or other ones, it was rolled
back, cut short, rewritten or exchanged, and nothing more is written to it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from services.audit import restores
from services.audit.files import told, write_whole
from services.audit.keys import PRIVATE_KEY, PUBLIC_KEY, KeyRing
from services.audit.merkle import CompactRange
from services.audit.notes import Checkpoint, Signer, check_note, parse_checkpoint
from services.audit.sealing import seal
from services.audit.tree import StoredTree
from services.errors import Unverified
from services.store import Store, UnitOfWork, audit_log

LOOK_AGAIN_S = 1.0
"""How long an append goes by what it last saw of the files: asking before each took a sixth of its extra time."""

_RESTORE = "Run `gatehouse audit verify` to see where, and restore the store from a backup."


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCheckpoint:
    """A checkpoint, and the note that others verify: in a file, or in a tag of a model version."""

    checkpoint: Checkpoint
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrity:
    """How the log stands.

    Args:
        size: how many events it has; None if it cannot be told.
        checkpoint: the newest checkpoint outside the database, if there is one that can be trusted.
        problem: one sentence on what is wrong; None while all is well.
    """

    size: int | None
    checkpoint: Checkpoint | None
    problem: str | None


class Checkpoints:
    """The signed checkpoints of one installation."""

    def __init__(self, store: Store, home: Path) -> None:
        self._store = store
        self.keys = KeyRing(home / "keys")
        self.folder = home / "checkpoints"
        self.path = self.folder / "latest"
        self.witness_path = self.folder / "registry"
        self._marks = (0, 0)
        self._look_again = 0.0

    def write(self) -> SignedCheckpoint:
        """Sign the log as it is now, keep the note outside and inside the database, and seal what came before it.

        Raises:
            Unverified: the log disagrees with the last checkpoint, or the key is missing.
            Unreachable: store or file cannot be written.
        """
        with self._store.write() as unit:
            head = audit_log.find_head(unit, lock=True)
            self.check(unit)
            assert head is not None, "the check would have missed it"
            signer = self.get_signer()
            checkpoint = Checkpoint(origin=signer.name, size=head.size, root=head.root)
            note = signer.sign(checkpoint.text)
            # The file first: a note inside without one outside means that somebody removed the one outside.
            self._keep(self.path, note)
            audit_log.add_checkpoint(unit, head.size, note)
            seal(unit, head.size)
            unit.commit()
        return SignedCheckpoint(checkpoint=checkpoint, note=note)

    def witness(self, notes: Iterable[str]) -> None:
        """Take in the signed checkpoints that were found in the registry: from now on the log is held against them.

        What no key that is trusted here has signed says nothing. One that a restore left behind is no witness either,
        since the log says itself what was lost.

        Raises:
            Unreachable: store or file cannot be read or written.
        """
        found = self.list_trusted(notes)
        with self._store.read() as unit:
            lost = restores.list_lost(unit)
            for note, checkpoint in sorted(found, key=lambda each: each[1].size, reverse=True):
                is_broken = self._find_broken(unit, checkpoint, "a checkpoint in the registry") is not None
                if is_broken and any(checkpoint.size in span for span in lost):
                    continue
                self._keep(self.witness_path, note)
                return

    def list_outside(self) -> list[tuple[Path, Checkpoint]]:
        """Return the checkpoints outside the database, each with its file, the own one first.

        Raises:
            Unverified: a file is no checkpoint signed by a key that is trusted here.
            Unreachable: a file cannot be read.
        """
        found = [(path, self._find(path)) for path in (self.path, self.witness_path)]
        return [(path, checkpoint) for path, checkpoint in found if checkpoint is not None]

    def get_marks(self) -> tuple[int, ...]:
        """Return what changes when a checkpoint outside does; what another process writes shows within a second."""
        if (now := time.monotonic()) >= self._look_again:
            self._marks = (_get_mark(self.path), _get_mark(self.witness_path))
            self._look_again = now + LOOK_AGAIN_S
        return self._marks

    def get_key(self) -> str:
        """Return the public key as one line, making the pair at first use.

        Raises:
            Unverified: the key is missing although it has signed before.
        """
        return self.get_signer().verifier.text

    def get_signer(self) -> Signer:
        """Return the key that signs, making it at first use.

        Raises:
            Unverified: the key is missing although it has signed before.
            Unreachable: it cannot be written.
        """
        signer = self.keys.find_signer()
        if signer is not None:
            return signer
        if self.path.exists() or (self.keys.folder / PUBLIC_KEY).exists():
            raise Unverified(
                f"The signing key {self.keys.folder / PRIVATE_KEY} is missing, but it has signed checkpoints before.",
                next_step="Put the key back from where the backup's keys are kept.",
            )
        return self.keys.create_signer()

    def get_integrity(self) -> Integrity:
        """Return how the log stands, from a few hundred hashes."""
        with self._store.read() as unit:
            head = audit_log.find_head(unit)
            problem = self.find_divergence(unit)
        try:
            outside = self.find_outside()
        except Unverified:
            outside = None
        return Integrity(size=head.size if head else None, checkpoint=outside, problem=problem)

    def check(self, unit: UnitOfWork) -> None:
        """Check that the log agrees with itself and with the last checkpoint outside.

        Raises:
            Unverified: it does not.
        """
        if (problem := self._find_problem(unit)) is not None:
            raise Unverified(problem, next_step=_RESTORE)

    def find_divergence(self, unit: UnitOfWork) -> str | None:
        """Return one sentence on how the log disagrees with itself or the last checkpoint outside, or None."""
        try:
            return self._find_problem(unit)
        except Unverified as error:
            return error.message

    def _find_problem(self, unit: UnitOfWork) -> str | None:
        return self._find_broken_head(unit) or self._find_broken_promise(unit)

    def find_outside(self) -> Checkpoint | None:
        """Return the newest checkpoint outside the database, or None if there never was one.

        Raises:
            Unverified: the file is no checkpoint signed by a key that is trusted here.
            Unreachable: the file cannot be read.
        """
        return self._find(self.path)

    def _keep(self, path: Path, note: str) -> None:
        with told(path):
            write_whole(path, note.encode())
        self._look_again = 0.0

    def _find(self, path: Path) -> Checkpoint | None:
        with told(path):
            try:
                note = path.read_text(encoding="utf-8")
            except FileNotFoundError:
                return None
            except UnicodeDecodeError as error:
                raise _foreign(path, "it is not UTF-8 text") from error
        try:
            return parse_checkpoint(check_note(note, self.keys.list_verifiers()))
        except ValueError as error:
            raise _foreign(path, str(error)) from error

    def list_trusted(self, notes: Iterable[str]) -> list[tuple[str, Checkpoint]]:
        """Return those of the notes that are checkpoints signed by a key that is trusted here."""
        verifiers = self.keys.list_verifiers()
        found = []
        for note in notes:
            with suppress(ValueError):
                found.append((note, parse_checkpoint(check_note(note, verifiers))))
        return found

    def _find_broken_head(self, unit: UnitOfWork) -> str | None:
        head = audit_log.find_head(unit)
        if head is None:
            return "The audit log has lost its head."
        last = audit_log.find_last_seq(unit)
        if (-1 if last is None else last) != head.size - 1:
            return f"The audit log counts {head.size} events, but its last one is {last}."
        try:
            tree = CompactRange.read(head.size, head.frontier)
        except ValueError as error:
            return f"The head of the audit log is broken: {error}."
        if tree.root != head.root or StoredTree(unit).root(head.size) != head.root:
            return f"The head of the audit log is not the root of its {head.size} events."
        return None

    def _find_broken_promise(self, unit: UnitOfWork) -> str | None:
        outside = self.list_outside()
        if all(path != self.path for path, _ in outside) and (lost := self.find_lost_file(unit)) is not None:
            return lost
        for path, checkpoint in outside:
            name = "its last checkpoint outside" if path == self.path else "the last checkpoint in the registry"
            if (broken := self._find_broken(unit, checkpoint, name)) is not None:
                return broken
        return None

    def _find_broken(self, unit: UnitOfWork, promised: Checkpoint, name: str) -> str | None:
        head = audit_log.find_head(unit)
        size = 0 if head is None else head.size
        if size < promised.size:
            return f"The audit log has {size} events, but {name} covers {promised.size}."
        if StoredTree(unit).root(promised.size) != promised.root:
            return f"The first {promised.size} events of the audit log are not those of {name}."
        return None

    def find_lost_file(self, unit: UnitOfWork) -> str | None:
        signer = self.keys.find_signer()
        for size, note in reversed(audit_log.list_checkpoints(unit)):
            if signer is not None and note.startswith(f"{signer.name}\n"):
                return f"The audit log has a checkpoint of {size} events, but {self.path} is gone."
        return None


def _get_mark(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _foreign(path: Path, why: str) -> Unverified:
    return Unverified(
        f"{path} is no checkpoint that this installation trusts: {why}.",
        next_step="Put back the file, or add the public key that signed it to the folder `keys` of the home.",
    )
