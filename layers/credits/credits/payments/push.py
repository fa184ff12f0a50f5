"""Push: makes Stripe sell what the catalog says. It changes what differs and nothing else, and may be run at any time.

- A product for each plan that costs something and for each pack, under an id of its own (`plan_pro`, `pack_small`).
- Their prices, found by lookup key (`plan.pro.month`, `pack.small`). What a price costs never changes in Stripe:
  another price is made, takes the key over, and the old one is closed. Who subscribed to it keeps it, and its plan,
  until they change.
- Three configurations of the customer portal: its home with the plans that can be switched between there, its home with
  seats alone, and the page where a change to any plan is agreed to. An upgrade begins a new cycle and nothing is
  prorated; seats are prorated and invoiced at once; whatever decreases, and canceling, waits for the period's end, so
  that nothing is ever credited back.
- The webhook endpoint, subscribed to the types that are handled here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import batched
from typing import Any, Final

import stripe

from credits.catalog import MOST_SEATS, Catalog
from credits.payments.client import API_VERSION
from credits.payments.lookup import CONFIGURATION, ORDERS, PLANS, SEATS, pack_key, plan_key, portal_configurations
from credits.payments.order import plans_at_home
from credits.payments.signal import HANDLED

KEYS_AT_ONCE: Final = 10
"""How many lookup keys Stripe takes in one question."""

UNKNOWN: Final = "(new)"
"""The id of what a dry run does not make."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing that is sold: its product, and its price a month or once."""

    product_id: str
    lookup_key: str
    name: str
    description: str
    metadata: Mapping[str, str]
    unit_amount: int
    currency: str
    monthly: bool
    per_seat: bool = False

    def product(self) -> dict[str, Any]:
        """The product, as Stripe takes it."""
        label = {"unit_label": "seat"} if self.per_seat else {}
        return {"name": self.name, "description": self.description, "metadata": dict(self.metadata), **label}

    def sold_at(self, price: Mapping[str, Any]) -> bool:
        """Whether this price is the offer's."""
        recurring = price["recurring"] and (price["recurring"]["interval"], price["recurring"]["interval_count"])
        return (price["product"], price["currency"], price["unit_amount"], price["active"], recurring) == (
            self.product_id,
            self.currency,
            self.unit_amount,
            True,
            ("month", 1) if self.monthly else None,
        )


@dataclass(slots=True)
class Pushed:
    """What was changed, or in a dry run would be, a line each; and the secret of a webhook endpoint that was made,
    which Stripe tells this once."""

    changes: list[str] = field(default_factory=list)
    webhook_secret: str | None = field(default=None, repr=False)


def offers(catalog: Catalog) -> tuple[Offer, ...]:
    """Everything that the catalog sells for money, in its order."""
    plans = (
        Offer(
            f"plan_{plan.id}",
            plan_key(plan.id),
            plan.name,
            f"{plan.credits:,} credits a month" + (" for each seat" if plan.per_seat else ""),
            {"plan": plan.id},
            plan.price_cents,
            catalog.currency,
            monthly=True,
            per_seat=plan.per_seat,
        )
        for plan in catalog.plans.values()
        if plan.price_cents
    )
    packs = (
        Offer(
            f"pack_{pack.id}",
            pack_key(pack.id),
            f"{pack.name} pack",
            f"{pack.credits:,} credits",
            {"pack": pack.id},
            pack.price_cents,
            catalog.currency,
            monthly=False,
        )
        for pack in catalog.packs.values()
    )
    return (*plans, *packs)


def push(client: stripe.StripeClient, catalog: Catalog, *, webhook_url: str | None, dry_run: bool = False) -> Pushed:
    """Change in Stripe what differs from the catalog. A `dry_run` only tells it. Without a `webhook_url`, endpoints are
    left alone.

    Each step leaves Stripe whole, so a push that was cut off is finished by the next one. Raises stripe.StripeError.
    """
    return _Push(client, catalog, dry_run=dry_run).run(webhook_url)


