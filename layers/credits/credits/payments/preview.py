"""Preview: what an order would cost and bring, before anybody makes it. The money is Stripe's preview of the invoice;
the credits are our own decision, made on a copy of the account."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import stripe

from credits.domain.account import Account
from credits.domain.subscribe import change_plan
from credits.payments.checkout import Desk, Outcome, subscription_of
from credits.payments.order import NEVER_PAID, Order, Step, Subscription, require_order, step
from credits.payments.refusal import stripe_in_our_words

OUTCOMES: Mapping[Step, Outcome] = {
    Step.SUBSCRIBE: Outcome.CHECKOUT,
    Step.UPGRADE: Outcome.CHANGED,
    Step.ADD_SEATS: Outcome.CHANGED,
    Step.KEEP: Outcome.CHANGED,
    Step.LATER: Outcome.SCHEDULED,
    Step.CANCEL: Outcome.SCHEDULED,
    Step.PAY_FIRST: Outcome.PORTAL,
    Step.NOTHING: Outcome.UNCHANGED,
}

NONE_TO_COME = "invoice_upcoming_none"
"""Stripe's code where a subscription makes no invoice any more."""


@dataclass(frozen=True, slots=True)
class Bill:
    """An invoice that is not there yet: what is to be paid, when, for what, and until when that is."""

    amount_cents: int
    at: datetime
    lines: tuple[tuple[str, int], ...]
    paid_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What an order would come to.

    - `outcome` is that of the order once it is confirmed, and `at` when it applies.
    - `due_now` is paid at once, `due_next` when the next period begins; None where nothing is.
    - `account` is the account as it would be right after: as it is, where something must be paid first.
    """

    outcome: Outcome
    at: datetime
    due_now: Bill | None
    due_next: Bill | None
    account: Account


def preview_order(desk: Desk, account: Account, order: Order, *, now: datetime) -> Preview:
    """What this order would come to; `account` is as of `now`. Nothing is made, neither here nor in Stripe.

    Raises InvalidRequest and StripeUnavailable.
    """
    require_order(order, desk.catalog)
    with stripe_in_our_words():
        customer = desk.events.customer_of(account.account_id)
        subscription = subscription_of(desk, customer) if customer else None
        if subscription is not None and subscription.status == NEVER_PAID:
            subscription = None
        what = step(order, subscription, desk.catalog)
        due_now = _due_now(desk, customer, subscription, order, what)
        due_next = _due_next(desk, subscription, order, what, due_now)
    return Preview(
        outcome=OUTCOMES[what],
        at=subscription.period_end if subscription and what in {Step.LATER, Step.CANCEL} else now,
        due_now=due_now,
        due_next=due_next,
        account=account if what is Step.PAY_FIRST else _after(desk, account, order, now),
    )


def _after(desk: Desk, account: Account, order: Order, now: datetime) -> Account:
    """The account right after the change, as it would be were the change ours to make."""
    unmanaged = replace(account, subscription_id=None)
    return change_plan(unmanaged, desk.catalog, now=now, key="preview", plan=order.plan, seats=order.seats).account


def _due_now(
    desk: Desk, customer: str | None, subscription: Subscription | None, order: Order, what: Step
) -> Bill | None:
    """What confirming the order charges at once."""
    if what is Step.SUBSCRIBE:
        item = {"price": desk.lookup.plan_price(order.plan), "quantity": order.seats}
        # Whoever is no customer yet pays no other taxes than nobody in particular.
        who = {"customer": customer} if customer else {"customer_details": {"tax_exempt": "none"}}
        return _asked(desk, {**who, "subscription_details": {"items": [item]}})
    if subscription is None or what not in {Step.UPGRADE, Step.ADD_SEATS}:
        return None
    how = (
        {"proration_behavior": "none", "billing_cycle_anchor": {"type": "now"}}
        if what is Step.UPGRADE
        else {"proration_behavior": "always_invoice"}
    )
    details = {"items": [desk.item(order, subscription)], **how}
    return _asked(desk, {"subscription": subscription.id, "subscription_details": details})


def _due_next(
    desk: Desk, subscription: Subscription | None, order: Order, what: Step, due_now: Bill | None
) -> Bill | None:
    """What the period after costs. A plan that is paid in full now costs the same again."""
    if what in {Step.SUBSCRIBE, Step.UPGRADE}:
        return due_now and replace(due_now, at=due_now.paid_until)
    if subscription is None or what in {Step.CANCEL, Step.PAY_FIRST}:
        return None
    details = {"items": [desk.item(order, subscription)], "proration_behavior": "none"}
    return _asked(desk, {"subscription": subscription.id, "subscription_details": details})


def _asked(desk: Desk, wanted: Any) -> Bill | None:
    """The invoice that Stripe would make; None where there would be none."""
    try:
        found = desk.stripe.client.v1.invoices.create_preview(wanted).to_dict()
    except stripe.InvalidRequestError as error:
        if error.code != NONE_TO_COME:
            raise
        return None
    lines = tuple((each["description"], each["amount"]) for each in found["lines"]["data"])
    ends = max((each["period"]["end"] for each in found["lines"]["data"]), default=found["period_end"])
    at, until = (datetime.fromtimestamp(instant, UTC) for instant in (found["period_end"], ends))
    return Bill(found["amount_due"], at, lines, until)
