"""The workflow of the documentation, its commands run as a runner does: bash, step by step, until one fails."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.facade import Gatehouse
from services.documents.activation import propose
from services.settings import load_settings
from tests.app.running import Home, make_home
from tests.app.test_gates_commands import register
from tests.promotions.builders import MEERA, POLICY, RAVI

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / "docs" / "examples" / "promote-model.yml"
MODEL = "parcel_sorter"
INSTALLING = "Install Gatehouse"


@pytest.fixture(scope="module")
def home(mlflow_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """An installation with a short gate policy, and two versions of which the first passes it."""
    folder = tmp_path_factory.mktemp("ci")
    register(mlflow_url, MODEL, folder / "a", auc=0.95)
    register(mlflow_url, MODEL, folder / "b", auc=0.5)
    home = make_home(folder, MLFLOW_TRACKING_URI=mlflow_url)
    gatehouse = Gatehouse(load_settings({}, home=home.folder, tracking_uri=mlflow_url))
    policy = POLICY.replace(
        "kind: champion, metric: auc, tolerance: 0.01, without_champion: measured",
        "kind: metric, metric: auc, at_least: 0.9",
    )
    base = gatehouse.documents.find_head("gate_policy", "default")
    proposed = propose(
        gatehouse.documents, gatehouse.changes, RAVI, "gate_policy", "default", policy, reason="ours", base=base
    )
    gatehouse.changes.approve(proposed.id, actor=MEERA, reason="agreed")
    yield home
    gatehouse.close()


def read_workflow() -> Any:
    return yaml.safe_load(WORKFLOW.read_text())


def fill(text: str, values: Mapping[str, str]) -> str:
    """Put in what a runner puts in for `${{ inputs.x }}` and `${{ secrets.x }}`."""
    return re.sub(r"\$\{\{ *(?:inputs|secrets)\.(\w+) *\}\}", lambda found: values.get(found[1], ""), text)


def run_job(folder: Path, values: Mapping[str, str]) -> dict[str, int]:
    """Run the steps of the job and return the exit code of each that ran, but for the installation."""
    job = read_workflow()["jobs"]["promote"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GATEHOUSE_", "MLFLOW_"))}
    environ = {
        **kept,
        **{name: fill(value, values) for name, value in job["env"].items()},
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    codes: dict[str, int] = {}
    for step in job["steps"]:
        if "run" not in step or step["name"] == INSTALLING:
            continue
        if any(codes.values()) and step.get("if") != "${{ !cancelled() }}":
            continue
        ran = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            check=False,
            cwd=folder,
            env=environ,
            capture_output=True,
        )
        codes[step["name"]] = ran.returncode
    return codes


def values_for(home: Home, token: str, version: int) -> dict[str, str]:
    return {
        "model": MODEL,
        "version": str(version),
        "stage": "staging",
        "reason": "sorts $(touch injected) parcels; better",
        "MLFLOW_TRACKING_URI": home.environ["MLFLOW_TRACKING_URI"],
        "GATEHOUSE_STORE_URL": f"sqlite:///{home.folder / 'gatehouse.db'}",
        "GATEHOUSE_TOKEN": token,
    }


def test_the_workflow_asks_for_a_version_that_passes_and_stops_at_one_that_does_not(home: Home, tmp_path: Path) -> None:
    token = home.add_person("ci", "ml_engineer")
    good, worse = tmp_path / "good", tmp_path / "worse"
    good.mkdir()
    worse.mkdir()
    assert run_job(good, values_for(home, token, 1)) == {
        "Check the connection": 0,
        "Run the gates": 0,
        "Ask for the promotion": 0,
        "Show what the gates found": 0,
    }
    asked = json.loads((good / "promotion.json").read_text())
    assert (asked["state"], asked["requester"]) == ("awaiting_approval", "ci")
    assert not (good / "injected").exists()
    summary = (good / "summary.md").read_text()
    assert "### Gates: passed" in summary
    assert f"Promotion {asked['id']}: awaiting_approval, 1 approval(s) needed" in summary
    codes = run_job(worse, values_for(home, token, 2))
    assert codes == {"Check the connection": 0, "Run the gates": 1, "Show what the gates found": 0}
    assert (
        "| auc | failed | auc is 0.5; at least 0.9 is asked for. | Raise auc by 0.4. |"
        in (worse / "summary.md").read_text()
    )
    assert home.run("promotions", "approve", str(asked["id"]), "--reason", "mine", token=token).code == 1


def test_no_input_becomes_part_of_a_command() -> None:
    for step in read_workflow()["jobs"]["promote"]["steps"]:
        assert "${{" not in step.get("run", "")