class _Push:
    """One run, and what it changed so far."""

    def __init__(self, client: stripe.StripeClient, catalog: Catalog, *, dry_run: bool) -> None:
        self._stripe = client
        self._catalog = catalog
        self._client = client.v1
        self._dry_run = dry_run
        self._pushed = Pushed()

    def run(self, webhook_url: str | None) -> Pushed:
        wanted = offers(self._catalog)
        self._push_products(wanted)
        prices = self._push_prices(wanted)
        plans = [offer for offer in wanted if offer.monthly]
        at_home = [offer for offer in plans if offer.metadata["plan"] in plans_at_home(self._catalog)]
        self._push_configuration(PLANS, HOME | _switching(at_home, prices))
        self._push_configuration(SEATS, HOME | _seats([offer for offer in plans if offer.per_seat], prices))
        self._push_configuration(ORDERS, {"payment_method_update": {"enabled": True}} | _switching(plans, prices))
        if webhook_url:
            self._push_endpoint(webhook_url)
        return self._pushed

    def _push_products(self, wanted: tuple[Offer, ...]) -> None:
        products = self._client.products
        ids = [offer.product_id for offer in wanted]
        pages = [products.list({"ids": list(some), "limit": 100}) for some in batched(ids, 100, strict=False)]
        found = {product.id: product.to_dict() for page in pages for product in page.auto_paging_iter()}
        for offer in wanted:
            product: Any = offer.product() | {"active": True}
            new: Any = {"id": offer.product_id, **product}
            if offer.product_id not in found:
                if self._changes(f"create product {offer.product_id} ({offer.name})"):
                    products.create(new)
            else:
                differing = _differing(product, found[offer.product_id])
                if differing and self._changes(f"update product {offer.product_id}: {', '.join(differing)}"):
                    products.update(offer.product_id, product)

    def _push_prices(self, wanted: tuple[Offer, ...]) -> dict[str, str]:
        """The ids of the prices by lookup key, as they are afterwards."""
        found = self._prices([offer.lookup_key for offer in wanted])
        ids: dict[str, str] = {}
        for offer in wanted:
            old = found.get(offer.lookup_key)
            ids[offer.lookup_key] = old["id"] if old else UNKNOWN
            if old and offer.sold_at(old):
                continue
            cost = f"{offer.unit_amount / 100:.2f} {offer.currency}"
            told = f"replace price {offer.lookup_key}: {cost}" if old else f"create price {offer.lookup_key}: {cost}"
            ids[offer.lookup_key] = UNKNOWN
            if self._changes(told):
                ids[offer.lookup_key] = self._replace_price(offer, old)
        return ids

    def _prices(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        prices = self._client.prices
        pages = [
            prices.list({"lookup_keys": list(some), "limit": 100}) for some in batched(keys, KEYS_AT_ONCE, strict=False)
        ]
        return {str(price.lookup_key): price.to_dict() for page in pages for price in page.auto_paging_iter()}

    def _replace_price(self, offer: Offer, old: Mapping[str, Any] | None) -> str:
        """Make the price, which takes the lookup key over in the same moment, and close the old one.

        The idempotency key names the price that it replaces: a price that goes up and down again is made anew.
        """
        recurring = {"recurring": {"interval": "month"}} if offer.monthly else {}
        price: Any = {
            "product": offer.product_id,
            "currency": offer.currency,
            "unit_amount": offer.unit_amount,
            "lookup_key": offer.lookup_key,
            "transfer_lookup_key": True,
            "metadata": dict(offer.metadata),
            **recurring,
        }
        replaced = old["id"] if old else "none"
        key = f"push-{offer.lookup_key}-{offer.unit_amount}-{offer.currency}-{replaced}"
        made = self._client.prices.create(price, {"idempotency_key": key})
        if old and old["active"]:
            self._client.prices.update(old["id"], {"active": False})
        return made.id

    def _push_configuration(self, name: str, features: dict[str, Any]) -> None:
        configurations = self._client.billing_portal.configurations
        found = next(
            (each for each in portal_configurations(self._stripe) if each["metadata"].get(CONFIGURATION) == name), None
        )
        wanted: Any = {"features": features, "metadata": {CONFIGURATION: name}}
        if found is None:
            if self._changes(f"create portal configuration {name}"):
                configurations.create(wanted)
        else:
            differing = _differing(features, found["features"])
            if differing and self._changes(f"update portal configuration {name}: {', '.join(differing)}"):
                configurations.update(found["id"], wanted)

    def _push_endpoint(self, url: str) -> None:
        endpoints = self._client.webhook_endpoints
        found = next((each for each in endpoints.list({"limit": 100}).auto_paging_iter() if each.url == url), None)
        events: Any = sorted(HANDLED)
        version: Any = API_VERSION
        if found is None:
            if self._changes(f"create webhook endpoint {url}"):
                made = endpoints.create({"url": url, "enabled_events": events, "api_version": version})
                self._pushed.webhook_secret = made.secret
        else:
            same = (sorted(found.enabled_events), found.status) == (events, "enabled")
            if not same and self._changes(f"update webhook endpoint {url}"):
                endpoints.update(found.id, {"enabled_events": events, "disabled": False})

    def _changes(self, told: str) -> bool:
        """Note a change; whether it is to be made."""
        self._pushed.changes.append(told)
        return not self._dry_run


HOME: Final[dict[str, Any]] = {
    "customer_update": {"enabled": True, "allowed_updates": ["address", "email", "name", "tax_id"]},
    "invoice_history": {"enabled": True},
    "payment_method_update": {"enabled": True},
    "subscription_cancel": {"enabled": True, "mode": "at_period_end", "proration_behavior": "none"},
}
"""What people do at the portal's home, whatever they are subscribed to."""


def _switching(plans: list[Offer], prices: Mapping[str, str]) -> dict[str, Any]:
    """To change to one of these plans. Seats are not changed here: an upgrade is not prorated, and seats are."""
    return {
        "subscription_update": {
            "enabled": bool(plans),
            "default_allowed_updates": ["price"],
            "proration_behavior": "none",
            "billing_cycle_anchor": "now",
            "products": [_offered(offer, prices, adjustable=False) for offer in plans],
            "schedule_at_period_end": {"conditions": [{"type": "decreasing_item_amount"}]},
        },
    }


def _seats(plans: list[Offer], prices: Mapping[str, str]) -> dict[str, Any]:
    """To change the seats of the plans that have them."""
    return {
        "subscription_update": {
            "enabled": bool(plans),
            "default_allowed_updates": ["quantity"],
            "proration_behavior": "always_invoice",
            "billing_cycle_anchor": "unchanged",
            "products": [_offered(offer, prices, adjustable=True) for offer in plans],
            "schedule_at_period_end": {"conditions": [{"type": "decreasing_item_amount"}]},
        },
    }


def _offered(offer: Offer, prices: Mapping[str, str], *, adjustable: bool) -> dict[str, Any]:
    quantity = {"enabled": True, "minimum": 1, "maximum": MOST_SEATS} if adjustable else {"enabled": False}
    return {"product": offer.product_id, "prices": [prices[offer.lookup_key]], "adjustable_quantity": quantity}


def _differing(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """The names under which `found` is not what is wanted. What nobody wants may be anything."""
    return [name for name, value in wanted.items() if not _holds(value, found.get(name))]


def _holds(wanted: Any, found: Any) -> bool:
    """Whether everything that is wanted is there. Lists mean sets here: Stripe returns them in an order of its own."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and not _differing(wanted, found)
    if isinstance(wanted, list):
        some = list(found or [])
        return len(wanted) == len(some) and all(any(_holds(each, one) for one in some) for each in wanted)
    return bool(wanted == found)
