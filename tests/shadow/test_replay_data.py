"""Data files are parted into what the model sees and what describes a request, whatever their format."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.errors import InvalidInput, NotFound
from services.shadow.replay_data import DataChunk, Described, as_text, count_rows, digest_file, read_chunks

ROWS = [
    {"request_id": "a", "ts": "2026-03-01T10:00:00+02:00", "amount": 1.5, "country": "DE", "label": 1, "slice_x": "u"},
    {"request_id": "b", "ts": "2026-03-02T10:00:00Z", "amount": 2.5, "country": "FR", "label": 0, "slice_x": "v"},
    {"request_id": "c", "ts": "2026-03-02T11:00:00", "amount": 3.5, "country": "=1+1", "label": 1, "slice_x": ""},
]


def write_data(folder: Path, suffix: str) -> Path:
    path = folder / f"data{suffix}"
    if suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in ROWS) + "\n\n")
    elif suffix == ".csv":
        pd.DataFrame(ROWS).to_csv(path, index=False)
    else:
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    return path


def chunks(path: Path, described: Described | None = None, *, rows: int = 2) -> list[tuple[DataChunk, str]]:
    folder = path.parent / "work"
    folder.mkdir()
    return [
        (chunk, _names(chunk.path)) for chunk in read_chunks(path, described or Described(), rows=rows, folder=folder)
    ]


def _names(path: Path) -> str:
    if path.suffix == ".parquet":
        return ",".join(pq.read_schema(path).names)
    if path.suffix == ".csv":
        return path.read_text().splitlines()[0]
    return ",".join(json.loads(path.read_text().splitlines()[0]))


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_every_format_gives_the_same_chunks(tmp_path: Path, suffix: str) -> None:
    found = chunks(write_data(tmp_path, suffix), Described(slices=("country",)))
    assert [(chunk.index, chunk.first_row, chunk.rows) for chunk, _ in found] == [(0, 0, 2), (1, 2, 1)]
    assert {names for _, names in found} == {"amount,country"}
    described = pa.concat_tables([chunk.described for chunk, _ in found])
    assert described.column("request_id").to_pylist() == ["a", "b", "c"]
    assert described.column("label").to_pylist() == ["1", "0", "1"]
    assert described.column("slice_country").to_pylist() == ["DE", "FR", "=1+1"]
    assert described.column("slice_x").to_pylist() == ["u", "v", None]
    assert described.column("ts").to_pylist() == [
        datetime(2026, 3, 1, 8, tzinfo=UTC),
        datetime(2026, 3, 2, 10, tzinfo=UTC),
        datetime(2026, 3, 2, 11, tzinfo=UTC),
    ]


@pytest.mark.parametrize(
    "kind", [pa.date32(), pa.timestamp("ns"), pa.timestamp("s", "Asia/Tokyo"), pa.timestamp("us", "UTC")]
)
def test_times_of_parquet_files_are_moments_whatever_their_type(tmp_path: Path, kind: pa.DataType) -> None:
    path = tmp_path / "data.parquet"
    moments = pa.array([datetime(2026, 3, 2, tzinfo=UTC), None], pa.timestamp("us", "UTC"))
    ts = moments.cast(kind) if kind != pa.date32() else pa.array([datetime(2026, 3, 2, tzinfo=UTC).date(), None])
    pq.write_table(pa.table({"a": [1, 2], "ts": ts}), path)
    ((chunk, _),) = chunks(path)
    assert chunk.described.column("ts").to_pylist() == [datetime(2026, 3, 2, tzinfo=UTC), None]


def test_values_of_text_files_reach_the_model_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text('a,b\n007,"x, ""y"""\n,\n')
    folder = tmp_path / "work"
    folder.mkdir()
    for chunk in read_chunks(path, Described(), rows=10, folder=folder):
        assert chunk.path.read_text().splitlines() == ["a,b", '007,"x, ""y"""', ","]


