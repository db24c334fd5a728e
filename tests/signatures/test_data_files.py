"""Reading and writing of data files, good ones and others."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd
import pytest

from services.errors import InvalidInput, NotFound
from services.signatures import data_files
from services.signatures.data_files import load_data_file, read_chunks, write_data_file

FRAME = pd.DataFrame({"a": [1, 2], "b": ["007", "x"]})


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_tables_are_read_as_pandas_reads_them(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "data.csv", index=False)
    FRAME.to_parquet(tmp_path / "data.PARQUET")
    for name in ("data.csv", "data.PARQUET"):
        frame = load_data_file(tmp_path / name).frame
        assert frame is not None
        pd.testing.assert_frame_equal(frame, FRAME)


def test_columns_of_text_keep_their_zeros(tmp_path: Path) -> None:
    path = written(tmp_path / "data.csv", "id,n\n007,1\n")
    plain, text = load_data_file(path).frame, load_data_file(path, text_columns=["id", "gone"]).frame
    assert plain is not None
    assert text is not None
    assert (plain["id"][0], text["id"][0], text["n"][0]) == (7, "007", 1)


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("records.json", '[{"a": 1, "b": "007"}, {"a": 2, "b": "x"}]'),
        ("split.json", '{"columns": ["a", "b"], "data": [[1, "007"], [2, "x"]]}'),
        ("lines.jsonl", '{"a": 1, "b": "007"}\n\n{"a": 2, "b": "x"}\n'),
        ("lines.jsonl", '{"a": 1, "b": "007"}\r\n{"a": 2, "b": "x"}\r\n'),
    ],
)
def test_json_of_rows_is_a_table(tmp_path: Path, name: str, document: str) -> None:
    frame = load_data_file(written(tmp_path / name, document)).frame
    assert frame is not None
    pd.testing.assert_frame_equal(frame, FRAME)


@pytest.mark.parametrize("form", ["dataframe_split", "dataframe_records", "inputs", "instances"])
def test_requests_stay_requests(tmp_path: Path, form: str) -> None:
    found = load_data_file(written(tmp_path / "request.json", json.dumps({form: [1], "params": {}})))
    assert found.request == {form: [1], "params": {}}
    assert found.frame is None


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("data.xlsx", "x", "not a kind of data file"),
        ("data", "x", "not a kind of data file"),
        ("data.csv", "", "cannot be read as csv"),
        ("data.csv", 'a,b\n1,"2\n', "cannot be read as csv"),
        ("data.parquet", "PAR1", "cannot be read as parquet"),
        ("data.json", "{", "cannot be read as json"),
        ("data.json", "[" * 100_000, "cannot be read as json"),
        ("data.json", '{"a": 1}', "neither a list of records"),
        ("data.json", '{"columns": ["a"], "data": [[1, 2]]}', "cannot be read as json"),
        ("data.json", "5", "neither a list of records"),
        ("data.jsonl", "{\n", "cannot be read as jsonl"),
    ],
)
def test_other_files_are_refused_in_one_sentence(tmp_path: Path, name: str, text: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as caught:
        load_data_file(written(tmp_path / name, text))
    assert "\n" not in caught.value.message
    assert caught.value.next_step


def test_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_bytes(b"a\n\xff\xfe\n")
    with pytest.raises(InvalidInput, match="cannot be read"):
        load_data_file(tmp_path / "data.csv")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no file"):
        load_data_file(tmp_path / "gone.csv")
    with pytest.raises(InvalidInput, match="is not a file"):
        load_data_file(tmp_path)
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(InvalidInput, match="is not a file"):
        load_data_file(tmp_path / "pipe.csv")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidInput, match="cannot be opened"):
        load_data_file(tmp_path / "file" / "data.csv")


def test_files_beyond_the_limits_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FRAME.to_csv(tmp_path / "data.csv", index=False)
    FRAME.to_parquet(tmp_path / "data.parquet")
    monkeypatch.setattr(data_files, "MAX_COLUMNS", 1)
    with pytest.raises(InvalidInput, match="2 columns, more than the 1"):
        load_data_file(tmp_path / "data.csv")
    monkeypatch.setattr(data_files, "MAX_TABLE_BYTES", 10)
    with pytest.raises(InvalidInput, match="bytes, more than the 10"):
        load_data_file(tmp_path / "data.csv")


def test_a_parquet_file_that_unpacks_to_more_than_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data.parquet"
    pd.DataFrame({"a": [f"{index:020d}" for index in range(20_000)]}).to_parquet(path, compression="zstd")
    monkeypatch.setattr(data_files, "MAX_TABLE_BYTES", path.stat().st_size)
    with pytest.raises(InvalidInput, match="unpacks to"):
        load_data_file(path)


@pytest.mark.parametrize("name", ["data.csv", "data.parquet", "data.json"])
def test_large_files_are_read_in_parts(tmp_path: Path, name: str) -> None:
    write_data_file(pd.DataFrame({"a": range(5), "b": ["01"] * 5}), tmp_path / name)
    parts = list(read_chunks(tmp_path / name, text_columns=["b"], rows=2))
    assert [len(part) for part in parts] == [2, 2, 1]
    assert pd.concat(parts)["a"].tolist() == [0, 1, 2, 3, 4]
    assert pd.concat(parts)["b"].tolist() == ["01"] * 5


def test_files_that_have_no_parts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is a request"):
        list(read_chunks(written(tmp_path / "data.json", '{"inputs": [1]}')))
    for name in ("gone.csv", "gone.parquet", "gone.json"):
        with pytest.raises(NotFound, match=name):
            list(read_chunks(tmp_path / name))
    with pytest.raises(InvalidInput, match="cannot be read as csv"):
        list(read_chunks(written(tmp_path / "empty.csv", "")))
    with pytest.raises(InvalidInput, match="cannot be read as parquet"):
        list(read_chunks(written(tmp_path / "bad.parquet", "x")))


@pytest.mark.parametrize("name", ["out.csv", "out.parquet", "out.json"])
def test_what_is_written_is_read_back(tmp_path: Path, name: str) -> None:
    write_data_file(FRAME, tmp_path / name)
    frame = load_data_file(tmp_path / name, text_columns=["b"]).frame
    assert frame is not None
    pd.testing.assert_frame_equal(frame, FRAME)


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="not a kind of data file that is written"):
        write_data_file(FRAME, tmp_path / "out.xlsx")
    with pytest.raises(InvalidInput, match="cannot be written"):
        write_data_file(FRAME, tmp_path / "gone" / "out.csv")
    with pytest.raises(InvalidInput, match="cannot be written"):
        write_data_file(pd.DataFrame({"a": [1, "x"]}, dtype=object), tmp_path / "out.parquet")


def test_a_line_is_what_ends_with_a_newline(tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_text('{"a": "one\u2028two\x85"}\n{"a": "three"}\n', encoding="utf-8")
    frame = load_data_file(tmp_path / "data.jsonl").frame
    assert frame is not None
    assert list(frame["a"]) == ["one\u2028two\x85", "three"]
