"""Checkout: what people order, from the API and from the Usage page alike.

    desk = open_desk(catalog, connection, events_table=…, secret_id=…, region=…, api_base=None)
    answer = order_plan(desk, "acme", Order("pro"), key="k1", return_url="https://…", now=now)
    answer.url  # where to pay

Nothing here touches a balance: credits follow when Stripe tells of the money. Every write of Stripe's carries an
idempotency key made of the caller's, so a retry after a lost reply finds what the first try did; what was answered is
kept, and answered again. Orders of one account take turns, so that two of them never make two subscriptions.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

import stripe
from pynamodb.connection import Connection

from credits.catalog import Catalog
from credits.domain.account import Account
from credits.domain.instant import from_text, to_text
from credits.domain.pack import require_place
from credits.domain.renew import FREE
from credits.errors import Contended, InvalidRequest, NotInPortal, NotSubscribed
from credits.payments.calls import RETRY_AFTER_SECONDS, Calls
from credits.payments.client import Stripe
from credits.payments.lookup import ORDERS, PLANS, SEATS, Lookup
from credits.payments.order import (
    NEVER_PAID,
    Order,
    Step,
    Subscription,
    comes_in_portal_as_ordered,
    current,
    require_order,
    step,
    switches_at_home,
)
from credits.payments.refusal import stripe_in_our_words
from credits.payments.secret import Secret
from credits.payments.tables import StripeEvents, open_events

MOST_SUBSCRIPTIONS: Final = 100
"""Of one customer, the newest; what is beyond has long ended."""

MOST_OPEN_SESSIONS: Final = 100
MOST_REPLACEMENTS: Final = 5
"""How often a customer that was deleted is made anew under keys of its own."""


class Flow(StrEnum):
    """What the portal opens with: a card, a plan, seats, or canceling."""

    CARD = "card"
    PLAN = "plan"
    SEATS = "seats"
    CANCEL = "cancel"


class Outcome(StrEnum):
    """What came of an order.

    - `checkout`: somebody pays at `url`, until `expires_at`; `portal`: somebody agrees, or pays what is due, at `url`.
    - `changed`: done and paid; `scheduled`: it will be done at `at`; `unchanged`: it is so already.
    """

    CHECKOUT = "checkout"
    PORTAL = "portal"
    CHANGED = "changed"
    SCHEDULED = "scheduled"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is answered to an order; `replayed` where the same key was answered before."""

    outcome: Outcome
    url: str | None = None
    expires_at: datetime | None = None
    plan: str | None = None
    seats: int | None = None
    pack: str | None = None
    at: datetime | None = None
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Desk:
    """What orders are taken with."""

    catalog: Catalog
    stripe: Stripe
    lookup: Lookup
    events: StripeEvents
    calls: Calls

    def item(self, order: Order, subscription: Subscription) -> dict[str, Any]:
        """The subscription's item as the order wants it.

        Its price is the one that is paid already where the plan stays, also where it is no longer sold.
        """
        stays = order.plan in {subscription.plan, FREE}
        price = subscription.price_id if stays else self.lookup.plan_price(order.plan)
        return {"id": subscription.item_id, "price": price, "quantity": order.seats}


def open_desk(
    catalog: Catalog, connection: Connection, *, events_table: str, secret_id: str, region: str, api_base: str | None
) -> Desk:
    """The desk of one stack. Stripe and its secret are asked when the first order comes."""
    events = open_events(connection, events_table)
    account = Stripe(Secret(secret_id, region=region), api_base=api_base)
    return Desk(catalog, account, Lookup(account), events, Calls(events))


def order_plan(
    desk: Desk, account_id: str, order: Order, *, key: str, return_url: str, now: datetime, confirmed: bool = False
) -> Answer:
    """Bring the account to this plan and these seats.

    Without a subscription, a link to Checkout; one that is open for the same order is answered again, and any other is
    closed. With one, a link to the portal's page where the change is agreed to; or, where the person has `confirmed` it
    already, the change itself: more credits now, in a new cycle without proration; fewer, or Free, at the period's end.

    Raises InvalidRequest, NotInPortal (the portal would make the change at another time: it has to be `confirmed`),
    PaymentFailed (nothing was changed), IdempotencyKeyReused, Contended, StripeUnavailable.
    """
    require_order(order, desk.catalog)

    def act(customer: str) -> Answer:
        subscription = subscription_of(desk, customer)
        what = step(order, subscription, desk.catalog)
        if subscription is None or what in {Step.SUBSCRIBE, Step.NOTHING}:
            return _subscribe(desk, account_id, customer, order, subscription, what, key=key, return_url=return_url)
        if what is Step.PAY_FIRST or not confirmed:
            url = _agreement(desk, account_id, customer, order, subscription, what, return_url)
            return Answer(outcome=Outcome.PORTAL, url=url, plan=order.plan, seats=order.seats)
        return _change(desk, account_id, order, subscription, what, key=key, now=now)

    asked = ("plan", order.plan, order.seats, confirmed, return_url)
    return _once(desk, account_id, key, asked, act, now)