def test_a_label_column_of_another_name_is_no_input(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("amount,is_fraud\n1,1.0\n2,0.0\n")
    ((chunk, names),) = chunks(path, Described(label="is_fraud"))
    assert names == "amount"
    assert chunk.described.column("label").to_pylist() == ["1", "0"]


@pytest.mark.parametrize(
    ("name", "content", "described", "told"),
    [
        ("data.xlsx", b"PK", Described(), "xlsx file cannot be replayed"),
        ("data.parquet", b"PAR1 no more", Described(), "cannot be read"),
        ("data.csv", b"a,b\n1\n", Described(), "cannot be read"),
        ("data.csv", b"a,b\n1,2\n1,2,3\n", Described(), "cannot be read"),
        ("data.csv", b"\xff\xfe\x00", Described(), "cannot be read"),
        ("data.jsonl", b'{"a": 1}\n{"a": \n', Described(), "cannot be read"),
        ("data.csv", b"a\n1\n", Described(label="truth"), "no column 'truth'"),
        ("data.csv", b"a\n1\n", Described(slices=("b",)), "no column 'b'"),
        ("data.csv", b"a,ts\n1,2026-03-01\n1,yesterday\n", Described(), "'yesterday' in the column ts is no time"),
        ("data.csv", b"a,b\n1,2\n\n3\n", Described(), "line 4 has 1 values, and the header 2"),
        ("data.csv", b"a,a\n1,2\n", Described(), "the column a is there twice"),
        ("data.jsonl", b'{"a": 1}\n[2]\n', Described(), "line 2 is no JSON object"),
        ("data.jsonl", b'{"a": 1}\n\n7\n', Described(), "line 3 is no JSON object"),
        ("data.jsonl", b"[" * 100_000, Described(), "line 1 is no JSON"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(
    tmp_path: Path, name: str, content: bytes, described: Described, told: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=told):
        chunks(path, described)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (pa.table([[1], [2]], names=["a", "a"]), "the column a is there twice"),
        (pa.table({"a": [1], "ts": [True]}), "'true' in the column ts is no time"),
        (pa.table({"a": [1], "ts": [1767225600]}), "'1767225600' in the column ts is no time"),
        (pa.table({"a": [1], "label": [[1]]}), "the column label holds list"),
        (pa.table({"a": [1], "slice_x": [b"\xff"]}), "the column slice_x holds binary"),
    ],
)
def test_what_is_wrong_with_a_column_is_told_by_its_name(tmp_path: Path, table: pa.Table, told: str) -> None:
    pq.write_table(table, tmp_path / "data.parquet")
    with pytest.raises(InvalidInput, match=told):
        chunks(tmp_path / "data.parquet")


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a,b\n\n1,2\n\n3,4\n\n")
    ((chunk, _),) = chunks(path)
    assert (chunk.rows, chunk.path.read_text().split()) == (2, ["a,b", "1,2", "3,4"])


def test_a_number_that_is_none_is_no_label(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('{"a": 1, "label": NaN}\n{"a": 1, "label": "NaN"}\n')
    ((chunk, _),) = chunks(path)
    assert chunk.described.column("label").to_pylist() == [None, "NaN"]


def test_a_digest_is_of_the_content_and_needs_a_file(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"x" * 3_000_000)
    other.write_bytes(b"x" * 3_000_000)
    assert digest_file(one) == digest_file(other)
    with pytest.raises(NotFound, match="nowhere"):
        digest_file(tmp_path / "nowhere")
    with pytest.raises(InvalidInput):
        digest_file(tmp_path)


def test_rows_are_counted_in_every_format(tmp_path: Path) -> None:
    assert [count_rows(write_data(tmp_path, suffix)) for suffix in (".parquet", ".csv", ".jsonl")] == [3, 3, 3]
    several = tmp_path / "several.csv"
    several.write_text('a,b\n1,"one\n\ntwo"\n\n2,x\n')
    assert count_rows(several) == sum(chunk.rows for chunk, _ in chunks(several)) == 2
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"nothing")
    assert count_rows(broken) is None


def test_whole_numbers_are_their_digits_and_nothing_is_null() -> None:
    def told(values: list[object]) -> list[str | None]:
        found: list[str | None] = as_text(pa.chunked_array([pa.array(values)])).to_pylist()
        return found

    assert told([1.0, 0.0, None, float("nan")]) == ["1", "0", None, None]
    assert told([1.5, 2.0]) == ["1.5", "2"]
    assert told([True, False]) == ["true", "false"]
    assert told(["", " ", "ü"]) == [None, " ", "ü"]
    assert as_text(pa.chunked_array([pa.array(["a", "b"]).dictionary_encode()])).to_pylist() == ["a", "b"]
