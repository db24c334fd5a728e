"""Requests that a loaded model is tried with in the sandbox."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MAX_TRIALS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One request. The child takes the model's own input example where it can, and `data` where it cannot.

    Args:
        name: tells it from the others.
        data: a whole request for `predict`, made up.
        without: columns that are left out of the example.
        replaced: columns of the example that take their values from `data`.
    """

    name: str
    data: Any
    without: tuple[str | int, ...] = ()
    replaced: tuple[str | int, ...] = ()
