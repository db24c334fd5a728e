"""The policy editor in a real browser: write, be told, try out, propose, approve, meet another editor, go back."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect

from app.facade import Gatehouse
from services.documents import RevisionState
from services.documents.activation import propose
from services.identity import Role
from services.identity.actors import Actor
from services.policies.document import DECISION_POLICY
from services.settings import load_settings
from tests.browser.harness import ROOT, Theme, Width, opened, settle, shoot, sign_in, violations
from tests.policies.builders import CARDS
from tests.policies.test_simulation import traffic
from tests.servers import answers, free_port, running

LOOKS: list[tuple[Theme, Width]] = [("light", 1440), ("dark", 1440), ("light", 390), ("dark", 390)]
PEOPLE = {
    "maya": Role.DATA_SCIENTIST,
    "ravi": Role.ML_ENGINEER,
    "meera": Role.RELEASE_MANAGER,
    "cora": Role.COMPLIANCE_REVIEWER,
}
ADDRESSES = {
    "list": "",
    "edit": "kind=decision_policy&name=looked_at",
    "compare": "kind=decision_policy&name=looked_at&compare=true",
    "what_if": "kind=decision_policy&name=looked_at&tab=What-if",
    "revisions": "kind=decision_policy&name=looked_at&tab=Revisions",
    "files": "kind=decision_policy&name=looked_at&tab=Files",
    "revision": "kind=decision_policy&name=looked_at&revision=2",
    "gate_policy": "kind=gate_policy&name=default",
    "unknown": "kind=decision_policy&name=looked_at&revision=77",
}


@dataclass(frozen=True, kw_only=True)
class World:
    url: str
    gatehouse: Gatehouse

    def bring_into_force(self, name: str, text: str = CARDS) -> None:
        change = self.propose(name, text, "ravi", "as the review team has it")
        self.gatehouse.changes.approve(change, actor=person("meera"), reason="agreed")

    def propose(self, name: str, text: str, author: str, reason: str) -> int:
        documents = self.gatehouse.documents
        base = documents.find_head(DECISION_POLICY.name, name)
        text = text.replace("fraud_detector:", f"{name}:")
        changes = self.gatehouse.changes
        kind = DECISION_POLICY.name
        return propose(documents, changes, person(author), kind, name, text, reason=reason, base=base).id

    def in_force(self, name: str) -> str:
        return self.gatehouse.documents.get_in_force(DECISION_POLICY.name, name).text


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The real app over some policies and recorded traffic; there is no registry."""
    home = tmp_path_factory.mktemp("policies")
    gatehouse = Gatehouse(load_settings({}, home=home))
    root = gatehouse.get_caller(origin="test")
    gatehouse.identity.sign_in.mark_demo(root)
    for name, role in PEOPLE.items():
        gatehouse.identity.accounts.add(root, name, [role])
    port = free_port()
    made = World(url=f"http://localhost:{port}", gatehouse=gatehouse)
    made.bring_into_force("looked_at")
    record(home, "looked_at")
    made.propose("looked_at", CARDS.replace("block: 0.7", "block: 0.8"), "ravi", "fewer wrong blocks")
    command = [
        *(sys.executable, "-m", "streamlit", "run", str(ROOT / "app" / "main.py")),
        *("--server.port", str(port), "--server.address", "127.0.0.1"),
    ]
    with running(
        command,
        is_ready=lambda: answers(f"{made.url}/healthz"),
        log=home / "app.log",
        environ={"GATEHOUSE_HOME": str(home), "MLFLOW_TRACKING_URI": ""},
    ):
        yield made
    gatehouse.close()


def record(home: Path, model: str) -> None:
    folder = home / "shadow" / model / "dt=2026-03-01"
    folder.mkdir(parents=True)
    frame = traffic(3000).rename(columns={"score": "champion_score", "country": "slice_country"})
    frame.assign(ts=pd.Timestamp("2026-03-01", tz="UTC")).to_parquet(folder / "part-0.parquet")


def person(name: str) -> Actor:
    return Actor(name=name, roles=frozenset({PEOPLE[name]}), origin="test")


def go(page: Page, world: World, query: str) -> None:
    page.goto(f"{world.url}/policy_editor?{query}")
    settle(page)


def replace_in_editor(page: Page, name: str, old: str, new: str) -> None:
    """Type over a line of the editor."""
    page.get_by_role("textbox", name=f"Decision policy {name}").get_by_text(old).first.click()
    page.keyboard.press("Home")
    page.keyboard.press("Shift+End")
    page.keyboard.type(new)


def confirm(page: Page, words: str, label: str, reason: str) -> None:
    drawer = page.get_by_role("dialog")
    drawer.get_by_label(label).fill(reason)
    drawer.get_by_role("button", name=words).click()


# What a theme or a width may break; the rest is held in one of each.
_IN_EVERY_LOOK = ("edit", "compare", "what_if")


