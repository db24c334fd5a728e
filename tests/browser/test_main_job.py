"""The main job by clicking, on a real MLflow server: request, review, approval by another, execution, rollback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import pytest
import yaml
from playwright.sync_api import Browser, Page, expect

from app.facade import Gatehouse
from pages.parts.gates import exceptions_first
from services.changes import ChangeState
from services.documents.activation import propose
from services.identity import Actor, Role
from services.registry.references import parse_reference
from services.registry.rest import RestRegistry
from services.registry.values import Stage
from services.settings import load_settings
from tests.browser.harness import ROOT, opened, settle, sign_in
from tests.servers import answers, free_port, running

MODEL = "card_fraud_checker"
PEOPLE = {"maya": Role.DATA_SCIENTIST, "meera": Role.RELEASE_MANAGER, "jun": Role.RELEASE_MANAGER}
POLICY = """kind: gate_policy
expires_after_hours: 24
waiver_days: 7
protected: {aliases: [production, staging]}
stages:
  production:
    approvals: {default: 1}
    gates:
      - {gate: accuracy_threshold, kind: champion, metric: accuracy, tolerance: 0.02, without_champion: measured}
      - {gate: signature, kind: signature, direction: backward, at_worst: compatible}
"""


@dataclass(frozen=True, kw_only=True)
class World:
    url: str
    gatehouse: Gatehouse


@pytest.fixture(scope="module")
def world(mlflow_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The real app and worker over a model of three versions, of which the first is in production."""
    home = tmp_path_factory.mktemp("main_job")
    register_versions(mlflow_url, [0.90, 0.93, 0.70])
    gatehouse = Gatehouse(load_settings({}, home=home, tracking_uri=mlflow_url))
    govern(gatehouse)
    environ = {"GATEHOUSE_HOME": str(home), "MLFLOW_TRACKING_URI": mlflow_url, "GATEHOUSE_SYNC_SECONDS": "1"}
    port = free_port()
    url = f"http://localhost:{port}"
    app = [
        *(sys.executable, "-m", "streamlit", "run", str(ROOT / "app" / "main.py")),
        *("--server.port", str(port), "--server.address", "127.0.0.1"),
    ]
    worker = [sys.executable, "-m", "app.cli", "worker"]
    heartbeat = home / "worker.heartbeat"
    with (
        running(worker, is_ready=heartbeat.exists, log=home / "worker.log", environ=environ),
        running(app, is_ready=lambda: answers(f"{url}/healthz"), log=home / "app.log", environ=environ),
    ):
        yield World(url=url, gatehouse=gatehouse)
    assert isinstance(gatehouse.registry, RestRegistry)
    gatehouse.registry.close()
    gatehouse.close()


def register_versions(mlflow_url: str, accuracies: list[float]) -> None:
    import mlflow
    from mlflow.models import infer_signature
    from sklearn.linear_model import LogisticRegression

    mlflow.set_tracking_uri(mlflow_url)
    frame = pd.DataFrame({"amount": [1.0, 900.0, 3.0, 700.0], "hour": [9.0, 3.0, 12.0, 2.0]})
    model = LogisticRegression().fit(frame, [0, 1, 0, 1])
    for accuracy in accuracies:
        with mlflow.start_run():
            mlflow.log_metric("accuracy", accuracy)
            mlflow.sklearn.log_model(
                model,
                name="model",
                signature=infer_signature(frame, model.predict(frame)),
                registered_model_name=MODEL,
                pip_requirements=["scikit-learn"],
            )


def govern(gatehouse: Gatehouse) -> None:
    root = gatehouse.get_caller(origin="test")
    gatehouse.identity.sign_in.mark_demo(root)
    for name, role in PEOPLE.items():
        gatehouse.identity.accounts.add(root, name, [role])
    base = gatehouse.documents.find_head("gate_policy", "default")
    ravi = Actor(name="ravi", roles=frozenset({Role.ML_ENGINEER}), origin="test")
    policy = propose(
        gatehouse.documents, gatehouse.changes, ravi, "gate_policy", "default", POLICY, reason="only these", base=base
    )
    gatehouse.changes.approve(policy.id, actor=person("meera"), reason="agreed")
    gatehouse.sync.run()
    first = gatehouse.promotions.request(
        parse_reference(f"{MODEL}/1"), Stage.PRODUCTION, actor=person("maya"), reason="the first one"
    )
    gatehouse.changes.approve(first.id, actor=person("jun"), reason="measured")
    gatehouse.changes.execute(first.id, actor=person("jun"))
    gatehouse.sync.run()


def person(name: str) -> Actor:
    return Actor(name=name, roles=frozenset({PEOPLE[name]}), origin="test")


def open_change(page: Page, world: World, change_id: int) -> None:
    page.goto(f"{world.url}/promotions?id={change_id}")
    settle(page)


def newest(world: World) -> int:
    return world.gatehouse.changes.list_changes(limit=1)[0].id


