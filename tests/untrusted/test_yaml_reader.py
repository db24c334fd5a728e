import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.untrusted.yaml_reader import MAX_DEPTH, MAX_NODES, YamlInvalid, join_path, parse_path, read_yaml


def problems_of(text: str | bytes, **limits: int) -> list[tuple[int, str, str]]:
    with pytest.raises(YamlInvalid) as raised:
        read_yaml(text, **limits)
    return [(problem.line, problem.path, problem.message) for problem in raised.value.problems]


def test_plain_data_comes_back_as_the_core_schema_reads_it() -> None:
    text = """
name: fraud_detector
limits: {low: 0.25, high: 1e-3, count: 12, mask: 0x1F, mode: 0o17}
enabled: true
nothing: ~
also_nothing:
when: 2026-01-02
time: 12:30
note: "no"
text: |
  two
  lines
list: [1, -2, +3, .5]
"""
    assert read_yaml(text).data == {
        "name": "fraud_detector",
        "limits": {"low": 0.25, "high": 0.001, "count": 12, "mask": 31, "mode": 15},
        "enabled": True,
        "nothing": None,
        "also_nothing": None,
        "when": "2026-01-02",
        "time": "12:30",
        "note": "no",
        "text": "two\nlines\n",
        "list": [1, -2, 3, 0.5],
    }


def test_an_empty_text_is_nothing() -> None:
    assert read_yaml("").data is None
    assert read_yaml("# only a comment\n").line_of("anything") == 1


def test_bytes_may_begin_with_a_byte_order_mark() -> None:
    assert read_yaml(b"\xef\xbb\xbfa: 1").data == {"a": 1}


def test_keys_are_always_text() -> None:
    assert read_yaml("{1: a, true: b, 2.0: c}").data == {"1": "a", "true": "b", "2.0": "c"}


@pytest.mark.parametrize("word", ["no", "No", "NO", "yes", "on", "OFF"])
def test_a_word_that_some_readers_take_for_a_truth_value_is_refused_unless_quoted(word: str) -> None:
    [(line, path, message)] = problems_of(f"a: 1\ncountry: {word}")
    assert (line, path) == (2, "country")
    assert "write true or false" in message
    assert read_yaml(f"country: '{word}'").data == {"country": word}


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("010", "octal"),
        ("-007", "octal"),
        ("1_000", "without _"),
        (".inf", "finite"),
        ("-.INF", "finite"),
        (".nan", "finite"),
        ("1e999", "larger"),
        ("9007199254740993", "larger"),
        ("9" * 5000, "larger"),
    ],
)
def test_a_number_that_cannot_be_taken_exactly_is_refused_unless_quoted(number: str, why: str) -> None:
    [(line, path, message)] = problems_of(f"limits:\n- {number}")
    assert (line, path) == (2, "limits[0]")
    assert why in message
    assert read_yaml(f'"{number}"').data == number


def test_every_problem_is_reported_with_its_line_and_path() -> None:
    text = "a: no\nb:\n- c: 010\n- c: 1\n  c: 2\nd: !!python/object:os.system x\n"
    assert [(line, path) for line, path, _ in problems_of(text)] == [(1, "a"), (3, "b[0].c"), (5, "b[1].c"), (6, "d")]


def test_a_key_twice_is_refused_and_says_where_it_was_first() -> None:
    [(line, path, message)] = problems_of("limit: 1\nother: 2\nlimit: 3\n")
    assert (line, path) == (3, "limit")
    assert "first in line 1" in message


def test_anchors_aliases_and_merge_keys_are_refused() -> None:
    messages = [message for _, _, message in problems_of("base: &b {x: 1}\nuse: *b\nmerged:\n  <<: {y: 2}\n")]
    assert ["aliases" in message or "merge" in message for message in messages] == [True, True, True]


def test_a_quoted_merge_key_is_a_key() -> None:
    assert read_yaml('"<<": 1').data == {"<<": 1}


def test_a_tab_that_indents_is_named() -> None:
    [(line, _, message)] = problems_of("a:\n\tb: 1\n")
    assert (line, message) == (2, "a tab is used to indent; use spaces")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [1,", 1),
        ("a: 1\nb: : 2", 2),
        ("a: 1\n---\nb: 2", 2),
        ("a: 1\n? [1, 2]\n: x", 2),
        ("a: 1\nb: \x07", 2),
        ("%NOPE 1\n", 1),
        ("\ud800", 1),
    ],
)
def test_what_is_no_yaml_is_refused_with_its_line(text: str, line: int) -> None:
    assert problems_of(text)[0][0] == line


def test_bytes_that_are_not_utf_8_are_refused_with_their_line() -> None:
    assert problems_of(b"a: 1\nb: \xff")[0][0] == 2


def test_a_text_that_is_too_long_is_refused() -> None:
    assert "more than the 10" in problems_of("a: 1234567890", max_bytes=10)[0][2]
    assert "262144" in problems_of("#" * 300_000)[0][2]


def test_depth_is_limited() -> None:
    assert read_yaml("[" * MAX_DEPTH + "]" * MAX_DEPTH).data is not None
    assert "deep" in problems_of("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))[0][2]


def test_the_number_of_values_is_limited() -> None:
    assert len(read_yaml("[" + "a," * (MAX_NODES - 2) + "a]").data or ()) == MAX_NODES - 1  # type: ignore[arg-type]
    assert "more than 20000" in problems_of("[" + "a," * MAX_NODES + "a]")[0][2]


@pytest.mark.parametrize(
    "bomb",
    ["[" * 20_000, "{" * 250_000, "- " * 120_000, "? " * 120_000, ":" * 250_000, "&a " * 80_000, "!" * 200_000],
    ids=["brackets", "braces", "dashes", "questions", "colons", "anchors", "tags"],
)
def test_a_bomb_is_refused_before_it_costs_anything(bomb: str) -> None:
    started = time.process_time()
    problems_of(bomb)
    assert time.process_time() - started < 1


def test_no_more_problems_are_listed_than_somebody_reads() -> None:
    assert len(problems_of("[" + "no," * 5000 + "no]")) == 100


def test_the_line_of_a_value_is_found_by_path_and_by_location() -> None:
    document = read_yaml("gates:\n- metric: auc\n  threshold: 0.9\n- metric: f1\n  threshold:\n    0.8\n")
    assert document.line_of("gates[0].threshold") == 3
    assert document.line_of(("gates", 1, "threshold")) == 5
    assert document.line_of("gates[1].missing") == 4
    assert document.line_of("") == 1


def test_steps_that_name_nothing_are_passed_over() -> None:
    document = read_yaml("gates:\n- metric: auc\n")
    assert document.path_of(("gates", 0, "MetricGate", "metric")) == "gates[0].metric"


@given(st.lists(st.one_of(st.text(min_size=1), st.integers(0, 1000)), max_size=6))
def test_a_path_reads_back_as_the_steps_it_was_written_from(steps: list[str | int]) -> None:
    path = ""
    for step in steps:
        path = join_path(path, step)
    assert parse_path(path) == steps


PRINTABLE = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="\ufeff\ufffe\uffff"))
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | PRINTABLE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PRINTABLE, inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_json_is_yaml_and_reads_back_the_same(value: Any) -> None:
    assert read_yaml(json.dumps(value, ensure_ascii=False)).data == value


@given(st.text() | st.binary())
def test_any_text_is_read_or_refused_and_never_anything_else(text: str | bytes) -> None:
    try:
        lines = [read_yaml(text).line_of("")]
    except YamlInvalid as refusal:
        lines = [problem.line for problem in refusal.problems]
    assert min(lines) >= 1
