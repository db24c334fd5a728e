"""`signature test | predict | plan` on versions of a real MLflow server, and a promotion that links the plan."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.app.running import Home, make_home
from tests.jobs.models import SUM, write_model

MODEL = "signature_runs_model"
NEEDS_C = SUM.replace('data["b"]', 'data["c"]')


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, mlflow_url: str) -> Home:
    """Two versions: the first in production, the second one renames a column that callers send."""
    from mlflow import MlflowClient

    folder = tmp_path_factory.mktemp("runs")
    client = MlflowClient(mlflow_url)
    experiment_id = client.create_experiment(MODEL)
    client.create_registered_model(MODEL)
    for number, source in enumerate((SUM, NEEDS_C), start=1):
        written = write_model(folder / f"version_{number}", source)
        if source is NEEDS_C:
            for path in (written / "MLmodel", written / "input_example.json"):
                path.write_text(path.read_text().replace('"b"', '"c"'))
        logged = client.create_logged_model(experiment_id)
        client.log_model_artifacts(logged.model_id, str(written))
        client.finalize_logged_model(logged.model_id, "READY")
        client.create_model_version(MODEL, f"models:/{logged.model_id}", model_id=logged.model_id)
    client.set_registered_model_alias(MODEL, "production", "1")
    return make_home(folder / "home", MLFLOW_TRACKING_URI=mlflow_url)


def test_signature_tests_run_by_command_and_are_in_the_log(home: Home) -> None:
    ran = home.run("signature", "test", f"{MODEL}@production", "--json")
    assert (ran.code, ran.json["passed"]) == (0, True)
    assert ran.json["counts"] == {"passed": 5, "failed": 0, "unknown": 0}
    plain = home.run("signature", "test", f"{MODEL}/2")
    assert (plain.code, f"{MODEL}/2 passed." in plain.out) == (0, True)
    events = home.run("audit", "list", "--action", "signature:tests:recorded", "--json").json["events"]
    assert [event["subject"] for event in events] == [f"{MODEL}/1", f"{MODEL}/2"]
    assert events[0]["after"]["digest"] == ran.json["digest"]


def test_a_file_is_predicted_by_command(home: Home, tmp_path: Path) -> None:
    data, out = tmp_path / "in.csv", tmp_path / "out.parquet"
    pd.DataFrame({"b": [1, 2, 3], "a": [1, 2, 3]}).to_csv(data, index=False)
    asked = ("signature", "predict", f"{MODEL}/1", "--data", data, "--out", out, "--chunk-rows", "2")
    ran = home.run(*asked, "--json")
    assert (ran.code, ran.json["ok"], ran.json["rows"]) == (0, True, 3)
    assert ran.err.splitlines() == ["2 rows", "3 rows"]
    assert pd.read_parquet(out)["score"].tolist() == [1.0, 2.0, 3.0]
    data.write_text("a\n1\n")
    refused = home.run(*asked)
    assert (refused.code, "Nothing was predicted." in refused.out) == (1, True)
    assert "b: expected double, found nothing" in refused.out
    filled = home.run(*asked, "--default", "b=2", "--json")
    assert (filled.code, pd.read_parquet(out)["score"].tolist()) == (0, [1.5])
    wrong = home.run("signature", "predict", f"{MODEL}/1", "--data", data, "--out", tmp_path / "out.csv")
    assert (wrong.code, "no Parquet file" in wrong.err) == (2, True)


def test_a_plan_is_drawn_up_and_a_promotion_links_it(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    asked = ("signature", "plan", f"{MODEL}@production", f"{MODEL}/2")
    without = home.run(*asked, "--json")
    assert (without.code, without.json["breaking"]) == (1, ["inputs c: added"])
    assert without.json["problems"][0] == "Step deploy_beside has no owner."
    owners = [f"--owner={role}=@lee" for role in ("serving", "callers", "data_science", "release")]
    drawn = home.run(*asked, *owners, "--out", file)
    assert (drawn.code, "Let every caller send what version 2 declares." in drawn.out) == (0, True)
    assert json.loads(file.read_text())["steps"][0]["owner"] == "@lee"
    request = ("promotions", "request", f"{MODEL}/2", "--to", "production", "--reason", "needs c", "--json")
    blocked = home.run(*request)
    assert (blocked.code, blocked.json["state"]) == (1, "blocked")
    assert "no plan is linked" in blocked.json["blocker"]
    assert "plan" not in home.run(*request, "--migration-plan", file).json["blocker"]
    file.write_text("{}")
    assert home.run(*request, "--migration-plan", file).code == 2


def test_plans_for_nothing_or_for_strangers_are_told(home: Home) -> None:
    nothing = home.run("signature", "plan", f"{MODEL}/1", f"{MODEL}/1")
    assert (nothing.code, "no plan is needed" in nothing.out) == (1, True)
    assert home.run("signature", "plan", f"{MODEL}/1", f"{MODEL}/2", "--owner", "boss=@lee").code == 2
    assert home.run("signature", "plan", f"{MODEL}/1", "nobodys_model/2").code == 2
