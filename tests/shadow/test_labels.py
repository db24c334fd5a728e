"""Late labels reach the pairs they are about, and no other file is touched."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.errors import InvalidInput, NotFound
from services.shadow.labels import join_labels
from tests.shadow.builders import figures, pairs, read, without, write

DAY = date(2026, 3, 1)


def labels(**told: str) -> pa.Table:
    return pa.table({"request_id": list(told), "label": list(told.values())})


def ids(rows: int, day: str = "2026-03-01", seed: int = 1) -> list[str]:
    return [f"{day}-{seed}-{row}" for row in range(rows)]


def test_labels_are_joined_by_request_and_counted_for_what_they_change(tmp_path: Path) -> None:
    write(tmp_path, pairs(4, label=pa.array([None, "allow", "allow", None], pa.string())), row_group_size=2)
    told = dict(zip(ids(3), ["block", "block", "allow"], strict=True))
    report = join_labels(tmp_path, labels(**told, unknown="block"), days=[DAY])
    assert (report.labelled, report.relabelled, report.unchanged, report.unmatched) == (1, 1, 1, 1)
    (path,) = report.files
    assert pq.read_table(path).column("label").to_pylist() == ["block", "block", "allow", None]
    assert pq.read_metadata(path).num_row_groups == 2


def test_only_days_that_are_named_and_files_that_hold_a_request_are_rewritten(tmp_path: Path) -> None:
    for day, part in (("2026-03-01", "0"), ("2026-03-01", "1"), ("2026-03-02", "0")):
        write(tmp_path, pairs(5, seed=int(part) + 1, label=pa.nulls(5, pa.string())), day=day, part=part)
    read(tmp_path)
    report = join_labels(tmp_path, labels(**{ids(1)[0]: "block"}), days=[DAY])
    assert [path.relative_to(tmp_path).as_posix() for path in report.files] == ["dt=2026-03-01/part-0.parquet"]
    again = figures(tmp_path)
    assert again.coverage.changed == ("dt=2026-03-01/part-0.parquet",)
    assert again.labels.labelled == 1


def test_labels_that_change_nothing_rewrite_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, pairs(2, label=["a", "b"]))
    before = path.stat().st_mtime_ns
    report = join_labels(tmp_path, labels(**dict(zip(ids(2), "ab", strict=True))), days=[DAY])
    assert (report.unchanged, report.files, path.stat().st_mtime_ns) == (2, (), before)


def test_a_file_without_the_column_gains_it(tmp_path: Path) -> None:
    path = write(tmp_path, without(pairs(2), "label"))
    join_labels(tmp_path, labels(**{ids(2)[1]: "block"}), days=[DAY])
    assert pq.read_table(path).column("label").to_pylist() == [None, "block"]


def test_a_column_of_numbers_becomes_text(tmp_path: Path) -> None:
    path = write(tmp_path, pairs(2, label=pa.array([1, None], pa.int64())))
    join_labels(tmp_path, labels(**{ids(2)[1]: "0"}), days=[DAY])
    assert pq.read_table(path).column("label").to_pylist() == ["1", "0"]


def test_a_request_has_one_label(tmp_path: Path) -> None:
    table = pa.table({"request_id": ["a", "a"], "label": ["x", "y"]})
    with pytest.raises(InvalidInput, match="'a' has two labels"):
        join_labels(tmp_path, table, days=[DAY])


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"request_id": ["a"], "label": pa.nulls(1, pa.string())}),
        pa.table({"request_id": pa.nulls(1, pa.string()), "label": ["x"]}),
        pa.table({"request_id": ["a"]}),
    ],
)
def test_labels_need_both_columns_filled(tmp_path: Path, table: pa.Table) -> None:
    with pytest.raises(InvalidInput, match=r"missing|cannot be read"):
        join_labels(tmp_path, table, days=[DAY])


def test_a_corrupt_file_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    path = write(tmp_path, pairs(2))
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(InvalidInput, match=r"part-0\.parquet"):
        join_labels(tmp_path, labels(a="x"), days=[DAY])
    assert path.read_bytes() == b"PAR1 and no more"


def test_a_log_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        join_labels(tmp_path / "nowhere", labels(a="x"), days=[DAY])


def test_a_day_without_files_matches_nothing(tmp_path: Path) -> None:
    assert join_labels(tmp_path, labels(a="x"), days=[DAY]).unmatched == 1
