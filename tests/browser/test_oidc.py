"""Signing in through a real identity provider: groups become roles, and a session that ended stays ended."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from services.audit import AuditLog, EventQuery
from services.clock import utc_now
from services.store import open_store
from tests.browser.harness import ROOT, settle
from tests.servers import answers, free_port, running

PEOPLE = {
    "u-ada": {"email": "ada@example.org", "email_verified": True, "groups": ["ml-release", "everybody"]},
    "u-eve": {"email": "eve@example.org", "email_verified": True, "groups": ["everybody"]},
}

ADA = re.compile("ada@.?example.org")  # with what keeps a page from making a link of it
PROVIDER = """
import json, sys, time
from oidc_provider_mock import User, run_server_in_thread
people = [User(sub=sub, claims=claims) for sub, claims in json.loads(sys.argv[2]).items()]
with run_server_in_thread(int(sys.argv[1]), user_claims=people):
    time.sleep(3600)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """An app that trusts a provider, and its home."""

    url: str
    home: Path

    def list_actions(self, actor: str) -> list[str]:
        store = open_store(f"sqlite:///{self.home / 'gatehouse.db'}")
        found = AuditLog(store, clock=utc_now, home=self.home).list_events(EventQuery(actor=actor)).events
        store.close()
        return [event.action for event in found]


@pytest.fixture(scope="module")
def provider_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An identity provider that knows `PEOPLE`, in a process of its own."""
    port = free_port()
    url = f"http://localhost:{port}"
    command = [sys.executable, "-W", "ignore", "-c", PROVIDER, str(port), json.dumps(PEOPLE)]
    log = tmp_path_factory.mktemp("provider") / "provider.log"
    with running(command, is_ready=lambda: answers(f"{url}/.well-known/openid-configuration"), log=log):
        yield url


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, provider_url: str) -> Iterator[Served]:
    home, port = tmp_path_factory.mktemp("oidc"), free_port()
    url = f"http://localhost:{port}"
    (home / "secrets.toml").write_text(
        "[auth]\n"
        f'redirect_uri = "{url}/oauth2callback"\n'
        'cookie_secret = "a secret of this test alone"\n'
        'client_id = "gatehouse"\n'
        'client_secret = "any"\n'
        f'server_metadata_url = "{provider_url}/.well-known/openid-configuration"\n'
    )
    command = [
        *(sys.executable, "-m", "streamlit", "run", str(ROOT / "app" / "main.py")),
        *("--server.port", str(port), "--server.address", "127.0.0.1"),
        *("--secrets.files", str(home / "secrets.toml")),
    ]
    environ = {"GATEHOUSE_HOME": str(home), "GATEHOUSE_OIDC_ROLES": "ml-release=release_manager"}
    with running(command, is_ready=lambda: answers(f"{url}/healthz"), log=home / "app.log", environ=environ):
        yield Served(url=url, home=home)


@pytest.fixture
def window(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context()
    # The provider's page asks a network for its style.
    context.route("**/cdn.jsdelivr.net/**", lambda route: route.abort())
    yield context
    context.close()


def enter(window: BrowserContext, served: Served, sub: str) -> Page:
    """Go to the provider, be somebody there, and come back."""
    page = window.new_page()
    page.goto(served.url)
    settle(page)
    page.get_by_role("button", name="Sign in with your organisation").click()
    page.get_by_role("button", name=sub, exact=True).first.click()
    page.wait_for_url(f"{served.url}/**")
    settle(page)
    return page


def test_a_group_of_the_provider_is_a_role_here(window: BrowserContext, served: Served) -> None:
    page = enter(window, served, "u-ada")
    expect(page.get_by_test_id("stSidebar")).to_contain_text(ADA)
    expect(page.get_by_test_id("stSidebar")).to_contain_text("Release manager")
    assert "session:sign_in:succeeded" in served.list_actions("ada@example.org")


def test_who_is_in_no_group_that_stands_for_a_role_stays_out(window: BrowserContext, served: Served) -> None:
    page = enter(window, served, "u-eve")
    expect(page.get_by_text("has no role here yet")).to_be_visible()


def test_signing_out_ends_every_window_and_the_cookie_of_before_is_refused(
    browser: Browser, window: BrowserContext, served: Served
) -> None:
    page = enter(window, served, "u-ada")
    second = window.new_page()
    second.goto(served.url)
    settle(second)
    expect(second.get_by_test_id("stSidebar")).to_contain_text(ADA)
    stolen = window.cookies()

    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="End session").click()
    expect(page.get_by_role("button", name="Sign in with your organisation")).to_be_visible()
    second.get_by_test_id("stSidebar").get_by_role("link").first.click()
    expect(second.get_by_text("signed out")).to_be_visible()

    replay = browser.new_context()
    replay.add_cookies(stolen)  # type: ignore[arg-type]
    thief = replay.new_page()
    thief.goto(served.url)
    settle(thief)
    expect(thief.get_by_text("signed out")).to_be_visible()
    expect(thief.get_by_text(ADA)).to_have_count(0)
    replay.close()


def test_headers_that_name_somebody_sign_nobody_in(browser: Browser, served: Served) -> None:
    names = ("X-Forwarded-User", "X-Auth-Request-User", "X-Forwarded-Email", "Remote-User", "X-Streamlit-User")
    spoofed = browser.new_context(extra_http_headers=dict.fromkeys(names, "ada@example.org"))
    page = spoofed.new_page()
    page.goto(served.url)
    settle(page)
    expect(page.get_by_role("button", name="Sign in with your organisation")).to_be_visible()
    spoofed.close()
