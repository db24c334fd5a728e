"""One Chromium and one of each app for the whole session."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.harness import ROOT, launch
from tests.servers import answers, free_port, running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    with sync_playwright() as playwright:
        started = launch(playwright)
        yield started
        started.close()


@pytest.fixture(scope="session")
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