@pytest.mark.long
def test_a_version_goes_to_production_through_somebody_elses_approval_and_comes_back(
    browser: Browser, world: World
) -> None:
    gatehouse = world.gatehouse
    with opened(browser, f"{world.url}/model?name={MODEL}") as page:
        sign_in(page, "Maya")
        page.get_by_role("button", name="Request promotion…").click()
        drawer = page.get_by_role("dialog")
        drawer.get_by_label("Version").click()
        page.get_by_role("option", name="v2", exact=True).click()
        drawer.get_by_label("Reason").fill("catches more fraud at night")
        drawer.get_by_role("button", name="Run the gates and request").click()
        expect(page.get_by_role("heading", name=f"{MODEL} v1 → v2")).to_be_visible(timeout=60_000)
        expect(page.get_by_text("somebody else", exact=False).or_(page.get_by_text("permission")).first).to_be_visible()
        expect(page.get_by_role("button", name="Approve…")).to_have_count(0)
    change_id = newest(world)
    assert gatehouse.changes.get(change_id).state is ChangeState.AWAITING_APPROVAL
    with opened(browser, f"{world.url}/promotions?id={change_id}") as page:
        sign_in(page, "Meera")
        open_change(page, world, change_id)
        page.get_by_role("tab", name="Signature diff").click()
        settle(page)
        expect(page.get_by_text("Nothing changed", exact=True)).to_be_visible()
        page.get_by_role("button", name="Approve…").click()
        drawer = page.get_by_role("dialog")
        drawer.get_by_label("Comment").fill("better, and the signature is the same")
        drawer.get_by_role("button", name="Approve promotion").click()
        execute = page.get_by_role("button", name="Execute…")
        expect(execute).to_be_visible(timeout=30_000)
        assert gatehouse.registry.find_alias(MODEL, "production") == 1, "an approval alone moves nothing"
        execute.click()
        page.get_by_role("dialog").get_by_role("button", name="Execute promotion").click()
        expect(page.get_by_test_id("stMain").get_by_text("Completed").first).to_be_visible(timeout=30_000)
        assert gatehouse.registry.find_alias(MODEL, "production") == 2
        assert gatehouse.pins.get(MODEL).versions == (2, 1)
        page.goto(f"{world.url}/deployments?model={MODEL}")
        settle(page)
        page.get_by_role("button", name="Roll back to v1 (previous)").click()
        drawer = page.get_by_role("dialog")
        drawer.get_by_label("Reason").fill("blocks everybody")
        drawer.get_by_role("button", name="Roll back to v1").click()
        expect(page.get_by_text("v1 serves", exact=False)).to_be_visible(timeout=30_000)
        assert gatehouse.registry.find_alias(MODEL, "production") == 1
        assert gatehouse.pins.get(MODEL).versions == (1, 2)
        page.goto(f"{world.url}/audit_log")
        settle(page)
        expect(page.get_by_text("Whole")).to_be_visible()
    actions = [event.action for event in gatehouse.audit.list_events(limit=500).events if event.model == MODEL]
    for told in (
        "promotion:request:opened",
        "promotion:approval:granted",
        "promotion:execution:started",
        "promotion:execution:completed",
        "rollback:pins:moved",
        "rollback:execution:completed",
    ):
        assert told in actions


@pytest.mark.long
def test_a_version_that_its_gates_refuse_is_blocked_and_says_why(browser: Browser, world: World) -> None:
    with opened(browser, f"{world.url}/model?name={MODEL}") as page:
        sign_in(page, "Maya")
        page.get_by_role("button", name="Request promotion…").click()
        drawer = page.get_by_role("dialog")
        drawer.get_by_label("Version").click()
        page.get_by_role("option", name="v3", exact=True).click()
        drawer.get_by_label("Reason").fill("try it")
        drawer.get_by_role("button", name="Run the gates and request").click()
        expect(page.get_by_text("The gates failed: accuracy_threshold.")).to_be_visible(timeout=60_000)
        expect(page.get_by_role("button", name="Run gates again")).to_be_visible()
    assert world.gatehouse.changes.get(newest(world)).state is ChangeState.BLOCKED


