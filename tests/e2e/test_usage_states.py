"""Every state of the Usage page in a browser: for people who read it otherwise, in the dark, and on a phone."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.e2e.gallery import gallery
from tests.e2e.visitor import DESKTOP, PHONE, Visitor, screenshot, violations

STATES = (
    "fresh",
    "busy",
    "low",
    "exhausted",
    "past-due",
    "blocked",
    "unpaid",
    "team",
    "conversation",
    "filtered",
    "empty",
    "order",
    "expired",
    "invalid",
    "missing",
    "fault",
)
SCREENS = {"phone": PHONE, "tablet": (768, 1024), "desktop": DESKTOP}

MOVED = """() => new Promise(told => new PerformanceObserver(list => told(
    list.getEntries().reduce((sum, entry) => sum + entry.value, 0))).observe({type: "layout-shift", buffered: true})
    || setTimeout(() => told(0), 300))"""


@pytest.fixture(scope="module")
def hung() -> Iterator[str]:
    """The address of the gallery."""
    with gallery() as (address, names):
        assert names == STATES
        yield address


def opened(page: Page) -> None:
    """Opens whatever opens."""
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")


@pytest.mark.parametrize("state", STATES)
def test_a_state_fits_every_screen_and_axe_finds_nothing_wrong_with_it(state: str, hung: str, visitor: Visitor) -> None:
    page = visitor.page(f"{hung}/{state}")
    for screen, (width, height) in SCREENS.items():
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, screen
        screenshot(page, f"{state}-{screen}")
    opened(page)
    assert violations(page) == []


@pytest.mark.parametrize("state", STATES)
def test_a_state_is_as_good_in_the_dark_on_a_phone(state: str, hung: str, visitor: Visitor) -> None:
    page = visitor.page(f"{hung}/{state}", theme="dark", size=PHONE)
    screenshot(page, f"{state}-phone-dark")
    opened(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    assert violations(page) == []


def test_axe_finds_nothing_wrong_with_what_is_closed(hung: str, visitor: Visitor) -> None:
    assert violations(visitor.page(f"{hung}/busy")) == []


@pytest.mark.parametrize("state", ["busy", "exhausted", "low"])
def test_nothing_moves_once_it_is_there(state: str, hung: str, visitor: Visitor) -> None:
    assert visitor.page(f"{hung}/{state}").evaluate(MOVED) == 0


def test_what_is_said_once_can_be_put_away_for_as_long_as_the_tab_is_open(hung: str, visitor: Visitor) -> None:
    page = visitor.page(f"{hung}/low")
    notice = page.get_by_role("region", name="9 credits are left")
    assert notice.is_visible()

    page.get_by_role("button", name="Dismiss: 9 credits are left").click()

    assert notice.is_hidden()
    assert page.evaluate("document.activeElement.tagName") == "H1"
    page.reload()
    assert notice.is_hidden()


def test_what_must_be_known_cannot_be_put_away(hung: str, visitor: Visitor) -> None:
    page = visitor.page(f"{hung}/exhausted")
    assert page.get_by_role("region", name="You are out of credits").is_visible()
    assert page.get_by_role("button", name="Dismiss: You are out of credits").count() == 0


def test_a_row_opens_by_the_keyboard_and_wherever_it_is_touched(hung: str, visitor: Visitor) -> None:
    page = visitor.page(f"{hung}/busy")
    row = page.locator(".rows tbody").first
    assert row.locator(".opened").is_hidden()

    row.locator("summary").focus()
    page.keyboard.press("Enter")
    assert row.locator(".opened").is_visible()
    row.locator("td.number").first.click()
    assert row.locator(".opened").is_hidden()


def test_everything_can_be_reached_by_the_keyboard_and_shows_that_it_is(hung: str, visitor: Visitor) -> None:
    page = visitor.page(f"{hung}/low")
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent.trim() || document.activeElement.name"))
        # The parts of a date are the browser's own, and it shows where one is.
        assert page.evaluate(
            "document.activeElement.type === 'date' || getComputedStyle(document.activeElement).outlineStyle !== 'none'"
        )
    assert reached.index("Upgrade to Pro") < reached.index("7 days") < reached.index("Apply")


def test_without_scripts_the_same_is_there_and_rows_still_open(hung: str, visitor: Visitor) -> None:
    page = visitor.page(f"{hung}/busy", scripts=False)
    row = page.locator(".rows tbody").first
    row.locator("summary").click()
    assert row.locator(".opened").is_visible()
    assert page.get_by_role("button", name="Dismiss").count() == 0


def test_in_print_there_is_nothing_to_press(hung: str, visitor: Visitor) -> None:
    page = visitor.page(f"{hung}/busy")
    page.emulate_media(media="print")
    assert page.get_by_role("button", name="Apply").is_hidden()
    assert page.get_by_role("button", name="Manage subscription").is_hidden()
    assert page.locator("svg.bars").is_visible()
    screenshot(page, "busy-print")
