"""Deep, wide and odd signatures: answered in bounded time, with a verdict or a clear reason."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from services.signatures.check import check
from services.signatures.compare import compare
from services.signatures.conform import conform
from services.signatures.counter_examples import find_counter_example
from services.signatures.json_counter_examples import find_json_counter_example
from services.signatures.reader import read_signature
from services.signatures.schema_json import MAX_DEPTH
from services.signatures.values import Schema, Signature, SignatureState, Type
from services.signatures.verdicts import Direction, Verdict
from tests.signatures.builders import array, columns, mapping, obj, reading, tensor, tensors, unnamed
from tests.signatures.test_reader import of_texts
from tests.signatures.truth import accepts, accepts_json, single

WRAPPERS: dict[str, Callable[[Type], Type]] = {
    "lists": array,
    "maps": mapping,
    "objects": lambda of: obj(a=of, b_="long"),
}


def nested(wrap: Callable[[Type], Type], of: Type, depth: int) -> Type:
    for _ in range(depth - 1):
        of = wrap(of)
    return of


@pytest.mark.parametrize("kind", WRAPPERS)
def test_types_nested_to_the_limit_are_compared_checked_and_shown(kind: str) -> None:
    old, new = (
        single(nested(WRAPPERS[kind], of, MAX_DEPTH)) for of in (columns(a="long").columns[0].type, array("long").items)
    )
    assert compare(reading(old), reading(new)).verdict is Verdict.IDENTICAL
    new = single(nested(WRAPPERS[kind], columns(a="string").columns[0].type, MAX_DEPTH))
    found = compare(reading(old, old), reading(new, new), Direction.FULL)
    assert found.verdict is Verdict.BREAKING
    assert found.changes[0].path.startswith("x")
    example = find_counter_example(Signature(inputs=old), Signature(inputs=new))
    assert example is not None
    assert accepts(old, example.data)
    assert not accepts(new, example.data)
    assert isinstance(example.data, pd.DataFrame)
    assert not check(Signature(inputs=new), example.data).ok
    assert not conform(Signature(inputs=new), example.data).ok
    request = find_json_counter_example(Signature(inputs=old), Signature(inputs=new))
    assert request is not None
    assert accepts_json(old, request)


def wide(count: int, of: str, **more: str) -> Schema:
    return columns(**{f"c{index}": of for index in range(count)}, **more)


def test_ten_thousand_columns_are_compared_in_bounded_time() -> None:
    began = time.process_time()
    for other in (
        wide(10_000, "string"),
        unnamed(*["long"] * 10_000),
        wide(9_000, "long"),
        tensor("int64", -1, 10_000),
    ):
        for direction in Direction:
            assert compare(reading(wide(10_000, "long")), reading(other), direction).changes
    assert time.process_time() - began < 20


def test_a_counter_example_is_found_in_the_last_of_many_properties() -> None:
    old = single(obj(**{f"p{index:04d}": "long" for index in range(1500)}, z_="long"))
    new = single(obj(**{f"p{index:04d}": "long" for index in range(1500)}, z="long"))
    example = find_counter_example(Signature(inputs=old), Signature(inputs=new))
    assert example is not None
    assert "z" not in example.to_json()["rows"][0][0]


def test_a_yaml_bomb_of_a_schema_is_unreadable() -> None:
    text = of_texts(inputs="[" + '{"type":"object","properties":{"a":' * 5000)
    assert read_signature(text).state is SignatureState.UNREADABLE


ODD: list[tuple[Schema, Schema, str]] = [
    (columns(a="long", b_="long"), unnamed("long", "long"), "breaking"),
    (columns(a="long", b_="string"), unnamed("long"), "breaking"),
    (columns(a="long", b="long"), unnamed("long"), "risky"),
    (columns(a="long", b="string"), unnamed("any", "any"), "risky"),
    (columns(a="long"), tensors(a=("int64", (-1,))), "breaking"),
    (columns(a="long", b="long"), tensor("int64", -1, 2), "breaking"),
    (unnamed("double", "double"), tensor("float64", -1, 2), "breaking"),
    (columns(a="string"), tensor("object", -1), "breaking"),
    (tensors(a=("int64", (-1,))), columns(a="long", b="long"), "breaking"),
    (tensors(a=("int64", (-1,))), columns(a="long"), "risky"),
    (tensors(a=("int64", (-1,))), unnamed("long"), "risky"),
    (tensors(a=("int64", (-1,))), unnamed("long", "long"), "breaking"),
    (tensor("int64", -1), tensors(a=("int64", (-1,)), b=("int64", (-1,))), "breaking"),
    (tensor("int64", -1, 2, 2), unnamed("long"), "breaking"),
    (tensor("int64", -1, -1), unnamed("long"), "breaking"),
    (tensor("int64", -1), unnamed(array("long")), "breaking"),
    (tensor("int64", -1), unnamed("any"), "risky"),
    (tensor("datetime64[ns]", -1), unnamed("datetime"), "risky"),
    (tensors(a=("int8", (-1,))), columns(a_="boolean"), "breaking"),
    (tensors(a=("int64", (-1,))), columns(a="double"), "breaking"),
    (tensors(a=("float64", (-1,)), b=("float32", (-1,))), columns(a="double", b="double"), "risky"),
    (tensors(a=("float64", (-1, 2))), columns(a="double"), "breaking"),
    (tensors(a=("int64", (-1,))), columns(a=array("long")), "risky"),
    (tensors(a=("int64", ())), columns(a_=array("long")), "breaking"),
    (tensors(a=("int64", (-1,))), columns(a=mapping("long")), "breaking"),
    (tensors(a=("bool", (-1,))), unnamed("long"), "breaking"),
    (tensor("int64", -1, 2), unnamed("long", "double"), "breaking"),
    (tensor("float16", -1), unnamed("float"), "risky"),
    (columns(a_="any", b_="any"), unnamed("any"), "breaking"),
    (columns(a="boolean", b=array("long"), c_="any"), unnamed("any", array("any")), "breaking"),
    (tensor("object", -1), tensor("object", 3), "breaking"),
    (tensor("object", -1), tensor("int64", -1), "breaking"),
    (tensor("int64", -1, 2), tensor("object", -1), "risky"),
    (tensor("object", -1, 2), tensor("object", -1), "risky"),
    (tensor("int64", 2, 2), tensor("int64", 2, -1), "compatible"),
    (tensor("int64", -1, -1, 2), tensor("int64", -1, -1, -1), "compatible"),
    (tensor("int64", -1, 2), tensor("int64", -1, -1), "risky"),
]


@pytest.mark.parametrize(("old", "new", "verdict"), ODD)
def test_odd_changes_of_shape_are_judged_and_shown(old: Schema, new: Schema, verdict: str) -> None:
    assert compare(reading(old), reading(new)).verdict == verdict
    example = find_counter_example(Signature(inputs=old), Signature(inputs=new))
    if verdict == "breaking":
        assert example is not None
        assert accepts(old, example.data)
        assert not accepts(new, example.data)
        json.dumps(example.to_json(), allow_nan=False)
    if verdict == "compatible":
        assert example is None


@pytest.mark.parametrize("shape", [(10**30,), (10**6, 10**6), (-1, 10**9)])
def test_arrays_too_large_to_be_tried_pass_for_no_table(shape: tuple[int, ...]) -> None:
    for old, new in ((tensor("int64", *shape), unnamed("long")), (tensors(a=("int64", shape)), columns(a="long"))):
        assert compare(reading(old), reading(new)).verdict is Verdict.BREAKING


@pytest.mark.parametrize("dtype", ["timedelta64[ns]", "complex64", "datetime64[s]", "bytes", "float16", "uint64"])
@pytest.mark.parametrize("shape", [(-1,), (-1,) * 64, (), (0,)])
def test_arrays_of_every_dtype_and_rank_are_compared_with_columns(dtype: str, shape: tuple[int, ...]) -> None:
    for new in (unnamed("long"), columns(x_="any"), columns(x="string", y_=array("long"))):
        for old in (tensor(dtype, *shape), tensors(x=(dtype, shape))):
            assert compare(reading(old), reading(new)).verdict in {Verdict.RISKY, Verdict.BREAKING}


def test_renamed_and_reshaped_tensors_are_told_apart() -> None:
    found = compare(reading(tensor("int64", -1)), reading(tensors(x=("int32", (-1, 2)))), Direction.FULL)
    assert [(change.path, change.kind) for change in found.changes] == [
        ("*", "reshaped"),
        ("x", "retyped"),
        ("x", "reshaped"),
    ]


def test_every_value_of_a_counter_example_is_written_as_json() -> None:
    old = columns(m="datetime", b="binary", o=obj(m="datetime", b="binary", f="float"), l=array("integer"), gone="long")
    example = find_counter_example(Signature(inputs=old), Signature(inputs=columns(new="long")))
    assert example is not None
    assert example.to_json()["rows"] == [
        [
            "2026-01-02 03:04:05",
            "b'bytes'",
            {"b": "b'bytes'", "f": 0.5, "m": "2026-01-02T03:04:05.000000000"},
            [7],
            7,
        ]
    ]
    named = find_counter_example(Signature(inputs=tensors(x=("int64", (-1,)))), Signature(inputs=tensor("int64", -1)))
    assert named is not None
    assert named.to_json() == {"arrays": {"x": {"dtype": "int64", "shape": [2]}}}


def test_a_counter_example_may_be_params_alone() -> None:
    from tests.signatures.builders import param

    same, old, new = (
        columns(a="long"),
        (param("t", obj(a="long"), {"a": 1}),),
        (param("t", obj(a="string"), {"a": "x"}),),
    )
    example = find_counter_example(Signature(inputs=same, params=old), Signature(inputs=same, params=new))
    assert example is not None
    assert example.to_json() == {"params": {"t": {"a": 1}}}
    request = find_json_counter_example(Signature(inputs=same, params=old), Signature(inputs=same, params=new))
    assert request == {"params": {"t": {"a": 1}}}
    assert find_json_counter_example(Signature(params=old), Signature(params=new)) is None


def test_many_renames_are_guessed_by_spelling_alone() -> None:
    def spelled(how: str) -> dict[str, Any]:
        return {how.format(index): "long" for index in range(300)}

    found: Any = compare(reading(columns(**spelled("some_thing_{}"))), reading(columns(**spelled("someThing{}"))))
    assert len(found.renames) == 300
    other = compare(reading(columns(**spelled("some_thing_{}"))), reading(columns(**spelled("else_{}"))))
    assert other.renames == ()


def test_lists_of_text_and_bytes_are_told_apart() -> None:
    found = compare(reading(single(array("string"))), reading(single(array("binary"))))
    assert (found.verdict, found.json_verdict) == (Verdict.BREAKING, Verdict.BREAKING)
    found = compare(reading(single(array("binary"))), reading(single(array("string"))))
    assert (found.verdict, found.json_verdict) == (Verdict.BREAKING, Verdict.RISKY)
    for of in ("string", "binary"):
        example = find_counter_example(
            Signature(inputs=single(array(of))),
            Signature(inputs=single(array("binary" if of == "string" else "string"))),
        )
        assert example is not None
