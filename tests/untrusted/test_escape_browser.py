"""What a real browser shows of escaped text: exactly the text, and nothing that is made of it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from services.untrusted.escape import WORD_JOINER, as_line
from tests.browser.harness import ROOT, launch, opened
from tests.servers import answers, free_port, running
from tests.untrusted.hostile import TEXTS

MARKED_PLACES = 7
MADE_OF_MARKUP = (
    ".stMarkdownBadge, a[href], img, script, strong strong, em, del, ul, ol, blockquote, pre, hr, sup, mark, .katex,"
    " h1, h2, h3, h4, h5, h6, [role=img], span[data-testid=stIconMaterial]"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    port = free_port()
    url = f"http://localhost:{port}"
    command = [
        *(sys.executable, "-m", "streamlit", "run", str(Path(__file__).with_name("hostile_page.py"))),
        *("--server.port", str(port), "--server.address", "127.0.0.1", "--server.headless", "true"),
    ]
    log = tmp_path_factory.mktemp("hostile") / "app.log"
    ready = lambda: answers(f"{url}/_stcore/health")  # noqa: E731
    with running(command, is_ready=ready, log=log, environ={"PYTHONPATH": str(ROOT)}), sync_playwright() as playwright:
        browser = launch(playwright)
        try:
            with opened(browser, url) as settled:
                yield settled
        finally:
            browser.close()


@pytest.mark.long
@pytest.mark.parametrize("number", range(len(TEXTS)))
def test_hostile_text_is_shown_as_it_is_written(page: Page, number: int) -> None:
    drawn = page.locator(f".st-key-case_{number}").evaluate("case_ => case_.textContent")
    shown = re.findall("⟦(.*?)⟧", drawn.replace(WORD_JOINER, "").replace("\u00a0", " "))
    assert {" ".join(text.split()) for text in shown} == {" ".join(as_line(TEXTS[number]).split())}
    assert len(shown) >= MARKED_PLACES


@pytest.mark.long
@pytest.mark.parametrize("number", range(len(TEXTS)))
def test_hostile_text_makes_no_element(page: Page, number: int) -> None:
    places = page.locator(f".st-key-case_{number} [data-testid=stMarkdownContainer]")
    made = places.locator(MADE_OF_MARKUP).evaluate_all("found => found.map(element => element.outerHTML)")
    assert made == []


@pytest.mark.long
def test_no_request_goes_anywhere_else(page: Page) -> None:
    hosts = page.evaluate("performance.getEntriesByType('resource').map(entry => new URL(entry.name).hostname)")
    assert set(hosts) == {"localhost"}
