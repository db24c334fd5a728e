"""A file is read once; what changes is noticed; every row is accounted for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

from services.errors import Conflict, NotFound, Unavailable
from services.shadow.engines import DuckDbEngine, Engine, FilesUnreadable, Relation, open_engine
from services.shadow.log_files import FilePlan
from services.shadow.reading import find_log_state, read_log
from services.shadow.state_files import StateFolder
from tests.shadow.builders import assert_same, figures, pairs, read, without, without_atoms, write, write_days


class Watched(DuckDbEngine):
    """An engine that remembers what it was given to read; `broken` names a file that turns out to be corrupt."""

    def __init__(self, broken: str = "") -> None:
        super().__init__()
        self.read: list[str] = []
        self.broken = broken

    @contextmanager
    def open(self, plans: Sequence[FilePlan], slices: Sequence[str], *, is_distinct: bool) -> Iterator[Relation]:
        names = [plan.file.name for plan in plans]
        if self.broken in names:
            raise FilesUnreadable("rotten")
        self.read += names
        with super().open(plans, slices, is_distinct=is_distinct) as relation:
            yield relation


def test_a_log_without_files_has_no_pairs(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    found = read(tmp_path / "log")
    assert found.state.cells.num_rows == 0
    assert (found.coverage.files_found, found.coverage.rows_read) == (0, 0)


def test_a_log_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read(tmp_path / "nowhere")
    with pytest.raises(NotFound):
        find_log_state(tmp_path / "nowhere", engine="duckdb", home=tmp_path)


def test_a_second_look_reads_nothing_and_says_the_same(tmp_path: Path) -> None:
    log = write_days(tmp_path / "log")
    engine = Watched()
    first = read_log(log, engine=engine, home=tmp_path)
    assert sorted(set(engine.read)) == [f"dt=2026-03-0{day}/part-0.parquet" for day in range(1, 5)]
    engine.read.clear()
    again = read_log(log, engine=engine, home=tmp_path)
    assert engine.read == []
    assert_same(first.state, again.state)
    assert first.coverage == again.coverage


def test_only_new_and_changed_files_are_read(tmp_path: Path) -> None:
    log = write_days(tmp_path / "log", days=3)
    engine = Watched()
    read_log(log, engine=engine, home=tmp_path)
    engine.read.clear()
    write(log, pairs(7, day="2026-03-02", seed=9), day="2026-03-02")
    write(log, pairs(5, day="2026-03-09"), day="2026-03-09")
    (log / "dt=2026-03-03" / "part-0.parquet").unlink()
    found = read_log(log, engine=engine, home=tmp_path)
    assert set(engine.read) == {"dt=2026-03-02/part-0.parquet", "dt=2026-03-09/part-0.parquet"}
    assert found.coverage.changed == ("dt=2026-03-02/part-0.parquet",)
    assert found.coverage.deleted == ("dt=2026-03-03/part-0.parquet",)
    assert_same(found.state, read(log, tmp_path / "fresh").state)
    assert read_log(log, engine=engine, home=tmp_path).coverage.deleted == ()


def test_a_file_that_is_gone_is_gone_from_the_figures(tmp_path: Path) -> None:
    log = write_days(tmp_path / "log", days=2, rows=50)
    assert figures(log).pairs == 100
    shutil.rmtree(log / "dt=2026-03-01")
    assert figures(log).pairs == 50
    shutil.rmtree(log / "dt=2026-03-02")
    assert figures(log).pairs == 0


def test_logs_and_engines_keep_their_states_apart(tmp_path: Path) -> None:
    read(write_days(tmp_path / "a", days=1, rows=10), tmp_path)
    read(write_days(tmp_path / "b", days=1, rows=20), tmp_path)
    assert figures(tmp_path / "a").pairs == 10
    assert find_log_state(tmp_path / "a", engine="spark", home=tmp_path) is None


def test_a_request_counts_once_a_file(tmp_path: Path) -> None:
    table = pairs(40)
    write(tmp_path / "log", pa.concat_tables([table, table.slice(0, 10)]))
    found = figures(tmp_path / "log")
    assert (found.coverage.rows_read, found.coverage.duplicates, found.pairs) == (50, 10, 40)


def test_a_request_counts_once_a_day_over_files(tmp_path: Path) -> None:
    log = tmp_path / "log"
    write(log, pairs(40), part="0")
    assert figures(log).pairs == 40
    write(log, pa.concat_tables([pairs(40).slice(35), pairs(10, seed=2)]), part="1")
    assert (figures(log).pairs, figures(log).coverage.duplicates) == (50, 5)
    write(log, pairs(3, seed=3), part="2")
    assert (figures(log).pairs, figures(log).coverage.duplicates) == (53, 5)
    (log / "dt=2026-03-01" / "part-0.parquet").unlink()
    assert (figures(log).pairs, figures(log).coverage.duplicates) == (18, 0)


def test_an_id_on_another_day_is_another_request(tmp_path: Path) -> None:
    for day in ("2026-03-01", "2026-03-02"):
        write(tmp_path / "log", pairs(10), day=day)
    assert figures(tmp_path / "log").pairs == 20


def test_a_request_counts_once_for_each_candidate(tmp_path: Path) -> None:
    table = pairs(10)
    write(tmp_path / "log", table, part="4")
    write(tmp_path / "log", table.set_column(3, "candidate_version", pa.array([5] * 10)), part="5")
    found = figures(tmp_path / "log")
    assert (found.pairs, found.coverage.duplicates) == (20, 0)
    assert [(pair.champion, pair.candidate, pair.pairs) for pair in found.versions] == [(3, 4, 10), (3, 5, 10)]
    assert figures(tmp_path / "log", candidate=5).pairs == 10


def test_rows_without_an_id_cannot_be_told_to_repeat(tmp_path: Path) -> None:
    ids = pa.array(["a", "a", None, None], pa.string())
    write(tmp_path / "log", pairs(4, request_id=ids))
    found = figures(tmp_path / "log")
    assert (found.pairs, found.coverage.duplicates) == (3, 1)


def test_of_rows_that_repeat_the_labelled_one_counts_and_else_the_earliest(tmp_path: Path) -> None:
    table = pairs(
        4,
        request_id=["a", "a", "b", "b"],
        ts=pa.array([1, 2, 2, 1], pa.timestamp("us", "UTC")),
        label=pa.array([None, "told", None, None], pa.string()),
        champion_decision=["x", "y", "x", "y"],
        candidate_decision=["x", "y", "x", "y"],
    )
    write(tmp_path / "log", table)
    found = figures(tmp_path / "log")
    assert found.flow == {"y": {"y": 2}}
    assert found.labels.labelled == 1


def test_many_hashes_are_looked_at_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.shadow.engines._HASHED_ROWS", 7)
    write(tmp_path / "log", pa.concat_tables([pairs(50), pairs(50).slice(49)]))
    assert figures(tmp_path / "log").coverage.duplicates == 1
    write(tmp_path / "other", pairs(50))
    assert figures(tmp_path / "other").coverage.duplicates == 0


def test_good_files_are_counted_beside_bad_ones_and_every_row_is_accounted_for(tmp_path: Path) -> None:
    log = write_days(tmp_path / "log", days=2, rows=50)
    write(log, pairs(10, candidate_score=["x"] * 10), part="wrong")
    write(
        log,
        without(pairs(20), "candidate_latency_ms").set_column(0, "request_id", [[f"n{n}" for n in range(20)]]),
        part="less",
    )
    (log / "dt=2026-03-02" / "torn.parquet").write_bytes(b"PAR1")
    found = figures(log)
    assert found.pairs == 120
    assert sum([found.valid_pairs, *found.invalid.values()]) == found.pairs
    assert found.coverage.rows_read == found.pairs + found.coverage.duplicates
    told = {(problem.file, problem.column): (problem.rows, problem.is_counted) for problem in found.coverage.problems}
    assert told == {
        ("dt=2026-03-01/part-less.parquet", "candidate_latency_ms"): (20, True),
        ("dt=2026-03-01/part-wrong.parquet", "candidate_score"): (10, False),
        ("dt=2026-03-02/torn.parquet", None): (None, False),
    }
    assert figures(log).coverage == found.coverage


def test_a_file_whose_pages_are_corrupt_is_left_out_and_the_rest_of_its_day_is_not(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for part in range(3):
        path = write(log, pairs(3000, seed=part), part=str(part), compression="zstd")
    content = bytearray(path.read_bytes())
    content[500:20_000] = b"\xff" * 19_500
    path.write_bytes(content)
    found = figures(log)
    assert found.pairs == 6000
    (problem,) = found.coverage.problems
    assert (problem.file, problem.rows, problem.is_counted) == ("dt=2026-03-01/part-2.parquet", 3000, False)
    assert (found.coverage.files_found, found.coverage.files_counted) == (3, 2)


def test_a_slice_that_only_some_files_have_is_named_and_its_pairs_are_still_counted(tmp_path: Path) -> None:
    write(tmp_path / "log", pairs(10, slice_device=["ios"] * 10), day="2026-03-01")
    write(tmp_path / "log", pairs(6, day="2026-03-02"), day="2026-03-02")
    found = figures(tmp_path / "log", by="device")
    assert {one.value: one.pairs for one in found.slices} == {"ios": 10, None: 6}
    (problem,) = found.coverage.problems
    assert (problem.file, problem.column) == ("dt=2026-03-02/part-0.parquet", "slice_device")


def test_types_may_differ_between_days(tmp_path: Path) -> None:
    log = tmp_path / "log"
    classes = pa.array([1, 0] * 5)
    decided = {"champion_decision": classes, "candidate_decision": classes, "label": classes}
    write(log, pairs(10, **decided), day="2026-03-01")
    floats = {name: column.cast(pa.float64()) for name, column in decided.items()}
    write(log, pairs(10, day="2026-03-02", **floats, champion_version=pa.array([3.0] * 10)), day="2026-03-02")
    texts = {name: column.cast(pa.string()).dictionary_encode() for name, column in decided.items()}
    write(log, pairs(10, day="2026-03-03", **texts, champion_version=pa.array([3] * 10, pa.uint8())), day="2026-03-03")
    found = figures(log)
    assert found.coverage.problems == ()
    assert found.flow == {"0": {"0": 15}, "1": {"1": 15}}
    assert [(pair.champion, pair.pairs) for pair in found.versions] == [(3, 30)]
    assert found.labels.champion_accuracy.estimate == 1.0


@pytest.mark.parametrize(
    "ts",
    [
        pa.array([0], pa.timestamp("us", "UTC")),
        pa.array([0], pa.timestamp("ns", "Asia/Tokyo")),
        pa.array([0], pa.timestamp("ns")),
        pa.array([0], pa.timestamp("ms", "America/New_York")),
        pa.array([0], pa.timestamp("s")),
        pa.array([0], pa.date32()),
    ],
)
def test_times_of_any_unit_and_zone_are_moments(tmp_path: Path, ts: pa.Array) -> None:
    write(tmp_path / "log", pairs(1, ts=ts))
    found = figures(tmp_path / "log")
    assert found.first_at is not None
    assert found.first_at.isoformat() == "1970-01-01T00:00:00+00:00"
    assert found.days == 1


def test_times_that_nobody_can_tell_are_no_times(tmp_path: Path) -> None:
    far = pa.array([2**62, -(2**62), None, 0], pa.int64()).cast(pa.timestamp("us", "UTC"))
    write(tmp_path / "log", pairs(4, ts=far))
    found = figures(tmp_path / "log")
    assert (found.pairs, found.days) == (4, 1)


def test_paths_that_look_like_patterns_are_paths(tmp_path: Path) -> None:
    log = tmp_path / "log [1] *"
    path = log / "dt=2026-03-01" / "part-?'.parquet"
    write(log, pairs(4)).rename(path)
    write(log, pairs(3, day="2026-03-02"), day="2026-03-02", part="x")
    assert figures(log).pairs == 7


def test_progress_is_told_in_rows(tmp_path: Path) -> None:
    log = write_days(tmp_path / "log", days=3, rows=10)
    told: list[tuple[int, int]] = []
    read_log(log, engine=DuckDbEngine(), home=tmp_path, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (30, 30)
    assert told == sorted(told)


def test_what_is_not_read_yet_is_not_waited_for(tmp_path: Path) -> None:
    log = write_days(tmp_path / "log", days=1)
    assert find_log_state(log, engine="duckdb", home=tmp_path) is None
    state = read(log, tmp_path).state
    found = find_log_state(log, engine="duckdb", home=tmp_path)
    assert found is not None
    assert_same(found.state, state)
    write(log, pairs(3, seed=8), part="1")
    assert find_log_state(log, engine="duckdb", home=tmp_path) is None


def test_a_batch_with_a_corrupt_file_is_built_without_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for part in range(5):
        write(log, pairs(10, seed=part), part=str(part))
    found = read_log(log, engine=Watched("dt=2026-03-01/part-3.parquet"), home=tmp_path)
    assert found.coverage.rows_read == 40
    assert [problem.message for problem in found.coverage.problems] == ["cannot be read: rotten"]


def test_files_are_read_in_batches_of_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.shadow.reading._BATCH_FILES", 2)
    log = tmp_path / "log"
    for part in range(5):
        write(log, pairs(10, seed=part), part=str(part))
    small: Engine = DuckDbEngine()
    small.batch_rows = 15
    found = read_log(log, engine=small, home=tmp_path / "a").state
    assert_same(without_atoms(found), without_atoms(read(log, tmp_path / "b").state))


def test_states_that_are_damaged_or_lost_are_made_again(tmp_path: Path) -> None:
    log = write_days(tmp_path / "log", days=2)
    whole = read(log, tmp_path).state
    folder = StateFolder(tmp_path, log, "duckdb").path
    states = sorted(folder.glob("*.state"))
    for damage in (
        lambda: states[0].write_bytes(states[0].read_bytes()[:50]),
        lambda: shutil.rmtree(folder),
        lambda: (folder / "index.json").write_text("{"),
        lambda: (folder / "index.json").write_text('{"layout": "another", "entries": []}'),
        lambda: (folder / "merged.state").write_bytes(b""),
        lambda: shutil.rmtree(folder),
    ):
        damage()
        (folder / "merged.state").unlink(missing_ok=True)
        assert_same(read(log, tmp_path).state, whole)


def test_states_of_files_that_are_gone_are_removed_once_they_are_old(tmp_path: Path) -> None:
    log = write_days(tmp_path / "log", days=2)
    read(log, tmp_path)
    folder = StateFolder(tmp_path, log, "duckdb").path
    for path in folder.glob("*.state"):
        os.utime(path, (0, 0))
    write(log, pairs(3, day="2026-03-02", seed=5), day="2026-03-02")
    read(log, tmp_path)
    assert len(list(folder.glob("*.state"))) == 3


def test_a_log_that_changes_while_it_is_read_is_a_conflict(tmp_path: Path) -> None:
    log = write_days(tmp_path / "log", days=1)

    class Sweeping(DuckDbEngine):
        @contextmanager
        def open(self, plans: Sequence[FilePlan], slices: Sequence[str], *, is_distinct: bool) -> Iterator[Relation]:
            if not slices:
                raise FilesUnreadable("it was here a moment ago")
            with super().open(plans, slices, is_distinct=is_distinct) as relation:
                yield relation

    with pytest.raises(Conflict, match="changed while it was read"):
        read_log(log, engine=Sweeping(), home=tmp_path)


def test_states_that_cannot_be_kept_are_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "shadow-states").write_text("in the way")
    with pytest.raises(Unavailable, match="cannot be kept"):
        read(write_days(tmp_path / "log", days=1), tmp_path)


def test_an_engine_nobody_knows_is_refused() -> None:
    from services.errors import InvalidInput

    with pytest.raises(InvalidInput, match="'polars'"):
        open_engine("polars")
    assert open_engine("duckdb").name == "duckdb"


def test_an_engine_without_memory_says_so(tmp_path: Path) -> None:
    write(tmp_path / "log", pairs(200_000, slice_id=[f"{row:0100}" for row in range(200_000)]))
    engine = DuckDbEngine()
    engine._database.execute("SET memory_limit = '10MB'; SET max_temp_directory_size = '0B'")
    with pytest.raises(Unavailable, match="memory"):
        read_log(tmp_path / "log", engine=engine, home=tmp_path)
