"""Every tab of a model by clicking, on a real MLflow server and under a name of three levels.

The story and lineage that are drawn and exported, metrics over versions, the readiness checklist, deprecation.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect
from sklearn.linear_model import LogisticRegression

import gatehouse as training
from app.facade import Gatehouse
from services.gates.checklists import Answer
from services.identity import Role
from services.lineage.sunset import find_sunset
from services.settings import load_settings
from tests.browser.harness import ROOT, Theme, Width, opened, settle, sign_in, violations
from tests.servers import answers, free_port, running

MODEL = "ml.shop.basket_ranker"
TABS = ("Versions", "Metrics", "Story", "Lineage", "Readiness", "Deployments", "Changes", "To fix")
LOOKS: list[tuple[Theme, Width]] = [("light", 1440), ("dark", 390)]


@dataclass(frozen=True, kw_only=True)
class World:
    url: str
    gatehouse: Gatehouse

    def address(self, tab: str) -> str:
        return f"{self.url}/model?name={MODEL}&tab={tab}"


@pytest.fixture(scope="module")
def world(mlflow_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The real app over a model of two versions, the second tuned from the first; the index is synced by hand."""
    home = tmp_path_factory.mktemp("tabs")
    log_versions(mlflow_url)
    gatehouse = Gatehouse(load_settings({}, home=home, tracking_uri=mlflow_url))
    root = gatehouse.get_caller(origin="test")
    gatehouse.identity.sign_in.mark_demo(root)
    gatehouse.identity.accounts.add(root, "ravi", [Role.ML_ENGINEER])
    gatehouse.registry.set_alias(MODEL, "champion", 2)
    gatehouse.sync.run()
    environ = {"GATEHOUSE_HOME": str(home), "MLFLOW_TRACKING_URI": mlflow_url, "GATEHOUSE_SYNC_SECONDS": "86400"}
    port = free_port()
    url = f"http://localhost:{port}"
    command = [
        *(sys.executable, "-m", "streamlit", "run", str(ROOT / "app" / "main.py")),
        *("--server.port", str(port), "--server.address", "127.0.0.1"),
    ]
    with running(command, is_ready=lambda: answers(f"{url}/healthz"), log=home / "app.log", environ=environ):
        yield World(url=url, gatehouse=gatehouse)
    gatehouse.close()


def log_versions(mlflow_url: str) -> None:
    import mlflow

    mlflow.set_tracking_uri(mlflow_url)
    frame = pd.DataFrame({"amount": [1.0, 9.0, 2.0, 8.0, 3.0, 7.0], "hour": [9.0, 3.0, 12.0, 2.0, 10.0, 4.0]})
    labels = [0, 1, 0, 1, 0, 1]
    for parents in ((), (f"{MODEL}/1",)):
        training.log_story(
            LogisticRegression().fit(frame, labels),
            task="classification",
            train=frame,
            train_label=labels,
            test=frame,
            test_label=labels,
            dataset_name="baskets",
            card=training.CardText(purpose="Rank <b>baskets</b>."),
            tags={"team": "shop"},
            tuned_from=parents,
            register_as=MODEL,
            description="as good as it gets",
        )


@pytest.mark.long
@pytest.mark.parametrize(("theme", "width"), LOOKS)
def test_every_tab_is_drawn_and_accessible(browser: Browser, world: World, theme: Theme, width: Width) -> None:
    with opened(browser, world.address("Versions"), theme=theme, width=width) as page:
        sign_in(page, "Ravi")
        for tab in TABS:
            page.get_by_role("tab", name=tab, exact=True).click()
            settle(page)
            assert page.get_by_text("Something broke").count() == 0
            assert page.get_by_text("does not answer").count() == 0
            assert violations(page) == [], tab


@pytest.mark.long
def test_the_graph_is_picked_from_by_a_click_walked_and_exported(
    browser: Browser, world: World, tmp_path: Path
) -> None:
    with opened(browser, world.address("Lineage")) as page:
        sign_in(page, "Ravi")
        expect(page.get_by_role("heading", name=f"Version {MODEL}/2")).to_be_visible(timeout=30_000)
        # A data set stands in the first layer and the first row.
        canvas = page.locator(".st-key-lineage canvas").first
        box = canvas.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + 61, box["y"] + 34)
        expect(page.get_by_role("heading", name="Data set baskets (training)")).to_be_visible(timeout=30_000)
        expect(page.get_by_text("0 models in production rest on it.")).to_be_visible()
        nodes = read_export(page, "JSON", tmp_path)["nodes"]
        assert {node["kind"] for node in nodes} == {"dataset", "run", "logged_model", "version", "alias"}
        page.get_by_role("radio", name="Downstream").click()
        settle(page)
        downstream = read_export(page, "JSON", tmp_path)["nodes"]
        assert {node["kind"] for node in downstream} == {"version", "alias"}
        assert f"lineage-{MODEL}-2.jsonl" == save(page, "OpenLineage", tmp_path).name
        assert save(page, "Graphviz", tmp_path).read_text().startswith("digraph")


