"""All versions of a model against each other. Equal signatures are compared once: the verdicts are kept by digest."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock
from typing import NamedTuple

from services.signatures.compare import judge
from services.signatures.values import SignatureReading
from services.signatures.verdicts import Direction, Verdict

MAX_KEPT = 50_000


class Cell(NamedTuple):
    """The verdicts of one pair, for DataFrame and for JSON callers."""

    verdict: Verdict
    json_verdict: Verdict


_kept: OrderedDict[tuple[str, str, Direction], Cell] = OrderedDict()
_lock = Lock()


def compare_all(
    readings: Mapping[int, SignatureReading], direction: Direction = Direction.BACKWARD
) -> dict[tuple[int, int], Cell]:
    """Return the verdicts of every ordered pair of versions `(old, new)`, a version with itself included."""
    return {(old, new): _cell(readings[old], readings[new], direction) for old in readings for new in readings}


def _cell(old: SignatureReading, new: SignatureReading, direction: Direction) -> Cell:
    if not (old.digest and new.digest):
        return _compared(old, new, direction)
    key = (old.digest, new.digest, direction)
    with _lock:
        known = _kept.get(key)
    if known is None:
        known = _compared(old, new, direction)
        with _lock:
            _kept[key] = known
            if len(_kept) > MAX_KEPT:
                _kept.popitem(last=False)
    return known


def _compared(old: SignatureReading, new: SignatureReading, direction: Direction) -> Cell:
    return Cell(*judge(old, new, direction))
