"""What every command shares: the `--json` switch, the facade, and printing an answer."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import click

from app.facade import Gatehouse
from services.audit.files import told, write_whole
from services.errors import InvalidInput
from services.identity.actors import Actor, Permission
from services.logs import current_reference
from services.settings import load_settings
from services.untrusted.escape import as_line

json_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document."
)


@cache
def current_gatehouse() -> Gatehouse:
    """Return the facade over this process's settings."""
    return Gatehouse(load_settings())


def current_actor() -> Actor:
    """Return who acts: the holder of GATEHOUSE_TOKEN, or the local admin of an embedded store."""
    return current_gatehouse().get_caller(origin=f"cli {current_reference()}")


def reading_gatehouse(subject: str) -> Gatehouse:
    """Return the facade to a caller who may look at models and at what is decided about them.

    Args:
        subject: what is looked at, for the event of a refusal.

    Raises:
        Forbidden: the caller may not.
    """
    gatehouse = current_gatehouse()
    gatehouse.identity.demand(current_actor(), Permission.READ_MODEL, subject=subject)
    return gatehouse


def write_file(path: Path, text: str) -> None:
    """Write what a command was asked to write, whole or not at all.

    Raises:
        InvalidInput: it cannot be written.
    """
    with told(path, raised=InvalidInput):
        write_whole(path, text.encode())


def answer(document: Mapping[str, Any], *, as_json: bool, lines: Iterable[str], is_yes: bool = True) -> int:
    """Print one answer, as JSON or as lines, and return the exit code it stands for, whoever still reads it.

    Raises:
        InvalidInput: it cannot be printed, as on a full disk.
    """
    printed = [json.dumps(document, ensure_ascii=False, allow_nan=False)] if as_json else lines
    try:
        for line in printed:
            click.echo(line)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has gone, as `head` does, and has read what it wanted.
        drop_output()
    except OSError as error:
        drop_output()
        raise InvalidInput(
            f"The answer cannot be printed: {error.strerror}.", next_step="Check where the output goes."
        ) from error
    return 0 if is_yes else 1


def drop_output() -> None:
    """Send what is left to print, and what the end of the process would flush, to nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return lines of left-aligned columns; control characters from the registry are made visible."""
    cells = [list(header), *([as_line("-" if cell is None else str(cell)) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
