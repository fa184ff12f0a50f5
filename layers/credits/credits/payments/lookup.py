"""Lookup: what the catalog's plans and packs are called in Stripe, and what Stripe's ids of them are."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import stripe

from credits.payments.client import Stripe

CONFIGURATION: Final = "credits_configuration"
"""The metadata by which a portal configuration of ours is known: `plans`, `seats` or `orders`."""

PLANS, SEATS, ORDERS = "plans", "seats", "orders"
"""The portal's configurations: its home with plans to switch between, its home without them (seats can be changed
there, of a plan that has some), and the page where a change to any plan is agreed to."""

FRESH_SECONDS: Final = 300.0
"""An id that was found is good for this long. A price that was replaced meanwhile is closed: Stripe refuses it."""


class NotPushed(Exception):
    """Stripe has no price or portal configuration of this name yet: the catalog was not pushed (docs/operations.md)."""


def plan_key(plan: str) -> str:
    """The lookup key of a plan's price for a month."""
    return f"plan.{plan}.month"


def pack_key(pack: str) -> str:
    """The lookup key of a pack's price."""
    return f"pack.{pack}"


def portal_configurations(client: stripe.StripeClient) -> Iterator[dict[str, Any]]:
    """The active configurations of the customer portal, with the products that they offer."""
    listed = client.v1.billing_portal.configurations.list(
        {"active": True, "limit": 100, "expand": ["data.features.subscription_update.products"]}
    )
    return (each.to_dict() for each in listed.auto_paging_iter())


class Lookup:
    """Stripe's ids by our names, each asked for once in five minutes. Raises NotPushed for what Stripe has not."""

    def __init__(self, stripe: Stripe, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._stripe = stripe
        self._monotonic = monotonic
        self._kept: dict[str, tuple[float, str]] = {}

    def plan_price(self, plan: str) -> str:
        """The id of the price of a plan for a month."""
        return self._price(plan_key(plan))

    def pack_price(self, pack: str) -> str:
        """The id of the price of a pack."""
        return self._price(pack_key(pack))

    def configuration(self, name: str) -> str:
        """The id of the portal configuration `PLANS`, `SEATS` or `ORDERS`."""
        return self._found(f"portal configuration {name}", lambda: self._configurations().get(name))

    def _price(self, key: str) -> str:
        def ask() -> str | None:
            prices = self._stripe.client.v1.prices.list({"lookup_keys": [key], "active": True}).data
            return prices[0].id if prices else None

        return self._found(key, ask)

    def _configurations(self) -> Mapping[str, str]:
        found = portal_configurations(self._stripe.client)
        return {each["metadata"].get(CONFIGURATION, ""): each["id"] for each in found}

    def _found(self, name: str, ask: Callable[[], str | None]) -> str:
        until, found = self._kept.get(name, (0.0, ""))
        if until <= self._monotonic():
            asked = ask()
            if asked is None:
                raise NotPushed(name)
            found = asked
            self._kept[name] = self._monotonic() + FRESH_SECONDS, found
        return found
