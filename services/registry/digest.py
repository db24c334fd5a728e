"""The digest that binds an approval to the bytes of a model folder: SHA-256 over names and contents, in name order.

A folder holds files and folders and nothing else. What a link leads to can change, or lie outside, without the digest
telling, so a folder with a link in it has none: neither is the link followed nor is it passed over.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.errors import Blocked


def digest_folder(file_digests: Mapping[str, bytes]) -> str:
    """Return `sha256:…` for a folder, given the SHA-256 of each file by its path inside; lengths keep names apart."""
    total = hashlib.sha256()
    for path in sorted(file_digests, key=str.encode):
        encoded = path.encode()
        total.update(len(encoded).to_bytes(8, "big") + encoded + file_digests[path])
    return f"sha256:{total.hexdigest()}"


def digest_path(folder: Path) -> str:
    """Return `sha256:…` of a model folder on this machine, as the registry's port gives it for one that is not here.

    Raises:
        Blocked: the folder holds a link.
    """
    digests = {}
    for path in list_model_files(folder):
        with path.open("rb") as file:
            digests[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").digest()
    return digest_folder(digests)


def list_model_files(folder: Path) -> Sequence[Path]:
    """Return the files of a model folder.

    Raises:
        Blocked: it holds a link, or something else that is neither file nor folder.
    """
    found = []
    for place, folders, files in os.walk(folder):
        for path in (Path(place, name) for name in folders + files):
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                found.append(path)
            elif not stat.S_ISDIR(mode):
                what = "a link" if stat.S_ISLNK(mode) else "no plain file"
                raise Blocked(
                    f"The model's {path.relative_to(folder).as_posix()!r} is {what}, so its bytes cannot be held.",
                    next_step="Put the file itself in its place, and log the model anew.",
                )
    return found
