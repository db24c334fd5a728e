"""The audit page in a real browser: verify, take along and check elsewhere, filter, forget what is personal."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.browser.harness import opened, settle, sign_in
from tests.browser.seed import PERSONAL_MAIL


def open_log(page: Page, app_url: str, person: str, query: str = "") -> None:
    sign_in(page, person)
    page.goto(f"{app_url}/audit_log{query}")
    settle(page)


def test_a_reviewer_verifies_the_log_and_takes_along_what_verifies_without_us(
    browser: Browser, app_url: str, tmp_path: Path
) -> None:
    with opened(browser, app_url) as page:
        open_log(page, app_url, "Rui Patel")
        page.get_by_role("button", name="Verify all").click()
        expect(page.get_by_text("verify and agree with")).to_be_visible(timeout=60_000)
        with page.expect_download(timeout=60_000) as download:
            page.get_by_role("button", name="Export all, verifiable (ZIP)").click()
        with zipfile.ZipFile(download.value.path()) as archive:
            archive.extractall(tmp_path)
    files = ("events.jsonl", "events.checkpoint", "events.key")
    command = [sys.executable, "-I", "-S", "verify_export.py", *files]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout.startswith("VERIFIED: ")) == (0, True), ran
    (tmp_path / "events.jsonl").write_bytes(
        (tmp_path / "events.jsonl").read_bytes().replace(b"rui.patel", b"rui.patex")
    )
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 4


def test_the_timeline_tells_of_one_person_and_keeps_its_address(browser: Browser, app_url: str) -> None:
    with opened(browser, app_url) as page:
        open_log(page, app_url, "Rui Patel", "?who=sam.novak&view=Timeline")
        expect(page.get_by_text("Account note made")).to_be_visible()
        expect(page.get_by_text("by rui.patel")).to_have_count(0)


def test_an_admin_forgets_what_an_event_says_about_a_person(browser: Browser, app_url: str) -> None:
    with opened(browser, app_url) as page:
        open_log(page, app_url, "Sam Novak", "?who=sam.novak&what=account:note:made")
        page.get_by_test_id("stDataFrame").first.click(position={"x": 14, "y": 54})
        expect(page.get_by_text(PERSONAL_MAIL)).to_be_visible()
        page.get_by_role("button", name="Forget personal values").click()
        page.get_by_placeholder("Who asked for it, and on what ground?").fill("Erika asked for it")
        page.get_by_role("button", name="Forget them").click()
        expect(page.get_by_text("The values are forgotten.")).to_be_visible()
        expect(page.get_by_text(PERSONAL_MAIL)).to_have_count(0)
        page.goto(f"{app_url}/audit_log?view=Timeline")
        settle(page)
        expect(page.get_by_text("Erika asked for it")).to_be_visible()
