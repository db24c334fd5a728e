"""Verifies an export of a Gatehouse audit log, or the evidence of one change, with nothing but Python's own library.

    python verify_export.py EVENTS.jsonl CHECKPOINT KEY
    python verify_export.py EVIDENCE.zip [KEY]

Any Python from 3.9 on will do. Take the key from somebody you trust, not from beside the export: whoever can forge one
can forge the other. Ends with 0 if everything verifies, 4 if something does not, 2 if it could not be tried.

What it relies on: RFC 6962 section 2.1 (the tree), RFC 8032 section 5.1 (Ed25519), c2sp.org/signed-note and
c2sp.org/tlog-checkpoint (the checkpoint).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

MANIFEST_TITLE = "gatehouse evidence v1"
MANIFEST_NAME = "manifest"
MAX_EVIDENCE_BYTES = 512 * 1024 * 1024

_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGES = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, UnicodeDecodeError)

KEY_BYTES = 32
SIGNATURE_BYTES = 64
KEY_ID_BYTES = 4
ED25519 = b"\x01"


class NotVerifiedError(Exception):
    """Something is not as it was signed; `seq` is the event it is about, if it is about one."""

    def __init__(self, message: str, seq: int | None = None) -> None:
        super().__init__(message)
        self.seq = seq


class Key(NamedTuple):
    """A public key, and the name that its signatures carry."""

    name: str
    key_id: bytes
    public_key: bytes


class Checkpoint(NamedTuple):
    """What was signed: so many events, under this root."""

    origin: str
    size: int
    root: bytes


# Ed25519: the curve -x^2 + y^2 = 1 + d x^2 y^2 over the integers modulo 2^255 - 19, and the order of its base point.
_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_SQRT_MINUS_1 = pow(2, (_P - 1) // 4, _P)

_Point = tuple[int, int, int, int]
"""X, Y, Z, T with x = X/Z, y = Y/Z, x y = T/Z."""


def _add(one: _Point, two: _Point) -> _Point:
    a = (one[1] - one[0]) * (two[1] - two[0]) % _P
    b = (one[1] + one[0]) * (two[1] + two[0]) % _P
    c = 2 * one[3] * two[3] * _D % _P
    d = 2 * one[2] * two[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _multiply(scalar: int, point: _Point) -> _Point:
    total: _Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = _add(total, point)
        point = _add(point, point)
        scalar >>= 1
    return total


def _decompress(encoded: bytes) -> _Point:
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= _P:
        raise ValueError("not a point of the curve")
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if x * x % _P != square:
        x = x * _SQRT_MINUS_1 % _P
    if x * x % _P != square or (x == 0 and sign):
        raise ValueError("not a point of the curve")
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


_BASE = _decompress((4 * pow(5, -1, _P) % _P).to_bytes(32, "little"))


def is_signed(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether an Ed25519 signature over a message is that key's."""
    if len(public_key) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    scalar = int.from_bytes(signature[KEY_BYTES:], "little")
    if scalar >= _ORDER:
        return False
    try:
        commitment, key = _decompress(signature[:KEY_BYTES]), _decompress(public_key)
    except ValueError:
        return False
    digest = hashlib.sha512(signature[:KEY_BYTES] + public_key + message).digest()
    left = _multiply(scalar, _BASE)
    right = _add(commitment, _multiply(int.from_bytes(digest, "little") % _ORDER, key))
    return (left[0] * right[2] - right[0] * left[2]) % _P == 0 == (left[1] * right[2] - right[1] * left[2]) % _P


def parse_key(text: str) -> Key:
    """Read a public key: NAME+KEY ID+BASE64."""
    name, _, rest = text.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    data = _decode(encoded, "the key")
    if data[:1] != ED25519 or len(data) != 1 + KEY_BYTES:
        raise NotVerifiedError("The key is no Ed25519 key of a signed note.")
    if hashlib.sha256(name.encode() + b"\n" + data).digest()[:KEY_ID_BYTES].hex() != key_id:
        raise NotVerifiedError(f"The key of {name} does not have the id {key_id}.")
    return Key(name, bytes.fromhex(key_id), data[1:])


