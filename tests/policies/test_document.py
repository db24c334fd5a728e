import pytest

from services.documents import validate
from services.policies.document import DECISION_POLICY
from tests.policies.builders import CARDS, GENERAL


def problems(text: str) -> list[tuple[int, str, str]]:
    return [(each.line, each.path, each.message) for each in validate(DECISION_POLICY, text)]


def swap(old: str, new: str, text: str = CARDS) -> str:
    assert old in text
    return text.replace(old, new)


@pytest.mark.parametrize("text", [CARDS, GENERAL, CARDS + GENERAL])
def test_a_sound_document_has_no_problems(text: str) -> None:
    assert problems(text) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "path", "said"),
    [
        ("block: 0.7", "block: 0.3", 8, "thresholds.manual_review", "out of order"),
        ("block: 0.7", "block: 0.4", 8, "thresholds.manual_review", "0.4 of manual_review is not below 0.4 of block"),
        ("block: 0.7", "block: 1.7", 7, "thresholds.block", "less than or equal to 1"),
        ("block: 0.7", "block: -0.7", 7, "thresholds.block", "greater than or equal to 0"),
        ("block: 0.7", "block: .nan", 7, "thresholds.block", "finite"),
        ("block: 0.7", 'block: "nan"', 7, "thresholds.block", "'nan' should be a number"),
        ("block: 0.7", "block: true", 7, "thresholds.block", "true should be a number"),
        ("allow: 0.0", "allow: 0.1", 6, "thresholds", "scores below 0.1 have no action"),
        ('"manual_review"', '"explode"', 12, "rules.high_value_action", "nobody defined the action 'explode'"),
        ('"extra_verification"', '"manual_reviw"', 14, "rules.new_merchant_action", "did you mean 'manual_review'"),
        ("    high_value_threshold: 10000\n", "", 11, "rules.high_value_action", "goes with high_value_threshold"),
        ("high_value_threshold", "high_valeu_threshold", 11, "rules.high_valeu_threshold", "did you mean"),
        ("    enable_geo_blocking: true\n", "", 17, "flags.strict_mode_countries", "needs enable_geo_blocking"),
        ('["NG", "PK"]', "true", 18, "flags.strict_mode_countries", "list of countries"),
        ('["NG", "PK"]', "7", 18, "flags.strict_mode_countries", "true or false"),
        ("customer: 3", "customer: 0", 20, "guardrails.max_daily_blocks_per_customer", "greater than or equal to 1"),
        ("hours: 24", "hours: 0", 21, "guardrails.auto_unblock_after_hours", "greater than 0"),
        ('version: "2.1"', "version: 2.1", 3, "version", "put it in quotes"),
        ("2024-10-08T10:30:00Z", "someday", 4, "updated", "someday"),
        ("    manual_review: 0.4\n", "    block: 0.4\n", 8, "thresholds.block", "second time"),
        ("  guardrails:", "  guardrail:", 19, "guardrail", "did you mean 'guardrails'"),
    ],
)
def test_a_fault_is_told_at_its_line_and_path(old: str, new: str, line: int, path: str, said: str) -> None:
    (problem,) = problems(swap(old, new))
    assert problem[:2] == (line, f"fraud_detector.{path}")
    assert said in problem[2]


def test_thresholds_listed_from_the_mildest_up_are_out_of_order_at_each() -> None:
    text = "m:\n  thresholds: {allow: 0, manual_review: 0.4, block: 0.7}\n"
    assert [(line, path) for line, path, _ in problems(text)] == [
        (2, "m.thresholds.block"),
        (2, "m.thresholds.manual_review"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "path", "said"),
    [
        ("operator: at_least, value: 1000", "operator: roughly, value: 1000", "rules[0].when", "above, at_least"),
        ("value: 1000", 'value: "1000"', "rules[0].when.value", "should be a number"),
        ("action: gift\n    reason", "action: gifft\n    reason", "rules[1].action", "did you mean 'gift'"),
        ("only_from: [discount, nothing]", "only_from: [discuont]", "rules[0].only_from[0]", "nobody defined"),
        ("only_from: [discount, nothing]", "only_from: []", "rules[0].only_from", "not be empty"),
        ("name: eu\n", "name: loyal\n", "rules[2].name", "rules[1] is named 'loyal' already"),
        ("flag: enable_eu\n", "flag: enable_us\n", "rules[2].flag", "flags.enable_us is not there as true or false"),
        ("flag: eu_countries}", "flag: enable_eu}", "rules[2].when.flag", "flags.enable_eu is not there as a list"),
        ("flag: eu_countries}", "flag: eu_countries, value: [DE]}", "rules[2].when", "either value or flag"),
        ("in, flag: eu_countries}", "in}", "rules[2].when", "either value or flag"),
        ("value: [gold, silver]", "value: []", "rules[1].when.all[1].any[0].value", "not be empty"),
        ("value: [gold, silver]", "value: [gold, 3]", "rules[1].when.all[1].any[0].value[1]", "text"),
        ("reasons: {call:", "reasons: {cal:", "reasons.cal", "did you mean 'call'"),
        ("value: true}", "value: [1]}", "rules[1].when.all[1].any[1].value", "text"),
        ("without_column: skip", "without_column: maybe", "rules[3].without_column", "'maybe' is not one of"),
        ("actions: [gift]", "actions: [g!ft]", "actions[0]", "pattern"),
    ],
)
def test_a_fault_in_rules_over_any_columns_is_told_at_its_path(old: str, new: str, path: str, said: str) -> None:
    found = problems(swap(old, new, GENERAL))
    assert found[0][1] == f"churn_predictor.{path}"
    assert said in found[0][2]


def test_guardrails_need_an_action_to_guard() -> None:
    text = "m:\n  thresholds: {call: 0.5, nothing: 0}\n  guardrails: {max_daily_blocks_per_customer: 1}\n"
    assert [path for _, path, _ in problems(text)] == ["m.guardrails.max_daily_blocks_per_customer"]
    rails = "{max_daily_blocks_per_customer: 1, block_action: x, instead: x}"
    text = f"m:\n  thresholds: {{call: 0.5, nothing: 0}}\n  guardrails: {rails}\n"
    assert [message for _, _, message in problems(text)] == [
        "nobody defined the action 'x'",
        (
            "nobody defined the action 'x'; known are allow, block, call, extra_verification, manual_review, nothing; "
            "give it a threshold or list it under actions"
        ),
        "is the blocked action itself",
    ]


def test_one_threshold_leaves_nothing_to_raise_to() -> None:
    text = "m:\n  thresholds: {allow: 0}\n  flags: {enable_geo_blocking: true, strict_mode_countries: [NG]}\n"
    assert [path for _, path, _ in problems(text)] == ["m.flags.strict_mode_countries"]


def test_a_name_that_no_model_can_have_is_a_problem() -> None:
    assert (
        problems("a/b:\n  thresholds: {x: 0}\n")[0][2]
        == "the model name contains /, which separates parts of a reference"
    )


def test_a_policy_has_at_most_sixty_four_rules() -> None:
    rules = "".join(f"  - {{name: r{n}, when: {{column: x, operator: present}}}}\n" for n in range(65))
    assert "64" in problems(f"m:\n  thresholds: {{x: 0}}\n  rules:\n{rules}")[0][2]


def test_a_document_of_a_thousand_lines_is_read() -> None:
    values = "".join(f"    - country_{n}\n" for n in range(1000))
    flags = f"    enable_geo_blocking: true\n    strict_mode_countries:\n{values}"
    text = f"m:\n  thresholds: {{block: 0.5, allow: 0}}\n  flags:\n{flags}"
    assert problems(text) == []
