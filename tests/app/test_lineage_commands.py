"""`lineage`, `story`, `deprecate` and `migrate` against a real MLflow server."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.facade import Gatehouse
from services.settings import load_settings
from tests.app.running import Home, make_home
from tests.gates.builders import mlmodel


@pytest.fixture
def home(tmp_path: Path, mlflow_url: str) -> Home:
    return make_home(tmp_path, MLFLOW_TRACKING_URI=mlflow_url)


def register(url: str, name: str, folder: Path, *, tuned_from: str = "", alias: str = "") -> str:
    """Log a run that read data and logged a model, register it, and return its reference."""
    from mlflow import MlflowClient
    from mlflow.entities import Dataset, DatasetInput, InputTag

    client = MlflowClient(url)
    experiment = client.get_experiment_by_name("lineage commands")
    experiment_id = client.create_experiment("lineage commands") if experiment is None else experiment.experiment_id
    run_id = client.create_run(experiment_id, run_name="training", tags={"git_commit": "c0ffee"}).info.run_id
    data = Dataset(name=f"{name} data", digest="d1", source_type="local", source='{"uri": "data.csv"}')
    client.log_inputs(run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])
    client.log_metric(run_id, "auc", 0.9)
    client.set_terminated(run_id)
    model_id = client.create_logged_model(experiment_id, source_run_id=run_id).model_id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "MLmodel").write_text(mlmodel())
    client.log_model_artifacts(model_id, str(folder))
    client.finalize_logged_model(model_id, "READY")
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    tags = {"tuned_from": tuned_from} if tuned_from else {}
    version = client.create_model_version(name, f"models:/{model_id}", run_id, model_id=model_id, tags=tags)
    if alias:
        client.set_registered_model_alias(name, alias, version.version)
    return f"{name}/{version.version}"


def test_lineage_leads_from_data_to_the_alias_that_names_a_version(home: Home, mlflow_url: str, tmp_path: Path) -> None:
    first = register(mlflow_url, "lineage_scorer", tmp_path / "a")
    second = register(mlflow_url, "lineage_scorer", tmp_path / "b", tuned_from=first, alias="production")
    graph = home.run("lineage", "lineage_scorer@production", "--json").json
    kinds = {(edge["kind"], edge["to"].partition(":")[0]) for edge in graph["edges"]}
    assert kinds >= {("read_by", "run"), ("logged", "logged_model"), ("registered_as", "version"), ("named", "alias")}
    assert {"from": f"version:{first}", "to": f"version:{second}", "kind": "tuned_into"} in graph["edges"]

    down = home.run("lineage", first, "--direction", "downstream", "--json").json
    assert not any(node["kind"] == "dataset" for node in down["nodes"])
    users = home.run(
        "lineage", first, "--from", "dataset:lineage_scorer data#d1", "--direction", "downstream", "--json"
    )
    assert {"id": "alias:lineage_scorer@production", "kind": "alias", "label": "@production"} in users.json["nodes"]


def test_lineage_is_drawn_for_graphviz_and_openlineage_too(home: Home, mlflow_url: str, tmp_path: Path) -> None:
    ref = register(mlflow_url, "drawn_scorer", tmp_path / "a")
    assert home.run("lineage", ref, "--format", "dot").out.startswith("digraph lineage {")
    (event,) = home.run("lineage", ref, "--format", "openlineage").out.splitlines()
    assert json.loads(event)["inputs"][0]["name"] == "drawn_scorer data"
    assert "training" in home.run("lineage", ref).out


def test_a_story_says_what_is_missing_and_is_written_to_a_file(home: Home, mlflow_url: str, tmp_path: Path) -> None:
    ref = register(mlflow_url, "told_scorer", tmp_path / "a")
    ran = home.run("story", ref, "--out", tmp_path / "story.html", "--json")
    assert ran.code == 0, ran
    assert 0 < ran.json["completeness"] < 1
    assert "model_card" in {part["part"] for part in ran.json["missing"]}
    assert ran.json["metrics"] == {"auc": 0.9}
    assert "told_scorer/1" in (tmp_path / "story.html").read_text()
    assert home.run("story", ref, "--out", tmp_path / "story.md").out.startswith("told_scorer/1: ")
    assert (tmp_path / "story.md").read_text().startswith("# told")
    assert home.run("story", ref, "--out", tmp_path / "story.doc").code == 2


def test_a_version_is_deprecated_and_stays_after_all(home: Home, mlflow_url: str, tmp_path: Path) -> None:
    old = register(mlflow_url, "ageing_scorer", tmp_path / "a")
    new = register(mlflow_url, "ageing_scorer", tmp_path / "b")
    given = ("deprecate", old, "--sunset", "2999-01-01", "--replacement", new, "--reason", "Superseded", "--json")
    ran = home.run(*given)
    assert ran.code == 0, ran
    assert ran.json == {"reference": old, "deprecated": True, "sunset_on": "2999-01-01", "replacement": new}
    assert home.run("deprecate", old, "--withdraw", "--reason", "Still needed").code == 0
    assert home.run("deprecate", old, "--withdraw", "--reason", "Again").code == 1
    assert home.run("deprecate", old, "--sunset", "soon", "--reason", "x").code == 2
    assert home.run("deprecate", old, "--reason", "x").code == 2
    assert home.run("deprecate", "ageing_scorer/9", "--sunset", "2999-01-01", "--reason", "x").code == 2


def test_a_model_moves_to_a_better_name_once(home: Home, mlflow_url: str, tmp_path: Path) -> None:
    register(mlflow_url, "leads_v2", tmp_path / "a", alias="champion")
    plan = tmp_path / "plan.json"
    ran = home.run("migrate", "plan", "leads_v2", "lead_scorer", "--out", plan, "--json")
    assert ran.code == 0, ran
    assert json.loads(plan.read_text()) == ran.json
    first = home.run("migrate", "apply", plan, "--json")
    assert first.code == 0, first
    assert (first.json["state"], first.json["written"]) == ("completed", 4)
    again = home.run("migrate", "apply", plan, "--json")
    assert (again.code, again.json["written"], again.json["id"]) == (0, 0, None)
    assert home.run("migrate", "apply", plan).out == "leads_v2 to lead_scorer: done before; nothing was written.\n"
    register(mlflow_url, "leads_v2", tmp_path / "b")
    stale = home.run("migrate", "apply", plan, "--json")
    assert (stale.code, stale.json["error"]["kind"]) == (1, "conflict")


def test_a_model_that_serves_waits_for_somebody_elses_yes(home: Home, mlflow_url: str, tmp_path: Path) -> None:
    register(mlflow_url, "orders_v2", tmp_path / "a", alias="production")
    plan = tmp_path / "plan.json"
    plan.write_text(home.run("migrate", "plan", "orders_v2", "order_scorer", "--json").out)
    asked = home.run("migrate", "apply", plan, "--json")
    assert (asked.code, asked.json["state"]) == (1, "awaiting_approval")
    meera = home.add_person("meera", "release_manager")
    approved = home.run("changes", "approve", str(asked.json["id"]), "--reason", "Both names serve", token=meera)
    assert approved.code == 0, approved
    assert home.run("migrate", "apply", plan, "--json").code == 0


@pytest.mark.long
@pytest.mark.parametrize("writes", [1, 3])
def test_a_migration_killed_between_writes_is_finished_and_nothing_is_there_twice(
    home: Home, mlflow_url: str, tmp_path: Path, writes: int
) -> None:
    from mlflow import MlflowClient

    old, new = f"bids_{'ab'[writes // 2]}_v2", f"bid_scorer_{'ab'[writes // 2]}"
    for part in "ab":
        register(mlflow_url, old, tmp_path / part, alias="champion")
    plan = tmp_path / "plan.json"
    assert home.run("migrate", "plan", old, new, "--out", plan).code == 0
    command = [sys.executable, "-m", "tests.lineage.killing", str(home.folder), mlflow_url, str(plan), str(writes)]
    assert subprocess.run(command, check=False, timeout=120).returncode == -signal.SIGKILL
    assert home.run("migrate", "apply", plan, "--json").code == 1, "the lease of the dead one is not over"
    settings = load_settings({}, home=home.folder, tracking_uri=mlflow_url)
    later = Gatehouse(settings, clock=lambda: datetime.now(UTC) + timedelta(minutes=10))
    later.changes.recover()
    later.close()
    again = home.run("migrate", "apply", plan, "--json")
    assert (again.code, again.json["written"], again.json["id"]) == (0, 0, None)
    copies = MlflowClient(mlflow_url).search_model_versions(f"name = '{new}'")
    assert sorted(copy.tags["gatehouse.migrated_from"] for copy in copies) == [f"{old}/1", f"{old}/2"]
