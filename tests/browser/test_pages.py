"""The real app by clicking: signing in, the catalog, one model; both themes, both widths, by mouse and by keyboard."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from services.untrusted.escape import WORD_JOINER
from tests.browser.harness import Theme, Width, opened, settle, shoot, sign_in, violations
from tests.browser.seed import LOGGED, PEOPLE

LOOKS: list[tuple[Theme, Width]] = [("light", 1440), ("dark", 1440), ("light", 390), ("dark", 390)]
ADDRESSES = (
    "",
    "catalog",
    "model?name=churn_detector",
    "model?name=churn_detector&tab=Metrics",
    *(f"shadow_comparison?model={LOGGED}&tab={tab}" for tab in ("Agreement", "Slices", "Thresholds")),
)


@pytest.mark.long
@pytest.mark.parametrize(("theme", "width"), LOOKS)
def test_every_page_is_accessible_in_both_themes_and_widths(
    browser: Browser, app_url: str, theme: Theme, width: Width
) -> None:
    with opened(browser, app_url, theme=theme, width=width) as page:
        shoot(page, f"sign_in_{theme}_{width}")
        assert violations(page) == []
        sign_in(page)
        for address in ADDRESSES:
            page.goto(f"{app_url}/{address}")
            settle(page)
            name = re.sub(r"\W+", "_", address) or "overview"
            shoot(page, f"{name}_{theme}_{width}")
            assert violations(page) == [], address
            assert page.get_by_text("This part of Gatehouse broke").count() == 0
            wider = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth - window.innerWidth")
            assert wider <= 0, address


@pytest.mark.long
def test_the_figures_of_a_comparison_are_taken_along_and_looked_at_without_a_network(
    browser: Browser, app_url: str, tmp_path: Path
) -> None:
    with opened(browser, f"{app_url}/shadow_comparison?model={LOGGED}") as page:
        sign_in(page)
        page.get_by_role("button", name="Export").click()
        with page.expect_download() as download:
            page.get_by_role("button", name="Every figure drawn (HTML)").click()
        report = tmp_path / "report.html"
        download.value.save_as(report)
    context = browser.new_context(offline=True)
    with context.new_page() as page:
        troubles: list[str] = []
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(error.message))
        page.goto(report.as_uri())
        expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
        expect(page.locator(".js-plotly-plot")).to_have_count(8)
        page.locator(".js-plotly-plot").first.hover()
        with page.expect_download() as picture:
            page.locator("[data-title^='Download plot']").first.click()
        assert picture.value.suggested_filename.endswith(".svg")
        assert troubles == []
    context.close()


def test_nobody_sees_a_page_without_signing_in(browser: Browser, app_url: str) -> None:
    with opened(browser, f"{app_url}/catalog") as page:
        expect(page.get_by_role("heading", name="Sign in to Gatehouse")).to_be_visible()
        assert page.get_by_test_id("stDataFrame").count() == 0
        for person in PEOPLE:
            expect(page.get_by_role("button", name=person.replace(".", " ").title())).to_be_visible()


def test_signing_in_leads_to_the_page_that_was_asked_for_and_signing_out_ends_it_everywhere(
    browser: Browser, app_url: str
) -> None:
    with opened(browser, f"{app_url}/catalog?view=In+production") as page:
        sign_in(page, "Mei Silva")
        expect(page.get_by_role("heading", name="Catalog")).to_be_visible()
        assert "view=In" in page.url
        expect(page.get_by_text("mei.silva")).to_be_visible()
        second = page.context.new_page()
        second.goto(f"{app_url}/catalog")
        settle(second)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in to Gatehouse")).to_be_visible()
        second.get_by_text("In production", exact=True).last.click()
        expect(second.get_by_role("heading", name="Sign in to Gatehouse")).to_be_visible()
        expect(second.get_by_text("You signed out")).to_be_visible()


def test_a_wrong_password_is_told_on_the_form(browser: Browser, app_url: str) -> None:
    with opened(browser, app_url) as page:
        page.get_by_text("Sign in with a name and a password").click()
        page.get_by_label("Name").fill("ada.okafor")
        page.get_by_label("Password", exact=True).fill("guess")
        page.get_by_label("Password", exact=True).press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("The name or the password is not right.")
        assert violations(page) == []


def test_search_and_filters_stand_in_the_address(browser: Browser, app_url: str) -> None:
    with opened(browser, f"{app_url}/catalog") as page:
        sign_in(page)
        expect(page.get_by_text("121 models · page 1 of 9")).to_be_visible()
        page.get_by_placeholder("Search models").fill("churn")
        expect(page.get_by_text("121 models · page 1 of 9")).to_have_count(0)
        said = page.get_by_text(re.compile(r"^\d+ models?( · page 1 of \d+)?$")).inner_text()
        assert "q=churn" in page.url
        address = page.url
        page.goto(f"{app_url}/")
        settle(page)
        page.goto(address)
        settle(page)
        expect(page.get_by_text(said, exact=True)).to_be_visible()
        page.get_by_placeholder("Search models").fill("no such model")
        expect(page.get_by_text("No model fits")).to_be_visible()


def test_pages_turn_by_key_and_a_filter_goes_back_to_the_first(browser: Browser, app_url: str) -> None:
    with opened(browser, f"{app_url}/catalog") as page:
        sign_in(page)
        turn = page.get_by_role("button", name=re.compile("next", re.IGNORECASE))
        turn.click()
        expect(page.get_by_text("121 models · page 2 of 9")).to_be_visible()
        turn.click()
        expect(page.get_by_text("121 models · page 3 of 9")).to_be_visible()
        page.get_by_role("radio", name="In production", exact=True).click()
        expect(page.get_by_text(re.compile(r"models · page 1 of"))).to_be_visible()


def test_a_model_opens_from_the_catalog_and_the_way_back_works(browser: Browser, app_url: str) -> None:
    with opened(browser, f"{app_url}/catalog?sort=Name") as page:
        sign_in(page)
        _click_row(page, 1)
        expect(page.get_by_text("All models")).to_be_visible()
        assert "/model?name=" in page.url
        page.get_by_text("All models").click()
        expect(page.get_by_role("heading", name="Catalog")).to_be_visible()


def test_a_hostile_name_is_drawn_as_written(browser: Browser, app_url: str) -> None:
    with opened(browser, f"{app_url}/catalog?q=bold") as page:
        sign_in(page)
        _click_row(page, 0)
        heading = page.get_by_role("heading", level=1)
        expect(heading).to_contain_text("bold")
        assert heading.inner_text().replace(WORD_JOINER, "") == "<b>bold</b>:red-badge[x]⟨U+202E⟩exe"
        assert violations(page) == []


def test_an_unknown_model_is_one_clear_sentence(browser: Browser, app_url: str) -> None:
    with opened(browser, f"{app_url}/model?name=nothing_like_it") as page:
        sign_in(page)
        expect(page.get_by_text("There is no model nothing_like_it")).to_be_visible()


def test_where_the_registry_is_down_pages_draw_and_what_needs_it_says_so(browser: Browser, app_url: str) -> None:
    with opened(browser, f"{app_url}/model?name=churn_detector&tab=Lineage") as page:
        sign_in(page)
        expect(page.get_by_text(re.compile("does not answer")).first).to_be_visible(timeout=15_000)
        expect(page.get_by_role("heading", name="churn_detector")).to_be_visible()
        page.get_by_role("button", name="Request promotion").click()
        drawer = page.get_by_role("dialog")
        drawer.get_by_label("Reason").fill("better on recent data")
        drawer.get_by_role("button", name="Run the gates and request").click()
        expect(drawer.get_by_text(re.compile("does not answer")).first).to_be_visible(timeout=20_000)
        shoot(page, "request_refused")


def test_nobody_can_frame_the_app_or_script_it(app_url: str) -> None:
    with urllib.request.urlopen(f"{app_url}/catalog") as response:
        policy = response.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]


def _click_row(page: Page, row: int) -> None:
    table = page.get_by_test_id("stDataFrame").first
    box = table.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 60, box["y"] + 33 * (row + 1.5))
    page.wait_for_url("**/model?name=*")
    settle(page)
