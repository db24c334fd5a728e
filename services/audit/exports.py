"""Exports of the log: the exact leaves with what it takes to verify them offline, or a table for a spreadsheet.

A JSONL export holds the leaves byte for byte, one a line, in order, as many as its checkpoint covers. Beside it lie the
signed checkpoint, the public key, and a script that verifies them with nothing of ours.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from services.audit import verify_export
from services.audit.events import decode_event
from services.audit.files import told, write_whole, writing
from services.audit.log import AuditLog
from services.audit.merkle import CompactRange, leaf_hash
from services.audit.queries import BATCH_EVENTS, EventQuery, iterate_leaves
from services.errors import InvalidInput, NotFound, Unverified
from services.store import UnitOfWork, audit_log
from services.untrusted import write_csv

CSV_COLUMNS = (
    "seq",
    "at",
    "actor",
    "action",
    "subject",
    "model",
    "change",
    "reason",
    "before",
    "after",
    "policy_revision",
    "origin",
    "event_id",
)
_HOW_TO_VERIFY = f"""events.jsonl holds one event a line, exactly as hashed; events.checkpoint is their signed root.
Unpack everything, take the public key from somebody you trust, and run, with any Python from 3.9 on:

    python {Path(verify_export.__file__).name} events.jsonl events.checkpoint events.key
"""
VERIFIER = Path(verify_export.__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What was written: how many events, and the files that verify them."""

    path: Path
    events: int
    checkpoint: Path
    key: Path
    verifier: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedExport:
    """What an export turned out to be: whose it is, how many events its checkpoint covers, and how many come after."""

    origin: str
    covered: int
    uncovered: int


def export_leaves(audit: AuditLog, path: Path) -> Export:
    """Write every leaf up to a new checkpoint to `path`, and beside it what verifies them.

    Raises:
        Unverified: the log disagrees with itself or with its last checkpoint.
        InvalidInput: a file cannot be written, or would be overwritten by one that lies beside it.
    """
    beside = path.with_suffix(".checkpoint"), path.with_suffix(".key"), path.with_name(VERIFIER.name)
    if path in beside:
        raise InvalidInput(
            f"{path} is the name of a file that is written beside an export.",
            next_step="Name the export such as audit.jsonl.",
        )
    signed = audit.checkpoints.write()
    size = signed.checkpoint.size
    export = Export(path=path, events=size, checkpoint=beside[0], key=beside[1], verifier=beside[2])
    with told(path, raised=InvalidInput), audit.store.read() as unit, writing(path) as out:
        if CompactRange.of(_write_leaves(unit, out, size)).root != signed.checkpoint.root:
            raise _not_exported(size)
    with told(export.checkpoint, raised=InvalidInput):
        write_whole(export.checkpoint, signed.note.encode())
        write_whole(export.key, f"{audit.checkpoints.get_key()}\n".encode())
        write_whole(export.verifier, VERIFIER.read_bytes())
    return export


def _write_leaves(unit: UnitOfWork, out: BinaryIO, size: int) -> Iterator[bytes]:
    """Write the first `size` leaves, a line each, and yield their hashes."""
    for first in range(0, size, BATCH_EVENTS):
        for _, leaf in audit_log.list_leaves(unit, first, min(first + BATCH_EVENTS, size)):
            if not isinstance(leaf, bytes):  # the database may hold anything by now
                raise _not_exported(size)
            out.write(leaf + b"\n")
            yield leaf_hash(leaf)


def export_archive(audit: AuditLog, path: Path) -> int:
    """Write the leaves and what verifies them into one ZIP, for who cannot take four files; returns how many events.

    Raises:
        Unverified: the log disagrees with itself or with its last checkpoint.
        InvalidInput: the file cannot be written.
    """
    with told(path, raised=InvalidInput), tempfile.TemporaryDirectory(prefix="gatehouse-export-") as folder:
        export = export_leaves(audit, Path(folder) / "events.jsonl")
        with writing(path) as out, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in (export.path, export.checkpoint, export.key, export.verifier):
                archive.write(file, file.name)
            archive.writestr("README.txt", _HOW_TO_VERIFY)
    return export.events


def export_table(audit: AuditLog, path: Path, query: EventQuery | None = None) -> int:
    """Write the events a query finds as CSV, by number, safe to open in a spreadsheet; returns how many.

    Raises:
        InvalidInput: the text of the query holds no word, or the file cannot be written.
    """
    with told(path, raised=InvalidInput), audit.store.read() as unit, writing(path) as out:
        events = (decode_event(leaf) for _, leaf in iterate_leaves(unit, query or EventQuery()))
        rows = ([getattr(event, name) for name in CSV_COLUMNS] for event in events)
        text = io.TextIOWrapper(out, encoding="utf-8", newline="")
        count = write_csv(text, header=CSV_COLUMNS, rows=rows)
        text.detach()
        return count


def verify_export_files(export: Path, checkpoint: Path, key: Path) -> VerifiedExport:
    """Verify an export against a signed checkpoint and a public key, without the store.

    Raises:
        Unverified: something is not as it was signed.
        NotFound: a file is not there.
        InvalidInput: a file cannot be read.
    """
    with _readable(), export.open("rb") as lines:
        found, uncovered = verify_export.verify_export(lines, checkpoint.read_text("utf-8"), key.read_text("utf-8"))
    return VerifiedExport(origin=found.origin, covered=found.size, uncovered=uncovered)


def verify_evidence_file(evidence: Path, key: Path | None = None) -> int:
    """Verify an evidence file, by default with the key inside it; returns how many events it proves.

    Raises:
        Unverified: something is not as it was signed.
        NotFound: a file is not there.
        InvalidInput: a file cannot be read.
    """
    with _readable():
        trusted = None if key is None else key.read_text("utf-8")
        return verify_export.verify_evidence(verify_export.read_zip(evidence), trusted)[2]


def _not_exported(size: int) -> Unverified:
    return Unverified(
        f"The {size} events of the audit log are not those that its head stands for, so they are not exported.",
        next_step="Run `gatehouse audit verify` to see where, and restore the store from a backup.",
    )


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except verify_export.NotVerifiedError as error:
        raise Unverified(
            str(error), next_step="Ask whoever gave you the files for the originals, and the key's owner for the key."
        ) from error
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {error.filename}.", next_step="Check the path.") from error
    except (OSError, UnicodeDecodeError, zipfile.BadZipFile) as error:
        raise InvalidInput(f"A file to verify cannot be read: {error}.", next_step="Check the files.") from error
