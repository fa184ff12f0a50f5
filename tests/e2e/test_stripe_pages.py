"""The stand-in's hosted pages in a browser: usable with a keyboard and a screen reader, on a phone, in the dark."""

from collections.abc import Iterator
from typing import Any

import pytest
import stripe
from playwright.sync_api import Page

from local.stripe.site import Site
from tests.e2e.visitor import PHONE, Visitor, screenshot, violations
from tests.stripe_sdk import Clock


class Shop:
    """A stand-in with a plan and a pack, and a customer who is on the plan."""

    def __init__(self) -> None:
        self.site = Site(Clock())
        self.site.start()
        self.sdk = stripe.StripeClient("sk_test_x", base_addresses={"api": self.site.url}, max_network_retries=0)
        product = self.sdk.v1.products.create({"name": "Team"})
        self.team = self.sdk.v1.prices.create(
            {"product": product.id, "currency": "usd", "unit_amount": 4900, "recurring": {"interval": "month"}}
        )
        features: Any = {
            "subscription_update": {
                "enabled": True,
                "default_allowed_updates": ["price", "quantity"],
                "products": [{"product": product.id, "prices": [self.team.id]}],
                "proration_behavior": "always_invoice",
            },
            "subscription_cancel": {"enabled": True},
            "payment_method_update": {"enabled": True},
            "invoice_history": {"enabled": True},
        }
        self.configuration = self.sdk.v1.billing_portal.configurations.create({"features": features})
        self.done = f"{self.site.url}/pages/style.css"

    def checkout(self) -> str:
        session = self.sdk.v1.checkout.sessions.create(
            {
                "mode": "subscription",
                "line_items": [{"price": self.team.id, "quantity": 2}],
                "success_url": self.done,
                "cancel_url": self.done,
            }
        )
        return str(session.url)

    def portal(self, **params: Any) -> str:
        (customer,) = self.sdk.v1.customers.list().data
        wanted: Any = {"customer": customer.id, "configuration": self.configuration.id, "return_url": self.done}
        return self.sdk.v1.billing_portal.sessions.create(wanted | params).url

    def confirmation(self, seats: int) -> str:
        """The portal's page that asks to agree to this number of seats."""
        (subscription,) = self.sdk.v1.subscriptions.list().data
        items = [{"id": subscription["items"].data[0].id, "price": self.team.id, "quantity": seats}]
        kind = "subscription_update_confirm"
        return self.portal(flow_data={"type": kind, kind: {"subscription": subscription.id, "items": items}})


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    yield shop
    shop.site.stop()


def looked_at(page: Page, name: str) -> None:
    """Nothing is wrong with the page for anybody, and a picture of it is kept."""
    screenshot(page, f"stripe-{name}")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_somebody_subscribes_adds_seats_cancels_and_sees_the_invoices(shop: Shop, visitor: Visitor) -> None:
    page = visitor.page(shop.checkout(), scripts=True)
    looked_at(page, "checkout")
    page.get_by_label("Card 0002").check()
    page.get_by_role("button", name="Subscribe").click()
    assert page.get_by_role("alert").inner_text() == "Your card was declined."
    looked_at(page, "checkout-declined")
    page.get_by_label("Card 4242").check()
    page.get_by_role("button", name="Subscribe").click()
    page.wait_for_url(shop.done)

    page.goto(shop.portal())
    page.get_by_label("Seats").fill("5")
    page.get_by_role("button", name="Change").click()
    assert "Your plan was changed" in page.get_by_role("status").inner_text()
    page.get_by_role("button", name="Cancel the subscription").click()
    assert "It ends on 15 February 2027." in page.inner_text("main")
    looked_at(page, "portal")
    page.get_by_role("button", name="Keep it as it is").click()
    page.goto(shop.confirmation(seats=7))
    looked_at(page, "portal-confirm")
    page.get_by_role("button", name="Confirm").click()
    assert "7 × $49.00 a month" in page.inner_text("main")
    page.goto(shop.portal())
    page.get_by_role("link", name="15 January 2027").first.click()
    assert "Remaining time on 7 × Team after 15 Jan 2027" in page.inner_text("main")
    looked_at(page, "invoice")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_on_a_phone_nothing_is_cut_off(shop: Shop, visitor: Visitor, theme: Any) -> None:
    page = visitor.page(shop.checkout(), size=PHONE, theme=theme, scripts=True)
    looked_at(page, f"checkout-phone-{theme}")
    page.get_by_role("button", name="Subscribe").click()
    page.goto(shop.portal())
    looked_at(page, f"portal-phone-{theme}")
    page.goto(shop.site.url)
    looked_at(page, f"dashboard-phone-{theme}")