def order_pack(desk: Desk, account: Account, pack: str, *, key: str, return_url: str, now: datetime) -> Answer:
    """A link to Checkout for a pack. It is granted when it is paid, never because somebody came back from there.

    `account` is as of `now`. Raises InvalidRequest, TooManyPacks, IdempotencyKeyReused, Contended, StripeUnavailable.
    """
    account_id = account.account_id
    if pack not in desk.catalog.packs:
        raise InvalidRequest([("pack", f"there is no pack {pack!r}; the catalog has {', '.join(desk.catalog.packs)}")])

    def act(customer: str) -> Answer:
        require_place(account)
        metadata = {"account_id": account_id, "pack": pack}
        wanted = _session(customer, account_id, desk.lookup.pack_price(pack), 1, return_url) | {
            "mode": "payment",
            "metadata": metadata,
            "payment_intent_data": {"metadata": metadata},
        }
        session = _begin(desk, wanted, account_id, key)
        return Answer(outcome=Outcome.CHECKOUT, url=session.url, expires_at=_instant(session.expires_at), pack=pack)

    return _once(desk, account_id, key, ("pack", pack, return_url), act, now)


def order_seats(desk: Desk, account_id: str, seats: int, *, key: str, now: datetime) -> Answer:
    """Change the seats of the account's plan: more at once, prorated and invoiced now; fewer at the period's end.

    Raises NotSubscribed (also for a plan without seats), PaymentFailed (nothing was changed), and what order_plan does.
    """

    def act(customer: str) -> Answer:
        subscription = subscription_of(desk, customer)
        plan = desk.catalog.plans.get(subscription.plan or "") if subscription else None
        if subscription is None or subscription.status == NEVER_PAID or plan is None or not plan.per_seat:
            raise NotSubscribed(account_id, "with seats")
        order = Order(plan.id, seats)
        what = step(order, subscription, desk.catalog)
        if what is Step.PAY_FIRST:
            raise NotSubscribed(account_id, "that is paid")
        if what is Step.NOTHING:
            return Answer(outcome=Outcome.UNCHANGED, plan=plan.id, seats=seats)
        return _change(desk, account_id, order, subscription, what, key=key, now=now)

    return _once(desk, account_id, key, ("seats", seats), act, now)


def open_portal(desk: Desk, account_id: str, flow: Flow | None, *, return_url: str, now: datetime) -> str:
    """A link to the customer portal, good for some minutes: its home, or where a flow begins.

    Raises NotSubscribed for a flow that needs a subscription, NotInPortal for a choice of plans where the portal has
    none to offer, and what order_plan does.
    """
    with stripe_in_our_words():
        with desk.calls.turn(account_id, now):
            customer = customer_of(desk, account_id)
        subscription = subscription_of(desk, customer)
        home = _home(desk, subscription)
        data: dict[str, Any] | None = {"type": "payment_method_update"} if flow is Flow.CARD else None
        if flow in {Flow.PLAN, Flow.SEATS, Flow.CANCEL}:
            if subscription is None or subscription.status == NEVER_PAID:
                raise NotSubscribed(account_id, "to change")
            if flow is Flow.PLAN and home != PLANS:
                raise NotInPortal(account_id)
            kind = "subscription_cancel" if flow is Flow.CANCEL else "subscription_update"
            data = {"type": kind, kind: {"subscription": subscription.id}}
        return _portal(desk, customer, data, SEATS if flow is Flow.SEATS else home, return_url)


def customer_of(desk: Desk, account_id: str) -> str:
    """The account's customer, made and linked where there is none. Within a turn, so that there is one."""
    linked = desk.events.customer_of(account_id)
    if linked is not None:
        return linked
    customers = desk.stripe.client.v1.customers
    wanted: Any = {"metadata": {"account_id": account_id}, "description": account_id}
    key = f"customer-{account_id}"
    for _ in range(MOST_REPLACEMENTS):
        made = customers.create(wanted, {"idempotency_key": key})
        # Under its key, Stripe answers a day long what it made, also when that was deleted since.
        if not customers.retrieve(made.id).to_dict().get("deleted"):
            return desk.events.link(account_id, made.id)
        key = f"customer-{account_id}-after-{made.id}"
    raise NotSubscribed(account_id, "or customer that lasts")


