"""Files of a log are whole or absent, in the folder of their day, whatever happens to who writes them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.errors import InvalidInput, Unavailable
from services.shadow.schema import LOG_SCHEMA
from services.shadow.writer import PairedLogWriter, remove_leftovers, write_part
from tests.shadow.builders import figures, pairs, without


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_rows_go_to_the_day_of_their_own_time(tmp_path: Path) -> None:
    late = pa.array([1_772_409_599_999_999, 1_772_409_600_000_000], pa.timestamp("us", "UTC"))
    with PairedLogWriter(tmp_path) as writer:
        writer.append(pairs(2, ts=late))
    assert sorted(path.parent.name for path in tmp_path.glob("dt=*/part-*.parquet")) == [
        "dt=2026-03-01",
        "dt=2026-03-02",
    ]


def test_files_are_zstd_with_the_schema_of_the_log(tmp_path: Path) -> None:
    with PairedLogWriter(tmp_path) as writer:
        writer.append(pairs(10))
    (path,) = tmp_path.glob("dt=*/part-*.parquet")
    file = pq.ParquetFile(path)
    assert file.schema_arrow.remove_metadata().names[: len(LOG_SCHEMA.names)] == LOG_SCHEMA.names
    assert file.schema_arrow.field("champion_latency_ms").type == pa.float32()
    assert file.metadata.row_group(0).column(4).compression == "ZSTD"
    file.close()


def test_rows_wait_until_they_are_many_or_old(tmp_path: Path) -> None:
    seconds = Seconds()
    writer = PairedLogWriter(tmp_path, max_rows=25, max_seconds=60, seconds=seconds)
    assert writer.append(pairs(10, seed=1)) == []
    seconds.now = 59.0
    assert writer.append(pairs(10, seed=2)) == []
    assert writer.waiting_rows == 20
    seconds.now = 60.0
    assert len(writer.flush_if_due()) == 1
    assert writer.waiting_rows == 0
    assert len(writer.append(pairs(25, seed=3))) == 1
    assert writer.flush() == []
    assert figures(tmp_path).pairs == 45


def test_pairs_with_and_without_a_slice_go_into_one_file(tmp_path: Path) -> None:
    with PairedLogWriter(tmp_path) as writer:
        writer.append(pairs(4, seed=1))
        writer.append(without(pairs(4, seed=2), "slice_country"))
    assert {one.value: one.pairs for one in figures(tmp_path).slices}[None] == 4


def test_what_does_not_fit_is_refused_and_the_rest_still_waits(tmp_path: Path) -> None:
    writer = PairedLogWriter(tmp_path)
    writer.append(pairs(3))
    with pytest.raises(InvalidInput):
        writer.append(pairs(3, candidate_score=["x"] * 3))
    assert writer.waiting_rows == 3


def test_an_empty_table_makes_no_file(tmp_path: Path) -> None:
    with PairedLogWriter(tmp_path) as writer:
        writer.append(pairs(3).slice(0, 0))
    assert list(tmp_path.rglob("*.parquet")) == []


def test_when_the_disk_refuses_rows_wait_and_may_be_given_up(tmp_path: Path) -> None:
    writer = PairedLogWriter(tmp_path / "log")
    writer.append(pairs(5))
    (tmp_path / "log").write_text("a file where the folder should be")
    with pytest.raises(Unavailable, match="cannot be written"):
        writer.flush()
    assert writer.waiting_rows == 5
    assert writer.discard() == 5
    assert writer.waiting_rows == 0


def test_when_one_day_cannot_be_written_the_days_before_it_are(tmp_path: Path) -> None:
    (tmp_path / "dt=2026-03-02").write_text("in the way")
    writer = PairedLogWriter(tmp_path)
    writer.append(pairs(5, day="2026-03-01"))
    writer.append(pairs(7, day="2026-03-02"))
    with pytest.raises(Unavailable):
        writer.flush()
    assert writer.waiting_rows == 7
    (tmp_path / "dt=2026-03-02").unlink()
    writer.flush()
    assert figures(tmp_path).pairs == 12


def test_a_part_of_the_same_name_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    write_part(tmp_path, "2026-03-01", pairs(5), name="chunk-0")
    path = write_part(tmp_path, "2026-03-01", pairs(3), name="chunk-0")
    assert pq.read_metadata(path).num_rows == 3
    assert [found.name for found in path.parent.iterdir()] == ["part-chunk-0.parquet"]


def test_a_failure_while_writing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(pq, "write_table", explode)
    with pytest.raises(RuntimeError):
        write_part(tmp_path, "2026-03-01", pairs(5), name="0")
    assert list((tmp_path / "dt=2026-03-01").iterdir()) == []


def test_leftovers_of_the_dead_are_removed_and_those_of_the_living_are_not(tmp_path: Path) -> None:
    day = tmp_path / "dt=2026-03-01"
    day.mkdir()
    for name, age in (("old", 7200), ("new", 0)):
        leftover = day / f".writing-{name}"
        leftover.write_bytes(b"half")
        os.utime(leftover, (time.time() - age,) * 2)
    PairedLogWriter(tmp_path)
    assert [path.name for path in day.iterdir()] == [".writing-new"]
    remove_leftovers(tmp_path / "absent")


WRITE_FOR_EVER = """
import itertools, sys
from pathlib import Path
from services.shadow.writer import PairedLogWriter
from tests.shadow.builders import pairs

writer = PairedLogWriter(Path(sys.argv[1]), max_rows=1)
table = pairs(20_000)
for number in itertools.count():
    writer.append(table.set_column(0, "request_id", [[f"{number}-{row}" for row in range(table.num_rows)]]))
    print(number, flush=True)
"""


@pytest.mark.long
def test_a_writer_that_is_killed_leaves_only_whole_files(tmp_path: Path) -> None:
    acknowledged = 0
    for attempt in range(4):
        log = tmp_path / f"log-{attempt}"
        process = subprocess.Popen([sys.executable, "-c", WRITE_FOR_EVER, str(log)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        acknowledged = int(process.stdout.readline()) + 1
        time.sleep(0.1 * attempt)
        process.send_signal(signal.SIGKILL)
        acknowledged += len(process.stdout.read().splitlines())
        process.stdout.close()
        process.wait()
        found = figures(log)
        # What was acknowledged is there; one more file may have been finished without a word.
        assert found.pairs in {20_000 * acknowledged, 20_000 * (acknowledged + 1)}
        assert found.coverage.problems == ()
        assert found.coverage.files_counted == found.coverage.files_found
