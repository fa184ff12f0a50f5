"""Fetch: what Stripe has now of one customer or of one payment, whole, in a bounded number of calls."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import stripe

from credits.catalog import Catalog
from credits.domain.entitle import Snapshot
from credits.payments.client import Stripe
from credits.payments.snapshot import (
    Thing,
    UnknownPrice,
    customer_snapshot,
    plan_of,
    wanted_prices,
)

AT_ONCE: Final = 100
"""What Stripe gives in one page."""

MOST_PAGES = 10
"""A customer has a few subscriptions and some dozens of invoices; a thousand of anything is a fault somewhere."""

INVOICES_LOOKED_BACK = timedelta(days=400)
"""A yearly invoice pays for periods up to a year after it."""

MOST_PRICES_KEPT = 1_000

MISSING = "resource_missing"

FOR_TOP_UP: Final = "top_up"
"""The metadata by which the payment of an automatic top-up names the crossing that it is for."""


class TooMuch(Exception):
    """A list of Stripe's is longer than anything a customer of ours can have."""


class Gone(Exception):
    """Stripe has no such object any more."""


class Fetch:
    """Reads one Stripe account. What a price sells never changes, so it is asked once by a process."""

    def __init__(self, account: Stripe, catalog: Catalog) -> None:
        self._account = account
        self._catalog = catalog
        self._prices: dict[str, Thing] = {}

    def snapshot(self, customer_id: str, *, now: datetime, payload: Thing | None = None) -> Snapshot:
        """What Stripe says of this customer now.

        `payload` is a subscription that an event brought: it stands for one that Stripe does not list any more.
        """
        client = self._account.client
        try:
            subscriptions = self._all(client.v1.subscriptions, customer=customer_id, status="all")
            if payload and payload["id"] not in {each["id"] for each in subscriptions}:
                subscriptions.append(payload)
            since = int((now - INVOICES_LOOKED_BACK).timestamp())
            invoices = self._all(client.v1.invoices, customer=customer_id, created={"gte": since})
        except Gone:
            return Snapshot(None, None)
        invoices = [self._whole(invoice) for invoice in invoices]
        schedules = self._schedules(subscriptions)
        prices = self._known(wanted_prices(subscriptions, invoices, schedules.values(), now=now), _items(subscriptions))
        return customer_snapshot(subscriptions, invoices, prices, schedules, self._catalog, now=now)

    def customer(self, customer_id: str) -> Thing | None:
        """The customer; None for one that was deleted or never was."""
        try:
            found = self._one(self._account.client.v1.customers, customer_id)
        except Gone:
            return None
        return None if found.get("deleted") else found

    def checkout_session(self, session_id: str) -> Thing:
        """A Checkout session. Raises Gone."""
        return self._one(self._account.client.v1.checkout.sessions, session_id)

    def payment_intent(self, payment_intent_id: str) -> Thing:
        """A payment. Raises Gone."""
        return self._one(self._account.client.v1.payment_intents, payment_intent_id)

    def payment_intents(self, customer_id: str, *, since: datetime) -> Sequence[Thing]:
        """The customer's payments that were begun since, the newest first; none of one that is gone."""
        try:
            return self._all(
                self._account.client.v1.payment_intents,
                customer=customer_id,
                created={"gte": max(0, int(since.timestamp()))},
            )
        except Gone:
            return ()

    def movement(self, kind: str, name: str) -> Thing:
        """A `charge`, a `refund` or a `dispute`. Raises Gone."""
        v1 = self._account.client.v1
        services: Mapping[str, Any] = {"charge": v1.charges, "refund": v1.refunds, "dispute": v1.disputes}
        return self._one(services[kind], name)

    def refunds(self, payment_intent_id: str) -> Sequence[Thing]:
        """The refunds of a payment, the oldest first."""
        found = self._all(self._account.client.v1.refunds, payment_intent=payment_intent_id)
        return sorted(found, key=lambda each: (each["created"], each["id"]))

    def disputes(self, payment_intent_id: str) -> Sequence[Thing]:
        """The disputes of a payment, the oldest first."""
        found = self._all(self._account.client.v1.disputes, payment_intent=payment_intent_id)
        return sorted(found, key=lambda each: (each["created"], each["id"]))

    def undelivered(self, *, now: datetime, days: int, beyond: str | None = None) -> Iterator[Thing]:
        """The events that Stripe could not deliver in the last `days`, the newest first, from after the one `beyond`.

        Page by page, as they are asked for: after a long outage there may be many.
        """
        since = int((now - timedelta(days=days)).timestamp())
        while True:
            after = {"starting_after": beyond} if beyond else {}
            service: Any = self._account.client.v1.events
            page = service.list(
                {"limit": AT_ONCE, "delivery_success": False, "created": {"gte": since}, **after}
            ).to_dict()
            yield from page["data"]
            if not page["has_more"]:
                return
            beyond = page["data"][-1]["id"]

    def _schedules(self, subscriptions: Iterable[Thing]) -> Mapping[str, Thing]:
        """The schedules that subscriptions are under."""
        service = self._account.client.v1.subscription_schedules
        ids = {each["schedule"] for each in subscriptions if isinstance(each.get("schedule"), str)}
        return {each: self._one(service, each) for each in sorted(ids)}

    def _known(self, wanted: set[str], items: Mapping[str, Thing]) -> Mapping[str, Thing]:
        """The prices, with their product where their lookup key does not tell a plan."""
        known: dict[str, Thing] = {}
        for price_id in sorted(wanted):
            price = self._prices.get(price_id) or items.get(price_id, {})
            try:
                plan_of(price_id, {price_id: price}, self._catalog)
            except UnknownPrice:
                price = self._one(self._account.client.v1.prices, price_id, expand=["product"])
            while len(self._prices) >= MOST_PRICES_KEPT:
                del self._prices[next(iter(self._prices))]
            known[price_id] = self._prices[price_id] = price
        return known

    def _whole(self, invoice: Thing) -> Thing:
        """The invoice with all of its lines: a list has the first ten inside it."""
        if not invoice["lines"]["has_more"]:
            return invoice
        service: Any = self._account.client.v1.invoices.line_items
        lines: list[Thing] = []
        after: dict[str, str] = {}
        for _ in range(MOST_PAGES):
            page = service.list(invoice["id"], {"limit": AT_ONCE, **after}).to_dict()
            lines += page["data"]
            if not page["has_more"]:
                return {**invoice, "lines": {"data": lines, "has_more": False}}
            after = {"starting_after": lines[-1]["id"]}
        raise TooMuch(f"lines of {invoice['id']}")

    def _one(self, service: Any, name: str, **params: Any) -> Thing:
        try:
            found: Thing = service.retrieve(name, params or None).to_dict()
        except stripe.InvalidRequestError as error:
            if error.code == MISSING:
                raise Gone(name) from error
            raise
        return found

    def _all(self, service: Any, **params: Any) -> list[Thing]:
        found: list[Thing] = []
        after: dict[str, str] = {}
        for _ in range(MOST_PAGES):
            try:
                page = service.list({"limit": AT_ONCE, **params, **after}).to_dict()
            except stripe.InvalidRequestError as error:
                if error.code == MISSING:
                    raise Gone(str(params)) from error
                raise
            found += page["data"]
            if not page["has_more"]:
                return found
            after = {"starting_after": found[-1]["id"]}
        raise TooMuch(f"{type(service).__name__} of {params}")


def _items(subscriptions: Iterable[Thing]) -> Mapping[str, Thing]:
    """The prices that subscriptions bring with them."""
    return {item["price"]["id"]: item["price"] for each in subscriptions for item in each["items"]["data"]}
