"""The error tree: one sentence on what was wrong, naming the offending value, and one on what to do next.

A negative evaluation ("this gate failed") is a value; a refused or impossible action raises one of these.
The `kind` is what `--json` prints, `exit_code` is what a command ends with (see the interface in the README).
"""

from __future__ import annotations

from typing import ClassVar


class GatehouseError(Exception):
    """Root of every error a user can meet.

    Args:
        message: one sentence naming what was wrong, with the offending value.
        next_step: one sentence saying what to do about it.
    """

    kind: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, *, next_step: str) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step


class InvalidInput(GatehouseError):
    """What was given cannot be understood."""

    kind = "invalid_input"


class NotFound(GatehouseError):
    """What was named does not exist."""

    kind = "not_found"


class Forbidden(GatehouseError):
    """The actor may not do this."""

    kind = "forbidden"
    exit_code = 1


class Unauthenticated(GatehouseError):
    """Nobody is signed in, or the token or session is no longer valid."""

    kind = "unauthenticated"
    exit_code = 1


class Conflict(GatehouseError):
    """The world has changed, or the state does not allow this."""

    kind = "conflict"
    exit_code = 1


class Blocked(GatehouseError):
    """A rule of governance stands in the way."""

    kind = "blocked"
    exit_code = 1


class Unreachable(GatehouseError):
    """Registry, store or queue does not answer."""

    kind = "unreachable"
    exit_code = 3


class Damaged(Unreachable):
    """The store is there, and its file is not what was written."""


class Unverified(GatehouseError):
    """The audit log does not verify, so nothing may be written."""

    kind = "unverified"
    exit_code = 4


class Unavailable(GatehouseError):
    """A capability is switched off on this machine, such as the sandbox without bubblewrap."""

    kind = "unavailable"
    exit_code = 2
