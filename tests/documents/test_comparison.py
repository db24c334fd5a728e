from hypothesis import given
from hypothesis import strategies as st

from services.documents import LineChange, ValueChange, compare_texts, merge_texts, unified_diff
from services.documents.merge import Conflict

LINES = st.lists(st.sampled_from(["a: 1", "b: 2", "c: 3", "", "# x"]), max_size=8).map(
    lambda lines: "".join(f"{line}\n" for line in lines)
)


def test_lines_are_paired_side_by_side() -> None:
    compared = compare_texts("a: 1\nb: 2\nc: 3\n", "a: 1\nb: 5\nc: 3\nd: 4\n")
    assert [(pair.change, pair.old_number, pair.new_number) for pair in compared.lines] == [
        (LineChange.SAME, 1, 1),
        (LineChange.CHANGED, 2, 2),
        (LineChange.SAME, 3, 3),
        (LineChange.ADDED, None, 4),
    ]
    assert compared.values == (ValueChange(path="b", old=2, new=5), ValueChange(path="d", old=None, new=4))
    assert not compared.is_same_text


def test_a_removed_line_is_one() -> None:
    compared = compare_texts("a: 1\nb: 2\n", "a: 1\n")
    assert compared.lines[1].change is LineChange.REMOVED
    assert compared.values == (ValueChange(path="b", old=2, new=None),)


def test_a_comment_changes_lines_and_no_value() -> None:
    compared = compare_texts("a: 1\n", "a: 1  # why\n")
    assert compared.values == ()
    assert not compared.is_same_text


def test_true_is_not_one_and_nested_values_have_paths() -> None:
    compared = compare_texts("a: {b: [1, {}]}\n", "a: {b: [true, {}]}\n")
    assert compared.values == (ValueChange(path="a.b[0]", old=1, new=True),)


def test_text_that_is_no_yaml_is_compared_by_lines_alone() -> None:
    assert compare_texts("a: [\n", "a: 1\n").values == ()


def test_the_unified_diff_is_that_of_diff() -> None:
    assert unified_diff("a\nb\n", "a\nc\n", old_name="old", new_name="new").splitlines() == [
        "--- old",
        "+++ new",
        "@@ -1,2 +1,2 @@",
        " a",
        "-b",
        "+c",
    ]


@given(LINES)
def test_a_text_compared_with_itself_is_the_same(text: str) -> None:
    assert compare_texts(text, text).is_same_text


@given(LINES, LINES)
def test_a_merge_with_an_untouched_side_is_the_other_side(base: str, edited: str) -> None:
    assert merge_texts(base, base, edited).text == edited
    assert merge_texts(base, edited, base).text == edited
    assert merge_texts(base, edited, edited).text == edited
    for merge in (merge_texts(base, base, edited), merge_texts(base, edited, base), merge_texts(base, edited, edited)):
        assert merge.conflicts == ()


def test_what_both_changed_differently_is_a_conflict_with_all_three_texts() -> None:
    merge = merge_texts("a\nb\nc\n", "a\nB\nc\n", "a\nbb\nc\n")
    assert merge.text == "a\nbb\nc\n"
    assert merge.conflicts == (Conflict(line=2, base="b\n", theirs="B\n", mine="bb\n"),)
