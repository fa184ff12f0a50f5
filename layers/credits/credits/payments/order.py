"""Orders: what becomes of somebody's wish for a plan or seats, by the subscription there is. Pure.

More credits: now, in a new cycle that is paid in full, nothing prorated. More seats of the same plan: now, prorated and
invoiced now. Fewer credits, or none: at the period's end, and nothing is credited back. There is never a second
subscription.

Stripe's customer portal cannot know of credits: it lets wait what costs less. So what is agreed to there is only what
comes at the same time either way, and the portal's home offers only plans among which that is always so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from credits.catalog import Catalog
from credits.domain.renew import FREE
from credits.errors import InvalidRequest

ENDED = frozenset({"canceled", "incomplete_expired"})
NEVER_PAID = "incomplete"
CHANGEABLE = frozenset({"active"})
"""The statuses in which a subscription can be changed by a request alone; in the others its payment comes first."""


class Step(StrEnum):
    """What is to be done."""

    SUBSCRIBE = "subscribe"
    UPGRADE = "upgrade"
    ADD_SEATS = "add_seats"
    LATER = "later"
    CANCEL = "cancel"
    KEEP = "keep"
    NOTHING = "nothing"
    PAY_FIRST = "pay_first"


@dataclass(frozen=True, slots=True)
class Order:
    """A plan with so many seats."""

    plan: str
    seats: int = 1


@dataclass(frozen=True, slots=True)
class Subscription:
    """As much of a subscription of Stripe's as a change of it needs.

    `cancels` and `schedule` wait for the period's end. `amount_cents` is what it costs a month; None where it is not
    paid by the month.
    """

    id: str
    status: str
    item_id: str
    price_id: str
    product_id: str
    plan: str | None
    seats: int
    amount_cents: int | None
    period_end: datetime
    cancels: bool
    schedule: str | None

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "Subscription":
        """The subscription in this object of Stripe's. A price of ours says of what plan it is."""
        item = found["items"]["data"][0]
        price, recurring = item["price"], item["price"]["recurring"]
        by_month = (recurring["interval"], recurring["interval_count"]) == ("month", 1)
        one = price["unit_amount"] if by_month else None
        return cls(
            id=found["id"],
            status=found["status"],
            item_id=item["id"],
            price_id=price["id"],
            product_id=price["product"],
            plan=price["metadata"].get("plan"),
            seats=item["quantity"],
            amount_cents=None if one is None else one * item["quantity"],
            period_end=datetime.fromtimestamp(item["current_period_end"], UTC),
            cancels=bool(found["cancel_at"] or found["cancel_at_period_end"]),
            schedule=found["schedule"],
        )


def current(found: Iterable[Mapping[str, Any]]) -> Subscription | None:
    """Of a customer's subscriptions, the newest first, the one that counts: what has ended does not, and what was never
    paid only where there is no other."""
    alive = [Subscription.of(each) for each in found if each["status"] not in ENDED]
    return next((each for each in alive if each.status != NEVER_PAID), next(iter(alive), None))


def require_order(order: Order, catalog: Catalog) -> None:
    """InvalidRequest for a plan that is not in the catalog, or seats that it does not sell."""
    if order.plan not in catalog.plans:
        raise InvalidRequest([("plan", f"there is no plan {order.plan!r}; the catalog has {', '.join(catalog.plans)}")])
    if order.seats != 1 and not catalog.plans[order.plan].per_seat:
        raise InvalidRequest([("seats", f"the plan {order.plan} has one seat")])


def step(order: Order, subscription: Subscription | None, catalog: Catalog) -> Step:
    """What is to be done for the order. A subscription to no plan of the catalog's counts as one of no credits."""
    if subscription is None or subscription.status == NEVER_PAID:
        return Step.NOTHING if order.plan == FREE else Step.SUBSCRIBE
    if subscription.status not in CHANGEABLE:
        return Step.PAY_FIRST
    waits = subscription.cancels or subscription.schedule is not None
    if order.plan == FREE:
        return Step.NOTHING if subscription.cancels else Step.CANCEL
    if order == Order(subscription.plan or "", subscription.seats):
        return Step.KEEP if waits else Step.NOTHING
    if not _gives_more(order, subscription, catalog):
        return Step.LATER
    return Step.ADD_SEATS if order.plan == subscription.plan else Step.UPGRADE


def comes_in_portal_as_ordered(order: Order, subscription: Subscription, catalog: Catalog) -> bool:
    """Whether Stripe's portal makes the change when `step` does. Fewer seats of a plan both cost less and give less,
    and canceling waits; of a subscription that is not paid by the month, nobody says what the portal compares."""
    if order.plan in {subscription.plan, FREE}:
        return True
    if subscription.amount_cents is None:
        return False
    costs_less = catalog.plans[order.plan].price_cents * order.seats < subscription.amount_cents
    return costs_less is not _gives_more(order, subscription, catalog)


def plans_at_home(catalog: Catalog) -> tuple[str, ...]:
    """The plans that the portal's home may offer, the cheapest first: what costs more gives more, of any two of them.

    A plan with seats is not among them: people who switched to one that has none could bring their number along.
    """
    chosen: list[str] = []
    for plan in sorted(catalog.plans.values(), key=lambda each: (each.price_cents, -each.credits)):
        last = catalog.plans[chosen[-1]] if chosen else catalog.plans[FREE]
        if not plan.per_seat and plan.price_cents > last.price_cents and plan.credits > last.credits:
            chosen.append(plan.id)
    return tuple(chosen)


def switches_at_home(subscription: Subscription | None, catalog: Catalog) -> bool:
    """Whether whoever has this subscription may switch plans at the portal's home: it is to one of the plans there, and
    from what is paid for it (which may be an older price) each of the others comes when an order of it would."""
    plans = plans_at_home(catalog)
    return (
        subscription is not None
        and (subscription.plan, subscription.seats) in {(plan, 1) for plan in plans}
        and all(comes_in_portal_as_ordered(Order(plan), subscription, catalog) for plan in plans)
    )


def _gives_more(order: Order, subscription: Subscription, catalog: Catalog) -> bool:
    """Whether the order gives more credits a month than the subscription does."""
    present = catalog.plans[subscription.plan].allocation(subscription.seats) if subscription.plan else 0
    return catalog.plans[order.plan].allocation(order.seats) > present
