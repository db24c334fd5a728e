"""Reading the whole log, a chunk at a time, and computing again from the leaves everything that is kept about them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from operator import itemgetter
from typing import Any

from services.audit.merkle import CompactRange, join_complete
from services.audit.personal import PersonalLedger
from services.audit.sealing import TALLIED, Tallies, tally
from services.audit.tree import KEPT_LEVELS, TILE_HEIGHT
from services.clock import from_text, to_micros
from services.errors import Unverified
from services.store import UnitOfWork, audit_log
from services.store.audit_log import CHUNK_EVENTS, EventRow

BATCH_EVENTS = 16 * CHUNK_EVENTS
SETBACK_US = 60_000_000
"""How far clocks of several machines may differ before it is worth a word."""

Report = Callable[[int | None, str], None]
"""Told the first event that can be wrong, or None, and what is wrong."""

Row = tuple[Any, ...]
"""The columns of an event in the order of `EventRow`, as stored: nothing about their types is sure."""

_read_json = json.JSONDecoder().raw_decode  # without the guess at an encoding that takes as long as the rest
_POSITION = {column: position for position, column in enumerate(EventRow._fields)}
_TO_TALLIED = itemgetter(*(_POSITION[name] for name in TALLIED))


class ClockWatch:
    """Whether a clock was set back while events were recorded, which is no tampering and worth knowing."""

    def __init__(self) -> None:
        self._latest = 0
        self._is_behind = False
        self.setbacks: list[tuple[int, int]] = []
        """The number of each event that is dated well before an earlier one, and by how many seconds."""

    def take(self, first: int, rows: Sequence[Row]) -> None:
        """Look at the next events."""
        times = [moment if isinstance(moment := row[_POSITION["ts_us"]], int) else 0 for row in rows]
        if not times or (times[0] >= self._latest and times == sorted(times)):
            self._latest = max(self._latest, *times, 0)
            return
        for seq, moment in enumerate(times, first):
            behind_us = self._latest - moment
            if behind_us > SETBACK_US and not self._is_behind:
                self.setbacks.append((seq, behind_us // 1_000_000))
            self._is_behind = behind_us > SETBACK_US
            self._latest = max(self._latest, moment)


class Scan:
    """The log as its leaves say it is.

    Args:
        report: told what is wrong with an event.
        sealed: of how many chunks the times and counts are kept.
    """

    def __init__(self, report: Report, *, sealed: int) -> None:
        self._report = report
        self._sealed = sealed
        self._promises: dict[int, list[tuple[str, bytes]]] = {}
        self._chunks = CompactRange.empty()
        self._rest = CompactRange.empty()
        self.kept_promises = 0
        self.nodes: list[tuple[int, int, bytes]] = []
        self.spans: list[tuple[int, int, int]] = []
        self.tallies: Tallies = Counter()
        self.clock = ClockWatch()
        self.personal = PersonalLedger(report)

    @property
    def tree(self) -> CompactRange:
        """The tree over the events read so far."""
        return self._join(self._rest)

    def expect(self, promises: dict[int, list[tuple[str, bytes]]]) -> None:
        """Note the roots to meet on the way, by size, each with what to call it."""
        self._promises = promises

    def read(self, unit: UnitOfWork, progress: Callable[[int], None]) -> None:
        """Read every event up to the first gap."""
        is_whole = True
        while is_whole:
            first = self._first
            rows = self._list_readable(unit, first, first + BATCH_EVENTS)
            for start in range(0, max(len(rows), 1), CHUNK_EVENTS):
                is_whole = is_whole and self._take(unit, rows[start : start + CHUNK_EVENTS])
            progress(self.tree.size)

    def list_open_promises(self) -> Iterator[tuple[int, str]]:
        """Yield (size, name) of the promises that the log is too short for."""
        for size, promised in sorted(self._promises.items()):
            yield from ((size, name) for name, _ in promised)

    @property
    def _first(self) -> int:
        return self._chunks.size * CHUNK_EVENTS

    def _join(self, rest: CompactRange) -> CompactRange:
        return CompactRange(size=self._first + rest.size, frontier=self._chunks.frontier + rest.frontier)

    def _list_readable(self, unit: UnitOfWork, first: int, end: int) -> Sequence[Row]:
        """Return the events [first, end) up to one that the database cannot even read."""
        try:
            return audit_log.list_events(unit, first, end)
        except Unverified:
            rows: list[Row] = []
            for seq in range(first, end):
                try:
                    rows += audit_log.list_events(unit, seq, seq + 1)
                except Unverified:
                    self._report(seq, f"Event {seq} cannot be read: it holds text that is not UTF-8.")
                    break
            return rows

    def _take(self, unit: UnitOfWork, rows: Sequence[Row]) -> bool:
        """Take in up to a chunk of events; returns whether there may be more."""
        first = self._first
        gap = next((at for at, row in enumerate(rows) if row[0] != first + at), None)
        hashes = [self._check(row) for row in rows[:gap]]
        if gap is not None:
            self._report(first + gap, f"Event {first + gap} is missing.")
        self.personal.check(audit_log.list_disclosures(unit, first, first + len(hashes)))
        self._meet_promises(first, hashes)
        self.clock.take(first, rows[: len(hashes)])
        if len(hashes) < CHUNK_EVENTS:
            self._rest = CompactRange.of(hashes)
            return False
        self._close(rows, hashes)
        return True

    def _check(self, row: Row) -> bytes:
        """Hold an event against its own copies, and return the hash of its leaf."""
        seq, event_id, ts_us, actor, action, subject, model, change_id, leaf, stored = row
        try:
            found = sha256(b"\x00" + leaf).digest()
            said, _ = _read_json(str(leaf, "utf-8"), 0)
            is_same = (
                said["seq"] == seq
                and said["event_id"] == event_id
                and said["actor"] == actor
                and said["action"] == action
                and said["subject"] == subject
                and said["model"] == model
                and said["change"] == change_id
                and to_micros(from_text(said["at"])) == ts_us
            )
            self.personal.take(seq, leaf, said)
        except (ValueError, TypeError, KeyError):
            self._report(seq, f"Event {seq} is no leaf of the log.")
            return sha256(repr(leaf).encode()).digest()
        if found != stored:
            self._report(seq, f"Event {seq} does not have the hash that was kept for it.")
        elif not is_same:
            self._report(seq, f"Event {seq} has other columns than its leaf says.")
        return found

    def _close(self, rows: Sequence[Row], hashes: list[bytes]) -> None:
        """Compute what is kept of a chunk that is complete, and sealed or not."""
        chunk, root = self._chunks.size, join_complete(hashes)
        self._chunks, completed = self._chunks.append(root)
        self.nodes.append((TILE_HEIGHT, chunk, root))
        for level, index, found in completed:
            if TILE_HEIGHT + level in KEPT_LEVELS:
                self.nodes.append((TILE_HEIGHT + level, index, found))
        if chunk >= self._sealed:
            return
        times = [row[_POSITION["ts_us"]] for row in rows]
        times = [moment if isinstance(moment, int) else 0 for moment in times]
        self.spans.append((chunk, min(times), max(times)))
        tally(self.tallies, times, map(_TO_TALLIED, rows))

    def _meet_promises(self, first: int, hashes: list[bytes]) -> None:
        met = [size for size in self._promises if size <= first + len(hashes)]
        for size in met:
            root = self._join(CompactRange.of(hashes[: size - first])).root
            for name, promised in self._promises.pop(size):
                if promised == root:
                    self.kept_promises += 1
                else:
                    self._report(None, f"The first {size} events are not those of {name}.")
