"""What is written to the registry through the port, announced around the write, so that it is known to be ours."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import StrEnum


class Watched(StrEnum):
    """What of a registry is watched for drift."""

    ALIAS = "alias"
    STAGE = "stage"
    TAG = "tag"
    ARTIFACTS = "artifacts"
    VERSION = "version"
    MODEL = "model"
    PINS = "pins"
    """What the pins file says of a model, which serving platforms may follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryWrite:
    """One write.

    Args:
        key: the alias or tag; empty for a stage.
        value: where the alias points, the stage or the tag's value; None takes it away.
    """

    kind: Watched
    model: str
    version: int | None
    key: str = ""
    value: int | str | None = None


Announce = Callable[[RegistryWrite], AbstractContextManager[None]]


def tell_nobody(_write: RegistryWrite) -> AbstractContextManager[None]:
    """Let a write happen unannounced."""
    return nullcontext()
