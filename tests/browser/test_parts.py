"""The parts that pages are made of, in a real browser: both themes, both widths, by mouse and by keyboard."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from services.untrusted.escape import WORD_JOINER
from tests.browser.harness import Theme, Width, opened, settle, shoot, violations

PAGES = ("", "states", "charts", "editor")
LOOKS: list[tuple[Theme, Width]] = [("light", 1440), ("dark", 1440), ("light", 390), ("dark", 390)]


@pytest.mark.parametrize(("theme", "width"), LOOKS)
@pytest.mark.parametrize("path", PAGES)
def test_every_part_is_accessible_in_both_themes_and_widths(
    browser: Browser, gallery_url: str, path: str, theme: Theme, width: Width
) -> None:
    with opened(browser, f"{gallery_url}/{path}", theme=theme, width=width) as page:
        shoot(page, f"parts_{path or 'review'}_{theme}_{width}", full=True)
        assert violations(page) == []
        assert _overflow(page) <= 0


def test_a_graph_that_is_wider_than_the_page_is_scrolled_by_keyboard(browser: Browser, gallery_url: str) -> None:
    with opened(browser, f"{gallery_url}/charts", width=390) as page:
        graph = page.locator("[class*=_wide_graph]")
        for _ in range(60):
            page.keyboard.press("Tab")
            if graph.evaluate("element => document.activeElement === element"):
                break
        for _ in range(5):
            page.keyboard.press("ArrowRight")
        page.wait_for_function("document.querySelector('[class*=_wide_graph]').scrollLeft > 0")


def test_four_cards_stand_in_a_row_and_two_on_a_telephone(browser: Browser, gallery_url: str) -> None:
    for width, expected in ((1440, 1), (390, 2)):
        with opened(browser, gallery_url, width=width) as page:  # type: ignore[arg-type]
            tops = [card.bounding_box() for card in page.get_by_test_id("stMetric").all()]
            assert len({round(box["y"]) for box in tops if box}) == expected
            heights = {round(box["height"]) for box in tops if box}
            assert len(heights) == 1


def test_the_label_of_a_primary_button_is_dark_on_the_pale_accent_of_the_dark_theme(
    browser: Browser, gallery_url: str
) -> None:
    for theme, lightness in (("light", "oklch(1 "), ("dark", "oklch(0.19 ")):
        with opened(browser, gallery_url, theme=theme) as page:  # type: ignore[arg-type]
            opener = page.get_by_role("button", name="Approve…")
            opener.click()
            confirm = page.get_by_role("dialog").get_by_role("button", name="Approve promotion")
            for button in (page.locator(".st-key-primary_approve button"), confirm):
                assert str(button.evaluate("button => getComputedStyle(button).color")).startswith(lightness)


@pytest.mark.parametrize(("theme", "width"), LOOKS)
def test_the_drawer_asks_for_a_reason_and_shows_a_refusal(
    browser: Browser, gallery_url: str, theme: Theme, width: Width
) -> None:
    with opened(browser, gallery_url, theme=theme, width=width) as page:
        page.get_by_role("button", name="Approve…").click()
        drawer = page.get_by_role("dialog")
        expect(drawer).to_contain_text("Approve v18 for production")
        settle(page)
        shoot(page, f"drawer_{theme}_{width}")
        assert violations(page) == []
        drawer.get_by_role("button", name="Approve promotion").click()
        expect(drawer).to_contain_text("Comment is empty")
        drawer.get_by_label("Comment").fill("refuse me")
        drawer.get_by_role("button", name="Approve promotion").click()
        expect(drawer).to_contain_text("Tick every statement")
        drawer.get_by_text("I reviewed the fairness waiver").click()
        drawer.get_by_role("button", name="Approve promotion").click()
        expect(drawer).to_contain_text("moved to v19 meanwhile")
        drawer.get_by_label("Comment").fill("the waiver ends before the next release")
        drawer.get_by_role("button", name="Approve promotion").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.get_by_test_id("stToast")).to_contain_text("Approved")


def test_text_from_outside_is_drawn_as_written(browser: Browser, gallery_url: str) -> None:
    with opened(browser, f"{gallery_url}/states") as page:
        shown = page.get_by_test_id("stMain").inner_text().replace(WORD_JOINER, "")
        assert "<b>not bold</b> :green-badge[forged] ![x](http://evil.example/x.png) ⟨U+202E⟩gpj.exe" in shown
        assert page.locator("img[src*=evil]").count() == 0
        assert page.get_by_text("Traceback").count() == 0


def test_the_editor_validates_as_one_types_and_completes_from_the_schema(browser: Browser, gallery_url: str) -> None:
    with opened(browser, f"{gallery_url}/editor") as page:
        editor = page.get_by_role("textbox", name="Policy")
        expect(page.get_by_text("Line 14")).to_be_visible()
        expect(page.locator(".cm-lint-marker-error")).to_have_count(1)
        editor.get_by_text("production: 3").click()
        page.keyboard.press("End")
        page.keyboard.press("Backspace")
        page.keyboard.type("2")
        expect(page.get_by_text("Line 14")).to_have_count(0)
        expect(page.locator(".cm-lint-marker-error")).to_have_count(0)
        expect(page.get_by_text("17 lines")).to_be_visible()
        editor.get_by_text("value: 120").click()
        page.keyboard.press("End")
        page.keyboard.press("Enter")
        page.keyboard.type("sev")
        _accept(page, "severity")
        page.keyboard.type("wa")
        _accept(page, "warn")
        expect(page.get_by_text("18 lines")).to_be_visible()
        expect(editor).to_contain_text("severity: warn")


def test_the_keyboard_can_leave_the_editor(browser: Browser, gallery_url: str) -> None:
    with opened(browser, f"{gallery_url}/editor") as page:
        page.get_by_role("textbox", name="Policy").click()
        page.keyboard.press("Tab")
        assert _is_focus_in_editor(page)
        page.keyboard.press("Escape")
        page.keyboard.press("Tab")
        assert not _is_focus_in_editor(page)


def test_the_graph_can_be_picked_from_by_its_table(browser: Browser, gallery_url: str) -> None:
    with opened(browser, f"{gallery_url}/charts") as page:
        page.get_by_text("The same as a table").click()
        settle(page)
        table = page.get_by_test_id("stDataFrame").last
        table.scroll_into_view_if_needed()
        box = table.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + 16, box["y"] + 34 * 4.5)
        expect(page.get_by_text("Picked: v1")).to_be_visible()


def _accept(page: Page, completion: str) -> None:
    expect(page.locator(".cm-tooltip-autocomplete")).to_contain_text(completion)
    page.wait_for_timeout(150)  # so that nobody takes by accident what has only just appeared, the editor waits too
    page.keyboard.press("Enter")


def _is_focus_in_editor(page: Page) -> bool:
    return bool(
        page.evaluate(
            "(() => { let at = document.activeElement;"
            " while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;"
            " return at?.classList.contains('cm-content') ?? false })()"
        )
    )


def _overflow(page: Page) -> float:
    """How far the page is wider than the window, which makes a telephone scroll sideways."""
    width = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth - window.innerWidth")
    assert isinstance(width, int | float)
    return width
