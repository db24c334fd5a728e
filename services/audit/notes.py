"""Signed notes and checkpoints: c2sp.org/signed-note and c2sp.org/tlog-checkpoint, with Ed25519 (RFC 8032).

A note is text that ends in a newline, an empty line, and signature lines `— NAME BASE64(key id ‖ signature)`. The key
id is the first four bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key). A checkpoint is a note whose text is origin,
size and base64 root, a line each. Keys are written as golang.org/x/mod/sumdb/note writes them, for its tools to read.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from services.audit.merkle import HASH_BYTES

_ED25519 = b"\x01"
_KEY_BYTES = 32
_KEY_ID_BYTES = 4
_PRIVATE = "PRIVATE+KEY+"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a log commits to: its origin, its size, and the root over that many leaves."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text of its note, to be signed."""
        return f"{self.origin}\n{self.size}\n{_encode(self.root)}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """A public key with its name.

    >>> key = Signer.generate("example.org/log").verifier
    >>> Verifier.parse(key.text) == key
    True
    """

    name: str
    public_key: bytes

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """Read `NAME+KEY ID+BASE64`.

        Raises:
            ValueError: the text is no such key.
        """
        name, key_id, public_key = _parse_key(text.strip())
        verifier = cls(name=name, public_key=public_key)
        if verifier.key_id.hex() != key_id:
            raise ValueError(f"the key of {name} does not have the id {key_id}")
        return verifier

    @property
    def key_id(self) -> bytes:
        """The four bytes that a signature line begins with."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public_key).digest()[:_KEY_ID_BYTES]

    @property
    def text(self) -> str:
        """The key as one line."""
        return f"{self.name}+{self.key_id.hex()}+{_encode(_ED25519 + self.public_key)}"

    def is_signed(self, text: str, signature: bytes) -> bool:
        """Return whether a signature over a text is this key's."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A private key with its name."""

    name: str
    seed: bytes

    @classmethod
    def generate(cls, name: str) -> Signer:
        """Return a new key."""
        return cls(name=name, seed=Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> Signer:
        """Read `PRIVATE+KEY+NAME+KEY ID+BASE64`.

        Raises:
            ValueError: the text is no such key.
        """
        if not text.startswith(_PRIVATE):
            raise ValueError("this is no private key of a signed note")
        name, key_id, seed = _parse_key(text.strip().removeprefix(_PRIVATE))
        signer = cls(name=name, seed=seed)
        if signer.verifier.key_id.hex() != key_id:
            raise ValueError(f"the key of {name} does not have the id {key_id}")
        return signer

    @property
    def verifier(self) -> Verifier:
        """The public key that belongs to it."""
        return Verifier(name=self.name, public_key=self._key.public_key().public_bytes_raw())

    @property
    def text(self) -> str:
        """The key as one line, to be kept secret."""
        return f"{_PRIVATE}{self.name}+{self.verifier.key_id.hex()}+{_encode(_ED25519 + self.seed)}"

    def sign(self, text: str) -> str:
        """Return the signed note of a text that ends in a newline."""
        signature = self.verifier.key_id + self._key.sign(text.encode())
        return f"{text}\n\u2014 {self.name} {_encode(signature)}\n"

    @property
    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


def check_note(note: str, verifiers: Iterable[Verifier]) -> str:
    """Check that a note is signed by one of the keys, and return its text.

    Raises:
        ValueError: it is no note, none of the keys signed it, or a signature in the name of one of them is wrong.
    """
    text, separator, signatures = note.rpartition("\n\n")
    text += "\n"
    if not separator or not signatures.endswith("\n"):
        raise ValueError("this is no signed note")
    known = {(verifier.name, verifier.key_id): verifier for verifier in verifiers}
    names: list[str] = []
    is_signed = False
    for line in signatures.removesuffix("\n").split("\n"):
        name, signature = _parse_signature(line)
        verifier = known.get((name, signature[:_KEY_ID_BYTES]))
        if verifier is None:
            names.append(f"{name}+{signature[:_KEY_ID_BYTES].hex()}")
        elif not verifier.is_signed(text, signature[_KEY_ID_BYTES:]):
            raise ValueError(f"the signature of {name} is wrong")
        else:
            is_signed = True
    if not is_signed:
        raise ValueError(f"it is signed by {', '.join(names)}, and none of the keys that are trusted here")
    return text


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint's note.

    Raises:
        ValueError: it is none.
    """
    try:
        origin, size, root, *_extensions, end = text.split("\n")
    except ValueError as error:
        raise ValueError("this is no checkpoint") from error
    if not origin or end:
        raise ValueError("this is no checkpoint")
    if not (size.isascii() and size.isdigit()) or str(int(size)) != size:
        raise ValueError(f"the size {size!r} of the checkpoint is no number")
    decoded = _decode(root)
    if len(decoded) != HASH_BYTES:
        raise ValueError(f"the root {root!r} of the checkpoint is no hash")
    return Checkpoint(origin=origin, size=int(size), root=decoded)


def _parse_key(text: str) -> tuple[str, str, bytes]:
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    if not name or not key_id or any(mark.isspace() for mark in text):
        raise ValueError("this is no key of a signed note")
    key = _decode(encoded)
    if key[:1] != _ED25519 or len(key) != 1 + _KEY_BYTES:
        raise ValueError(f"the key of {name} is no Ed25519 key")
    return name, key_id, key[1:]


def _parse_signature(line: str) -> tuple[str, bytes]:
    name, _, encoded = line.removeprefix("\u2014 ").partition(" ")
    if not line.startswith("\u2014 ") or not name:
        raise ValueError(f"{line[:60]!r} is no signature line of a note")
    signature = _decode(encoded)
    if len(signature) <= _KEY_ID_BYTES:
        raise ValueError(f"the signature of {name} is too short")
    return name, signature


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(text: str) -> bytes:
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{text[:60]!r} is not base64") from error
    # Bits beyond the last byte are dropped in decoding: of several texts for the same bytes, one is canonical.
    if _encode(decoded) != text:
        raise ValueError(f"{text[:60]!r} is not canonical base64")
    return decoded
