"""Secrets we hand out: 256 random bits, shown once, kept as SHA-256.

A fast hash is enough because nobody can guess 256 random bits; passwords, which people choose, go through argon2id.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets

TOKEN_PATTERN = re.compile(r"gth_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
"""An API token; the prefix lets secret scanners and our own log masking find it."""


def new_secret() -> str:
    """Return 256 random bits as text for a cookie or a URL."""
    return secrets.token_urlsafe(32)


def new_token() -> tuple[str, str]:
    """Return an API token and the id inside it, by which people may name it."""
    token_id = secrets.token_hex(6)
    return f"gth_{token_id}_{new_secret()}", token_id


def find_token_id(token: str) -> str | None:
    """Return the id inside an API token, or None when the text is none."""
    found = TOKEN_PATTERN.fullmatch(token)
    return found[1] if found else None


def digest(*parts: str) -> str:
    """Return the SHA-256 of a secret, or of several parts such that no two lists of parts are alike.

    >>> digest("ab", "c") == digest("a", "bc")
    False
    """
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
