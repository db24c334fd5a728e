"""A log over time, by stretches."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from services.shadow.timeline import list_stretches
from tests.shadow.builders import frame, pairs, read, write

MINUTE = 60_000_000


def test_stretches_count_what_happened_in_them(tmp_path: Path) -> None:
    ts = pa.array([0, MINUTE - 1, MINUTE, 61 * MINUTE, None], pa.timestamp("us", "UTC"))
    table = pairs(
        5,
        ts=ts,
        champion_latency_ms=pa.array([1.0, 3.0, None, 5.0, 7.0], pa.float32()),
        candidate_latency_ms=pa.array([-1.0, 2.0, 2.0, 2.0, 2.0], pa.float32()),
        candidate_error=[None, "boom", None, None, None],
        champion_decision=["a"] * 5,
        candidate_decision=["a", "a", "b", "a", "a"],
    )
    write(tmp_path / "log", table)
    log = read(tmp_path / "log")
    first, second, third = list_stretches(log, minutes=1)
    assert (first.start, first.pairs, first.valid_pairs) == (datetime(1970, 1, 1, tzinfo=UTC), 2, 1)
    assert (first.champion_errors, first.candidate_errors) == (0, 1)
    assert (first.champion_latency_ms, first.candidate_latency_ms) == (2.0, 2.0)
    assert first.agreement.estimate == 1.0
    assert (second.agreement.estimate, second.champion_latency_ms) == (0.0, None)
    assert third.start == datetime(1970, 1, 1, 1, 1, tzinfo=UTC)
    hour, later = list_stretches(log, minutes=60)
    assert (hour.pairs, later.pairs) == (3, 1)


def test_a_stretch_with_no_valid_pair_has_no_agreement(tmp_path: Path) -> None:
    write(tmp_path / "log", pa.concat_tables([pairs(9), pairs(1, day="2026-03-05", candidate_error=["x"])]))
    *_, last = list_stretches(read(tmp_path / "log"), minutes=24 * 60)
    assert last.valid_pairs == 0
    assert last.agreement.estimate is None


def test_stretches_add_up_to_the_log(tmp_path: Path) -> None:
    table = pairs(500)
    write(tmp_path / "log", table)
    stretches = list_stretches(read(tmp_path / "log"), minutes=30, champion=3)
    assert sum(one.pairs for one in stretches) == 500
    rows = frame(table)
    total = sum(one.pairs * (one.champion_latency_ms or 0) for one in stretches)
    assert total == pytest.approx(rows.champion_latency_ms.astype(float).sum(), rel=1e-6)


def test_a_log_without_times_has_no_stretches(tmp_path: Path) -> None:
    write(tmp_path / "log", pairs(3, ts=pa.nulls(3, pa.timestamp("us", "UTC"))))
    assert list_stretches(read(tmp_path / "log"), minutes=1) == ()
