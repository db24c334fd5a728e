"""Sealing: once in 256 events a chunk is made fast to look into, so that appending one event stays cheap.

A sealed chunk has its subtree hash, its words in the search index, its time span and its share in the daily counts.
All of it can be computed again from the leaves, and verification does.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from services.audit.words import words_of
from services.clock import from_text, to_micros
from services.store import UnitOfWork, audit_log
from services.store.audit_log import CHUNK_EVENTS, TallyRow
from services.store.audit_reading import ALL_DAYS, DAY_US

TALLIED = ("actor", "action", "model")

Tallies = Counter[tuple[str, str, int]]
"""How many events by (field, value, day)."""


def seal(unit: UnitOfWork, chunk: int) -> None:
    """Make a chunk whose events are all there fast to look into."""
    first = chunk * CHUNK_EVENTS
    leaves = [(seq, json.loads(leaf)) for seq, leaf in audit_log.list_leaves(unit, first, first + CHUNK_EVENTS)]
    times = [to_micros(from_text(fields["at"])) for _, fields in leaves]
    audit_log.insert_search(unit, [(seq, " ".join(words_of(fields))) for seq, fields in leaves])
    audit_log.insert_span(unit, chunk, min(times), max(times))
    tallies: Tallies = Counter()
    for (_, fields), ts_us in zip(leaves, times, strict=True):
        tallies.update(tally_keys(fields, ts_us))
    audit_log.add_tallies(unit, to_rows(tallies))


def tally_keys(fields: dict[str, Any], ts_us: int) -> Iterator[tuple[str, str, int]]:
    """Yield what an event counts towards."""
    day = ts_us // DAY_US
    yield "all", "", day
    for name in TALLIED:
        if fields[name] is not None:
            yield name, fields[name], day


def to_rows(tallies: Tallies) -> Iterable[TallyRow]:
    """Return the rows of counts: by day, and over all days."""
    totals: Tallies = Counter()
    for (field, value, _), events in tallies.items():
        totals[field, value, ALL_DAYS] += events
    for (field, value, day), events in (tallies + totals).items():
        yield TallyRow(field=field, value=value, day=day, events=events)
