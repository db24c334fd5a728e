"""What lies in a log is found, told apart from what is none of it, and named where it cannot be read."""

from __future__ import annotations

import math
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.errors import InvalidInput, NotFound
from services.shadow.log_files import FilePlan, Holding, Problem, list_log_files, read_plan
from tests.shadow.builders import changed, figures, pairs, without, write


def plan(tmp_path: Path, table: pa.Table, **options: Any) -> FilePlan | Problem:
    write(tmp_path, table, **options)
    ((file,), _) = list_log_files(tmp_path)
    return read_plan(file)


def test_files_are_found_by_name_at_any_depth(tmp_path: Path) -> None:
    write(tmp_path, pairs(1), day="2026-03-02")
    write(tmp_path / "a" / "b", pairs(1), day="2026-03-01")
    files, problems = list_log_files(tmp_path)
    assert [file.name for file in files] == ["a/b/dt=2026-03-01/part-0.parquet", "dt=2026-03-02/part-0.parquet"]
    assert files[0].partition == "a/b/dt=2026-03-01"
    assert problems == []


def test_one_file_is_a_log_too(tmp_path: Path) -> None:
    path = write(tmp_path / "log", pairs(7))
    assert figures(path).pairs == 7


def test_names_that_readers_pass_over_are_passed_over(tmp_path: Path) -> None:
    for name in (".writing-1.parquet", "_SUCCESS", "_temporary/x.parquet", ".hidden/y.parquet"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    assert list_log_files(tmp_path) == ([], [])


def test_what_is_no_parquet_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    os.mkfifo(tmp_path / "pipe.parquet")
    write(tmp_path / "elsewhere", pairs(1))
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "link.parquet").symlink_to(tmp_path / "elsewhere" / "dt=2026-03-01" / "part-0.parquet")
    (tmp_path / "log" / "folder").symlink_to(tmp_path / "elsewhere")
    _, problems = list_log_files(tmp_path)
    assert {problem.file: problem.message for problem in problems} == {
        "notes.txt": "is no .parquet file",
        "pipe.parquet": "is no regular file",
        "log/link.parquet": "is a symbolic link, which is not followed",
        "log/folder": "is a symbolic link, which is not followed",
    }


def test_a_log_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        list_log_files(tmp_path / "nowhere")
    (tmp_path / "data.csv").write_text("a,b")
    with pytest.raises(InvalidInput, match=r"data\.csv"):
        list_log_files(tmp_path / "data.csv")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_opened_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, pairs(1))
    path.chmod(0)
    (tmp_path / "dt=2026-03-02").mkdir(mode=0)
    _, problems = list_log_files(tmp_path)
    assert {problem.file for problem in problems} == {"dt=2026-03-01/part-0.parquet", "dt=2026-03-02"}


def test_a_file_that_goes_while_we_look_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, pairs(1))

    def vanish(_log: Path, _name: str) -> None:
        path.unlink(missing_ok=True)

    monkeypatch.setattr("services.shadow.log_files._find_misfit", vanish)
    assert list_log_files(tmp_path) == ([], [])


def test_a_change_of_any_kind_changes_the_identity(tmp_path: Path) -> None:
    path = write(tmp_path, pairs(3))
    ((before,), _) = list_log_files(tmp_path)
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    ((after,), _) = list_log_files(tmp_path)
    assert before.identity != after.identity


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\0" * 100 + b"PAR1", b"not parquet at all" * 50])
def test_bytes_that_are_no_parquet_are_a_problem_of_the_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(content)
    ((file,), _) = list_log_files(tmp_path)
    found = read_plan(file)
    assert isinstance(found, Problem)
    assert found.message.startswith("cannot be read as Parquet")
    assert not found.is_counted


@pytest.mark.parametrize("column", ["champion_score", "candidate_score"])
def test_a_score_that_is_no_number_leaves_the_file_out(tmp_path: Path, column: str) -> None:
    found = plan(tmp_path, changed(pairs(2), **{column: ["a", "b"]}))
    assert found == Problem(
        file="dt=2026-03-01/part-0.parquet", column=column, message="holds string, not a number", rows=2
    )


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("champion_decision", [b"x", b"y"], "text"),
        ("candidate_error", [True, False], "text"),
        ("candidate_score", [[0.1], [0.2]], "a number"),
    ],
)
def test_other_essential_columns_of_a_wrong_type_do_too(
    tmp_path: Path, column: str, values: list[object], expected: str
) -> None:
    found = plan(tmp_path, changed(pairs(2), **{column: values}))
    assert isinstance(found, Problem)
    assert (found.column, found.is_counted) == (column, False)
    assert found.message.endswith(f"not {expected}")


