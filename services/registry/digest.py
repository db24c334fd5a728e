"""The digest that binds an approval to the bytes of a model folder: SHA-256 over names and contents, in name order."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping


def digest_folder(file_digests: Mapping[str, bytes]) -> str:
    """Return `sha256:…` for a folder, given the SHA-256 of each file by its path inside; lengths keep names apart."""
    total = hashlib.sha256()
    for path in sorted(file_digests, key=str.encode):
        encoded = path.encode()
        total.update(len(encoded).to_bytes(8, "big") + encoded + file_digests[path])
    return f"sha256:{total.hexdigest()}"
