"""Sealing: complete chunks of 256 events are made fast to look into, many at once, so that appending one stays cheap.

Whoever signs a checkpoint seals what came before it; an append does once four chunks wait, where nobody signs. A chunk
that is sealed has its words in the search index, its time span and its share in the daily counts. All of it can be
computed again from the leaves.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from operator import itemgetter

from services.audit.words import words_of
from services.clock import from_text, to_micros
from services.errors import Unverified
from services.store import UnitOfWork, audit_log
from services.store.audit_log import CHUNK_EVENTS, TallyRow
from services.store.audit_reading import ALL_DAYS, DAY_US

MOST_WAITING = 4 * CHUNK_EVENTS
"""So many events are looked through one by one in 3 ms."""

TALLIED = ("actor", "action", "model")
_TO_TALLIED = itemgetter(*TALLIED)

Tallies = Counter[tuple[str, str, int]]
"""How many events by (field, value, day)."""


def seal(unit: UnitOfWork, size: int) -> None:
    """Make every chunk that is complete in a log of `size` events fast to look into."""
    tallies: Tallies = Counter()
    for chunk in range(audit_log.count_sealed(unit), size // CHUNK_EVENTS):
        first = chunk * CHUNK_EVENTS
        leaves = [leaf for _, leaf in audit_log.list_leaves(unit, first, first + CHUNK_EVENTS)]
        try:
            told = json.loads(f"[{b','.join(leaves).decode()}]")  # in one go: half the time
            times = [to_micros(from_text(fields["at"])) for fields in told]
        except (ValueError, TypeError, KeyError) as error:  # the database may hold anything by now
            raise Unverified(
                f"One of the events {first} to {first + CHUNK_EVENTS - 1} is no leaf of the log.",
                next_step="Run `gatehouse audit verify` to see which, and restore the store from a backup.",
            ) from error
        audit_log.insert_search(unit, [(seq, " ".join(words_of(fields))) for seq, fields in enumerate(told, first)])
        audit_log.insert_span(unit, chunk, min(times), max(times))
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
