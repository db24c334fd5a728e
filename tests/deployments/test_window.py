from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from services.shadow.window import Window, WindowReader
from services.shadow.writer import PairedLogWriter
from tests.conftest import FakeClock


def write(log: Path, clock: FakeClock, rows: list[dict[str, object]]) -> None:
    """Write pairs of versions 3 and 4, a second apart from now on."""
    full = [
        {
            "request_id": f"{clock.now.isoformat()}-{index}", "ts": clock.now + timedelta(seconds=index),
            "champion_version": 3, "candidate_version": 4, "champion_decision": "allow", "candidate_decision": "allow",
            "champion_latency_ms": 5.0, "candidate_latency_ms": 6.0, "candidate_error": None, **row,
        }
        for index, row in enumerate(rows)
    ]  # fmt: skip
    with PairedLogWriter(log) as writer:
        writer.append(pa.Table.from_pylist(full))


def read(log: Path, clock: FakeClock, **ago: float) -> Window:
    return WindowReader().read(log, since=clock.now - timedelta(**ago), champion=3, candidate=4)


def test_what_happened_since_a_moment_is_counted_to_the_row(clock: FakeClock, tmp_path: Path) -> None:
    write(
        tmp_path,
        clock,
        [
            {"candidate_error": "boom", "candidate_decision": None},
            {"candidate_decision": "block", "candidate_latency_ms": 500.0},
            {},
            {"candidate_version": 5},
            {"champion_version": 2},
        ],
    )
    window = read(tmp_path, clock)
    assert (window.pairs, window.candidate_errors, window.valid, window.agreeing, window.timed) == (3, 1, 2, 1, 3)
    assert window.count_slower(100) == 1
    assert window.p99_ms == pytest.approx(490, rel=0.02)  # between the two largest, as NumPy has it
    later = read(tmp_path, clock, seconds=-1)
    assert (later.pairs, later.candidate_errors, later.valid) == (2, 0, 2)


def test_scores_without_decisions_agree_when_they_are_nearly_equal(clock: FakeClock, tmp_path: Path) -> None:
    scored = {"champion_decision": None, "candidate_decision": None, "champion_score": 1.0}
    write(tmp_path, clock, [{**scored, "candidate_score": score} for score in (1.0, 1.005, 1.5, float("nan"))])
    window = read(tmp_path, clock)
    assert (window.pairs, window.valid, window.agreeing) == (4, 3, 2)


def test_days_and_files_add_up_and_new_files_are_read_beside_known_ones(clock: FakeClock, tmp_path: Path) -> None:
    reader, since = WindowReader(), clock.now
    write(tmp_path, clock, [{}] * 3)
    assert reader.read(tmp_path, since=since, champion=3, candidate=4).pairs == 3
    clock.advance(hours=13)
    write(tmp_path, clock, [{}] * 2)
    assert reader.read(tmp_path, since=since, champion=3, candidate=4).pairs == 5
    assert reader.read(tmp_path, since=clock.now, champion=3, candidate=4).pairs == 2
    assert len(list(tmp_path.glob("dt=*"))) == 2


def test_a_log_that_is_not_there_holds_nothing(clock: FakeClock, tmp_path: Path) -> None:
    assert read(tmp_path / "nowhere", clock) == Window()


def test_a_file_that_cannot_be_read_is_counted_and_the_others_are_read(clock: FakeClock, tmp_path: Path) -> None:
    write(tmp_path, clock, [{}] * 3)
    (file,) = tmp_path.glob("dt=*/*.parquet")
    (file.parent / "part-torn.parquet").write_bytes(file.read_bytes()[:200])
    window = read(tmp_path, clock)
    assert (window.pairs, window.unreadable) == (3, 1)