def subscription_of(desk: Desk, customer: str) -> Subscription | None:
    """The customer's subscription as it is in Stripe at this moment; None where every one has ended."""
    client = desk.stripe.client.v1
    listed = client.subscriptions.list({"customer": customer, "limit": MOST_SUBSCRIPTIONS})
    subscription = current(each.to_dict() for each in listed.data)
    if subscription is not None and subscription.plan is None:
        # A price that no push made: its product may say.
        product = client.products.retrieve(subscription.product_id).to_dict()
        return replace(subscription, plan=product["metadata"].get("plan"))
    return subscription


def _once(
    desk: Desk,
    account_id: str,
    key: str,
    asked: tuple[object, ...],
    act: Callable[[str], Answer],
    now: datetime,
) -> Answer:
    """Act for the account's customer, in its turn, unless this key was answered before."""
    fingerprint = sha256(repr(asked).encode()).hexdigest()[:32]
    with stripe_in_our_words(key), desk.calls.turn(account_id, now):
        kept = desk.calls.answered(account_id, key, fingerprint)
        if kept is not None:
            return replace(_from_record(kept), replayed=True)
        answer = act(customer_of(desk, account_id))
        desk.calls.keep(account_id, key, fingerprint, _to_record(answer), now)
        return answer


def _subscribe(
    desk: Desk,
    account_id: str,
    customer: str,
    order: Order,
    subscription: Subscription | None,
    what: Step,
    *,
    key: str,
    return_url: str,
) -> Answer:
    """A Checkout session for the plan, the only one that is open."""
    if what is Step.NOTHING:
        return Answer(outcome=Outcome.UNCHANGED, plan=order.plan, seats=order.seats)
    client = desk.stripe.client.v1
    if subscription is not None:
        # It was begun and never paid. Paid late, it would be a second one.
        client.subscriptions.cancel(subscription.id)
    wanted = _session(customer, account_id, desk.lookup.plan_price(order.plan), order.seats, return_url)
    metadata = {"account_id": account_id}
    order_words = {"plan": order.plan, "seats": str(order.seats)}
    wanted |= {
        "mode": "subscription",
        "metadata": metadata | order_words,
        "subscription_data": {"metadata": metadata},
    }
    sessions = client.checkout.sessions
    answered = None
    opened = sessions.list({"customer": customer, "status": "open", "limit": MOST_OPEN_SESSIONS})
    for session in (each for each in opened.data if each.mode == "subscription"):
        same = session.to_dict()["metadata"] == wanted["metadata"] and session.success_url == return_url
        if answered is None and same:
            answered = session
        else:
            _expire(desk, session.id)
    answered = answered or _begin(desk, wanted, account_id, key)
    return Answer(
        outcome=Outcome.CHECKOUT,
        url=answered.url,
        expires_at=_instant(answered.expires_at),
        plan=order.plan,
        seats=order.seats,
    )


def _expire(desk: Desk, session_id: str) -> None:
    """Close a session, so that nobody pays in it any more. Raises Contended where somebody just has: its subscription
    is there the next time."""
    try:
        desk.stripe.client.v1.checkout.sessions.expire(session_id)
    except stripe.InvalidRequestError as error:
        raise Contended(retry_after_seconds=RETRY_AFTER_SECONDS) from error


def _session(customer: str, account_id: str, price: str, quantity: int, return_url: str) -> dict[str, Any]:
    return {
        "customer": customer,
        "client_reference_id": account_id,
        "line_items": [{"price": price, "quantity": quantity}],
        "success_url": return_url,
        "cancel_url": return_url,
    }


def _begin(desk: Desk, wanted: Any, account_id: str, key: str) -> Any:
    return desk.stripe.client.v1.checkout.sessions.create(wanted, _under(account_id, key))


def _portal(
    desk: Desk,
    customer: str,
    flow: Mapping[str, Any] | None,
    configuration: str,
    return_url: str,
) -> str:
    """A portal session. Two of them do no harm, so it goes under a key of the SDK's."""
    wanted: Any = {
        "customer": customer,
        "configuration": desk.lookup.configuration(configuration),
        "return_url": return_url,
    }
    if flow is not None:
        wanted["flow_data"] = dict(flow)
    return desk.stripe.client.v1.billing_portal.sessions.create(wanted).url


def _home(desk: Desk, subscription: Subscription | None) -> str:
    """The portal's home for whoever has this subscription: with plans to switch between, or without."""
    return PLANS if switches_at_home(subscription, desk.catalog) else SEATS