def open_note(note: str, key: Key) -> str:
    """Check that a signed note is signed by the key, and return its text."""
    text, separator, signatures = note.rpartition("\n\n")
    if not separator or not signatures.endswith("\n"):
        raise NotVerifiedError("This is no signed note.")
    text += "\n"
    is_by_key = False
    for line in signatures[:-1].split("\n"):
        name, _, encoded = line.removeprefix("\u2014 ").partition(" ")
        signature = _decode(encoded, "a signature")
        if not line.startswith("\u2014 ") or not name or len(signature) <= KEY_ID_BYTES:
            raise NotVerifiedError("What stands where a note has signatures is none.")
        if name == key.name and signature[:KEY_ID_BYTES] == key.key_id:
            if not is_signed(key.public_key, text.encode(), signature[KEY_ID_BYTES:]):
                raise NotVerifiedError(f"The signature of {key.name} is wrong.")
            is_by_key = True
    if not is_by_key:
        raise NotVerifiedError(f"The note is not signed by {key.name}+{key.key_id.hex()}.")
    return text


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint: origin, size and root, a line each."""
    try:
        origin, size, root, *_ = text.split("\n")
        return Checkpoint(origin, int(size), _decode(root, "the root"))
    except ValueError as error:
        raise NotVerifiedError("The signed note is no checkpoint.") from error


def hash_leaf(leaf: bytes) -> bytes:
    """Return the hash of one event."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def hash_node(left: bytes, right: bytes) -> bytes:
    """Return the hash over two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def compute_root(leaves: Iterable[bytes]) -> bytes:
    """Return the root over leaf hashes, keeping no more of them than the tree is high."""
    peaks: list[bytes] = []
    for index, leaf in enumerate(leaves):
        peaks.append(leaf)
        for _ in range((~index & (index + 1)).bit_length() - 1):
            right = peaks.pop()
            peaks[-1] = hash_node(peaks[-1], right)
    if not peaks:
        return hashlib.sha256(b"").digest()
    root = peaks.pop()
    while peaks:
        root = hash_node(peaks.pop(), root)
    return root


def verify_export(lines: Iterable[bytes], note: str, key_text: str) -> tuple[Checkpoint, int]:
    """Check the lines of an export against a signed checkpoint; returns it, and how many lines come after it.

    Raises NotVerifiedError.
    """
    checkpoint = parse_checkpoint(open_note(note, parse_key(key_text)))
    read = 0

    def covered() -> Iterable[bytes]:
        nonlocal read
        for line in lines:
            leaf = line.removesuffix(b"\n")
            if _get_seq(leaf, read) != read:
                raise NotVerifiedError(f"Line {read + 1} of the export is not event {read}.", read)
            read += 1
            if read <= checkpoint.size:
                yield hash_leaf(leaf)

    root = compute_root(covered())
    if read < checkpoint.size:
        raise NotVerifiedError(f"The export has {read} events, but the checkpoint covers {checkpoint.size}.", read)
    if root != checkpoint.root:
        raise NotVerifiedError(f"The first {checkpoint.size} events of the export are not those of the checkpoint.")
    return checkpoint, read - checkpoint.size


def verify_inclusion(leaf: bytes, proof: dict[str, Any], checkpoint: Checkpoint) -> None:
    """Check that an event is among those a checkpoint covers. Raises NotVerifiedError."""
    try:
        seq, size, path = int(proof["seq"]), proof["tree_size"], [bytes.fromhex(sibling) for sibling in proof["path"]]
    except (ValueError, TypeError, KeyError) as error:
        raise NotVerifiedError("A proof of the evidence is none.") from error
    if size != checkpoint.size or not 0 <= seq < size or _get_seq(leaf, seq) != seq:
        raise NotVerifiedError(f"The proof of event {seq} is not one for this checkpoint.", seq)
    found, node, last = hash_leaf(leaf), seq, size - 1
    for sibling in path:
        while node == last and not node & 1 and last:
            node, last = node >> 1, last >> 1
        found = hash_node(sibling, found) if node & 1 else hash_node(found, sibling)
        node, last = node >> 1, last >> 1
    if last or found != checkpoint.root:
        raise NotVerifiedError(f"Event {seq} is not among the events of the checkpoint.", seq)


def verify_evidence(files: dict[str, bytes], key_text: str | None = None) -> tuple[Checkpoint, Key, int]:
    """Check every file of an evidence ZIP, by default with the key inside it; returns how many events it proves too.

    Raises NotVerifiedError.
    """
    try:
        key = parse_key(files["key"].decode() if key_text is None else key_text)
        manifest = open_note(files[MANIFEST_NAME].decode(), key).splitlines()
        checkpoint = parse_checkpoint(open_note(files["checkpoint"].decode(), key))
        events = files["events.jsonl"].split(b"\n")[:-1]
        proofs = json.loads(files["proofs.json"])
    except KeyError as error:
        raise NotVerifiedError(f"The evidence has no file {error}.") from error
    except (ValueError, RecursionError) as error:
        raise NotVerifiedError("A file of the evidence is not text, or its proofs are no JSON.") from error
    digests = {name: digest for digest, _, name in (line.partition("  ") for line in manifest[1:])}
    if manifest[0] != MANIFEST_TITLE or digests.keys() != files.keys() - {MANIFEST_NAME}:
        raise NotVerifiedError("The files of the evidence are not those that were signed for.")
    for name, digest in digests.items():
        if hashlib.sha256(files[name]).hexdigest() != digest:
            raise NotVerifiedError(f"The file {name} of the evidence is not the one that was signed for.")
    if not isinstance(proofs, list) or len(events) != len(proofs):
        raise NotVerifiedError("The evidence does not have one proof an event.")
    for number, leaf in enumerate(events):
        verify_inclusion(leaf, proofs[number], checkpoint)
    return checkpoint, key, len(events)


def main(arguments: list[str]) -> int:
    """Verify what the command line names, and say how it went."""
    try:
        said = _run(arguments)
    except NotVerifiedError as error:
        sys.stdout.write(f"NOT VERIFIED: {error}\n")
        return 4
    except (OSError, UnicodeDecodeError, zipfile.BadZipFile) as error:
        sys.stderr.write(f"Cannot read what to verify: {error}\n")
        return 2
    sys.stdout.write(said or __doc__ or "")
    return 0 if said else 2


def _run(arguments: list[str]) -> str:
    tellers: dict[int, Callable[..., str]] = {1: _tell_evidence, 2: _tell_evidence, 3: _tell_export}
    tell = tellers.get(len(arguments))
    return tell(*map(Path, arguments)) if tell else ""


def _tell_export(events: Path, note: Path, key: Path) -> str:
    with events.open("rb") as lines:
        checkpoint, after = verify_export(lines, note.read_text("utf-8"), key.read_text("utf-8"))
    rest = f"; the {after} after them are not covered by this checkpoint" if after else ""
    return f"VERIFIED: {checkpoint.size} events of {checkpoint.origin}{rest}.\n"


def _tell_evidence(evidence: Path, key: Path | None = None) -> str:
    trusted = None if key is None else key.read_text("utf-8")
    checkpoint, signer, proven = verify_evidence(read_zip(evidence), trusted)
    whose = "the key given" if key else f"the key inside, {signer.name}+{signer.key_id.hex()}: compare it"
    return f"VERIFIED: {proven} of the {checkpoint.size} events of {checkpoint.origin}, with {whose}.\n"


def read_zip(path: Path) -> dict[str, bytes]:
    """Return the files of a ZIP by name. Raises NotVerifiedError, and BadZipFile if it is none."""
    try:
        archive = zipfile.ZipFile(path)
    except NotImplementedError as error:  # it says to be of a version that is to come
        raise zipfile.BadZipFile(str(error)) from error
    with archive:
        members = archive.infolist()
        if len({member.filename for member in members}) != len(members):
            raise NotVerifiedError("The evidence holds two files of one name.")
        if sum(member.file_size for member in members) > MAX_EVIDENCE_BYTES:
            raise NotVerifiedError("The evidence unpacks to more than half a gibibyte.")
        if any(member.compress_type not in _PACKINGS for member in members):
            raise NotVerifiedError("A file of the evidence is packed as none of it was.")
        try:
            return {member.filename: archive.read(member) for member in members}
        except _DAMAGES as error:
            raise NotVerifiedError(f"A file of the evidence is damaged: {error}.") from error


def _get_seq(leaf: bytes, line: int) -> Any:
    try:
        return json.loads(leaf)["seq"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise NotVerifiedError(f"Line {line + 1} is no event.", line) from error


def _decode(text: str, what: str) -> bytes:
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotVerifiedError(f"{what.capitalize()} is not base64.") from error
    if base64.b64encode(decoded).decode() != text:
        raise NotVerifiedError(f"{what.capitalize()} is not canonical base64.")
    return decoded


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
