"""A form changes one value of a text and leaves every other character alone."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.documents.editing import Field, list_fields, set_value
from services.errors import InvalidInput
from services.gates.policy import GATE_POLICY
from services.untrusted.yaml_reader import read_yaml
from tests.policies.builders import CARDS, GENERAL

FIELDS = [(text, field) for text in (CARDS, GENERAL) for field in list_fields(text)]


def at(text: str, field: Field) -> Any:
    found: Any = read_yaml(text).data
    for step in field.location:
        found = found[step]
    return tuple(found) if isinstance(found, list) else found


def another(field: Field, number: float, texts: tuple[str, ...]) -> bool | float | tuple[str, ...]:
    if isinstance(field.value, bool):
        return not field.value
    return texts if isinstance(field.value, tuple) else number


@settings(deadline=None)
@given(
    st.sampled_from(FIELDS),
    st.floats(-1e6, 1e6),
    st.lists(st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), max_size=8), max_size=4),
)
def test_one_value_changes_and_nothing_else(drawn: tuple[str, Field], number: float, texts: list[str]) -> None:
    text, field = drawn
    value = another(field, number, tuple(texts))
    changed = set_value(text, field.location, value)
    assert at(changed, field) == value
    assert at(set_value(changed, field.location, field.value), field) == field.value
    others = [other for other in list_fields(text) if other.location[: len(field.location)] != field.location]
    assert [at(changed, other) for other in others] == [other.value for other in others]
    assert changed.count("#") - text.count("#") == sum(item.count("#") for item in texts if value == tuple(texts))
    assert len(changed.splitlines()) == len(text.splitlines())


def test_comments_order_quotes_and_blank_lines_stay() -> None:
    text = '# ünïcode\nm:\n  a: 0.70   # why\n\n  "b": [x, y]  # list\n  c: {d: true, e: 1}\n'
    text = set_value(text, ("m", "a"), 0.75)
    text = set_value(text, ("m", "b"), ("x", "z: #"))
    text = set_value(text, ("m", "c", "d"), False)
    assert set_value(text, ("m", "c", "e"), 2) == (
        '# ünïcode\nm:\n  a: 0.75   # why\n\n  "b": ["x", "z: #"]  # list\n  c: {d: false, e: 2}\n'
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [(("C", "D", "E"), '- "C"\n  - "D"\n  - "E"'), ((), "[]")],
)
def test_a_list_in_lines_stays_one(value: tuple[str, ...], expected: str) -> None:
    text = "m:\n  list:\n  - A  # first\n  - B  # last\nn: 1 # next\n"
    assert set_value(text, ("m", "list"), value) == f"m:\n  list:\n  {expected}  # last\nn: 1 # next\n"


def test_whole_numbers_stay_whole_where_they_were_written_so() -> None:
    assert set_value("a: 10\n", ("a",), 20.0) == "a: 20\n"
    assert set_value("a: 1.5\n", ("a",), 2.0) == "a: 2.0\n"


def test_fields_are_called_by_the_names_of_list_items() -> None:
    text = GATE_POLICY.read_default() or ""
    fields = {field.path: field for field in list_fields(text)}
    assert fields["waiver_days"].value == 14
    named = [field.names for field in fields.values() if len(field.location) > 3]
    assert all(not name.isdigit() for names in named for name in names), named


@pytest.mark.parametrize("location", [("z",), ("a", "b"), ("list", 7), ("list", "a")])
def test_a_place_where_nothing_stands_is_told(location: tuple[str | int, ...]) -> None:
    with pytest.raises(InvalidInput):
        set_value("a: 1\nlist: [x]\n", location, 2)


@pytest.mark.parametrize("text", ["a: &x 1\nb: *x\n", "a: [\n", "a: 1\na: 2\n"])
def test_what_cannot_be_read_is_not_edited(text: str) -> None:
    with pytest.raises(InvalidInput):
        set_value(text, ("a",), 2)
