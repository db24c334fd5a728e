"""One Chromium and one of each app for all of these tests; Playwright holds an event loop, so not beyond them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.harness import ROOT, launch
from tests.browser.seed import fill
from tests.servers import answers, free_port, running


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    with sync_playwright() as playwright:
        started = launch(playwright)
        yield started
        started.close()


@pytest.fixture(scope="package")
def gallery_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The gallery of components, served."""
    port = free_port()
    url = f"http://localhost:{port}"
    command = [
        *(sys.executable, "-m", "streamlit", "run", str(Path(__file__).with_name("gallery.py"))),
        *("--server.port", str(port), "--server.address", "127.0.0.1"),
    ]
    log = tmp_path_factory.mktemp("gallery") / "gallery.log"
    with running(
        command, is_ready=lambda: answers(f"{url}/_stcore/health"), log=log, environ={"PYTHONPATH": str(ROOT)}
    ):
        yield url


@pytest.fixture(scope="package")
def app_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The real app on a home with people and an index of 120 models; its registry does not answer."""
    home = tmp_path_factory.mktemp("home")
    fill(home, 120)
    port = free_port()
    url = f"http://localhost:{port}"
    command = [
        *(sys.executable, "-m", "streamlit", "run", str(ROOT / "app" / "main.py")),
        *("--server.port", str(port), "--server.address", "127.0.0.1"),
    ]
    environ = {
        "GATEHOUSE_HOME": str(home),
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}",
        # No worker runs here: the index is as old as the test, and that is no news.
        "GATEHOUSE_SYNC_SECONDS": "86400",
    }
    with running(command, is_ready=lambda: answers(f"{url}/healthz"), log=home / "app.log", environ=environ):
        yield url
