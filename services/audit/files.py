"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from services.errors import GatehouseError, Unreachable


@contextmanager
def told(path: Path, *, raised: type[GatehouseError] = Unreachable) -> Iterator[None]:
    """Say which file could not be read or written, and why.

    Args:
        raised: what to say it by; `InvalidInput` where the caller named the file.

    Raises:
        GatehouseError: the operating system refused inside the block, as on a full disk.
    """
    try:
        yield
    except OSError as error:
        raise raised(
            f"{path} cannot be used: {error.strerror or error}.",
            next_step="Check that its folder is there, has space, and may be written.",
        ) from error


@contextmanager
def writing(path: Path, *, mode: int = 0o644, replace: bool = True) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` in one step, durably, once the block ends well.

    Raises:
        FileExistsError: it is there already and `replace` is false.
        OSError: it cannot be written; what was there before is still there.
    """
    if path.exists() and not path.is_file():
        # Such as /dev/stdout, which a rename would take away from every program of the machine.
        raise OSError(errno.EINVAL, "it is there, and is no ordinary file")
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
        if replace:
            Path(temporary).replace(path)
        else:
            path.hardlink_to(temporary)
    finally:
        Path(temporary).unlink(missing_ok=True)
    _sync_folder(path.parent)


def write_whole(path: Path, content: bytes, *, mode: int = 0o644, replace: bool = True) -> None:
    """Put a file in place in one step; raises as `writing`."""
    with writing(path, mode=mode, replace=replace) as file:
        file.write(content)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