@pytest.mark.parametrize(
    ("column", "values"),
    [("ts", ["2026-03-01", "x"]), ("candidate_latency_ms", ["1", "2"]), ("label", [[1], [2]]), ("slice_x", [b"", b""])],
)
def test_any_other_column_of_a_wrong_type_is_read_as_null_and_named(
    tmp_path: Path, column: str, values: list[object]
) -> None:
    found = plan(tmp_path, changed(pairs(2), **{column: values}))
    assert isinstance(found, FilePlan)
    assert column not in found.columns
    assert [(problem.column, problem.is_counted) for problem in found.problems] == [(column, True)]


def test_a_missing_column_is_read_as_null_and_named(tmp_path: Path) -> None:
    found = plan(tmp_path, without(pairs(2), "candidate_latency_ms"))
    assert isinstance(found, FilePlan)
    (problem,) = found.problems
    assert (problem.column, problem.message) == ("candidate_latency_ms", "is missing; read as null")


def test_a_side_without_score_and_decision_leaves_the_file_out(tmp_path: Path) -> None:
    found = plan(tmp_path, without(pairs(2), "candidate_score", "candidate_decision"))
    assert isinstance(found, Problem)
    assert found.column == "candidate_score"
    assert "candidate_decision" in found.message


def test_a_column_that_is_there_twice_leaves_the_file_out(tmp_path: Path) -> None:
    found = plan(tmp_path, pairs(2, Champion_Score=[0.1, 0.2]))
    assert isinstance(found, Problem)
    assert found.column == "champion_score"


def test_columns_that_are_none_of_the_log_do_not_matter(tmp_path: Path) -> None:
    found = plan(tmp_path, pairs(2, weather=[[1], [2]]))
    assert isinstance(found, FilePlan)
    assert found.problems == ()


def test_dictionaries_hold_what_their_values_are(tmp_path: Path) -> None:
    table = pairs(2, slice_country=pa.array(["a", "b"]).dictionary_encode())
    found = plan(tmp_path, table)
    assert isinstance(found, FilePlan)
    assert found.columns["slice_country"] is Holding.TEXT


def test_versions_and_absent_texts_are_known_from_the_statistics(tmp_path: Path) -> None:
    found = plan(tmp_path, pairs(4), row_group_size=2)
    assert isinstance(found, FilePlan)
    assert found.constants == {
        "champion_version": 3,
        "candidate_version": 4,
        "champion_error": None,
        "candidate_error": None,
    }
    assert found.find_versions() == (3, 4)


def test_what_varies_or_is_not_told_is_no_constant(tmp_path: Path) -> None:
    errors = pa.array([None, None, None, "x"], pa.string())
    found = plan(tmp_path, pairs(4, champion_version=[3, 3, 3, 5], candidate_error=errors), row_group_size=2)
    assert isinstance(found, FilePlan)
    assert found.constants == {"candidate_version": 4, "champion_error": None}
    assert found.find_versions() is None
    assert found.blank == frozenset()


def test_without_statistics_nothing_is_assumed(tmp_path: Path) -> None:
    found = plan(tmp_path, pairs(4, candidate_error=[None, "", "x", None]), write_statistics=False)
    assert isinstance(found, FilePlan)
    assert found.constants == {}
    assert found.blank == {"champion_error", "candidate_error"}


def test_an_empty_error_text_is_noticed(tmp_path: Path) -> None:
    found = plan(tmp_path, pairs(3, candidate_error=[None, "", "x"]))
    assert isinstance(found, FilePlan)
    assert found.blank == {"candidate_error"}


def doubts(tmp_path: Path, table: pa.Table, **options: Any) -> list[tuple[str | None, int | None]]:
    found = plan(tmp_path, table, **options)
    assert isinstance(found, FilePlan)
    assert all(problem.is_counted for problem in found.problems)
    return [(problem.column, problem.rows) for problem in found.problems]


@pytest.mark.parametrize(
    ("versions", "odd"),
    [
        (pa.array([3.0, 3.5, math.inf, -1e300, math.nan, None, -0.0, 1e15]), 3),
        (pa.array([3, 2**63, 2**64 - 1, 2**63 - 1], pa.uint64()), 2),
        (pa.array([2**63 + 5] * 4, pa.uint64()), 4),
        (pa.array([3, 2**63 + 5, 3, 3], pa.uint64()).dictionary_encode(), 1),
        (pa.array([Decimal("3.5"), Decimal(3)], pa.decimal128(38, 1)), 1),
        (pa.array([2**63 - 1, -(2**63)], pa.int64()), 0),
        (pa.array([3, 4], pa.uint64()), 0),
    ],
)
def test_a_version_that_is_no_whole_number_is_counted_and_named(tmp_path: Path, versions: pa.Array, odd: int) -> None:
    table = pairs(len(versions), champion_version=versions, candidate_version=[4] * len(versions))
    found = [(column, rows) for column, rows in doubts(tmp_path, table) if rows != versions.null_count]
    assert found == ([("champion_version", odd)] if odd else [])
    counted = figures(tmp_path).versions
    assert sum(pair.pairs for pair in counted if pair.champion is None) >= odd
    assert sum(pair.pairs for pair in counted) == len(versions)