@pytest.mark.long
@pytest.mark.parametrize(("theme", "width"), LOOKS)
def test_every_view_is_accessible_in_both_themes_and_widths(
    browser: Browser, world: World, theme: Theme, width: Width
) -> None:
    with opened(browser, f"{world.url}/policy_editor", theme=theme, width=width) as page:
        sign_in(page, "Maya")
        names = ADDRESSES if (theme, width) in {("light", 1440), ("dark", 390)} else _IN_EVERY_LOOK
        for name in names:
            go(page, world, ADDRESSES[name])
            shoot(page, f"policies_{name}_{theme}_{width}", full=True)
            # Streamlit gives the place to drop a file on a label and no role.
            assert violations(page, ignored=("presentation-role-conflict",)) == [], name
            assert page.get_by_text("This part of Gatehouse broke").count() == 0
            wider = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth - window.innerWidth")
            assert wider <= 0, name


def test_problems_stand_in_the_gutter_as_one_types_and_nothing_invalid_is_proposed(
    browser: Browser, world: World
) -> None:
    world.bring_into_force("typed")
    with opened(browser, f"{world.url}/policy_editor?kind=decision_policy&name=typed") as page:
        sign_in(page, "Maya")
        propose_button = page.get_by_role("button", name="Propose…")
        replace_in_editor(page, "typed", "block: 0.7", "block: 0.3")
        expect(page.locator(".cm-lint-marker-error")).to_have_count(1)
        expect(page.get_by_text("thresholds are out of order", exact=False)).to_be_visible()
        expect(page.get_by_text("to correct before this can be proposed", exact=False)).to_be_visible()
        expect(propose_button).to_be_disabled()
        replace_in_editor(page, "typed", "block: 0.3", "block: 0.85")
        expect(page.locator(".cm-lint-marker-error")).to_have_count(0)
        expect(propose_button).to_be_enabled()
        # What was typed outlasts a look elsewhere.
        page.get_by_role("tab", name="Revisions").click()
        settle(page)
        page.get_by_role("tab", name="Edit").click()
        settle(page)
        expect(page.get_by_role("textbox", name="Decision policy typed")).to_contain_text("block: 0.85")
        page.get_by_role("button", name="Give up").click()
        settle(page)
        expect(page.get_by_role("textbox", name="Decision policy typed")).to_contain_text("block: 0.7")


def test_the_form_writes_the_text_and_keeps_its_comments_and_order(browser: Browser, world: World) -> None:
    world.bring_into_force("formed", CARDS.replace("block: 0.7", "block: 0.7  # as agreed in May"))
    with opened(browser, f"{world.url}/policy_editor?kind=decision_policy&name=formed") as page:
        sign_in(page, "Maya")
        editor = page.get_by_role("textbox", name="Decision policy formed")
        for value in ("0.75", "0.7", "0.8"):
            page.get_by_label("Block", exact=True).fill(value)
            page.keyboard.press("Enter")
            expect(editor).to_contain_text(f"block: {value}  # as agreed in May")
        page.get_by_text("Enable geo blocking").click()
        expect(editor).to_contain_text("enable_geo_blocking: false")
        replace_in_editor(page, "formed", "manual_review: 0.4", "manual_review: 0.45")
        expect(page.get_by_label("Manual review", exact=True)).to_have_value("0.45")
        page.get_by_text("Compare with revision 1").click()
        settle(page)
        expect(page.get_by_text("3 values changed", exact=False)).to_be_visible()
        page.get_by_role("button", name="Propose…").click()
        confirm(page, "Propose it", "Reason", "stricter at the lower end")
        expect(page.get_by_text("proposed revision 2", exact=False)).to_be_visible(timeout=20_000)
    head = world.gatehouse.documents.get_revision(DECISION_POLICY.name, "formed", 2)
    expected = (
        CARDS.replace("fraud_detector:", "formed:")
        .replace("block: 0.7", "block: 0.8  # as agreed in May")
        .replace("enable_geo_blocking: true", "enable_geo_blocking: false")
        .replace("manual_review: 0.4", "manual_review: 0.45")
    )
    assert head.text == expected


