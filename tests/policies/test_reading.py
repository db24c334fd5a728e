from datetime import UTC, datetime

import pytest

from services.documents import DocumentInvalid, Revision, RevisionState
from services.errors import NotFound
from services.policies.reading import find_column_problems, find_notes, read_policy, read_revision
from tests.policies.builders import CARDS, GENERAL, cards, decider, general


def test_a_model_that_the_document_does_not_speak_of_is_named() -> None:
    with pytest.raises(NotFound, match="no policy of 'fraud_detectr'; did you mean 'fraud_detector'"):
        read_policy(CARDS, "fraud_detectr")


def test_a_faulty_document_decides_nothing() -> None:
    with pytest.raises(DocumentInvalid):
        read_policy(CARDS.replace("block: 0.7", "block: 7"), "fraud_detector")


def test_a_stored_revision_names_itself() -> None:
    revision = Revision(
        kind="decision_policy",
        name="fraud_detector",
        number=3,
        base=2,
        text=CARDS,
        digest="",
        author="meera",
        reason="",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        state=RevisionState.IN_FORCE,
    )
    assert read_revision(revision).revision == "decision_policy/fraud_detector/3"


def test_columns_that_a_model_does_not_take_are_told_by_line_and_path() -> None:
    found = find_column_problems(GENERAL, "churn_predictor", ["revenu", "years", "plan", "is_staff", "complaints"])
    assert [(problem.line, problem.path, problem.message) for problem in found] == [
        (8, "churn_predictor.rules[0].when.column", "there is no column 'revenue'; did you mean 'revenu'?"),
        (
            22,
            "churn_predictor.rules[2].when.column",
            "there is no column 'country'; known are complaints, is_staff, plan, revenu, years",
        ),
    ]
    assert find_column_problems(CARDS, "fraud_detector", ["amount", "country"]) == []
    assert [each.path for each in find_column_problems(CARDS, "fraud_detector", ["amount"])] == [
        "fraud_detector.flags.strict_mode_countries"
    ]


def test_an_empty_list_of_countries_makes_no_rule() -> None:
    assert cards(CARDS.replace('["NG", "PK"]', "[]")).columns == {"amount", "merchant_age_days"}


def test_a_rule_over_an_empty_list_of_a_flag_holds_for_nobody() -> None:
    by = decider(general(GENERAL.replace("[DE, FR]", "[]")))
    row = {"revenue": 1, "years": 1, "plan": "x", "is_staff": False, "complaints": 0, "country": "DE", "email": "x"}
    assert by.decide(0.1, row).reasons == ("nothing_threshold",)


def test_a_flag_that_switches_nothing_is_worth_a_note() -> None:
    assert [(note.line, note.path) for note in find_notes(CARDS)] == [
        (17, "fraud_detector.flags.enable_velocity_checks")
    ]
    assert find_notes(GENERAL) == []
    assert [note.path for note in find_notes(GENERAL + "    idle: true\n")] == ["churn_predictor.flags.idle"]


def test_strict_countries_hold_without_any_other_rule() -> None:
    text = (
        "m:\n  thresholds: {block: 0.5, allow: 0}\n  flags: {enable_geo_blocking: true, strict_mode_countries: [NG]}\n"
    )
    assert decider(read_policy(text, "m")).decide(0.1, {"country": "NG"}).action == "block"
