import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.documents import DocumentInvalid, Problem, parse, validate
from services.documents.kind import get_kind
from services.errors import NotFound
from services.gates.policy import GATE_POLICY
from services.policies.document import DECISION_POLICY
from tests.documents.builders import LIMITS, TEXT


def problems(text: str | bytes) -> list[tuple[int, str, str]]:
    return [(each.line, each.path, each.message) for each in validate(LIMITS, text)]


def test_a_valid_text_has_no_problems_and_becomes_typed() -> None:
    assert problems(TEXT) == []
    parsed = parse(LIMITS, TEXT)
    assert parsed.value.limits[1].value == 2
    assert parsed.problem(("limits", 1, "value"), "x") == Problem(line=7, path="limits[1].value", message="x")


def test_every_problem_comes_at_once_in_the_order_of_the_text() -> None:
    text = "step: no good\nlimits:\n- name: 7\n  valu: 1\n- name: b\n  value: -2\n"
    assert problems(text) == [
        (1, "step", "'no good' should be a whole number"),
        (3, "limits[0].name", "7 should be text; put it in quotes"),
        (3, "limits[0].value", "the key 'value' is missing"),
        (4, "limits[0].valu", "the key 'valu' is not known here; did you mean 'value'?"),
        (6, "limits[1].value", "-2: should be greater than or equal to 0"),
    ]


def test_what_no_schema_can_say_is_found_beside_what_it_can() -> None:
    text = "step: 1\nlimits:\n- name: a\n  value: 5\n- name: b\n  value: 4\nextra: 1\n"
    assert problems(text) == [
        (6, "limits[1].value", "does not rise"),
        (7, "extra", "the key 'extra' is not known here; known are limits, step"),
    ]


def test_a_finding_that_rests_on_a_faulty_value_is_left_out() -> None:
    assert problems("step: 11\nlimits:\n") == [(2, "limits", "nothing should be a list")]
    assert problems("step: 11\nlimits: []\n") == [(1, "step", "is too large a step")]


def test_places_in_a_list_that_lost_an_item_are_not_told_wrongly() -> None:
    text = "step: 1\nlimits:\n- 7\n- name: a\n  value: 5\n- name: b\n  value: 4\n"
    assert problems(text) == [(3, "limits[0]", "7 should be a mapping of keys to values")]


@pytest.mark.parametrize("text", ["", "[]", "7", "just text", "# only a comment\n"])
def test_a_document_that_is_no_mapping_is_named_at_its_first_line(text: str) -> None:
    assert [(line, path) for line, path, _ in problems(text)] == [(1, "")]


@pytest.mark.parametrize(
    ("text", "line", "path", "said"),
    [
        ("step: 1\nlimits:\n\t- name: a\n", 3, "", "tab"),
        ("step: 1\nstep: 2\n", 2, "step", "second time"),
        ("step: &a 1\nlimits: *a\n", 1, "step", "anchors"),
        ("step: .nan\n", 1, "step", "finite"),
        ("a: &a [x]\nb: &b [*a, *a]\n", 1, "a", "anchors"),
        ("step: 1\n? [a]\n: 1\n", 2, "", "key"),
        ("step: !!python/object:os.system 1\n", 1, "step", "tag"),
        ("step: {\n", 1, "", "did not find"),
    ],
)
def test_yaml_that_is_not_read_is_named_by_line_and_path(text: str, line: int, path: str, said: str) -> None:
    first = validate(LIMITS, text)[0]
    assert (first.line, first.path) == (line, path)
    assert said in first.message


def test_a_text_of_five_megabytes_is_refused_at_once() -> None:
    started = time.process_time()
    assert "bytes" in validate(LIMITS, b"a: " + b"x" * 5_000_000)[0].message
    assert time.process_time() - started < 1


def test_bytes_that_are_no_text_are_a_problem() -> None:
    assert problems(b"step: 1\nlimits: \xff\n")[0][0] == 2


def test_the_error_names_the_first_problem_and_counts_the_others() -> None:
    with pytest.raises(DocumentInvalid, match=r"Line 1, step: .* \(and 1 more\)") as caught:
        parse(LIMITS, "step: x\nlimit: []\n")
    assert len(caught.value.problems) == 2


def test_the_error_on_a_whole_document_names_its_line_alone() -> None:
    with pytest.raises(DocumentInvalid, match=r"^Line 1: the list should be a mapping"):
        parse(LIMITS, "[]")


def test_an_unknown_kind_is_told_with_those_there_are() -> None:
    with pytest.raises(NotFound, match="no kind of document 'x'") as caught:
        get_kind({"limits": LIMITS}, "x")
    assert "limits" in caught.value.next_step


def test_the_json_schema_speaks_of_every_key() -> None:
    schema = GATE_POLICY.json_schema()
    assert schema["title"] == "Gate policy"
    assert {"stages", "overrides", "protected"} <= set(schema["properties"])
    assert DECISION_POLICY.json_schema()["$defs"]["PolicyText"]["properties"]["thresholds"]


@settings(deadline=None, max_examples=60)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=10,
    )
)
def test_no_document_whatever_makes_validation_break(data: object) -> None:
    for kind in (LIMITS, GATE_POLICY, DECISION_POLICY):
        for text in (
            json.dumps(data),
            json.dumps({"fraud_detector": data}),
            json.dumps({"stages": data, "overrides": data}),
        ):
            assert all(problem.line >= 1 and problem.message for problem in validate(kind, text))


def test_a_union_suggests_keys_of_its_own_branch() -> None:
    text = "fraud:\n  thresholds: {block: 0.5, allow: 0}\n  rules: {high_value_treshold: 1}\n"
    assert "did you mean 'high_value_threshold'?" in validate(DECISION_POLICY, text)[0].message
    text = "fraud:\n  thresholds: {block: 0.5, allow: 0}\n  rules:\n  - {name: x, wen: {}}\n"
    assert "did you mean 'when'?" in validate(DECISION_POLICY, text)[0].message


def test_an_unknown_kind_of_gate_is_told_with_those_there_are() -> None:
    text = (
        "kind: gate_policy\nexpires_after_hours: 1\nwaiver_days: 1\nstages:\n  staging:\n    approvals: {default: 1}\n"
        "    gates:\n    - {gate: x, kind: vibes}\n    - {gate: y}\n    - {gate: z, kind: signature, direction: up}\n"
    )
    found = validate(GATE_POLICY, text)
    assert [problem.path for problem in found] == [
        "stages.staging.gates[0]",
        "stages.staging.gates[1]",
        "stages.staging.gates[2].at_worst",
        "stages.staging.gates[2].direction",
    ]
    assert "'vibes' is not one of" in found[0].message
    assert found[1].message == "the key 'kind' is missing"
    assert "'up' is not one of" in found[3].message
