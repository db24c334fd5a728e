"""What a comparison tells of one change at a time."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from services.signatures.compare import compare, judge
from services.signatures.counter_examples import find_counter_example
from services.signatures.json_counter_examples import find_json_counter_example
from services.signatures.reader import read_signature
from services.signatures.values import Schema, Signature, SignatureReading, SignatureState, Type
from services.signatures.verdicts import Comparison, Direction, Verdict
from tests.signatures.builders import (
    array,
    columns,
    mapping,
    obj,
    param,
    reading,
    tensor,
    tensors,
    unnamed,
)
from tests.signatures.truth import accepts, accepts_json, accepts_params

ABSENT = SignatureReading(state=SignatureState.ABSENT, reason="The model was logged without a signature.")
UNREADABLE = read_signature(b"signature: {inputs: '['}")

Told = tuple[str, str, Any, Any, str]


def between(old: Schema, new: Schema, direction: Direction = Direction.BACKWARD) -> Comparison:
    return compare(reading(old), reading(new), direction)


def told(comparison: Comparison) -> list[Told]:
    return [(change.path, change.kind, change.before, change.after, change.effect) for change in comparison.changes]


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (columns(a="long"), columns(a="long", b="double"), ("b", "added", None, "double", "breaking")),
        (columns(a="long"), columns(a="long", b_="double"), ("b", "added", None, "double", "compatible")),
        (columns(a="long", b="double"), columns(a="long"), ("b", "removed", "double", None, "compatible")),
        (columns(a="long"), columns(a="double"), ("a", "retyped", "long", "double", "breaking")),
        (columns(a="integer"), columns(a="double"), ("a", "retyped", "integer", "double", "compatible")),
        (columns(a="string"), columns(a="binary"), ("a", "retyped", "string", "binary", "risky")),
        (columns(a_="long"), columns(a="long"), ("a", "made_required", "optional", "required", "breaking")),
        (columns(a="long"), columns(a_="long"), ("a", "made_optional", "required", "optional", "compatible")),
        (columns(a="long", b="long"), columns(b="long", a="long"), ("a", "reordered", 0, 1, "compatible")),
        (columns(a="long"), columns(a="any"), ("a", "retyped", "long", "any", "compatible")),
        (columns(a="any"), columns(a="long"), ("a", "retyped", "any", "long", "breaking")),
        (columns(a=array("long")), columns(a="string"), ("a", "retyped", "array[long]", "string", "risky")),
        (columns(a=array("long")), columns(a=array("string")), ("a[]", "retyped", "long", "string", "breaking")),
        (columns(a=array("integer")), columns(a=array("long")), ("a[]", "retyped", "integer", "long", "compatible")),
        (
            columns(a=array(array("long"))),
            columns(a=array(array("double"))),
            ("a[][]", "retyped", "long", "double", "breaking"),
        ),
        (
            columns(customer=obj(address=obj(zip="long"))),
            columns(customer=obj(address=obj(zip="string"))),
            ("customer.address.zip", "retyped", "long", "string", "breaking"),
        ),
        (
            columns(items=array(obj(price="double"))),
            columns(items=array(obj(price="double", tax_="double"))),
            ("items[].tax", "added", None, "double", "compatible"),
        ),
        (
            columns(items=array(obj(price="double", tax_="double"))),
            columns(items=array(obj(price="double"))),
            ("items[].tax", "removed", "double", None, "breaking"),
        ),
        (
            columns(o=obj(a_="long", b="long")),
            columns(o=obj(a="long", b="long")),
            ("o.a", "made_required", "optional", "required", "breaking"),
        ),
        (
            columns(m=mapping("float")),
            columns(m=mapping("double")),
            ("m{}", "retyped", "float", "double", "compatible"),
        ),
        (unnamed("long"), unnamed("long", "long"), ("1", "added", None, "long", "breaking")),
        (unnamed("long", "long"), unnamed("long"), ("1", "removed", "long", None, "compatible")),
        (unnamed("long", "string"), unnamed("long", "double"), ("1", "retyped", "string", "double", "breaking")),
        (columns(a="long"), unnamed("long"), ("*", "reshaped", "named columns", "unnamed columns", "risky")),
        (unnamed("long"), columns(a="long"), ("*", "reshaped", "unnamed columns", "named columns", "breaking")),
        (columns(a="double"), tensor("float64", -1, 1), ("*", "reshaped", "columns", "tensors", "breaking")),
        (tensor("float64", -1, 3), columns(a="double"), ("*", "reshaped", "tensors", "columns", "breaking")),
        (tensor("float64", -1, 2), unnamed("double"), ("*", "reshaped", "tensors", "columns", "risky")),
        (tensor("float64", -1, 2), unnamed("string"), ("*", "reshaped", "tensors", "columns", "breaking")),
        (tensor("float32", -1), tensor("float64", -1), ("0", "retyped", "float32", "float64", "breaking")),
        (tensor("float32", -1), tensor("float32", -1, 2), ("0", "reshaped", [-1], [-1, 2], "breaking")),
        (tensor("float32", -1, 3), tensor("float32", -1, 4), ("0", "reshaped", [-1, 3], [-1, 4], "breaking")),
        (tensor("float32", 5, 3), tensor("float32", -1, 3), ("0", "reshaped", [5, 3], [-1, 3], "compatible")),
        (tensor("float32", -1, 3), tensor("float32", -1, -1), ("0", "reshaped", [-1, 3], [-1, -1], "risky")),
        (tensor("float32", -1, -1), tensor("float32", -1, 3), ("0", "reshaped", [-1, -1], [-1, 3], "breaking")),
        (tensor("int64", -1), tensor("object", -1), ("0", "retyped", "int64", "object", "risky")),
        (
            tensors(x=("int64", (-1,))),
            tensors(x=("int64", (-1,)), y=("int64", (-1,))),
            ("y", "added", None, "tensor int64 [-1]", "breaking"),
        ),
        (
            tensors(x=("int64", (-1,)), y=("int64", (-1,))),
            tensors(x=("int64", (-1,))),
            ("y", "removed", "tensor int64 [-1]", None, "compatible"),
        ),
        (
            tensor("int64", -1),
            tensors(x=("int64", (-1,))),
            ("*", "reshaped", "unnamed tensors", "named tensors", "risky"),
        ),
        (
            tensors(x=("int64", (-1,))),
            tensor("int64", -1),
            ("*", "reshaped", "named tensors", "unnamed tensors", "breaking"),
        ),
    ],
)
def test_one_change_of_inputs_is_told_with_its_path_kind_and_effect(old: Schema, new: Schema, change: Told) -> None:
    found = between(old, new)
    assert told(found) == [change]
    assert found.verdict == change[4]
    assert all(change.judged.frame.reason and change.judged.json.reason for change in found.changes)
    if found.verdict is Verdict.BREAKING:
        example = find_counter_example(Signature(inputs=old), Signature(inputs=new))
        assert example is not None
        assert accepts(old, example.data)
        assert not accepts(new, example.data)
    if found.json_verdict is Verdict.BREAKING:
        request = find_json_counter_example(Signature(inputs=old), Signature(inputs=new))
        assert request is not None
        assert accepts_json(old, request)


@pytest.mark.parametrize(
    ("old", "new", "json_verdict"),
    [
        (columns(a="long"), columns(a="double"), "risky"),
        (columns(a="double"), columns(a="long"), "breaking"),
        (columns(a="long"), columns(a="integer"), "breaking"),
        (columns(a="string"), columns(a="boolean"), "breaking"),
        (columns(a="boolean"), columns(a="double"), "risky"),
        (columns(a="string"), columns(a="binary"), "breaking"),
        (columns(a="double"), columns(a="float"), "risky"),
        (columns(a="float"), columns(a="double"), "compatible"),
        (columns(a=obj(b="long")), columns(a=obj(b="double")), "breaking"),
        (columns(a=obj(b="float")), columns(a=obj(b="long")), "compatible"),
        (columns(a=obj(b="float")), columns(a=obj(b="boolean")), "breaking"),
        (columns(a=obj(b="integer")), columns(a=obj(b="string")), "compatible"),
        (columns(a=array("float")), columns(a=array("long")), "compatible"),
        (columns(a="binary"), columns(a="any"), "risky"),
        (tensor("float32", -1), tensor("float64", -1), "compatible"),
        (tensor("float64", -1), tensor("float32", -1), "risky"),
        (tensor("float64", -1), tensor("int64", -1), "breaking"),
        (tensor("int64", -1), tensor("int8", -1), "breaking"),
        (tensor("int8", -1), tensor("int64", -1), "compatible"),
        (tensor("uint8", -1), tensor("int16", -1), "compatible"),
        (tensor("int8", -1), tensor("uint8", -1), "breaking"),
        (tensor("bool", -1), tensor("float32", -1), "risky"),
        (tensor("str", -1), tensor("float32", -1), "breaking"),
        (tensor("int64", -1, 2), tensor("object", -1, 2), "compatible"),
    ],
)
def test_json_callers_are_judged_by_what_the_scoring_server_makes_of_their_values(
    old: Schema, new: Schema, json_verdict: str
) -> None:
    assert between(old, new).json_verdict == json_verdict


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (columns(p="double"), columns(p="double", q="long"), ("q", "added", None, "long", "compatible")),
        (columns(p="double", q="long"), columns(p="double"), ("q", "removed", "long", None, "breaking")),
        (columns(p="float"), columns(p="double"), ("p", "retyped", "float", "double", "risky")),
        (columns(p="double"), columns(p="float"), ("p", "retyped", "double", "float", "risky")),
        (columns(p="long"), columns(p="integer"), ("p", "retyped", "long", "integer", "compatible")),
        (columns(p="long"), columns(p="double"), ("p", "retyped", "long", "double", "breaking")),
        (columns(p="double"), columns(p="long"), ("p", "retyped", "double", "long", "risky")),
        (columns(p="long"), columns(p="string"), ("p", "retyped", "long", "string", "breaking")),
        (columns(p="long"), columns(p_="long"), ("p", "made_optional", "required", "optional", "risky")),
        (columns(p_="long"), columns(p="long"), ("p", "made_required", "optional", "required", "compatible")),
        (columns(p="long"), columns(p="any"), ("p", "retyped", "long", "any", "risky")),
        (columns(p="any"), columns(p="long"), ("p", "retyped", "any", "long", "compatible")),
        (columns(p="long"), columns(p=array("long")), ("p", "retyped", "long", "array[long]", "breaking")),
        (
            columns(p=obj(a="long", b="long")),
            columns(p=obj(a="long")),
            ("p.b", "removed", "long", None, "breaking"),
        ),
        (unnamed("long"), unnamed("long", "long"), ("1", "added", None, "long", "breaking")),
        (unnamed("long"), tensor("int64", -1), ("*", "reshaped", "columns", "tensors", "risky")),
        (tensor("int64", -1), unnamed("long"), ("*", "reshaped", "tensors", "columns", "risky")),
        (tensor("int64", -1), columns(p="long"), ("*", "reshaped", "tensors", "columns", "breaking")),
        (columns(p="long"), unnamed("long"), ("*", "reshaped", "named columns", "unnamed columns", "breaking")),
        (tensor("int64", -1), tensor("int64", -1, 2), ("0", "reshaped", [-1], [-1, 2], "breaking")),
        (tensor("int64", -1, 2), tensor("int64", -1, 3), ("0", "reshaped", [-1, 2], [-1, 3], "breaking")),
        (tensor("int64", -1, 2), tensor("int64", -1, -1), ("0", "reshaped", [-1, 2], [-1, -1], "risky")),
        (tensor("int64", -1), tensor("int64", 5), ("0", "reshaped", [-1], [5], "compatible")),
        (tensor("int64", -1), tensor("float64", -1), ("0", "retyped", "int64", "float64", "breaking")),
        (
            tensor("datetime64[s]", -1),
            tensor("datetime64[ns]", -1),
            ("0", "retyped", "datetime64[s]", "datetime64[ns]", "risky"),
        ),
        (tensor("int8", -1), tensor("int64", -1), ("0", "retyped", "int8", "int64", "breaking")),
        (
            tensor("int64", -1),
            tensors(x=("int64", (-1,))),
            ("*", "reshaped", "unnamed tensors", "named tensors", "breaking"),
        ),
    ],
)
def test_outputs_are_judged_for_those_who_read_them(old: Schema, new: Schema, change: Told) -> None:
    same = columns(a="long")
    found = compare(reading(same, old), reading(same, new))
    assert [change.side for change in found.changes] == ["outputs"]
    assert told(found) == [change]
    assert found.verdict == change[4]


def test_json_readers_do_not_tell_float_from_double() -> None:
    same = columns(a="long")
    found = compare(reading(same, columns(p="float")), reading(same, columns(p="double")))
    assert (found.verdict, found.json_verdict) == (Verdict.RISKY, Verdict.COMPATIBLE)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([param("t", "double", 0.5)], [], ("t", "removed", "double", None, "risky", "risky")),
        ([], [param("t", "double", 0.5)], ("t", "added", None, "double", "compatible", "compatible")),
        (
            [param("t", "double", 0.5)],
            [param("t", "double", 0.7)],
            ("t", "default_changed", 0.5, 0.7, "risky", "risky"),
        ),
        (
            [param("t", obj(a="long"), {"a": 1})],
            [param("t", obj(a="string"), {"a": "1"})],
            ("t.a", "retyped", "long", "string", "breaking", "breaking"),
        ),
        (
            [param("t", obj(a="long"), {"a": 1})],
            [param("t", "long", 1)],
            ("t", "retyped", "object{a: long}", "long", "breaking", "breaking"),
        ),
    ],
)
def test_params_are_judged_by_what_predict_takes(old: list[Any], new: list[Any], expected: tuple[Any, ...]) -> None:
    same = columns(a="long")
    found = compare(reading(same, params=tuple(old) or None), reading(same, params=tuple(new) or None))
    change = found.changes[0]
    assert change.side == "params"
    assert (change.path, change.kind, change.before, change.after, change.effect, change.json_effect) == expected
    example = find_counter_example(Signature(inputs=same, params=tuple(old)), Signature(inputs=same, params=tuple(new)))
    assert (example is not None) == (found.verdict is Verdict.BREAKING)
    if example is not None and example.params is not None:
        assert accepts_params(tuple(old), dict(example.params))
        assert not accepts_params(tuple(new), dict(example.params))


@pytest.mark.parametrize(
    ("old", "new", "effect", "json_effect"),
    [
        ("double", "float", "breaking", "compatible"),
        ("long", "double", "compatible", "compatible"),
        ("double", "long", "breaking", "breaking"),
        ("long", "integer", "breaking", "compatible"),
        ("datetime", "string", "breaking", "risky"),
        ("string", "datetime", "breaking", "breaking"),
        ("boolean", "double", "breaking", "breaking"),
    ],
)
def test_params_of_another_type_are_judged_by_what_predict_takes(
    old: str, new: str, effect: str, json_effect: str
) -> None:
    same, before, after = columns(a="long"), (param("t", old, None),), (param("t", new, None),)
    found = compare(reading(same, params=before), reading(same, params=after))
    assert told(found) == [("t", "retyped", old, new, effect)]
    assert found.json_verdict == json_effect
    example = find_counter_example(Signature(inputs=same, params=before), Signature(inputs=same, params=after))
    assert (example is not None) == (found.verdict is Verdict.BREAKING)
    if example is not None and example.params is not None:
        assert accepts_params(before, dict(example.params))
        assert not accepts_params(after, dict(example.params))
        assert example.to_json()["params"]


def test_a_param_that_became_a_list_is_reshaped() -> None:
    same = columns(a="long")
    found = compare(
        reading(same, params=(param("k", "long", 1),)), reading(same, params=(param("k", "long", [1], is_list=True),))
    )
    assert [(change.kind, change.before, change.after, change.effect) for change in found.changes] == [
        ("reshaped", "long", "long[]", "breaking"),
        ("default_changed", 1, [1], "risky"),
    ]


def test_the_same_default_written_as_another_number_is_no_change() -> None:
    same = columns(a="long")
    found = compare(
        reading(same, params=(param("t", "double", 1),)), reading(same, params=(param("t", "double", 1.0),))
    )
    assert found.verdict is Verdict.IDENTICAL


def test_a_default_that_is_no_number_is_written_as_text() -> None:
    same = columns(a="long")
    found = compare(
        reading(same, params=(param("t", "double", 1.0),)), reading(same, params=(param("t", "double", float("nan")),))
    )
    assert found.to_json()["changes"][0]["to"] == "nan"


def test_a_spark_vector_is_a_list_of_doubles_under_another_name() -> None:
    from services.signatures.values import Array, Scalar

    found = between(columns(v=array("double")), columns(v=Array(items=Scalar.DOUBLE, is_vector=True)))
    assert told(found) == [("v", "retyped", "array[double]", "sparkml_vector", "compatible")]


def test_an_object_that_became_a_map_is_judged_by_its_properties() -> None:
    assert between(columns(o=obj(a="integer")), columns(o=mapping("long"))).verdict is Verdict.COMPATIBLE
    assert between(columns(o=obj(a="string")), columns(o=mapping("long"))).verdict is Verdict.BREAKING
    assert between(columns(o=obj(a_="long")), columns(o=mapping("long"))).verdict is Verdict.BREAKING
    assert between(columns(o=obj(a_="long")), columns(o=mapping("any"))).verdict is Verdict.COMPATIBLE
    assert between(columns(o=mapping("long")), columns(o=obj(a="long"))).verdict is Verdict.BREAKING


def test_only_the_columns_that_moved_are_reordered() -> None:
    old = columns(a="long", b="long", c="long", d="long")
    new = columns(d="long", a="long", b="long", c="long")
    assert told(between(old, new)) == [("d", "reordered", 3, 0, "compatible")]


def test_added_and_removed_columns_move_nobody() -> None:
    found = between(columns(a="long", b="long"), columns(z_="long", b="long"))
    assert [change.kind for change in found.changes] == ["removed", "added"]


def test_forward_asks_whether_the_old_model_takes_tomorrows_requests() -> None:
    old, new = columns(a="long"), columns(a="long", b="double")
    assert between(old, new, Direction.BACKWARD).verdict is Verdict.BREAKING
    forward = between(old, new, Direction.FORWARD)
    assert told(forward) == [("b", "added", None, "double", "compatible")]
    full = between(old, new, Direction.FULL)
    assert (full.verdict, told(full)) == (Verdict.BREAKING, [("b", "added", None, "double", "breaking")])


def test_full_joins_what_both_directions_say_of_one_change() -> None:
    full = between(columns(a="integer", b_="long"), columns(a="long", b="long"), Direction.FULL)
    assert told(full) == [
        ("a", "retyped", "integer", "long", "breaking"),
        ("b", "made_required", "optional", "required", "breaking"),
    ]


@pytest.mark.parametrize("other", [ABSENT, UNREADABLE, reading(None, columns(p="long"))])
@pytest.mark.parametrize("direction", list(Direction))
def test_what_cannot_be_read_is_unknown_with_a_reason(other: SignatureReading, direction: Direction) -> None:
    good = reading(columns(a="long"))
    for old, new in ((good, other), (other, good), (other, other)):
        found = compare(old, new, direction)
        assert (found.verdict, found.json_verdict) == (Verdict.UNKNOWN, Verdict.UNKNOWN)
        assert other.reason in found.reason
        assert not found.verdict.is_pass


def test_outputs_that_are_no_longer_declared_are_unknown_to_their_readers() -> None:
    whole, half = reading(columns(a="long"), columns(p="long")), reading(columns(a="long"))
    assert compare(whole, half).verdict is Verdict.UNKNOWN
    assert "does not declare the outputs" in compare(whole, half).reason
    assert compare(half, whole).verdict is Verdict.COMPATIBLE
    assert compare(half, whole).notes == ("The old version declares no outputs, so only requests were compared.",)
    assert judge(half, whole, Direction.BACKWARD) == (Verdict.COMPATIBLE, Verdict.COMPATIBLE)
    assert compare(half, whole, Direction.FORWARD).verdict is Verdict.UNKNOWN
    assert compare(half, whole, Direction.FULL).verdict is Verdict.UNKNOWN
    assert "Neither version declares its outputs" in compare(half, half).notes[0]


def test_what_surely_breaks_outweighs_what_is_unknown() -> None:
    found = compare(reading(columns(a="long"), columns(p="long")), reading(columns(a="string")))
    assert found.verdict is Verdict.BREAKING


def test_type_hints_are_noted_since_mlflow_enforces_nothing_then() -> None:
    import dataclasses

    plain = reading(unnamed("long"), unnamed("long"))
    hinted = dataclasses.replace(plain, is_from_type_hints=True)
    assert "type hints" in compare(plain, hinted).notes[0]


@pytest.mark.parametrize(
    ("old", "new", "guess"),
    [
        (columns(merchantId="long"), columns(merchant_id="long"), ("merchantId", "merchant_id")),
        (columns(country="string", a="long"), columns(country_code="string", a="long"), ("country", "country_code")),
        (columns(zip="string"), columns(zipcode="string"), ("zip", "zipcode")),
    ],
)
def test_renames_are_guessed_and_change_no_verdict(old: Schema, new: Schema, guess: tuple[str, str]) -> None:
    found = between(old, new)
    assert [(rename.before, rename.after) for rename in found.renames] == [guess]
    assert 0.5 <= found.renames[0].likelihood <= 1
    assert found.verdict is Verdict.BREAKING


def test_columns_of_another_type_or_name_are_no_rename() -> None:
    assert not between(columns(amount="double"), columns(amount_eur="string")).renames
    assert not between(columns(amount="double"), columns(weekday="double")).renames


def test_each_column_is_guessed_once() -> None:
    found = between(columns(day_of_week="long", day_of_month="long"), columns(dayOfWeek="long", dayOfMonth="long"))
    assert {(rename.before, rename.after) for rename in found.renames} == {
        ("day_of_week", "dayOfWeek"),
        ("day_of_month", "dayOfMonth"),
    }


def test_renames_in_long_lists_are_guessed_by_words() -> None:
    old = columns(**{f"thing_{index}_value": "long" for index in range(40)})
    new = columns(**{f"thing{index}Value": "long" for index in range(40)})
    renames = between(old, new).renames
    assert len(renames) == 40
    assert all(rename.before.replace("_", "").lower() == rename.after.lower() for rename in renames)


def test_the_json_has_the_form_of_the_public_interface() -> None:
    found = between(columns(customer=obj(zip="long")), columns(customer=obj(zip="string"))).to_json()
    assert found["verdict"] == "breaking"
    assert found["json_verdict"] == "breaking"
    assert found["direction"] == "backward"
    change = found["changes"][0]
    assert {key: change[key] for key in ("side", "path", "kind", "from", "to", "effect")} == {
        "side": "inputs",
        "path": "customer.zip",
        "kind": "retyped",
        "from": "long",
        "to": "string",
        "effect": "breaking",
    }


def test_types_too_long_to_show_are_cut() -> None:
    wide = obj(**{f"property_{index}": "long" for index in range(100)})
    found = between(columns(a="long"), columns(a="long", o_=wide))
    assert len(found.changes[0].after) == 200


@pytest.mark.parametrize(("holder", "verdict", "is_taken"), [("b_", "compatible", True), ("b", "breaking", False)])
def test_null_passes_inside_what_became_a_map_only_where_its_holder_is_optional(
    holder: str, verdict: str, *, is_taken: bool
) -> None:
    before: dict[str, Type | str] = {holder: obj(c_="long"), "d": "long"}
    old, new = columns(a=obj(**before)), columns(a=obj(**{**before, holder: mapping("long")}))
    assert compare(reading(old), reading(new)).changes[0].effect == verdict
    data = pd.DataFrame({"a": [{"b": {"c": None}, "d": 1}]})
    assert accepts(old, data)
    assert accepts(new, data) is is_taken
