from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.lineage.attachments import AttachmentKind, read_attachment
from services.lineage.card_blocks import BlockKind, read_blocks


@pytest.mark.parametrize(
    ("path", "content", "kind"),
    [
        ("a.png", b"\x89PNG\r\n\x1a\nrest", AttachmentKind.PICTURE),
        ("a.txt", b"\xff\xd8\xffrest", AttachmentKind.PICTURE),
        ("a.png", b"<svg onload=alert(1)>", AttachmentKind.TEXT),
        ("a.csv", b"a,b\n1,2\n", AttachmentKind.TABLE),
        ("a.tsv", b"a\tb\n1\t2\n", AttachmentKind.TABLE),
        ("a.csv", b'a,"b' + b"x" * 200_000, AttachmentKind.TEXT),
        ("a.pkl", b"\x80\x04\x95", AttachmentKind.BINARY),
        ("a.txt", b"text\x00more", AttachmentKind.BINARY),
        ("a", b"", AttachmentKind.TEXT),
    ],
)
def test_the_content_says_how_a_file_is_shown(path: str, content: bytes, kind: AttachmentKind) -> None:
    assert read_attachment(path, content).kind is kind


def test_a_picture_keeps_its_bytes_and_nothing_else_does() -> None:
    assert read_attachment("a.png", b"\xff\xd8\xffx").content == b"\xff\xd8\xffx"
    assert read_attachment("a.html", b"<html>").content == b""


@pytest.mark.parametrize(
    "content", [b"<svg/>", b"<?xml version='1.0'?><svg/>", b"\xef\xbb\xbf <!DOCTYPE html>", b"<HTML>"]
)
def test_markup_says_that_it_is_not_run(content: bytes) -> None:
    assert read_attachment("a", content).note == "Shown as text: its markup is not run."


def test_a_long_table_is_cut_and_says_so() -> None:
    table = read_attachment("a.csv", b"n\n" + b"1\n" * 500)
    assert len(table.rows) == 201
    assert table.note == "The first 200 of 500 rows."


def test_a_card_is_read_into_blocks() -> None:
    card = "# Title #\n\nOne\ntwo.\n| a | b |\n| --- | :-: |\n| x \\| y | |\n\n1. first\n* second\n~~~\ncode\n"
    blocks = read_blocks(card)
    assert [(block.kind, block.level, block.text, block.rows) for block in blocks] == [
        (BlockKind.HEADING, 1, "Title", ()),
        (BlockKind.PARAGRAPH, 0, "One two. | a | b | | --- | :-: | | x \\| y | |", ()),
        (BlockKind.BULLETS, 0, "", (("first",), ("second",))),
        (BlockKind.CODE, 0, "code", ()),
    ]


def test_a_table_of_a_card_begins_a_block() -> None:
    (block,) = read_blocks("| a | b |\r\n| --- | --- |\r\n| x \\| y | 2 |\r\n")
    assert block.kind is BlockKind.TABLE
    assert block.rows == (("a", "b"), ("x | y", "2"))


@given(st.text(alphabet="#|-*`~ \n1.a\\:", max_size=200))
def test_any_text_is_read_to_its_end_and_loses_no_letter(card: str) -> None:
    blocks = read_blocks(card)
    kept = sum(block.text.count("a") + sum(cell.count("a") for row in block.rows for cell in row) for block in blocks)
    fences = sum(line.count("a") for line in card.split("\n") if line.startswith(("```", "~~~")))
    assert kept >= card.count("a") - fences
