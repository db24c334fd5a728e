"""Sealing: once in 256 events a chunk is made fast to look into, so that appending one event stays cheap.

A sealed chunk has its subtree hash, its words in the search index, its time span and its share in the daily counts.
All of it can be computed again from the leaves, and verification does.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from operator import itemgetter

from services.audit.words import words_of
from services.clock import from_text, to_micros
from services.store import UnitOfWork, audit_log
from services.store.audit_log import CHUNK_EVENTS, TallyRow
from services.store.audit_reading import ALL_DAYS, DAY_US

TALLIED = ("actor", "action", "model")
_TO_TALLIED = itemgetter(*TALLIED)

Tallies = Counter[tuple[str, str, int]]
"""How many events by (field, value, day)."""


def seal(unit: UnitOfWork, chunk: int) -> None:
    """Make a chunk whose events are all there fast to look into."""
    first = chunk * CHUNK_EVENTS
    leaves = [leaf for _, leaf in audit_log.list_leaves(unit, first, first + CHUNK_EVENTS)]
    told = json.loads(f"[{b','.join(leaves).decode()}]")  # in one go: half the time
    times = [to_micros(from_text(fields["at"])) for fields in told]
    audit_log.insert_search(unit, [(seq, " ".join(words_of(fields))) for seq, fields in enumerate(told, first)])
    audit_log.insert_span(unit, chunk, min(times), max(times))
    tallies: Tallies = Counter()
    tally(tallies, times, map(_TO_TALLIED, told))
    audit_log.add_tallies(unit, to_rows(tallies))


def tally(tallies: Tallies, times_us: Iterable[int], values: Iterable[Sequence[str | None]]) -> None:
    """Count events by their times, and by what each has in the fields of `TALLIED`."""
    days = [moment // DAY_US for moment in times_us]
    for day, events in Counter(days).items():
        tallies["all", "", day] += events
    for name, column in zip(TALLIED, zip(*values, strict=True), strict=True):
        for (value, day), events in Counter(zip(column, days, strict=True)).items():
            if value is not None:
                tallies[name, value, day] += events


def to_rows(tallies: Tallies) -> list[TallyRow]:
    """Return the rows of counts: by day, and over all days."""
    totals: Counter[tuple[str, str]] = Counter()
    for (field, value, _), events in tallies.items():
        totals[field, value] += events
    by_day = [(field, value, day, events) for (field, value, day), events in tallies.items()]
    return by_day + [(field, value, ALL_DAYS, events) for (field, value), events in totals.items()]
