"""`names`, `models`, `sync`, `register` and `drift` against a real MLflow server."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.app.running import Home, make_home
from tests.gates.builders import mlmodel

BAD_NAMES = (
    "fraud_detector_v1",
    "fraud_detector_v2",
    "fraud_detector_final",
    "fraud_detector_really_final",
    "fraud_detector_oct_2024",
    "model_oct_2024",
    "final_model",
)
GOOD_NAMES = ("fraud_detector", "search_ranker", "recommendation_engine", "churn_predictor", "demand_forecaster")


@pytest.fixture
def home(tmp_path: Path, mlflow_url: str) -> Home:
    return make_home(tmp_path, MLFLOW_TRACKING_URI=mlflow_url)


@pytest.fixture
def name() -> str:
    return f"commanded_{uuid.uuid4().hex[:8]}_scorer"


def client(url: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(url)


def log_model(url: str, folder: Path) -> Any:
    """Log a model folder with a signature as training code does."""
    people = client(url)
    experiment = people.get_experiment_by_name("registry commands")
    experiment_id = people.create_experiment("registry commands") if experiment is None else experiment.experiment_id
    run = people.create_run(experiment_id, tags={"mlflow.user": "eve"}).info
    people.log_metric(run.run_id, "auc", 0.9)
    model = people.create_logged_model(experiment_id, source_run_id=run.run_id)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "MLmodel").write_text(mlmodel())
    people.log_model_artifacts(model.model_id, str(folder))
    people.set_terminated(run.run_id)
    return people.finalize_logged_model(model.model_id, "READY")


def register(url: str, name: str, folder: Path) -> None:
    model = log_model(url, folder)
    people = client(url)
    if not people.search_registered_models(f"name = '{name}'"):
        people.create_registered_model(name, tags={"team": "risk"})
    people.create_model_version(name, f"models:/{model.model_id}", model.source_run_id, model_id=model.model_id)


def test_every_bad_name_of_the_user_is_told_with_reasons(tmp_path: Path) -> None:
    ran = make_home(tmp_path).run("names", "lint", *BAD_NAMES, "--json")
    assert ran.code == 1
    for report in ran.json["names"]:
        assert not report["ok"]
        assert all(problem["rule"] and problem["message"] for problem in report["problems"])
    suggestions = {report["name"]: report["suggestion"] for report in ran.json["names"]}
    assert suggestions["fraud_detector_oct_2024"] == "fraud_detector"
    assert suggestions["final_model"] is None


def test_every_good_name_of_the_user_passes(tmp_path: Path) -> None:
    ran = make_home(tmp_path).run("names", "lint", *GOOD_NAMES, "--json")
    assert ran.code == 0
    assert ran.json["names"][0] == {"name": "fraud_detector", "ok": True, "problems": [], "suggestion": None}


@pytest.mark.parametrize("odd", ["<script>x", "a\nb", "\u202eevil", "z" * 256, "", "--"])
def test_an_odd_name_is_told_on_visible_lines(tmp_path: Path, odd: str) -> None:
    home = make_home(tmp_path)
    ran = home.run("names", "lint", "--", odd)
    assert ran.code == 1
    assert all(line.isprintable() for line in ran.out.splitlines())
    assert home.run("names", "lint", "--json", "--", odd).json["names"][0]["name"] == odd


@pytest.mark.long
def test_a_new_name_is_held_against_the_registered_ones(home: Home, mlflow_url: str, tmp_path: Path, name: str) -> None:
    register(mlflow_url, name, tmp_path / "m")
    assert home.run("sync").code == 0
    assert home.run("names", "lint", name).code == 0
    (report,) = home.run("names", "lint", f"{name}s", "--json").json["names"]
    assert [problem["rule"] for problem in report["problems"]] == ["look_alike"]
    assert report["suggestion"] == name


@pytest.mark.long
def test_models_are_listed_and_shown_after_a_sync(home: Home, mlflow_url: str, tmp_path: Path, name: str) -> None:
    for version in ("a", "b"):
        register(mlflow_url, name, tmp_path / version)
    client(mlflow_url).set_registered_model_alias(name, "production", "1")
    synced = home.run("sync", "--json")
    assert synced.code == 0
    assert name in synced.json["changed"]
    assert synced.json["details_pending"] == 0
    (model,) = home.run("models", "list", "--text", name, "--json").json["models"]
    assert (model["name"], model["latest_version"], model["aliases"]) == (name, 2, {"production": 1})
    assert model["stage_versions"] == {"Production": 1}
    assert "description_missing" in {problem["rule"] for problem in model["problems"]}
    shown = home.run("models", "show", name, "--json").json
    assert [version["version"] for version in shown["versions"]] == [2, 1]
    assert [version["author"] for version in shown["versions"]] == ["eve", "eve"]
    lines = home.run("models", "show", name).out
    assert "Production" in lines
    assert "eve" in lines


@pytest.mark.long
def test_pages_of_models_follow_one_another(home: Home, mlflow_url: str, name: str) -> None:
    for number in range(3):
        client(mlflow_url).create_registered_model(f"{name}_{'abc'[number]}")
    home.run("sync")
    first = home.run("models", "list", "--text", name, "--limit", "2", "--json").json
    second = home.run("models", "list", "--text", name, "--limit", "2", "--after", first["next"], "--json").json
    assert [model["name"][-1] for model in (*first["models"], *second["models"])] == ["a", "b", "c"]
    assert second["next"] is None
    assert home.run("models", "list", "--after", "nonsense", "--json").json["error"]["kind"] == "invalid_input"


@pytest.mark.parametrize(("name", "code", "kind"), [("nobody_at_all", 2, "not_found"), ("<b>", 2, "invalid_input")])
def test_an_unknown_model_is_one_sentence(tmp_path: Path, name: str, code: int, kind: str) -> None:
    ran = make_home(tmp_path).run("models", "show", name, "--json")
    assert ran.code == code
    assert ran.json["error"]["kind"] == kind
    assert ran.json["error"]["next_step"]


def test_a_registry_that_is_down_ends_with_three_and_the_index_still_answers(tmp_path: Path) -> None:
    home = make_home(tmp_path, MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    ran = home.run("sync", "--json")
    assert (ran.code, ran.json["error"]["kind"]) == (3, "unreachable")
    assert home.run("models", "list", "--json").json == {"models": [], "next": None}


def test_without_a_registry_set_a_sync_says_so(tmp_path: Path) -> None:
    ran = make_home(tmp_path).run("sync")
    assert ran.code == 2
    assert "MLFLOW_TRACKING_URI" in ran.err
    assert "Traceback" not in ran.err


def test_a_service_account_may_not_list_models(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    token = home.add_person("scorer", "service_account")
    ran = home.run("models", "list", "--json", token=token)
    assert (ran.code, ran.json["error"]["kind"]) == (1, "forbidden")


@pytest.mark.long
def test_a_version_is_registered_by_whoever_asks(home: Home, mlflow_url: str, tmp_path: Path, name: str) -> None:
    model = log_model(mlflow_url, tmp_path / "m")
    token = home.add_person("mia", "ml_engineer")
    source = f"models:/{model.model_id}"
    ran = home.run("register", name, "--source", source, "--description", "first", "--json", token=token)
    assert ran.code == 0, ran
    assert (ran.json["name"], ran.json["version"]) == (name, 1)
    home.run("sync")
    assert home.run("models", "show", name, "--json").json["versions"][0]["description"] == "first"
    (event,) = home.run("audit", "list", "--subject", f"{name}/1", "--json").json["events"]
    assert (event["actor"], event["action"]) == ("mia", "version:registry:registered")


def test_a_version_needs_one_origin(tmp_path: Path) -> None:
    for options in ((), ("--run", "r", "--source", "s")):
        ran = make_home(tmp_path).run("register", "fraud_detector", *options, "--description", "x")
        assert ran.code == 2


@pytest.mark.long
def test_drift_is_listed_reverted_and_recorded(home: Home, mlflow_url: str, tmp_path: Path, name: str) -> None:
    for version in ("a", "b"):
        register(mlflow_url, name, tmp_path / version)
    people = client(mlflow_url)
    people.set_registered_model_alias(name, "production", "1")
    home.run("sync")
    people.set_registered_model_alias(name, "production", "2")
    drifts = [drift for drift in home.run("sync", "--json").json["drifts"] if drift["model"] == name]
    assert [(drift["approved"], drift["found"]) for drift in drifts] == [("1", "2")]
    listed = home.run("drift", "list", "--model", name, "--json").json["drifts"]
    assert [drift["id"] for drift in listed] == [drifts[0]["id"]]
    assert "points at version 2" in home.run("drift", "list", "--model", name).out
    people.set_registered_model_alias(name, "Staging", "1")
    home.run("sync")
    first = home.run("drift", "list", "--model", name, "--limit", "1", "--json").json
    assert first["next"] == first["drifts"][0]["id"]
    assert "--after" in home.run("drift", "list", "--model", name, "--limit", "1").out
    rest = home.run("drift", "list", "--model", name, "--limit", "1", "--after", str(first["next"]), "--json").json
    assert (rest["drifts"], rest["next"]) == (listed, None)
    people.delete_registered_model_alias(name, "Staging")
    home.run("sync")
    below = home.run("models", "show", name, "--before", "2", "--json").json
    assert ([each["version"] for each in below["versions"]], below["next"]) == ([1], None)
    token = home.add_person("rae", "release_manager")
    for key, value in {"deprecated": "true", "sunset_on": "2020-01-01"}.items():
        people.set_model_version_tag(name, "2", key, value)
    ended = home.run("drift", "adopt", str(drifts[0]["id"]), "--reason", "keep it", "--json", token=token)
    assert (ended.code, ended.json["error"]["kind"]) == (1, "blocked"), "nothing past its sunset is adopted"
    ran = home.run("drift", "revert", str(drifts[0]["id"]), "--reason", "not agreed", "--json", token=token)
    assert (ran.code, ran.json["state"]) == (0, "reverted")
    assert people.get_model_version_by_alias(name, "production").version in {1, "1"}
    assert home.run("drift", "list", "--model", name, "--json").json["drifts"] == []
    assert home.run("drift", "list", "--model", name, "--all", "--json").json["drifts"][-1]["closed_by"] == "rae"
    events = home.run("audit", "list", "--action", "drift", "--json").json["events"]
    assert {"drift:alias:detected", "drift:alias:reverted"} <= {event["action"] for event in events}


def test_a_drift_that_does_not_exist_is_not_found(home: Home) -> None:
    for command in ("adopt", "revert"):
        ran = home.run("drift", command, "99", "--reason", "x", "--json")
        assert (ran.code, ran.json["error"]["kind"]) in {(2, "not_found"), (1, "forbidden")}


@pytest.mark.long
def test_tags_are_mended_in_bulk_by_a_plan_that_writes_once(
    home: Home, mlflow_url: str, tmp_path: Path, name: str
) -> None:
    people = client(mlflow_url)
    register(mlflow_url, name, tmp_path / "m")
    people.set_registered_model_tag(name, "risk", "Tier 1")
    file = tmp_path / "plan.json"
    planned = home.run("names", "plan", name, "--set", "pii=false", "--out", file, "--json")
    assert planned.code == 0, planned
    assert json.loads(file.read_text()) == planned.json
    assert [(each["tag"], each["before"], each["value"]) for each in planned.json["steps"]] == [
        ("pii", None, "false"),
        ("risk", "Tier 1", "tier1"),
    ]
    assert {"compliance", "owner"} <= {each["message"].split()[2] for each in planned.json["left"]}
    assert "Tier 1" in home.run("names", "plan", name).out
    done = home.run("names", "apply", file, "--json")
    assert (done.code, done.json["state"], done.json["written"]) == (0, "completed", 2), done
    assert people.get_registered_model(name).tags == {"team": "risk", "risk": "tier1", "pii": "false"}
    assert home.run("names", "apply", file).out == "Standard tags: done before; nothing was written.\n"
    people.set_registered_model_tag(name, "risk", "tier2")
    stale = home.run("names", "apply", file, "--json")
    assert (stale.code, stale.json["error"]["kind"]) == (1, "conflict")
    for wrong in ("risk=high", "risk", "mood=good"):
        assert home.run("names", "plan", name, "--set", wrong).code == 2
    assert home.run("names", "plan", "nobody").code == 2