@pytest.mark.parametrize("column", ["request_id", "ts", "champion_version", "candidate_version"])
def test_rows_that_do_not_say_what_counting_rests_on_are_counted_and_named(tmp_path: Path, column: str) -> None:
    values = pairs(4).column(column).to_pylist()
    table = changed(pairs(4), **{column: pa.array([None, *values[1:3], None], pairs(4).schema.field(column).type)})
    assert doubts(tmp_path, table) == [(column, 2)]
    assert doubts(tmp_path, changed(pairs(4), **{column: pa.nulls(4)})) == [(column, 4)]


@pytest.mark.parametrize(
    ("times", "named"),
    [
        (pa.array([0, 86_399_999_999], pa.timestamp("us", "UTC")), []),
        (pa.array([0, 86_400_000_000], pa.timestamp("us", "UTC")), ["another day"]),
        (pa.array([-1, 0], pa.timestamp("us", "Asia/Tokyo")), ["another day"]),
        (pa.array([0, 86_399_999_999_999], pa.timestamp("ns", "UTC")), []),
        (pa.array([-1, 0], pa.timestamp("ns", "UTC")), ["another day"]),
        (pa.array([0, 86_399_999], pa.timestamp("ms")), ["no time zone"]),
        (pa.array([0, 1], pa.date32()), ["no time zone", "another day"]),
        (pa.array([0, 2**63 - 1], pa.timestamp("us", "UTC")), ["no year of ours"]),
    ],
)
def test_times_of_no_zone_or_of_another_day_than_the_folder_s_are_named(
    tmp_path: Path, times: pa.Array, named: list[str]
) -> None:
    write(tmp_path, pairs(2, ts=times), day="1970-01-01")
    ((file,), _) = list_log_files(tmp_path)
    found = read_plan(file)
    assert isinstance(found, FilePlan)
    assert len(found.problems) == len(named)
    for problem, told in zip(found.problems, named, strict=True):
        assert (problem.column, problem.is_counted) == ("ts", True)
        assert told in problem.message


@pytest.mark.parametrize("day", ["2026-13-45", "2026-02-30", "yesterday"])
def test_a_folder_of_no_day_has_times_of_no_other(tmp_path: Path, day: str) -> None:
    write(tmp_path, pairs(2), day=day)
    ((file,), _) = list_log_files(tmp_path)
    found = read_plan(file)
    assert isinstance(found, FilePlan)
    assert found.problems == ()


def test_times_that_stand_in_a_dictionary_are_times(tmp_path: Path) -> None:
    times = pa.array([0, 86_400_000_000], pa.timestamp("us", "UTC")).dictionary_encode()
    write(tmp_path / "log", pairs(2, ts=times), day="1970-01-01")
    found = figures(tmp_path / "log")
    assert found.days == 2
    assert [problem.column for problem in found.coverage.problems] == ["ts"]


def test_times_of_a_log_without_days_are_of_no_other_day(tmp_path: Path) -> None:
    pq.write_table(pairs(2), tmp_path / "part-0.parquet")
    ((file,), _) = list_log_files(tmp_path)
    found = read_plan(file)
    assert isinstance(found, FilePlan)
    assert found.problems == ()


@pytest.mark.parametrize("column", ["label", "champion_error", "slice_country", "candidate_decision"])
def test_text_that_is_none_is_the_problem_of_its_column(tmp_path: Path, column: str) -> None:
    bytes_ = pa.array([b"\xff\xfe"] * 5, pa.binary())
    bad = pa.Array.from_buffers(pa.string(), 5, bytes_.buffers())
    write(tmp_path / "log", pairs(5, **{column: bad}))
    write(tmp_path / "log", pairs(7, seed=2), part="1")
    found = figures(tmp_path / "log")
    assert found.pairs == 7
    (problem,) = found.coverage.problems
    assert (problem.file, problem.column, problem.rows) == ("dt=2026-03-01/part-0.parquet", column, 5)
    assert str(tmp_path) not in problem.message
