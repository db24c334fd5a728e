import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registry.look_alikes import find_look_alike, group_look_alikes
from services.registry.name_lint import lint_name
from services.registry.name_words import GIVEN_NAMES


@pytest.mark.parametrize(
    "name",
    [
        "fraud_detector",
        "search_ranker",
        "recommendation_engine",
        "churn_predictor",
        "demand_forecaster",
        "anomaly_detector",
        "digit_reader",
        "budget_forecaster",
        "risk.cards.fraud_detector",
        "top_10_ranker",
        "next_7_days_forecaster",
        "resnet50",
        "new_customer_scorer",
        "best_offer_ranker",
        "may_day_ranker",
        "xgb_model",
        "catalog.schema.model",
        "candidate_ranker",
        "stock_beta",
        "top_two_ranker",
    ],
)
def test_a_products_name_has_no_problem(name: str) -> None:
    report = lint_name(name)
    assert (report.problems, report.suggestion) == ((), None)


@pytest.mark.parametrize(
    ("name", "rule", "suggestion"),
    [
        ("fraud_detector_v1", "version", "fraud_detector"),
        ("fraud_detector_v2", "version", "fraud_detector"),
        ("fraud_detector_2", "version", "fraud_detector"),
        ("fraud_detector2", "version", "fraud_detector"),
        ("fraud_detector_v1_2", "version", "fraud_detector"),
        ("fraud_detector_version_3", "version", "fraud_detector"),
        ("cost_forecaster_v2.1", "version", "cost_forecaster"),
        ("risk.cards.fraud_detector_v3", "version", "risk.cards.fraud_detector"),
        ("fraud_detector_final", "finality", "fraud_detector"),
        ("fraud_detector_really_final", "finality", "fraud_detector"),
        ("fraud_detector_final_v2", "finality", "fraud_detector"),
        ("fraud_detector_new", "finality", "fraud_detector"),
        ("fraud_detector_final2", "finality", "fraud_detector"),
        ("fraud_detector_vfinal", "finality", "fraud_detector"),
        ("fraud_detector_rc1", "finality", "fraud_detector"),
        ("fraud_detector_retrained", "finality", "fraud_detector"),
        ("fraud_detector_version_two", "version", "fraud_detector"),
        ("fraud_detector_bob_smith", "author", "fraud_detector"),
        ("fraud_detector_w42", "date", "fraud_detector"),
        ("catalog.schema.model_final", "finality", "catalog.schema.model"),
        ("final_model", "finality", None),
        ("final_model", "generic", None),
        ("fraud_detector_oct_2024", "date", "fraud_detector"),
        ("model_oct_2024", "date", None),
        ("fraud_detector_20241001", "date", "fraud_detector"),
        ("fraud_detector_2024_10_01", "date", "fraud_detector"),
        ("fraud_detector_2024-10-01", "date", "fraud_detector"),
        ("churn_predictor_may_2024", "date", "churn_predictor"),
        ("budget_forecaster_dec", "date", "budget_forecaster"),
        ("credit_scorer_24q3", "date", "credit_scorer"),
        ("demand_forecaster_week42", "date", "demand_forecaster"),
        ("fraud_detector_prod", "stage", "fraud_detector"),
        ("staging_fraud_detector", "stage", "fraud_detector"),
        ("alice_churn_predictor", "author", "churn_predictor"),
        ("johns_fraud_detector", "author", "fraud_detector"),
        ("fraud_detector_by_meera", "author", "fraud_detector"),
        ("fraud_detector_by_jsmith", "author", "fraud_detector"),
        ("model", "generic", None),
        ("my_model", "generic", None),
        ("FraudDetector", "case", "fraud_detector"),
        ("fraud__detector", "case", "fraud_detector"),
        ("fraud-detector", "characters", "fraud_detector"),
        ("fraud detector", "characters", "fraud_detector"),
        ("Détecteur de fraude", "characters", "detecteur_de_fraude"),
        ("risk.fraud_detector", "levels", "fraud_detector"),
        ("risk..fraud_detector", "levels", "fraud_detector"),
        ("fd", "length", None),
        ("f" * 65, "length", None),
        ("<b>fraud</b>_detector", "unusable", "fraud_detector"),
        ("fraud\ndetector", "unusable", "fraud_detector"),
        ("fraud\u202e_detector", "unusable", "fraud_detector"),
        ("f" * 256, "unusable", None),
        ("", "unusable", None),
        ("名前", "characters", None),
    ],
)
def test_what_is_no_products_name_is_told_with_a_better_one(name: str, rule: str, suggestion: str | None) -> None:
    report = lint_name(name)
    assert rule in {problem.rule for problem in report.problems}
    assert report.suggestion == suggestion
    assert all(problem.message.endswith(".") and problem.message.isprintable() for problem in report.problems)


