"""The real Stripe SDK, driving a stand-in engine without a socket, and the catalog's plans and packs in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import stripe

from local.stripe import api
from local.stripe.engine import Engine
from local.stripe.state import Policy


class EngineTransport(stripe.HTTPClient):
    """Hands the SDK's requests to an engine as the server would. Nothing waits, and nothing is retried."""

    name = "engine"

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        parts = urlsplit(url)
        lowered = {name.lower(): value for name, value in (headers or {}).items()}
        body = (post_data or "").encode()
        reply = api.answer(self._engine, method.upper(), parts.path, parts.query, lowered, body)
        return reply.body.decode(), reply.status, dict(reply.headers)

    def close(self) -> None:
        """There is nothing to close."""


def sdk(engine: Engine) -> stripe.StripeClient:
    """The SDK's client on this engine."""
    return stripe.StripeClient("sk_test_local", http_client=EngineTransport(engine), max_network_retries=0)


@dataclass(slots=True)
class Clock:
    """A time that stands still until it is moved."""

    at: datetime = field(default_factory=lambda: datetime(2027, 1, 15, 12, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.at

    def move(self, **duration: float) -> None:
        self.at += timedelta(**duration)


class Shop:
    """An engine with what the product sells, the SDK on it, and a clock that begins at 2027-01-15 12:00 UTC."""

    def __init__(self, *, policy: Policy | None = None) -> None:
        self.clock = Clock()
        self.engine = Engine(self.clock, policy=policy)
        self.sdk = sdk(self.engine)
        self.pro = self.price("Pro", 2_900, "plan.pro.month", plan="pro")
        self.max = self.price("Max", 4_900, "plan.max.month", plan="max")
        self.team = self.price("Team", 4_900, "plan.team.month", plan="team")
        self.pack = self.price("Small pack", 999, "pack.small", interval=None, pack="small")

    def price(
        self, name: str, cents: int, lookup_key: str, *, interval: str | None = "month", **metadata: str
    ) -> stripe.Price:
        product = self.sdk.v1.products.create({"name": name, "metadata": metadata})
        params: Any = {"product": product.id, "currency": "usd", "unit_amount": cents, "lookup_key": lookup_key}
        return self.sdk.v1.prices.create(params | ({"recurring": {"interval": interval}} if interval else {}))

    def customer(self, card: str | None = "pm_card_visa", account_id: str = "ada") -> stripe.Customer:
        """A customer whose default payment method is the card, if one is given."""
        params: Any = {"email": f"{account_id}@example.com", "metadata": {"account_id": account_id}}
        if card is not None:
            params |= {"payment_method": card, "invoice_settings": {"default_payment_method": card}}
        return self.sdk.v1.customers.create(params)

    def subscribe(
        self, customer: stripe.Customer, price: stripe.Price, quantity: int = 1, **params: Any
    ) -> stripe.Subscription:
        wanted: Any = {"customer": customer.id, "items": [{"price": price.id, "quantity": quantity}], **params}
        return self.sdk.v1.subscriptions.create(wanted)

    def change(self, subscription: stripe.Subscription, **params: Any) -> stripe.Subscription:
        """Changes the subscription's one item (`price`, `quantity`) and whatever else is given."""
        item = {name: params.pop(name) for name in ("price", "quantity") if name in params}
        wanted: Any = {"items": [{"id": items_of(subscription)[0].id, **item}], **params}
        return self.sdk.v1.subscriptions.update(subscription.id, wanted)

    def read(self, subscription: stripe.Subscription) -> stripe.Subscription:
        return self.sdk.v1.subscriptions.retrieve(subscription.id)

    def invoice(self, subscription: stripe.Subscription) -> stripe.Invoice:
        """The subscription's latest invoice."""
        return self.sdk.v1.invoices.retrieve(str(self.read(subscription).latest_invoice))

    def move(self, **duration: float) -> None:
        """Lets time pass, and what becomes due happen."""
        self.clock.move(**duration)
        self.engine.advance()

    def types(self, since: int = 0) -> list[str]:
        """The types of the events, from the one numbered `since` on."""
        return [event["type"] for event in self.engine.events[since:]]


def items_of(subscription: stripe.Subscription) -> list[stripe.SubscriptionItem]:
    """The subscription's items: `items` itself is the SDK's method of the same name."""
    return list(subscription["items"].data)


def lines_of(invoice: stripe.Invoice) -> list[tuple[str | None, int]]:
    """What each line of the invoice is for, and its cents."""
    return [(line.description, line.amount) for line in invoice.lines.data]


def at(timestamp: int | None) -> str:
    """An instant of Stripe's, to the minute."""
    return "" if timestamp is None else datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="minutes")[:16]
