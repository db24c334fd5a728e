from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from services.serving.metrics import Metrics
from services.serving.pair_log import PairLog
from services.serving.pairs import Pair, Side
from services.serving.tally import Tally
from tests.serving.builders import MODEL, await_true

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def pair(number: int, **slices: list[str | None]) -> Pair:
    return Pair(
        request_id=f"r{number}",
        at=AT,
        champion=Side(version=1, given=(0.1,), latency_ms=1.0),
        candidate=Side(version=2, given=(0.2,), latency_ms=2.0),
        slices=slices,
    )


class World:
    def __init__(self, folder: Path, **options: float) -> None:
        self.metrics = Metrics(MODEL)
        self.tally = Tally(folder / "tally")
        self.folder = folder / "log"
        self.troubles: list[str | None] = []
        self.log = PairLog(
            self.folder,
            self.metrics,
            self.tally,
            seconds=options.get("seconds", 0.0),
            max_waiting_rows=int(options.get("max_waiting_rows", 1000)),
            on_trouble=self.troubles.append,
        )

    def read(self, name: str) -> float:
        return self.metrics.read(getattr(self.metrics, name))

    def rows(self) -> list[str]:
        return sorted(row["request_id"] for row in pq.read_table(self.folder).to_pylist())


def test_pairs_come_to_disk_by_themselves(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.log.start()
    assert world.log.add(pair(1, country=["US"]))
    await_true(lambda: world.read("logged") == 1)
    (row,) = pq.read_table(world.folder).to_pylist()
    assert (row["request_id"], row["champion_score"], row["candidate_score"], row["slice_country"]) == (
        "r1", 0.1, 0.2, "US",
    )  # fmt: skip
    assert list(world.folder.glob("dt=2026-03-01/part-*.parquet"))
    world.log.close()


def test_what_waits_is_written_at_the_end(tmp_path: Path) -> None:
    world = World(tmp_path, seconds=3600)
    world.log.start()
    for number in range(5):
        world.log.add(pair(number))
    world.log.close()
    assert world.rows() == ["r0", "r1", "r2", "r3", "r4"]
    assert (world.read("logged"), world.read("lost")) == (5, 0)
    assert world.tally.loss.rows == 0


def test_what_cannot_be_written_waits_and_is_written_when_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.serving.pair_log.RETRY_S", 0.05)
    world = World(tmp_path)
    # A file stands where the folder should be.
    world.folder.write_text("")
    world.log.start()
    world.log.add(pair(1))
    await_true(lambda: world.log.trouble is not None)
    world.log.add(pair(2))
    world.folder.unlink()
    await_true(lambda: world.read("logged") == 2)
    assert world.rows() == ["r1", "r2"]
    assert [trouble is None for trouble in world.troubles] == [False, True]
    world.log.close()
    assert world.read("lost") == 0


def test_beyond_the_bound_rows_are_lost_and_counted(tmp_path: Path) -> None:
    world = World(tmp_path, seconds=3600, max_waiting_rows=3)
    assert [world.log.add(pair(number)) for number in range(5)] == [True, True, True, False, False]
    assert world.read("lost") == 2
    # What waits for the disk would be lost with the process, and what was refused is told already.
    assert world.tally.loss.rows == 3


def test_the_bound_holds_for_what_could_not_be_written_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.serving.pair_log.RETRY_S", 0.05)
    world = World(tmp_path, max_waiting_rows=3)
    world.folder.write_text("")
    world.log.start()
    for number in range(3):
        world.log.add(pair(number))
    await_true(lambda: world.log.trouble is not None)
    assert not world.log.add(pair(4))
    world.log.close()
    assert world.read("lost") == 4
    # All of it is told: nothing is left for a next server to tell.
    assert world.tally.loss.rows == 0


def test_rows_that_the_log_does_not_take_do_not_hold_up_others(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.log.start()
    world.log.add(dataclasses.replace(pair(1), at=None))  # type: ignore[arg-type]
    await_true(lambda: world.read("lost") == 1)
    world.log.add(pair(2))
    world.log.close()
    assert (world.rows(), world.read("lost")) == (["r2"], 1)
    assert world.tally.loss.rows == 0
