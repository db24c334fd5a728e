import pytest

from services.documents import parse, validate
from services.gates.kinds import BoundedGate, ChampionGate
from services.gates.policy import GATE_POLICY, GatePolicy
from services.registry.values import Stage

DEFAULT = GATE_POLICY.read_default() or ""
SMALL = """\
kind: gate_policy
expires_after_hours: 24
waiver_days: 3
stages:
  staging:
    approvals: {default: 1}
    gates:
    - {gate: auc, kind: metric, metric: auc, at_least: 0.8}
    - {gate: name, kind: name}
  production:
    approvals: {default: 1, tiers: {tier1: 3}}
    includes: staging
    gates:
    - {gate: p95, kind: probe, measure: p95_ms, at_most: 25}
overrides:
- {stage: production, models: [fraud_detector], gates: [{gate: p95, kind: probe, measure: p95_ms, at_most: 5}]}
- stage: production
  tier: tier1
  gates:
  - {gate: p95, kind: probe, measure: p95_ms, at_most: 10}
  - {gate: sla, kind: sla, at_most: 0}
  without: [name]
"""


def policy(text: str) -> GatePolicy:
    return GatePolicy(revision="r", author="ada", text=parse(GATE_POLICY, text).value)


def named(stage: Stage, *, model: str = "m", tier: str = "") -> dict[str, object]:
    return {gate.gate: gate for gate in policy(SMALL).list_gates(stage, model=model, tier=tier)}


def test_the_shipped_policy_is_valid() -> None:
    assert validate(GATE_POLICY, DEFAULT) == []


@pytest.mark.parametrize(
    ("name", "bound", "value"),
    [
        ("accuracy_threshold", "tolerance", 0.02),
        ("auc_threshold", "tolerance", 0.01),
        ("fairness_check", "at_most", 0.1),
        ("calibration_check", "at_most", 0.1),
        ("latency_p95", "at_most", 25),
        ("latency_p99", "at_most", 50),
        ("memory_usage", "at_most", 1024),
        ("cold_start", "at_most", 2),
        ("error_rate", "at_most", 0.001),
        ("logging_complete", "at_least", 1),
        ("business_metric_lift", "at_least", 0),
        ("no_sla_violations", "at_most", 0),
        ("shadow_success", "at_least", 3),
        ("statistical_significance", "at_most", 0.05),
    ],
)
def test_the_shipped_policy_carries_the_agreed_thresholds(name: str, bound: str, value: float) -> None:
    gates = {gate.gate: gate for gate in policy(DEFAULT).list_gates(Stage.PRODUCTION, model="m", tier="tier1")}
    gate = gates[name]
    assert isinstance(gate, BoundedGate | ChampionGate)
    assert getattr(gate, bound) == value
    assert not gate.dry_run


def test_what_only_traffic_can_show_binds_tier_one_alone() -> None:
    shipped = policy(DEFAULT)
    by_tier = {
        tier: {gate.gate for gate in shipped.list_gates(Stage.PRODUCTION, model="m", tier=tier) if not gate.dry_run}
        for tier in ("tier1", "tier2")
    }
    assert by_tier["tier1"] - by_tier["tier2"] == {
        "logging_complete",
        "shadow_success",
        "business_metric_lift",
        "statistical_significance",
        "no_sla_violations",
    }
    assert shipped.count_approvals(Stage.PRODUCTION, tier="tier1") == 2
    assert shipped.count_approvals(Stage.PRODUCTION, tier="tier2") == 1
    assert shipped.count_approvals(Stage.STAGING, tier="tier1") == 1


def test_a_stage_includes_the_gates_of_another() -> None:
    assert list(named(Stage.PRODUCTION)) == ["auc", "name", "p95"]
    assert list(named(Stage.STAGING)) == ["auc", "name"]


