"""Somebody pays: plans, seats and packs through the API, Stripe's pages, its webhooks and back to the credits."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Page

from local.client import Client
from tests.e2e.launch import launched
from tests.e2e.visitor import Visitor

# From a click to the credits: a webhook, a queue and a fetch, on a machine that has other things to do.
DEADLINE_SECONDS = 90


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack of this module's own, whose clock is moved by months."""

    client: Client
    stripe_url: str

    def open(self, account_id: str) -> None:
        self.client.call("POST", "/v1/accounts", {"account_id": account_id}, expect=[201])

    def order(self, account_id: str, key: str, **order: Any) -> str:
        """The link that an order leads to."""
        body = {"return_url": f"{self.client.url}/openapi.json", **order}
        path = f"/v1/accounts/{account_id}/checkout-sessions"
        return str(self.client.call("POST", path, body, key=key, expect=[200, 201]).body["url"])

    def portal(self, account_id: str) -> str:
        """A link to the customer portal."""
        body = {"return_url": f"{self.client.url}/openapi.json"}
        path = f"/v1/accounts/{account_id}/portal-sessions"
        return str(self.client.call("POST", path, body, key="portal", expect=[201]).body["url"])

    def account(self, account_id: str) -> Any:
        return self.client.call("GET", f"/v1/accounts/{account_id}", expect=[200]).body

    def awaited(self, account_id: str, plan: str, remaining: int) -> Any:
        """The account, once it is on this plan with these credits."""

        def there() -> Any:
            account = self.account(account_id)
            return account if (account["plan"]["id"], account["credits"]["remaining"]) == (plan, remaining) else None

        return awaited(there, lambda: str(self.account(account_id)))

    def spend(self, account_id: str, key: str, quantity: int = 1) -> int:
        """The status of a charge for messages."""
        charge = {"action": "message", "quantity": quantity}
        return self.client.call("POST", f"/v1/accounts/{account_id}/charges", charge, key=key).status

    def control(self, path: str, body: Any) -> None:
        self.client.call("POST", f"/__local__/stripe/{path}", body, expect=[200])

    def advance(self, duration: str) -> None:
        self.client.call("POST", "/__local__/clock", {"advance": duration}, expect=[200])


def awaited[T](what: Callable[[], T], told: Callable[[], str] = lambda: "") -> T:
    give_up_at = time.monotonic() + DEADLINE_SECONDS
    while not (answer := what()):
        assert time.monotonic() < give_up_at, f"it did not happen: {told()}"
        time.sleep(0.2)
    return answer


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with launched(tmp_path_factory.mktemp("stripe")) as running:
        url = running.client.call("GET", "/__local__/stripe", expect=[200]).body["url"]
        yield Stack(running.client, url)


@pytest.fixture
def browse(stack: Stack, visitor: Visitor) -> Callable[[str], Page]:
    """Opens a page of Stripe's or of ours."""
    visitor.may_visit(stack.stripe_url, stack.client.url)
    return visitor.page


def paid(page: Page, button: str) -> None:
    """Pays on the Checkout page and comes back."""
    page.get_by_role("button", name=button, exact=True).click()
    page.wait_for_url("**/openapi.json")


def test_free_to_pro_through_checkout_and_on_to_max_through_the_portal(
    stack: Stack, browse: Callable[[str], Page]
) -> None:
    stack.open("ada")
    assert stack.spend("ada", "before", 20) == 201

    page = browse(stack.order("ada", "to-pro", plan="pro"))
    page.get_by_label("Card 0002").check()
    page.get_by_role("button", name="Subscribe").click()
    assert page.get_by_role("alert").inner_text() == "Your card was declined."
    assert stack.account("ada")["plan"]["id"] == "free"
    page.get_by_label("Card 4242").check()
    paid(page, "Subscribe")
    # 1,000, and the 280 that were left of Free.
    stack.awaited("ada", "pro", 1_280)

    page = browse(stack.order("ada", "to-max", plan="max"))
    assert "$49.00 a month" in page.inner_text("main")
    page.get_by_role("button", name="Confirm").click()
    stack.awaited("ada", "max", 4_280)

    assert stack.client.call("GET", "/v1/accounts/ada/audit").body["ok"] is True


