"""From the Usage page to Stripe and back: plans, packs and the portal, through the stand-in's own pages."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import FrameLocator, Page, expect

from tests.e2e.launch import Launched, launched
from tests.e2e.visitor import Visitor, screenshot

# The stand-in tells of a payment by a signed webhook, which goes the whole way: queue, sync, ledger.
ARRIVES_MS = 30_000


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launched]:
    """A stack of its own: these tests pay for its accounts."""
    with launched(tmp_path_factory.mktemp("shop")) as running:
        yield running


def stripe_of(shop: Launched) -> str:
    """The stand-in's origin, as `make run` tells it."""
    told = re.search(r"^  Stripe +(http://[\w.:]+)", shop.output, re.MULTILINE)
    assert told
    return told[1]


def settings_of(shop: Launched, visitor: Visitor, account_id: str) -> Page:
    """Settings → Usage in the shell, with this account. What Stripe's pages ask for is no request to strangers."""
    visitor.may_visit(stripe_of(shop))
    page = visitor.page(f"{shop.client.url}/?account={account_id}#settings/usage")
    expect(usage(page).get_by_role("heading", level=1, name="Usage")).to_be_visible()
    return page


def usage(page: Page) -> FrameLocator:
    return page.frame_locator("iframe[title='Usage']")


def pay(page: Page, button: str) -> None:
    """Pays on the stand-in's checkout page with a card that works, and is sent back."""
    page.get_by_label("Card 4242").check()
    page.get_by_role("button", name=button).click()
    page.wait_for_url("**/?account=*#settings/usage")


def test_who_has_run_out_upgrades_goes_on_upgrades_again_and_cancels(shop: Launched, visitor: Visitor) -> None:
    page = settings_of(shop, visitor, "exhausted")
    plan, body = usage(page).locator(".plan"), usage(page).locator("body")

    usage(page).get_by_role("button", name="Upgrade to Pro").first.click()
    expect(page.get_by_role("heading", name="Subscribe")).to_be_visible()
    expect(page.locator("main")).to_contain_text("$29.00")
    screenshot(page, "checkout-at-stripe")
    pay(page, "Subscribe")
    expect(plan).to_contain_text("Pro", timeout=ARRIVES_MS)
    expect(body).to_contain_text("1,000 of 1,000 left")
    screenshot(page, "checkout-back", whole=False)

    page.get_by_role("button", name="Close settings").click()
    page.get_by_label("Message", exact=True).fill("Thank you")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("1 credit · 999 left")).to_be_visible()

    # A subscriber sees what an upgrade does before it is done, and then it is done at once.
    page.goto(f"{shop.client.url}/?account=exhausted#settings/usage")
    usage(page).get_by_role("link", name="Upgrade to Max").first.click()
    expect(body).to_contain_text("3,999 credits")
    screenshot(page, "order-preview", whole=False)
    usage(page).get_by_role("button", name="Pay $49 and change").click()
    page.wait_for_url("**/?account=exhausted#settings/usage")
    expect(plan).to_contain_text("Max", timeout=ARRIVES_MS)
    # What was left of Pro was paid for, and stays until Pro's month would have ended.
    expect(body).to_contain_text("3,999 of ")

    usage(page).get_by_role("button", name="Manage subscription").first.click()
    page.get_by_role("button", name="Cancel the subscription").click()
    screenshot(page, "portal-at-stripe")
    page.goto(f"{shop.client.url}/?account=exhausted#settings/usage")
    expect(plan).to_contain_text(re.compile(r"Ends on \w+ \d+, \d{4}"), timeout=ARRIVES_MS)


def test_a_pack_comes_on_top_and_is_shown_apart(shop: Launched, visitor: Visitor) -> None:
    page = settings_of(shop, visitor, "low")

    usage(page).get_by_role("listitem").filter(has_text="400").get_by_role("button", name="Buy").click()
    expect(page.locator("main")).to_contain_text("$9.99")
    pay(page, "Pay")

    expect(usage(page).locator("body")).to_contain_text("408 of 700 left", timeout=ARRIVES_MS)
    expect(usage(page).locator("dl").first).to_contain_text(re.compile(r"Purchased credits\s*400"))


def test_who_turns_back_at_checkout_has_bought_nothing(shop: Launched, visitor: Visitor) -> None:
    page = settings_of(shop, visitor, "free")

    usage(page).get_by_role("button", name="Upgrade to Pro").first.click()
    page.get_by_role("link", name="Go back").click()

    page.wait_for_url("**/?account=free#settings/usage")
    expect(usage(page).locator(".plan")).to_contain_text("Free")
    expect(usage(page).locator("body")).to_contain_text("286 of 300 left")