@pytest.mark.long
def test_the_story_is_one_file_that_opens_by_itself(browser: Browser, world: World, tmp_path: Path) -> None:
    with opened(browser, world.address("Story")) as page:
        sign_in(page, "Ravi")
        expect(page.get_by_text("Rank <b>baskets</b>.")).to_be_visible(timeout=30_000)
        markdown = save(page, "Markdown", tmp_path)
        assert markdown.name == f"story-{MODEL}-2.md"
        assert "plots/confusion\\_matrix.png" in markdown.read_text()
        html = save(page, "HTML", tmp_path)
        page.goto(html.as_uri())
        expect(page.get_by_text("Rank <b>baskets</b>.")).to_be_visible()
        assert page.locator("img").count() >= 2
        assert page.evaluate("Array.from(document.images).every(image => image.naturalWidth > 0)")
        assert violations(page) == []


@pytest.mark.long
def test_metrics_are_drawn_over_versions_and_more_can_be_chosen(browser: Browser, world: World) -> None:
    with opened(browser, world.address("Metrics")) as page:
        sign_in(page, "Ravi")
        expect(page.get_by_role("heading", name="auc", exact=True)).to_be_visible(timeout=30_000)
        expect(page.get_by_role("heading", name="recall", exact=True)).to_have_count(0)
        page.get_by_role("button", name="recall", exact=True).click()
        expect(page.get_by_role("heading", name="recall", exact=True)).to_be_visible(timeout=30_000)
        assert page.get_by_role("button", name="recall", exact=True).count() == 1


@pytest.mark.long
def test_an_item_of_the_checklist_is_answered_on_the_page(browser: Browser, world: World) -> None:
    with opened(browser, world.address("Readiness")) as page:
        sign_in(page, "Ravi")
        page.get_by_label("Where it can be seen, or why it does not apply").fill("done")
        page.get_by_role("button", name="Answer", exact=True).click()
        expect(page.get_by_text("needs a link")).to_be_visible(timeout=30_000)
        page.get_by_label("Where it can be seen, or why it does not apply").fill("https://wiki/validation")
        page.get_by_role("button", name="Answer", exact=True).click()
        expect(page.get_by_test_id("stToast")).to_contain_text("Answered", timeout=30_000)
    given = world.gatehouse.checklists.list_answers(MODEL, 2)["data_validation"]
    assert (given.answer, given.actor, given.note) == (Answer.YES, "ravi", "https://wiki/validation")


@pytest.mark.long
def test_a_version_is_deprecated_from_the_page_and_kept_again(browser: Browser, world: World) -> None:
    registry = world.gatehouse.registry
    with opened(browser, world.address("Versions")) as page:
        sign_in(page, "Ravi")
        page.get_by_role("button", name="Deprecate a version…").click()
        drawer = page.get_by_role("dialog")
        drawer.get_by_role("button", name="Deprecate v1").click()
        expect(drawer.get_by_text("A reason is needed.")).to_be_visible(timeout=30_000)
        drawer.get_by_label("Use instead").click()
        page.get_by_role("option", name=f"{MODEL}/2").click()
        drawer.get_by_label("Reason").fill("v2 ranks better")
        drawer.get_by_role("button", name="Deprecate v1").click()
        expect(page.get_by_test_id("stToast")).to_contain_text("is deprecated", timeout=30_000)
        sunset = find_sunset(MODEL, registry.get_version(MODEL, 1).tags)
        assert sunset is not None
        assert sunset.replacement == f"{MODEL}/2"
        world.gatehouse.sync.run()
        page.goto(world.address("Versions"))
        settle(page)
        expect(page.get_by_role("heading", name="Deprecated")).to_be_visible(timeout=30_000)
        page.get_by_role("button", name="Take a deprecation back…").click()
        drawer = page.get_by_role("dialog")
        drawer.get_by_label("Reason").fill("callers need longer")
        drawer.get_by_role("button", name="Keep v1").click()
        expect(page.get_by_test_id("stToast")).to_contain_text("deprecated no more", timeout=30_000)
    assert find_sunset(MODEL, registry.get_version(MODEL, 1).tags) is None
    actions = [event.action for event in world.gatehouse.audit.list_events(limit=100).events if event.model == MODEL]
    assert "version:deprecation:declared" in actions
    assert "version:deprecation:withdrawn" in actions


def save(page: Page, label: str, folder: Path) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name=label, exact=True).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def read_export(page: Page, label: str, folder: Path) -> dict[str, list[dict[str, str]]]:
    document: dict[str, list[dict[str, str]]] = json.loads(save(page, label, folder).read_text())
    return document
