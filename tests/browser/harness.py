"""A real Chromium on the real app: open a page, wait until it has settled, take its picture, hold it against axe."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, Playwright

ROOT = Path(__file__).parents[2]
AXE = ROOT / "app" / "editor" / "node_modules" / "axe-core" / "axe.min.js"
PICTURES = Path(os.environ.get("GATEHOUSE_PICTURES", ROOT / ".pictures"))
HEIGHTS = {1440: 900, 390: 844}

Theme = Literal["light", "dark"]
Width = Literal[1440, 390]

_SETTLED = """() => {
  const app = document.querySelector('[data-testid=stApp]')
  return app?.dataset.testScriptState === 'notRunning'
    && !document.querySelector('[data-stale=true]')
    && !document.querySelector('[data-testid=stSkeleton]')
    && document.fonts.status === 'loaded'
}"""


def launch(playwright: Playwright) -> Browser:
    """Start the system's Chromium without anything that calls home."""
    return playwright.chromium.launch(
        executable_path="/usr/bin/chromium",
        args=[
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ],
    )


@contextmanager
def opened(browser: Browser, url: str, *, theme: Theme = "light", width: Width = 1440) -> Iterator[Page]:
    """Open an address in a window of its own and wait until it has settled; a script error fails the block."""
    context = browser.new_context(
        viewport={"width": width, "height": HEIGHTS[width]},
        color_scheme=theme,
        device_scale_factor=2 if width < 600 else 1,
        has_touch=width < 600,
        reduced_motion="reduce",
        locale="en-GB",
        timezone_id="UTC",
    )
    page = context.new_page()
    refused: list[str] = []
    page.on(
        "console", lambda message: refused.append(message.text) if "Content Security Policy" in message.text else None
    )
    page.on("pageerror", lambda error: refused.append(str(error)))
    try:
        page.goto(url)
        settle(page)
        yield page
        assert not refused, refused
    finally:
        context.close()


def settle(page: Page) -> None:
    """Wait until the script has run and nothing on the page is left from the run before."""
    page.wait_for_selector("[data-testid=stApp]")
    page.wait_for_function(_SETTLED)
    page.wait_for_timeout(250)  # canvases draw, and a rerun that the first one asked for begins, within a few frames
    page.wait_for_function(_SETTLED)


def shoot(page: Page, name: str, *, full: bool = False) -> Path:
    """Take a picture of what is seen (or of the whole page) into `.pictures/NAME.png`."""
    PICTURES.mkdir(exist_ok=True)
    path = PICTURES / f"{name}.png"
    if full:
        tall = page.evaluate("document.querySelector('[data-testid=stMain]')?.scrollHeight ?? 0")
        size = page.viewport_size
        assert size is not None
        page.set_viewport_size({"width": size["width"], "height": max(size["height"], min(int(tall) + 40, 6000))})
        settle(page)
    page.screenshot(path=path)
    return path


def violations(page: Page, *, ignored: tuple[str, ...] = ()) -> list[str]:
    """Return what axe-core finds against WCAG 2.2 A and AA and its own best practices, a line each."""
    page.evaluate(_axe())
    options = {"rules": {rule: {"enabled": False} for rule in ignored}}
    found = page.evaluate(f"axe.run(document, {json.dumps(options)})")
    return [
        f"{violation['id']} ({violation['impact']}): {node['target']} {node['html'][:160]}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


@cache
def _axe() -> str:
    return AXE.read_text(encoding="utf-8")


def sign_in(page: Page, person: str = "Ada Okafor") -> None:
    """Become a person of the demo; the page stays the one that was asked for."""
    page.get_by_role("button", name=person).click()
    page.get_by_role("button", name="Sign out").wait_for(state="attached")
    settle(page)