def test_a_policy_is_tried_out_proposed_approved_by_another_and_brought_back(browser: Browser, world: World) -> None:
    world.bring_into_force("whole_way")
    record(world.gatehouse.home, "whole_way")
    with opened(browser, f"{world.url}/policy_editor?kind=decision_policy&name=whole_way") as page:
        sign_in(page, "Maya")
        page.get_by_label("Block", exact=True).fill("0.9")
        page.keyboard.press("Enter")
        expect(page.get_by_text("1 value changed", exact=False)).to_be_visible()
        page.get_by_role("tab", name="What-if").click()
        page.get_by_role("button", name="Run the what-if").click()
        expect(page.get_by_text("Decisions that flip")).to_be_visible(timeout=20_000)
        expect(page.get_by_text("kept as event", exact=False)).to_be_visible()
        settle(page)
        assert violations(page) == []
        page.get_by_role("button", name="Propose…").click()
        expect(page.get_by_role("dialog")).to_contain_text(re.compile(r"\d+ of 3,000 flip"))
        assert violations(page) == []
        confirm(page, "Propose it", "Reason", "fewer wrong blocks")
        expect(page.get_by_text("proposed revision 2", exact=False)).to_be_visible(timeout=20_000)
        page.get_by_text("Review it").click()
        settle(page)
        expect(page.get_by_role("button", name="Approve…")).to_have_count(0)
        review = page.url
    with opened(browser, review) as page:
        sign_in(page, "Cora")
        expect(page.get_by_role("heading", name="What it changes")).to_be_visible()
        expect(page.get_by_text("Decisions that flip")).to_be_visible()
        shoot(page, "policies_review", full=True)
        assert violations(page) == []
        page.get_by_role("button", name="Approve…").click()
        confirm(page, "Approve", "Comment", "seen the what-if")
        expect(page.get_by_test_id("stMain").get_by_text("Completed").first).to_be_visible(timeout=20_000)
        assert "block: 0.9" in world.in_force("whole_way")
        go(page, world, "kind=decision_policy&name=whole_way&revision=1")
        expect(page.get_by_role("button", name="Bring back…")).to_have_count(0)
    with opened(browser, f"{world.url}/policy_editor?kind=decision_policy&name=whole_way&revision=1") as page:
        sign_in(page, "Maya")
        page.get_by_role("button", name="Bring back…").click()
        confirm(page, "Propose it again", "Reason", "too many frauds came through")
        expect(page.get_by_test_id("stToast")).to_contain_text("proposed again")
    newest = world.gatehouse.documents.get_revision(DECISION_POLICY.name, "whole_way", 3)
    assert newest.state is RevisionState.PROPOSED
    assert "block: 0.7" in newest.text


def test_the_second_of_two_editors_sees_both_edits_and_decides(browser: Browser, world: World) -> None:
    world.bring_into_force("together")
    with opened(browser, f"{world.url}/policy_editor?kind=decision_policy&name=together") as page:
        sign_in(page, "Maya")
        page.get_by_label("Block", exact=True).fill("0.9")
        page.keyboard.press("Enter")
        page.get_by_label("High value threshold").fill("5000")
        page.keyboard.press("Enter")
        expect(page.get_by_text("2 values changed", exact=False)).to_be_visible()
        theirs = CARDS.replace("block: 0.7", "block: 0.6").replace("lookback_days: 30", "lookback_days: 60")
        world.propose("together", theirs, "ravi", "fraud is rising")
        page.get_by_role("button", name="Propose…").click()
        confirm(page, "Propose it", "Reason", "fewer wrong blocks")
        expect(page.get_by_text("ravi proposed revision 2 while you wrote")).to_be_visible(timeout=20_000)
        settle(page)
        shoot(page, "policies_merge", full=True)
        assert violations(page) == []
        page.get_by_text("yours stands, theirs was", exact=False).click()
        page.get_by_role("button", name="Take theirs").click()
        settle(page)
        page.get_by_role("button", name="Propose…").click()
        confirm(page, "Propose it", "Reason", "both")
        expect(page.get_by_text("proposed revision 3", exact=False)).to_be_visible(timeout=20_000)
    merged = world.gatehouse.documents.get_revision(DECISION_POLICY.name, "together", 3)
    assert merged.text == theirs.replace("fraud_detector:", "together:").replace("10000", "5000")


def test_whoever_may_not_edit_reads(browser: Browser, world: World) -> None:
    with opened(browser, f"{world.url}/policy_editor?kind=decision_policy&name=looked_at") as page:
        sign_in(page, "Cora")
        editor = page.get_by_role("textbox", name="Decision policy looked_at")
        expect(editor).to_have_attribute("aria-readonly", "true")
        expect(page.get_by_role("button", name="Propose…")).to_have_count(0)
        expect(page.get_by_label("Block", exact=True)).to_be_disabled()


def test_a_document_is_begun_by_name_and_an_address_leads_to_it(browser: Browser, world: World) -> None:
    with opened(browser, f"{world.url}/policy_editor?of=decision_policy") as page:
        sign_in(page, "Maya")
        page.get_by_text("Begin a document").click()
        field = page.get_by_label("Model")
        field.fill("brand_new")
        field.press("Enter")
        page.get_by_role("button", name="Open the editor").click()
        expect(page.get_by_role("heading", name="brand_new")).to_be_visible()
        assert "kind=decision_policy&name=brand_new" in page.url
        expect(page.get_by_text("New document, valid")).to_be_visible()
        page.get_by_role("button", name="Save as draft…").click()
        confirm(page, "Save the draft", "What it is about", "a first try")
        expect(page.get_by_test_id("stToast")).to_contain_text("among the revisions")
    (kept,) = world.gatehouse.documents.list_revisions(DECISION_POLICY.name, "brand_new")
    assert (kept.state, kept.author) == (RevisionState.DRAFT, "maya")