def test_overrides_replace_add_and_leave_out_and_the_models_own_come_last() -> None:
    by_tier = named(Stage.PRODUCTION, tier="tier1")
    assert list(by_tier) == ["auc", "p95", "sla"]
    assert isinstance(by_tier["p95"], BoundedGate)
    assert by_tier["p95"].at_most == 10
    both = named(Stage.PRODUCTION, model="fraud_detector", tier="tier1")["p95"]
    assert isinstance(both, BoundedGate)
    assert both.at_most == 5


def test_a_stage_that_the_policy_does_not_speak_of_has_no_gates_and_takes_the_most_approvals() -> None:
    assert named(Stage.ARCHIVED) == {}
    assert policy(SMALL).count_approvals(Stage.ARCHIVED, tier="tier3") == 3
    assert policy(SMALL).count_approvals(Stage.PRODUCTION, tier="tier1") == 3


def test_leaving_for_nowhere_is_retiring() -> None:
    shipped = policy(DEFAULT)
    assert shipped.list_gates(Stage.NONE, model="m", tier="") == shipped.list_gates(Stage.ARCHIVED, model="m", tier="")


@pytest.mark.parametrize(
    ("old", "new", "path", "said"),
    [
        ("gate: name, kind: name", "gate: auc, kind: name", "stages.staging.gates[1].gate", "named 'auc' before"),
        (", at_least: 0.8", "", "stages.staging.gates[0].kind", "exactly one of at_least and at_most"),
        ("at_least: 0.8", "at_least: 0.8, at_most: 1", "stages.staging.gates[0].kind", "exactly one"),
        ("includes: staging", "includes: production", "stages.production.includes", "includes another stage itself"),
        ("includes: staging", "includes: archived", "stages.production.includes", "not there"),
        ("without: [name]", "without: [nmae]", "overrides[1].without[0]", "did you mean 'name'"),
        ("  tier: tier1\n", "", "overrides[1]", "for a tier or for models"),
        ("models: [fraud_detector]", "models: [fraud_detector], tier: tier2", "overrides[0]", "write one of the two"),
        ("kind: name}", "kind: story}", "stages.staging.gates[1].kind", "hold for anything"),
        (
            "kind: name}",
            "kind: ab_test, measure: p_value, at_most: 0.05}",
            "stages.staging.gates[1].measure",
            "goes with",
        ),
        ("kind: name}", "kind: champion, metric: mine, tolerance: 0}", "stages.staging.gates[1].metric", "which way"),
        (
            "kind: name}",
            "kind: slices, metric: auc, min_rows: 1}",
            "stages.staging.gates[1].metric",
            "exactly one of at_least, at_most and max_gap",
        ),
        (
            "kind: name}",
            "kind: slices, metric: mine, min_rows: 1, max_gap: 0.1}",
            "stages.staging.gates[1].metric",
            "which way",
        ),
        ("waiver_days: 3", "waiver_days: 0", "waiver_days", "greater than 0"),
        ("approvals: {default: 1}", "approvals: {default: 0}", "stages.staging.approvals.default", "greater than"),
    ],
)
def test_a_contradiction_is_told_at_its_path(old: str, new: str, path: str, said: str) -> None:
    assert old in SMALL
    found = validate(GATE_POLICY, SMALL.replace(old, new))
    assert path in [problem.path for problem in found]
    assert said in next(problem.message for problem in found if problem.path == path)


def test_an_override_may_not_leave_nothing_to_pass() -> None:
    text = SMALL + "- {stage: staging, tier: tier3, without: [auc, name]}\n"
    assert [problem.message for problem in validate(GATE_POLICY, text)] == ["nothing would be left to pass"]


def test_a_stage_without_gates_is_refused() -> None:
    text = SMALL.replace("    - {gate: p95, kind: probe, measure: p95_ms, at_most: 25}\n", "").replace(
        "    includes: staging\n    gates:\n", "    gates: []\n"
    )
    assert ("stages.production.gates", "should not be empty") in [
        (problem.path, problem.message) for problem in validate(GATE_POLICY, text)
    ]