@pytest.mark.long
def test_a_gate_is_waived_and_its_waiver_ended_on_the_review(browser: Browser, world: World) -> None:
    gatehouse = world.gatehouse
    asked = gatehouse.promotions.request(
        parse_reference(f"{MODEL}/3"), Stage.PRODUCTION, actor=person("maya"), reason="it has to be tonight"
    )
    with opened(browser, f"{world.url}/promotions?id={asked.id}") as page:
        sign_in(page, "Meera")
        open_change(page, world, asked.id)
        pick_gate(page, 0)
        page.get_by_role("button", name="Waive this gate…").click()
        drawer = page.get_by_role("dialog")
        drawer.get_by_label("Reason").fill("the held-out data is known to be off")
        drawer.get_by_role("button", name="Waive and run the gates again").click()
        expect(page.get_by_role("button", name="Approve…")).to_be_visible(timeout=60_000)
        assert gatehouse.changes.get(asked.id).state is ChangeState.AWAITING_APPROVAL
        gates = gatehouse.changes.get(asked.id).findings["gates"]
        pick_gate(page, [gate["gate"] for gate in exceptions_first(gates)].index("accuracy_threshold"))
        page.get_by_role("button", name="End this waiver…").click()
        drawer = page.get_by_role("dialog")
        expect(drawer.get_by_text("the held-out data is known to be off")).to_be_visible()
        drawer.get_by_label("Reason").fill("the data is right after all")
        drawer.get_by_role("button", name="End it and run the gates again").click()
        expect(page.get_by_text("The gates failed: accuracy_threshold.")).to_be_visible(timeout=60_000)
    assert gatehouse.changes.get(asked.id).state is ChangeState.BLOCKED
    actions = [event.action for event in gatehouse.audit.list_events(limit=500).events if event.model == MODEL]
    assert [each for each in actions if each.startswith("gate:waiver")] == [
        "gate:waiver:granted",
        "gate:waiver:revoked",
    ]


def pick_gate(page: Page, row: int) -> None:
    table = page.get_by_test_id("stMain").get_by_test_id("stDataFrame").first
    table.scroll_into_view_if_needed()
    box = table.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 14, box["y"] + 33 * (row + 1.5))
    settle(page)


@pytest.mark.long
def test_a_click_on_a_cell_of_the_gate_matrix_shows_what_was_found_there(browser: Browser, world: World) -> None:
    gatehouse, maya = world.gatehouse, person("maya")
    for version in (1, 3):
        gatehouse.gates.run(gatehouse.registry.get_version(MODEL, version), Stage.PRODUCTION, actor=maya)
    matrix = gatehouse.gates.get_matrix(MODEL, Stage.PRODUCTION)
    shown = sorted(report.version for report in matrix.reports)
    with opened(browser, f"{world.url}/gate_results?model={MODEL}&version=1") as page:
        sign_in(page, "Maya")
        page.goto(f"{world.url}/gate_results?model={MODEL}&version=1")
        settle(page)
        field = page.locator(".st-key-matrix .nsewdrag").first
        field.scroll_into_view_if_needed()
        box = field.bounding_box()
        assert box is not None
        found = matrix.cells["accuracy_threshold", 3].message
        expect(page.get_by_text(found)).to_have_count(0)
        # Not in the middle of the cell: all of it counts.
        x = box["x"] + box["width"] * (shown.index(3) + 0.25) / len(shown)
        y = box["y"] + box["height"] * (matrix.gates.index("accuracy_threshold") + 0.3) / len(matrix.gates)
        page.mouse.move(x, y)
        page.mouse.click(x, y)
        expect(page.get_by_text(found)).to_be_visible(timeout=30_000)


@pytest.mark.long
def test_a_ramp_is_started_paused_and_aborted_and_the_pins_are_taken_along(browser: Browser, world: World) -> None:
    gatehouse = world.gatehouse

    def act(page: Page, word: str, confirm: str) -> None:
        page.get_by_role("button", name=f"{word}…").click()
        drawer = page.get_by_role("dialog")
        drawer.get_by_label("Reason").fill("to see how it does")
        drawer.get_by_role("button", name=confirm).click()

    with opened(browser, f"{world.url}/deployments?model={MODEL}") as page:
        sign_in(page, "Meera")
        page.goto(f"{world.url}/deployments?model={MODEL}")
        settle(page)
        act(page, "Start a ramp", "Start the ramp")
        expect(page.get_by_role("button", name="Pause…")).to_be_visible(timeout=60_000)
        expect(page.get_by_text("nobody gets the candidate's answers")).to_be_visible()
        ramp = gatehouse.ramps.get_open(MODEL)
        act(page, "Pause", "Pause the ramp")
        expect(page.get_by_role("button", name="Resume…")).to_be_visible(timeout=30_000)
        # Traffic takes an approved promotion: the refusal stays in the drawer, with what to do.
        act(page, "Advance", "Advance the ramp")
        expect(page.get_by_text("No approved promotion of", exact=False)).to_be_visible(timeout=30_000)
        page.keyboard.press("Escape")
        act(page, "Abort", "Abort the ramp")
        expect(page.get_by_role("button", name="Start a ramp…")).to_be_visible(timeout=30_000)
        assert [entry.what for entry in gatehouse.ramps.list_entries(ramp.id)] == ["started", "paused", "aborted"]
        page.goto(f"{world.url}/deployments")
        settle(page)
        page.get_by_role("button", name="Export").click()
        with page.expect_download() as downloading:
            page.get_by_role("button", name="Kubernetes ConfigMap").click()
        config = yaml.safe_load(downloading.value.path().read_text())
        assert config["data"] == {MODEL: str(gatehouse.pins.get(MODEL).current)}
