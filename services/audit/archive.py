"""Signed archives: a ZIP whose `manifest` is a signed note over the digest of every other file in it."""

from __future__ import annotations

import errno
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import file_digest, sha256
from pathlib import Path

from services.audit.files import told, writing
from services.audit.notes import Signer, Verifier, check_note
from services.audit.verify_export import MANIFEST_NAME
from services.errors import InvalidInput, NotFound, Unverified

_ENCRYPTED = 0x1
MAX_MANIFEST_BYTES = 64 * 1024 * 1024
_NO_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest time a ZIP can say: the time of packing proves nothing, and so the same content is the same bytes."""


def write_archive(path: Path, files: Mapping[str, bytes | Path], *, title: str, signer: Signer) -> None:
    """Write files in the order given, and the manifest that signs for them.

    Raises:
        InvalidInput: the archive cannot be written, or a file not be read.
    """
    lines = [title]
    with (
        told(path, raised=InvalidInput),
        writing(path) as out,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, content in files.items():
            lines.append(f"{_pack(archive, name, content)}  {name}")
        _pack(archive, MANIFEST_NAME, signer.sign("".join(f"{line}\n" for line in lines)).encode())


@contextmanager
def opened_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive that may be anything.

    Raises:
        NotFound: there is no such file.
        InvalidInput: it is no ZIP.
        Unverified: it is one, but something in it is damaged.
    """
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {path}.", next_step="Check the path.") from error
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise InvalidInput(f"{path} cannot be read as a ZIP: {error}.", next_step="Use another copy of it.") from error
    with archive:
        try:
            yield archive
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise _damaged(path, error) from error
        except OSError as error:
            if error.errno != errno.EINVAL:  # which seeking to a place that is none gives
                raise
            raise _damaged(path, error) from error


def check_archive(archive: zipfile.ZipFile, *, title: str, verifiers: Iterable[Verifier]) -> None:
    """Check that every file is there once, as it was signed for, and no other.

    Raises:
        Unverified: one is not, or none of the keys signed.
    """
    names = archive.namelist()
    if any(member.flag_bits & _ENCRYPTED for member in archive.infolist()):
        raise _unsigned(f"A file in {archive.filename} is encrypted")
    if MANIFEST_NAME not in names or archive.getinfo(MANIFEST_NAME).file_size > MAX_MANIFEST_BYTES:
        raise _unsigned(f"{archive.filename} has no manifest")
    try:
        first, *lines = check_note(archive.read(MANIFEST_NAME).decode(), verifiers).splitlines()
    except ValueError as error:
        raise _unsigned(f"The manifest of {archive.filename} cannot be trusted: {error}") from error
    digests = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    if first != title or sorted(names) != sorted([*digests, MANIFEST_NAME]):
        raise _unsigned(f"The files in {archive.filename} are not those that were signed for")
    for name, digest in digests.items():
        with archive.open(name) as source:
            if _digest(source) != digest:
                raise _unsigned(f"{name} in {archive.filename} is not the file that was signed for")


def _digest(source: object) -> str:
    return file_digest(source, "sha256").hexdigest()  # type: ignore[arg-type]


def _pack(archive: zipfile.ZipFile, name: str, content: bytes | Path) -> str:
    """Pack a file, and return the digest of what was packed: it may change while it is read."""
    member = zipfile.ZipInfo(name, date_time=_NO_TIME)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    if isinstance(content, bytes):
        archive.writestr(member, content)
        return sha256(content).hexdigest()
    member.file_size = content.stat().st_size
    found = sha256()
    with content.open("rb") as source, archive.open(member, "w", force_zip64=True) as out:
        while block := source.read(1 << 20):
            found.update(block)
            out.write(block)
    return found.hexdigest()


def _damaged(path: Path, error: Exception) -> Unverified:
    return Unverified(f"{path} is damaged: {error}.", next_step="Use another copy of it.")


def _unsigned(why: str) -> Unverified:
    return Unverified(f"{why}.", next_step="Use another copy, or add the public key that signed it to the home's keys.")
