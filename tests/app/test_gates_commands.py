"""`gates` against a real MLflow server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.app.running import Home, make_home
from tests.gates.builders import mlmodel

POLICY = """\
kind: gate_policy
expires_after_hours: 24
waiver_days: 3
stages:
  staging:
    approvals: {default: 1}
    gates:
    - {gate: name, kind: name}
    - {gate: auc, kind: champion, metric: auc, tolerance: 0.01, without_champion: measured}
    - {gate: sla, kind: sla, at_most: 0}
"""


@pytest.fixture
def home(tmp_path: Path, mlflow_url: str) -> Home:
    return make_home(tmp_path, MLFLOW_TRACKING_URI=mlflow_url)


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "gates.yaml"
    path.write_text(POLICY)
    return path


def register(url: str, name: str, folder: Path, *, auc: float, violations: int = 0, alias: str = "") -> str:
    """Log and register a version as training code does, and return its reference."""
    from mlflow import MlflowClient

    client = MlflowClient(url)
    experiment = client.get_experiment_by_name("commands")
    experiment_id = client.create_experiment("commands") if experiment is None else experiment.experiment_id
    run_id = client.create_run(experiment_id).info.run_id
    folder.mkdir(exist_ok=True)
    (folder / "sla.json").write_text(json.dumps({"violations": violations, "window": "7 days"}))
    client.log_artifact(run_id, str(folder / "sla.json"))
    client.log_metric(run_id, "auc", auc)
    client.set_terminated(run_id)
    model_id = client.create_logged_model(experiment_id, source_run_id=run_id).model_id
    (folder / "MLmodel").write_text(mlmodel())
    client.log_model_artifacts(model_id, str(folder))
    client.finalize_logged_model(model_id, "READY")
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    version = client.create_model_version(name, f"models:/{model_id}", run_id, model_id=model_id)
    if alias:
        client.set_registered_model_alias(name, alias, version.version)
    return f"{name}/{version.version}"


def test_gates_are_run_on_a_registered_version(home: Home, mlflow_url: str, tmp_path: Path, policy: Path) -> None:
    name = "payments_scorer"
    register(mlflow_url, name, tmp_path / "a", auc=0.9, alias="production")
    good = register(mlflow_url, name, tmp_path / "b", auc=0.89)
    worse = register(mlflow_url, name, tmp_path / "c", auc=0.8, violations=2)

    ran = home.run("gates", "run", good, "--to", "staging", "--policy", policy, "--json")
    assert ran.code == 0, ran
    assert ran.json["outcome"] == "passed"
    assert [(each["gate"], each["outcome"]) for each in ran.json["gates"]] == [
        ("name", "passed"),
        ("auc", "passed"),
        ("sla", "passed"),
    ]
    assert ran.json["evidence_digest"].startswith("sha256:")
    assert ran.json["champion"] == 1

    ran = home.run("gates", "run", worse, "--to", "staging", "--policy", policy, "--json")
    assert (ran.code, ran.json["outcome"]) == (1, "failed")
    against_itself = home.run(
        "gates", "run", worse, "--to", "staging", "--champion", worse, "--policy", policy, "--json"
    )
    assert [each["outcome"] for each in against_itself.json["gates"]] == ["passed", "passed", "failed"]
    told = home.run("gates", "run", worse, "--to", "staging", "--policy", policy)
    assert told.code == 1
    assert "at least 0.89 is asked for" in told.out
    assert told.out.splitlines()[-1] == f"{worse} to Staging: failed"


def test_ci_may_bring_evidence_of_its_own(home: Home, mlflow_url: str, tmp_path: Path, policy: Path) -> None:
    worse = register(mlflow_url, "claims_scorer", tmp_path / "a", auc=0.9, violations=2)
    assert home.run("gates", "run", worse, "--to", "staging", "--policy", policy).code == 1
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    (evidence / "sla.json").write_text('{"violations": 0, "window": "today"}')
    ran = home.run("gates", "run", worse, "--to", "staging", "--policy", policy, "--evidence", evidence, "--json")
    assert (ran.code, ran.json["outcome"]) == (0, "passed")


def test_without_a_policy_the_one_in_force_judges_and_a_bare_version_is_blocked(
    home: Home, mlflow_url: str, tmp_path: Path
) -> None:
    bare = register(mlflow_url, "returns_scorer", tmp_path / "a", auc=0.9)
    ran = home.run("gates", "run", f"models:/{bare}", "--to", "Staging", "--json")
    assert (ran.code, ran.json["outcome"]) == (1, "failed")
    assert ran.json["policy_revision"] == "gate_policy/default/1"
    outcomes = {each["gate"]: each["outcome"] for each in ran.json["gates"]}
    assert outcomes["standard_tags"] == "failed"
    assert outcomes["signature"] == "passed"


def test_all_latest_versions_are_swept_the_worst_first(home: Home, mlflow_url: str, tmp_path: Path) -> None:
    register(mlflow_url, "sweep_scorer", tmp_path / "a", auc=0.9)
    newest = register(mlflow_url, "sweep_scorer", tmp_path / "b", auc=0.4)
    swept = home.run("gates", "sweep", "--to", "staging", "--json")
    assert (swept.code, swept.json["to"]) == (0, "staging")
    (mine,) = [each for each in swept.json["versions"] if each["model"] == "sweep_scorer"]
    assert f"sweep_scorer/{mine['version']}" == newest
    assert (mine["outcome"], mine["champion"]) == ("failed", None)
    assert "standard_tags" in mine["held_up_by"]
    assert {each["gate"]: each["outcome"] for each in mine["gates"]}["standard_tags"] == "failed"
    worst = ["failed", "error", "inconclusive", "passed"]
    order = [(worst.index(each["outcome"]), each["model"]) for each in swept.json["versions"]]
    assert order == sorted(order)
    assert swept.json["held_up"] == sum(bool(each["held_up_by"]) for each in swept.json["versions"])
    told = home.run("gates", "sweep", "--to", "staging")
    assert "held up" in told.out
    assert home.run("gates", "sweep", "--to", "moon", "--json").code == 2


def test_a_gate_is_waived_by_who_may(home: Home, mlflow_url: str, tmp_path: Path) -> None:
    bare = register(mlflow_url, "refunds_scorer", tmp_path / "a", auc=0.9)
    maya, jun = home.add_person("maya", "data_scientist"), home.add_person("jun", "release_manager")
    command = ["gates", "waive", bare, "standard_tags", "--to", "staging", "--days", "2", "--reason", "known", "--json"]
    assert home.run(*command, token=maya).code == 1
    waived = home.run(*command, token=jun)
    assert (waived.code, waived.json["granted_by"]) == (0, "jun")
    ran = home.run("gates", "run", bare, "--to", "staging", "--json", token=jun)
    assert [each["gate"] for each in ran.json["gates"] if each["waived"]] == ["standard_tags"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nobody/1", "--to", "staging"], 2),
        (["payments", "--to", "staging"], 2),
        (["payments/1", "--to", "moon"], 2),
        (["payments/1"], 2),
    ],
)
def test_what_does_not_exist_ends_with_2(home: Home, arguments: list[str], code: int) -> None:
    ran = home.run("gates", "run", *arguments, "--json")
    assert ran.code == code
    assert set(ran.json["error"]) == {"kind", "message", "next_step"}


def test_a_registry_that_is_away_ends_with_3(tmp_path: Path) -> None:
    away = make_home(tmp_path, MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    ran = away.run("gates", "run", "payments/1", "--to", "staging", "--json")
    assert (ran.code, ran.json["error"]["kind"]) == (3, "unreachable")