def test_a_known_account_is_a_person() -> None:
    assert lint_name("fraud_detector_jsmith").is_ok
    assert [problem.rule for problem in lint_name("fraud_detector_jsmith", people=["JSmith"]).problems] == ["author"]


@pytest.mark.parametrize(
    "name",
    [
        "fraud_detectors",
        "FraudDetector",
        "frauddetector",
        "fraud_detecter",
        "fruad_detector",
        "fr\u0430ud_detector",
        "fraud_detect0r",
    ],
)
def test_a_look_alike_is_told_and_the_registered_name_suggested(name: str) -> None:
    report = lint_name(name, existing=["churn_predictor", "fraud_detector"])
    assert "look_alike" in {problem.rule for problem in report.problems}
    assert report.suggestion == "fraud_detector"


@pytest.mark.parametrize("other", ["fraud_detector", "froud_defector", "fraud_detector_eu", "store_2", "cat", "dog"])
def test_names_that_differ_enough_are_no_look_alikes(other: str) -> None:
    assert find_look_alike(other, ["fraud_detector", "store_1", "bat"]) is None


def test_a_name_that_is_registered_is_not_told_of_its_look_alikes() -> None:
    assert lint_name("fraud_detector", existing=["fraud_detector", "fraud_detectors"]).is_ok


def test_look_alikes_are_found_among_all_names_and_the_first_is_none() -> None:
    names = ["fraud_detector", "churn_predictor", "fraud_detectors", "名前", "FraudDetector"]
    assert group_look_alikes(names) == {"fraud_detectors": "fraud_detector", "FraudDetector": "fraud_detector"}


def test_many_names_of_one_skeleton_take_no_long_time() -> None:
    names = [f"{'_' * index}fraud_detector" for index in range(1, 3000)]
    assert len(group_look_alikes(names)) == len(names) - 1


def test_the_json_is_that_of_the_interface() -> None:
    assert lint_name("final_model").as_json() == {
        "name": "final_model",
        "ok": False,
        "problems": [
            {
                "rule": "finality",
                "message": "'final' says how things stood one day, and the next version will contradict it.",
            },
            {"rule": "generic", "message": "Nothing in the name says what the model is for, as fraud_detector does."},
        ],
        "suggestion": None,
    }


WORDS = st.sampled_from(
    ["fraud", "detector", "v2", "final", "2024", "oct", "model", "prod", "by", "3", "x1", *sorted(GIVEN_NAMES)[:3]]
)


@given(st.one_of(st.text(max_size=40), st.lists(WORDS, min_size=1, max_size=6).map("_".join)))
def test_a_suggestion_is_itself_a_good_name_and_problems_come_with_reasons(name: str) -> None:
    report = lint_name(name)
    assert report.is_ok == (not report.problems)
    if report.suggestion is not None:
        assert not report.is_ok
        assert lint_name(report.suggestion).is_ok


@given(st.lists(st.text(alphabet="abcdefgh_", min_size=1, max_size=12), max_size=12, unique=True))
def test_grouping_finds_exactly_what_comparing_with_those_before_finds(names: list[str]) -> None:
    grouped = group_look_alikes(names)
    for place, name in enumerate(names):
        assert (name in grouped) == (find_look_alike(name, names[:place]) is not None)
        if name in grouped:
            assert find_look_alike(name, [grouped[name]]) == grouped[name]
