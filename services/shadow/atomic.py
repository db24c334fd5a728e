"""Writing a file whole, or not at all: under a name that readers pass over, forced to disk, and then renamed."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from services.errors import Unavailable

TEMPORARY = ".writing-"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield where to write what then takes the place of `path`, at once and for good.

    Raises:
        Unavailable: it cannot be written.
    """
    temporary = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _force(temporary)
        temporary.replace(path)
        _force(path.parent)
    except OSError as error:
        _remove(temporary)
        raise Unavailable(
            f"The shadow log cannot be written at {path}: {error.strerror or error}.",
            next_step="Check that the folder can be written and that the disk has space.",
        ) from error
    except BaseException:
        _remove(temporary)
        raise


def _remove(path: Path) -> None:
    # The folder itself may be what is wrong.
    with suppress(OSError):
        path.unlink()


def _force(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
