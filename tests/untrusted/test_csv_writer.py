import csv
import io
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.untrusted.csv_writer import neutralise, write_csv


def written(*rows: list[Any], header: list[str] | None = None) -> str:
    out = io.StringIO()
    write_csv(out, header=header or ["a", "b"], rows=rows)
    return out.getvalue()


@pytest.mark.parametrize(
    "formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "\u00a0=1", "\uff1d1", "\uff0b1"]
)
def test_a_text_that_a_spreadsheet_would_run_gets_an_apostrophe(formula: str) -> None:
    assert neutralise(formula) == f"'{formula}"


@pytest.mark.parametrize("text", ["", " ", "a=b", "fraud_detector", "'quoted", "1-2"])
def test_other_text_is_left_alone(text: str) -> None:
    assert neutralise(text) == text


def test_every_kind_of_cell_has_one_form() -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    row = [None, True, -1.5, -3, float("nan"), moment, {"b": 1, "a": [2]}, ("=x",)]
    assert written(row, header=list("abcdefgh")).splitlines()[1] == (
        '"","true",-1.5,-3,"nan","2026-01-02T00:00:00.000000Z","{""a"": [2], ""b"": 1}","[""=x""]"'
    )


def test_headers_are_neutralised_too_and_rows_are_counted() -> None:
    out = io.StringIO()
    assert write_csv(out, header=["=cmd"], rows=[["a"], ["b"]]) == 2
    assert out.getvalue() == '"\'=cmd"\r\n"a"\r\n"b"\r\n'


@given(st.lists(st.lists(st.text(st.characters(exclude_characters="\x00")), min_size=2, max_size=2), max_size=5))
def test_what_is_written_reads_back_and_no_cell_is_a_formula(rows: list[list[str]]) -> None:
    read = list(csv.reader(io.StringIO(written(*rows), newline="")))[1:]
    assert [
        [cell.removeprefix("'") if cell != was else cell for cell, was in zip(got, row, strict=True)]
        for got, row in zip(read, rows, strict=True)
    ] == rows
    assert not any(
        cell.lstrip(" \u00a0")[:1] in set("=+-@\t\r\n") for row in read for cell in row if cell.strip(" \u00a0")
    )
