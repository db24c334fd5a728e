"""The shipped vocabulary and checklist, and what each of the two kinds refuses."""

import pytest

from services.documents import DocumentKind, parse, validate
from services.documents.checklist import CHECKLIST_KIND
from services.documents.vocabulary import VOCABULARY_KIND
from services.gates.vocabulary import to_vocabulary
from services.lineage.vocabulary import VOCABULARY


def default_of(kind: DocumentKind[object]) -> str:
    text = kind.read_default()
    assert text is not None
    return text


def test_the_shipped_vocabulary_is_the_one_that_stories_use_by_themselves() -> None:
    assert to_vocabulary(parse(VOCABULARY_KIND, default_of(VOCABULARY_KIND)).value) == VOCABULARY


def test_the_shipped_checklist_has_every_category_and_item() -> None:
    checklist = parse(CHECKLIST_KIND, default_of(CHECKLIST_KIND)).value
    assert [(each.title, len(each.items)) for each in checklist.categories] == [
        ("Data pipeline", 8),
        ("Model training", 8),
        ("Model deployment", 8),
        ("Monitoring and observability", 8),
        ("Security", 8),
        ("Testing", 7),
        ("Documentation", 7),
    ]
    assert checklist.find_item("model_card").asks
    assert checklist.find_item("nothing") is None


@pytest.mark.parametrize(
    ("text", "path", "said"),
    [
        ("metrics: {a: [x], b: [x]}", "metrics.b[0]", "in the group a already"),
        ("metrics: {a: [auc]}\nsynonyms: {roc: auk}", "synonyms.roc", "no canonical metric; known are auc"),
        ("metrics: {a: [auc, f1]}\nsynonyms: {f1: auc}", "synonyms.f1", "canonical name itself"),
        ("metrics: {a: [auc]}\nsynonyms: {ROC: auc}", "synonyms.ROC", "lower case"),
        (
            "metrics: {a: [auc]}\ntags:\n- {tag: t, meaning: m, values: [x], example: y}",
            "tags[0].example",
            "none of its",
        ),
        ("metrics: {a: []}", "metrics.a", "empty"),
        (
            "metrics: {a: [auc]}\ntags:\n- {tag: t, meaning: m, example: y}\n- {tag: t, meaning: m, example: y}",
            "tags[1].tag",
            "before",
        ),
    ],
)
def test_a_vocabulary_that_contradicts_itself_is_told_where(text: str, path: str, said: str) -> None:
    (problem,) = validate(VOCABULARY_KIND, f"kind: vocabulary\n{text}\n")
    assert problem.path == path
    assert said in problem.message


def test_names_of_items_and_categories_are_one_space() -> None:
    text = (
        "kind: checklist\ncategories:\n- category: a\n  title: A\n  items:\n"
        "  - {item: x, asks: X}\n  - {item: a, asks: Y}\n"
        "- category: a\n  title: B\n  items:\n  - {item: x, asks: X}\n"
    )
    assert [problem.path for problem in validate(CHECKLIST_KIND, text)] == [
        "categories[0].items[1].item",
        "categories[1].category",
        "categories[1].items[0].item",
    ]