def _agreement(
    desk: Desk, account_id: str, customer: str, order: Order, subscription: Subscription, what: Step, return_url: str
) -> str:
    """The portal's page where somebody agrees to the change, which makes it; its home, where something is paid first,
    or what waits is taken back. Raises NotInPortal where the page would make the change at another time than `what`."""
    home = _home(desk, subscription)
    if what in {Step.PAY_FIRST, Step.KEEP}:
        return _portal(desk, customer, None, home, return_url)
    if what is Step.CANCEL:
        flow: dict[str, Any] = {
            "type": "subscription_cancel",
            "subscription_cancel": {"subscription": subscription.id},
        }
        return _portal(desk, customer, flow, home, return_url)
    if not comes_in_portal_as_ordered(order, subscription, desk.catalog):
        raise NotInPortal(account_id)
    flow = {
        "type": "subscription_update_confirm",
        "subscription_update_confirm": {"subscription": subscription.id, "items": [desk.item(order, subscription)]},
    }
    if order.plan == subscription.plan:
        return _portal(desk, customer, flow, SEATS, return_url)
    # Every plan is sold there. So people are led back from it, and not on to a home that would offer each of them.
    flow["after_completion"] = {"type": "redirect", "redirect": {"return_url": return_url}}
    return _portal(desk, customer, flow, ORDERS, return_url)


def _change(
    desk: Desk, account_id: str, order: Order, subscription: Subscription, what: Step, *, key: str, now: datetime
) -> Answer:
    """Make the change. What has to be paid at once is paid first, so that a refusal leaves all as it was."""
    done = Answer(outcome=Outcome.CHANGED, plan=order.plan, seats=order.seats, at=now)
    waits = replace(done, outcome=Outcome.SCHEDULED, at=subscription.period_end)
    subscriptions = desk.stripe.client.v1.subscriptions
    item = desk.item(order, subscription)
    paid_now: Any = {"items": [item], "payment_behavior": "error_if_incomplete"}
    match what:
        case Step.UPGRADE:
            cycle = {"proration_behavior": "none", "billing_cycle_anchor": {"type": "now"}}
            subscriptions.update(subscription.id, paid_now | cycle, _under(account_id, key))
            _call_off(desk, account_id, subscription, key)
        case Step.ADD_SEATS:
            prorated = {"proration_behavior": "always_invoice"}
            subscriptions.update(subscription.id, paid_now | prorated, _under(account_id, key))
            _call_off(desk, account_id, subscription, key)
        case Step.KEEP:
            _call_off(desk, account_id, subscription, key)
        case Step.CANCEL:
            _call_off(desk, account_id, subscription, key)
            subscriptions.update(subscription.id, {"cancel_at_period_end": True}, _under(account_id, key, "cancel"))
            return waits
        case _:
            _schedule(desk, account_id, subscription, item, key)
            return waits
    return done


def _call_off(desk: Desk, account_id: str, subscription: Subscription, key: str) -> None:
    """Take back what waits for the period's end."""
    client = desk.stripe.client.v1
    if subscription.schedule is not None:
        client.subscription_schedules.release(subscription.schedule, None, _under(account_id, key, "release"))
    elif subscription.cancels:
        client.subscriptions.update(subscription.id, {"cancel_at": ""}, _under(account_id, key, "keep"))


def _schedule(desk: Desk, account_id: str, subscription: Subscription, item: Mapping[str, Any], key: str) -> None:
    """Let the subscription go on as it is until the period ends, and then with the item. Nothing is credited back."""
    client = desk.stripe.client.v1
    if subscription.schedule is None and subscription.cancels:
        _call_off(desk, account_id, subscription, key)
    schedules = client.subscription_schedules
    schedule = (
        schedules.create({"from_subscription": subscription.id}, _under(account_id, key, "schedule"))
        if subscription.schedule is None
        else schedules.retrieve(subscription.schedule)
    ).to_dict()
    present = {
        "start_date": schedule["current_phase"]["start_date"],
        "end_date": schedule["current_phase"]["end_date"],
        "items": [{"price": subscription.price_id, "quantity": subscription.seats}],
        "proration_behavior": "none",
    }
    then = {
        "items": [{"price": item["price"], "quantity": item["quantity"]}],
        "duration": {"interval": "month", "interval_count": 1},
        "proration_behavior": "none",
    }
    wanted: Any = {"phases": [present, then], "end_behavior": "release", "proration_behavior": "none"}
    schedules.update(schedule["id"], wanted, _under(account_id, key, "phases"))


def _under(account_id: str, key: str, part: str = "order") -> Any:
    """The options of a write: an idempotency key made of the caller's, so that a retry acts once."""
    return {"idempotency_key": f"{account_id}#{key}#{part}"}


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _to_record(answer: Answer) -> dict[str, Any]:
    values = {name: value for name, value in asdict(answer).items() if value is not None and name != "replayed"}
    return {name: to_text(value) if isinstance(value, datetime) else value for name, value in values.items()}


def _from_record(record: Mapping[str, Any]) -> Answer:
    values: dict[str, Any] = {**record, "outcome": Outcome(record["outcome"])}
    for name in {"at", "expires_at"} & values.keys():
        values[name] = from_text(values[name])
    return Answer(**values)
