"""Paths that come from data lead to a place under their root, through no symbolic link.

`open_under` walks folder by folder with file descriptors and O_NOFOLLOW (open(2)), so nothing can be swapped between
the check and the use.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from services.errors import InvalidInput, NotFound

MAX_PATH_LENGTH = 4096


def check_relative(name: str) -> PurePosixPath:
    r"""Return `name` as a relative path that stays below wherever it is put.

    Raises:
        InvalidInput: it is empty, absolute, climbs with `..`, or holds a backslash or control character.

    >>> check_relative("plots/roc.png")
    PurePosixPath('plots/roc.png')
    """
    path = PurePosixPath(name)
    is_odd = not name or len(name) > MAX_PATH_LENGTH or "\\" in name or not name.isprintable()
    if is_odd or path.is_absolute() or ".." in path.parts or not path.parts:
        raise InvalidInput(
            f"The path {name[:200]!r} does not stay under its folder.", next_step="Use a relative path without '..'."
        )
    return path


def resolve_under(root: Path, name: str) -> Path:
    """Return where `name` lies under `root`; whatever exists on the way is no symbolic link.

    Raises:
        InvalidInput: the name leads elsewhere.
    """
    place = root
    for part in check_relative(name).parts:
        place /= part
        if place.is_symlink():
            raise _linked(name)
    return place


def open_under(root: Path, name: str) -> BinaryIO:
    """Open the regular file `name` under `root` for reading.

    Raises:
        InvalidInput: the name leads elsewhere, through a symbolic link, or to something that is no file.
        NotFound: there is no such file.
    """
    parts = check_relative(name).parts
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        # O_NONBLOCK: opening a named pipe must not wait for a writer.
        opened = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {name!r}.", next_step="Check the path.") from error
    except OSError as error:
        raise _linked(name) from error
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise _linked(name)
    return os.fdopen(opened, "rb")


def _linked(name: str) -> InvalidInput:
    return InvalidInput(
        f"The path {name[:200]!r} leads through a symbolic link or to something that is no file.",
        next_step="Use a plain file under the folder.",
    )
