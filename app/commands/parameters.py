"""Numbers as commands take them: in plain digits, finite, and no larger than the store and the registry can keep.

`int` alone reads digits of any script, signs, underscores and spaces, and numbers that no database holds; `float` reads
`nan`, which no range refuses, since nothing is below or above it.
"""

from __future__ import annotations

import math
import re
from typing import Any

import click

from services.registry.references import MAX_VERSION

# Eighteen digits always fit into a column of 64 bits.
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_SHOWN = 40


class WholeNumber(click.IntRange):
    """A whole number within a range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number that a text is.

        Raises:
            BadParameter: it is none, or out of range.
        """
        if isinstance(value, str) and _WHOLE.fullmatch(value) is None:
            self.fail(f"{value[:_SHOWN]!r} is not a whole number of at most 18 digits.", param, ctx)
        return super().convert(value, param, ctx)


class FiniteNumber(click.FloatRange):
    """A number within a range, neither infinite nor `nan`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number that a text is.

        Raises:
            BadParameter: it is none, or out of range.
        """
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


ID = WholeNumber(min=1)
"""The number of a change, a drift, a waiver or a revision: they count from 1."""

VERSION = WholeNumber(1, MAX_VERSION)
"""A version, as the registry counts it."""
