# ruff: noqa: S608 - only numbers are put into the text
"""The pairs of two versions since a moment, to the microsecond: what a ramp is judged by at each of its steps.

The states of a log know latencies of whole files only, so what happened since a moment is read from the log itself. A
file is read once and remembered while it is there: files never change, and each check reads the new ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from services.clock import to_micros
from services.errors import Unavailable
from services.shadow.answers import VALID, Carried
from services.shadow.bins import LATENCY_GROWTH, UNSOUND_LATENCY_BIN, ZERO_LATENCY_BIN
from services.shadow.distributions import latency_quantile
from services.shadow.engines import DuckDbEngine, FilesUnreadable
from services.shadow.log_files import FilePlan, LogFile, list_log_files, read_plan
from services.shadow.sql import MOMENTS, latency_histograms_sql, minutes_sql


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What two versions did since a moment.

    Args:
        valid: pairs whose answers can be compared, of which `agreeing` are alike.
        latencies: the candidate's, as pairs by bin.
        unreadable: files that could not be read.
    """

    pairs: int = 0
    candidate_errors: int = 0
    valid: int = 0
    agreeing: int = 0
    latencies: Mapping[int, int] = field(default_factory=dict)
    unreadable: int = 0

    @property
    def timed(self) -> int:
        """Pairs whose latency is known."""
        return sum(self.latencies.values())

    @property
    def p99_ms(self) -> float | None:
        """The candidate's 99th percentile, within 1 %; None where no latency is known."""
        if not self.latencies:
            return None
        bins = sorted(self.latencies)
        return latency_quantile(np.array(bins), np.array([self.latencies[each] for each in bins]), 0.99)

    def count_slower(self, limit_ms: float) -> int:
        """Return how many pairs took longer than a limit, give or take the 2 % that a bin is wide."""
        return sum(
            pairs
            for each, pairs in self.latencies.items()
            if each > ZERO_LATENCY_BIN and LATENCY_GROWTH**each > limit_ms
        )


@dataclass(frozen=True, slots=True)
class _Sums:
    pairs: int
    errors: int
    carried: Mapping[Carried, tuple[int, int]]
    latencies: Mapping[int, int]


_NOTHING = _Sums(0, 0, {}, {})


class WindowReader:
    """Reads windows of one installation's logs, remembering files; not for several threads at once."""

    def __init__(self) -> None:
        self._engine = DuckDbEngine()
        self._known: dict[Path, dict[tuple[str, int, int, int], _Sums | None]] = {}

    def read(self, log: Path, *, since: datetime, champion: int, candidate: int) -> Window:
        """Return what two versions did since a moment; a log that is not there yet holds nothing.

        Raises:
            Unavailable: the log needs more memory than the engine may have.
        """
        since_us = to_micros(since)
        known = self._known.get(log, {})
        read: dict[tuple[str, int, int, int], _Sums | None] = {}
        for file in _list_files(log, since):
            key = (f"{file.path}|{file.identity}", since_us, champion, candidate)
            read[key] = known[key] if key in known else self._sum_up(file, since_us, champion, candidate)
        self._known[log] = read
        found = [sums for sums in read.values() if sums is not None]
        return _add_up(found, unreadable=len(read) - len(found))

    def _sum_up(self, file: LogFile, since_us: int, champion: int, candidate: int) -> _Sums | None:
        plan = read_plan(file)
        if not isinstance(plan, FilePlan):
            return None
        if plan.rows == 0:
            return _NOTHING
        chosen = (
            f"WITH pairs AS (SELECT * FROM temp.main.pairs WHERE ts_us >= {since_us}"
            f" AND champion_version = {champion} AND candidate_version = {candidate}) "
        )
        try:
            with self._engine.open([plan], (), is_distinct=False) as relation:
                moments = relation.query(chosen + minutes_sql([])).to_pylist()
                bins = relation.query(chosen + latency_histograms_sql([])).to_pylist()
        except FilesUnreadable:
            return None
        carried: dict[Carried, tuple[int, int]] = {}
        for row in moments:
            kind = Carried(int(row["moment"]) % MOMENTS)
            pairs, agreeing = carried.get(kind, (0, 0))
            carried[kind] = (pairs + row["pairs"], agreeing + int(row["agreeing"]))
        return _Sums(
            pairs=sum(row["pairs"] for row in moments),
            errors=sum(row["candidate_errors"] for row in moments),
            carried=carried,
            latencies={
                int(row["bin"]): row["pairs"]
                for row in bins
                if row["measure"] == "candidate_latency" and row["bin"] not in (None, UNSOUND_LATENCY_BIN)
            },
        )


def _list_files(log: Path, since: datetime) -> list[LogFile]:
    """Return the files of the days from that of `since` on: a row lies in the folder of its own day."""
    first = f"dt={since.astimezone(UTC):%Y-%m-%d}"
    try:
        days = sorted(day for day in log.glob("dt=*") if day.is_dir() and not day.is_symlink() and day.name >= first)
        return [file for day in days for file in list_log_files(day)[0]]
    except OSError as error:
        raise Unavailable(
            f"The shadow log {log.name} cannot be listed ({error.strerror}).",
            next_step="Let the worker read the folder of shadow logs.",
        ) from error


def _add_up(sums: Sequence[_Sums], *, unreadable: int) -> Window:
    by_kind: Counter[Carried] = Counter()
    agreeing: Counter[Carried] = Counter()
    latencies: Counter[int] = Counter()
    for each in sums:
        latencies.update(each.latencies)
        for kind, (pairs, alike) in each.carried.items():
            by_kind[kind] += pairs
            agreeing[kind] += alike
    kinds = [kind for kind in by_kind if kind is not Carried.NOTHING]
    # What most pairs carry is what a prediction is in this log, as for a whole comparison.
    valid = VALID[max(kinds, key=lambda kind: (by_kind[kind], kind), default=Carried.NOTHING)]
    return Window(
        pairs=sum(each.pairs for each in sums),
        candidate_errors=sum(each.errors for each in sums),
        valid=sum(by_kind[kind] for kind in valid),
        agreeing=sum(agreeing[kind] for kind in valid),
        latencies=dict(latencies),
        unreadable=unreadable,
    )