def test_seats_of_a_team_come_at_once_and_go_at_the_periods_end(stack: Stack, browse: Callable[[str], Page]) -> None:
    stack.open("crew")
    paid(browse(stack.order("crew", "to-team", plan="team", seats=3)), "Subscribe")
    stack.awaited("crew", "team", 12_300)

    more = stack.client.call("POST", "/v1/accounts/crew/seats", {"seats": 5}, key="more", expect=[200]).body
    assert more["outcome"] == "changed"
    stack.awaited("crew", "team", 20_300)
    fewer = stack.client.call("POST", "/v1/accounts/crew/seats", {"seats": 2}, key="fewer", expect=[200]).body
    assert fewer["outcome"] == "scheduled"
    assert stack.account("crew")["seats"] == 5
    stack.advance("P32D")

    stack.awaited("crew", "team", 8_000)
    assert stack.account("crew")["seats"] == 2


def test_a_payment_that_fails_leaves_days_of_grace_then_blocks_and_paying_restores(
    stack: Stack, browse: Callable[[str], Page]
) -> None:
    stack.open("bob")
    paid(browse(stack.order("bob", "to-pro", plan="pro")), "Subscribe")
    stack.awaited("bob", "pro", 1_300)
    stack.control("payments", {"account_id": "bob", "decline_code": "insufficient_funds"})

    stack.advance("P32D")
    awaited(lambda: stack.account("bob")["status"] == "past_due", lambda: str(stack.account("bob")))
    assert stack.spend("bob", "in-grace") == 201
    stack.advance("P8D")
    assert stack.spend("bob", "after-grace") == 402

    stack.control("payments", {"account_id": "bob", "decline_code": None})
    page = browse(stack.portal("bob"))
    assert "past due" in page.inner_text("main")
    page.get_by_role("button", name="Pay $29.00").click()
    assert page.get_by_role("status").inner_text() == "Your invoice is paid."
    awaited(lambda: stack.account("bob")["status"] == "active", lambda: str(stack.account("bob")))

    assert stack.spend("bob", "restored") == 201
    assert stack.account("bob")["credits"]["remaining"] == 998
    assert stack.client.call("GET", "/v1/accounts/bob/audit").body["ok"] is True


def test_a_pack_is_bought_and_refunded(stack: Stack, browse: Callable[[str], Page]) -> None:
    stack.open("eve")
    paid(browse(stack.order("eve", "a-pack", pack="small")), "Pay")
    account = stack.awaited("eve", "free", 700)
    assert account["credits"]["purchased_remaining"] == 400

    page = browse(stack.stripe_url)
    page.get_by_role("row").filter(has_text="$9.99").get_by_role("button", name="Refund").click()
    account = stack.awaited("eve", "free", 300)

    assert account["credits"]["purchased_remaining"] == 0
    assert stack.client.call("GET", "/v1/accounts/eve/audit").body["ok"] is True


def test_doubled_late_and_overtaken_events_lead_to_the_same(stack: Stack, browse: Callable[[str], Page]) -> None:
    stack.control("faults", {"duplicate": 0.5, "reorder": 0.5, "delay": 0.3, "delay_seconds": 5, "drop": 0.1})
    stack.open("flo")
    paid(browse(stack.order("flo", "to-pro", plan="pro")), "Subscribe")
    stack.awaited("flo", "pro", 1_300)
    browse(stack.order("flo", "to-max", plan="max")).get_by_role("button", name="Confirm").click()
    stack.awaited("flo", "max", 4_300)
    stack.control("faults", {})

    assert stack.client.call("GET", "/v1/accounts/flo/audit").body["ok"] is True
