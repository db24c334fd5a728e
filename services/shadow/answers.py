"""What two versions answered to one request, and when the two answers can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

SIDES = ("champion", "candidate")


class Standing(IntEnum):
    """What the score of one side is worth; a score beyond 1e100 counts as infinite."""

    FINITE = 0
    NULL = 1
    NAN = 2
    INFINITE = 3
    ERROR = 4


class Carried(IntEnum):
    """What both versions of a pair carry, so that it can be compared."""

    NOTHING = 0
    SCORES = 1
    DECISIONS = 2
    BOTH = 3


VALID: Mapping[Carried, frozenset[Carried]] = MappingProxyType(
    {
        Carried.BOTH: frozenset({Carried.BOTH}),
        Carried.DECISIONS: frozenset({Carried.DECISIONS, Carried.BOTH}),
        Carried.SCORES: frozenset({Carried.SCORES}),
        Carried.NOTHING: frozenset(),
    }
)
"""What a pair may carry to be valid, by what most pairs of the log carry."""


def carried_by(champion: Standing, candidate: Standing, *, is_decided: bool) -> Carried:
    """Return what a pair carries; a failure of either side carries nothing.

    >>> carried_by(Standing.FINITE, Standing.NAN, is_decided=True)
    <Carried.DECISIONS: 2>
    """
    if {champion, candidate} & {Standing.ERROR, Standing.INFINITE}:
        return Carried.NOTHING
    scores = Carried.SCORES if champion == candidate == Standing.FINITE else Carried.NOTHING
    return Carried(scores | (Carried.DECISIONS if is_decided else Carried.NOTHING))
