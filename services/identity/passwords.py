"""Passwords: argon2id with the second recommended option of RFC 9106, and the length rule of NIST SP 800-63B-4."""

from __future__ import annotations

import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from services.errors import InvalidInput

MIN_LENGTH = 15
MAX_LENGTH = 256
MIN_DISTINCT = 5

_HASHER = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)


def check_new_password(name: str, password: str) -> None:
    """Accept a password that is long enough and does not repeat the account's name.

    Raises:
        InvalidInput: it is too short, too long or too plain.
    """
    length = len(password)
    if not MIN_LENGTH <= length <= MAX_LENGTH:
        raise InvalidInput(
            f"A password of {length} characters is not accepted.",
            next_step=f"Choose {MIN_LENGTH} to {MAX_LENGTH} characters; several words are easy to remember.",
        )
    if len(set(password)) < MIN_DISTINCT or name.lower() in password.lower():
        raise InvalidInput(
            "The password repeats itself or your name.", next_step="Choose several words that nobody would guess."
        )


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password, with its salt and parameters."""
    return _HASHER.hash(_normalised(password))


def is_password(password: str, password_hash: str | None) -> bool:
    """Return whether a password is the one that was hashed; without a hash it takes as long and is no."""
    try:
        _HASHER.verify(password_hash or _decoy(), _normalised(password[:MAX_LENGTH]))
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None and len(password) <= MAX_LENGTH


def is_outdated(password_hash: str) -> bool:
    """Return whether a hash was made with other parameters than are used today."""
    return _HASHER.check_needs_rehash(password_hash)


@cache
def _decoy() -> str:
    # Names without a password must not be told apart by how fast they are refused.
    return _HASHER.hash("no account has this password")


def _normalised(password: str) -> str:
    # Keyboards compose accents differently (RFC 8265, section 4.2).
    return unicodedata.normalize("NFC", password)
