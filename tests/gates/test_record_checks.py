import pytest

from services.gates.evidence import ChecklistAnswers, Files, Metrics, Story
from services.gates.outcomes import Outcome
from tests.gates.builders import TAGS, gate, judge


def test_a_name_for_a_version_fails_with_a_better_one() -> None:
    assert judge(gate(kind="name")).outcome is Outcome.PASSED
    result = judge(gate(kind="name"), name="fraud_detector_v2")
    assert result.outcome is Outcome.FAILED
    assert result.remedy == "Register it as fraud_detector."


def test_tags_are_found_on_the_version_and_checked_by_the_vocabulary() -> None:
    tags = gate(kind="tags", required=["team", "owner", "risk"])
    assert judge(tags).outcome is Outcome.PASSED
    result = judge(tags, tags={**TAGS, "risk": "high", "team": " "})
    assert (result.outcome, result.observed, result.threshold) == (Outcome.FAILED, 1, 3)
    assert "tier1, tier2, tier3" in result.message
    assert "team:" in result.remedy


def test_a_tag_of_ones_own_has_only_to_be_there() -> None:
    own = gate(kind="tags", required=["cost_center"])
    assert judge(own, tags={}).outcome is Outcome.FAILED
    assert judge(own, tags={"cost_center": "7"}).outcome is Outcome.PASSED


def test_metrics_under_other_names_are_told() -> None:
    names = gate(kind="metric_names")
    assert judge(names, Metrics(candidate={"auc": 1, "mine": 2}, champion=None)).outcome is Outcome.PASSED
    result = judge(names, Metrics(candidate={"roc_auc": 1}, champion=None))
    assert (result.outcome, result.remedy) == (Outcome.FAILED, "Log it as auc.")
    assert judge(names, Metrics(candidate={}, champion=None)).outcome is Outcome.INCONCLUSIVE


def test_a_story_lacks_what_it_is_asked_for() -> None:
    story = Story(present=frozenset({"run", "metrics"}), missing={"model_card": "Log a card.", "risks": "Say them."})
    assert judge(gate(kind="story", required=["run"]), story).outcome is Outcome.PASSED
    result = judge(gate(kind="story", required=["run", "model_card"]), story)
    assert (result.outcome, result.remedy) == (Outcome.FAILED, "Log a card.")
    assert result.observed == 0.5
    share = judge(gate(kind="story", at_least=0.75), story)
    assert (share.outcome, share.remedy) == (Outcome.FAILED, "Log a card. Say them.")
    assert judge(gate(kind="story", at_least=0.5), story).outcome is Outcome.PASSED
    unknown = judge(gate(kind="story", required=["poem"]), story)
    assert unknown.remedy == "Log poem with the run."


def test_artifacts_are_found_in_the_model_and_in_the_run() -> None:
    files = Files(model=frozenset({"MLmodel"}), run=frozenset({"plots/shap_summary.png"}))
    assert judge(gate(kind="artifacts", paths=["MLmodel", "plots/shap*.png"]), files).outcome is Outcome.PASSED
    result = judge(gate(kind="artifacts", paths=["MLmodel", "*.pkl"]), files)
    assert (result.outcome, result.observed) == (Outcome.FAILED, 1)


def test_a_checklist_is_answered_by_item_or_by_category() -> None:
    answers = ChecklistAnswers(
        items={"testing": ["unit_tests", "smoke_tests"], "security": ["secrets"]},
        answers={"unit_tests": "yes", "smoke_tests": "not_applicable", "secrets": "no"},
    )
    assert judge(gate(kind="checklist", items=["testing"]), answers).outcome is Outcome.PASSED
    result = judge(gate(kind="checklist"), answers)
    assert (result.outcome, result.remedy) == (Outcome.FAILED, "Answer secrets.")
    assert judge(gate(kind="checklist", at_least=0.6), answers).outcome is Outcome.PASSED
    assert judge(gate(kind="checklist", items=["nothing"]), answers).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("aliases", "outcome"),
    [((), Outcome.PASSED), (("staging",), Outcome.PASSED), (("production",), Outcome.FAILED)],
)
def test_what_serves_cannot_be_retired(aliases: tuple[str, ...], outcome: Outcome) -> None:
    assert judge(gate(kind="not_serving"), aliases=aliases).outcome is outcome
