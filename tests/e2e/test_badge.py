"""The badge on a page of another site, as the product embeds it."""

from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, expect

from local.seed import usage_page
from tests.e2e.launch import Launched
from tests.e2e.visitor import Visitor, screenshot, violations

PAGE = """<!doctype html>
<html lang="de-DE">
  <head><meta charset="utf-8"><title>A product</title>
    <script type="module" src="{api}/usage/badge.js"></script>
  </head>
  <body><main><h1>A product</h1><infuseos-credits session="{session}"></infuseos-credits></main></body>
</html>"""


def session_of(stack: Launched, account_id: str) -> str:
    return parse_qs(urlsplit(usage_page(stack.client, account_id)).query)["session"][0]


def opened(stack: Launched, account_id: str) -> None:
    stack.client.call("POST", "/v1/accounts", {"account_id": account_id}, expect=[200, 201])


def spend(stack: Launched, account_id: str, quantity: int) -> None:
    charge = {"action": "message", "quantity": quantity}
    path = f"/v1/accounts/{account_id}/charges"
    stack.client.call("POST", path, charge, key=f"spend-{quantity}", expect=[201])


def refreshed(page: Page) -> None:
    page.evaluate("document.querySelector('infuseos-credits').refresh()")


def test_it_shows_what_is_left_on_another_site_in_the_words_of_its_page(stack: Launched, visitor: Visitor) -> None:
    opened(stack, "badge-a")
    visitor.may_visit(stack.client.url)
    page = visitor.product(PAGE.format(api=stack.client.url, session=session_of(stack, "badge-a")))
    meter = page.get_by_role("meter", name="Credits")

    expect(meter).to_contain_text("300 / 300 credits")
    spend(stack, "badge-a", 290)
    refreshed(page)
    expect(meter).to_contain_text("10 / 300 credits")
    expect(meter).to_contain_text("Low")
    assert violations(page) == []

    spend(stack, "badge-a", 10)
    refreshed(page)
    expect(meter).to_contain_text("0 / 300 credits")
    expect(meter).to_contain_text("Resets")
    assert meter.get_attribute("aria-valuenow") == "0"
    assert meter.get_attribute("aria-valuemax") == "300"
    assert violations(page) == []
    screenshot(page, "badge-exhausted")


def test_it_tells_its_page_the_balance_and_when_its_session_is_over(stack: Launched, visitor: Visitor) -> None:
    opened(stack, "badge-b")
    visitor.may_visit(stack.client.url)
    page = visitor.product(PAGE.format(api=stack.client.url, session="over"))
    told = """(session) => new Promise((tell) => {
        const badge = document.querySelector('infuseos-credits');
        badge.addEventListener('infuseos-credits', ({ detail }) => tell(detail));
        badge.addEventListener('infuseos-credits-expired', () => tell('expired'));
        badge.setAttribute('session', session);
    })"""

    assert page.evaluate(told, "nonsense") == "expired"
    balance = page.evaluate(told, session_of(stack, "badge-b"))

    del balance["resets_at"]
    assert balance == {"remaining": 300, "total": 300, "state": "ok"}
    expect(page.get_by_role("meter", name="Credits")).to_contain_text("300 / 300 credits")


def test_without_a_session_it_shows_nothing(stack: Launched, visitor: Visitor) -> None:
    visitor.may_visit(stack.client.url)
    page = visitor.product(PAGE.format(api=stack.client.url, session=""))

    page.evaluate("customElements.whenDefined('infuseos-credits').then(() => true)")
    expect(page.get_by_role("meter")).to_have_count(0)
