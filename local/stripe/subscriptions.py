"""Subscriptions and their items, as they are asked for: created, read and changed, each invoice following at once."""

from collections.abc import Sequence
from typing import Any

from local.stripe import invoices, methods, payments, proration, standing
from local.stripe.change import PRORATIONS, apply, bill, change_of, hold_back, unpaid
from local.stripe.ending import check_end, pause_collection, set_end
from local.stripe.fault import StripeFault, declined, invalid
from local.stripe.items import Wanted, add_item, set_period, wanted_items
from local.stripe.paging import PAGING, newest, page
from local.stripe.params import Params
from local.stripe.period import Span, span_at
from local.stripe.state import State, Thing, require

CREATE = (
    *("customer", "items", "metadata", "description", "currency", "default_payment_method", "payment_behavior"),
    *("proration_behavior", "billing_cycle_anchor", "billing_mode", "cancel_at", "cancel_at_period_end"),
    *("collection_method", "off_session", "payment_settings", "trial_end", "trial_period_days", "trial_settings"),
)


UPDATE = (
    *("items", "metadata", "description", "default_payment_method", "payment_behavior", "proration_behavior"),
    *("proration_date", "billing_cycle_anchor", "cancel_at", "cancel_at_period_end", "cancellation_details"),
    *("collection_method", "off_session", "pause_collection", "payment_settings", "trial_end", "trial_settings"),
)


# A change that waits for its payment carries nothing but what the payment is for.
PENDING = (
    *("items", "billing_cycle_anchor", "proration_behavior", "proration_date", "payment_behavior", "trial_end"),
    "off_session",
)


# Create


def create(state: State, params: Params) -> Thing:
    params.only(*CREATE)
    customer = state.referred("customer", params.required("customer"), "customer")
    return created(state, customer, params)


def created(state: State, customer: Thing, params: Params) -> Thing:
    """A new subscription of the customer's, and its first invoice.

    Where that cannot be paid: with `error_if_incomplete` a 402 is raised and nothing was created; else the subscription
    is incomplete.
    """
    behavior = params.choice(
        "payment_behavior", ("allow_incomplete", "default_incomplete", "error_if_incomplete"), "allow_incomplete"
    )
    params.choice("collection_method", ("charge_automatically",), "charge_automatically")
    wanted = wanted_items(state, params, [])
    require(bool(wanted), "Missing required param: items.", param="items", code="parameter_missing")
    chosen = params.text("default_payment_method")
    method = _own_method(state, customer, chosen) if chosen else None
    trial_end = _trial_end(state, params)
    anchor = params.integer("billing_cycle_anchor")
    require(
        anchor is None or anchor > state.instant,
        "billing_cycle_anchor must be in the future.",
        param="billing_cycle_anchor",
    )
    subscription = _new(state, customer["id"], wanted, params, method=method)
    check_end(state, subscription, params)
    state.add(subscription)
    lines = _first_periods(state, subscription, wanted, params, trial_end=trial_end, anchor=anchor)
    set_end(state, subscription, params)
    due = sum(line["amount"] for line in lines) + min(0, customer["balance"])
    payer = methods.of_customer(state, customer["id"], subscription)
    fault = _refusal(state, customer, payer, behavior) if due > 0 else None
    if fault is not None:
        _forget(state, subscription)
        raise fault
    subscription["status"] = "incomplete" if due > 0 else "trialing" if trial_end else "active"
    state.emit("customer.subscription.created", subscription)
    span = Span(state.instant, state.instant)
    first = invoices.draft(
        state, customer["id"], lines, reason="subscription_create", span=span, subscription=subscription
    )
    invoices.finalize(state, first)
    if behavior != "default_incomplete" or not first["amount_remaining"]:
        _collect(state, subscription, first)
    if subscription["status"] == "incomplete":
        state.agenda.put("expire", subscription["id"], state.instant + standing.FIRST_PAYMENT_SECONDS)
    standing.schedule_next(state, subscription)
    return subscription


def _new(state: State, customer: str, wanted: Sequence[Wanted], params: Params, *, method: Thing | None) -> Thing:
    return {
        "id": state.new_id("subscription"),
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": state.instant,
        "billing_cycle_anchor_config": None,
        "billing_mode": {"flexible": {"proration_discounts": "included"}, "type": "flexible", "updated_at": None},
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": state.instant,
        "currency": wanted[0].price["currency"],
        "customer": customer,
        "customer_account": None,
        "days_until_due": None,
        "default_payment_method": method and method["id"],
        "default_source": None,
        "default_tax_rates": [],
        "description": params.text("description"),
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": {"object": "list", "data": [], "has_more": False, "total_count": 0, "url": ""},
        "latest_invoice": None,
        "livemode": False,
        "metadata": params.metadata(),
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": state.instant,
        "status": "incomplete",
        "status_details": None,
        "test_clock": None,
        "transfer_data": None,
        "trial_end": None,
        "trial_settings": {
            "end_behavior": {
                "billing_cycle_anchor": "now",
                "missing_payment_method": params.part("trial_settings")
                .part("end_behavior")
                .choice("missing_payment_method", ("cancel", "create_invoice", "pause"), "create_invoice"),
            }
        },
        "trial_start": None,
    }


def _first_periods(
    state: State,
    subscription: Thing,
    wanted: Sequence[Wanted],
    params: Params,
    *,
    trial_end: int | None,
    anchor: int | None,
) -> list[Thing]:
    """Gives each item its first period: the trial, or the time until the anchor, or a whole one. Returns its lines."""
    lines = []
    subscription["billing_cycle_anchor"] = trial_end or anchor or state.instant
    if trial_end:
        subscription |= {"trial_start": state.instant, "trial_end": trial_end}
    for each in wanted:
        item = add_item(state, subscription, each)
        whole = span_at(subscription["billing_cycle_anchor"], each.price["recurring"], state.instant)
        span = Span(state.instant, trial_end or whole.end)
        set_period(item, span)
        if trial_end:
            lines.append(proration.full_line(state, subscription, item, span, trial=True))
        elif anchor is None:
            lines.append(proration.full_line(state, subscription, item, span))
        elif params.choice("proration_behavior", PRORATIONS[::2], "create_prorations") != "none":
            lines.append(proration.part_line(state, subscription, item, span=span, whole=whole))
    return lines


def _refusal(state: State, customer: Thing, payer: Thing | None, behavior: str) -> StripeFault | None:
    """Why a subscription whose first invoice is to be paid at once is not even created; None where it is."""
    if behavior == "default_incomplete":
        return None
    if payer is None:
        return invalid(
            "This customer has no attached payment source or default payment method. Please consider adding a default "
            "payment method.",
            code="resource_missing",
        )
    decline = payments.outlook(state, customer["id"], payer)
    return declined(decline) if decline is not None and behavior == "error_if_incomplete" else None


def _forget(state: State, subscription: Thing) -> None:
    for thing in (*subscription["items"]["data"], subscription):
        state.remove(thing)
        del state.objects[thing["id"]], state.notes[thing["id"]]
    state.agenda.drop(subscription["id"])


# Read


def retrieve(state: State, _: Params, name: str) -> Thing:
    return state.get("subscription", name)


def list_all(state: State, params: Params, customer: str | None = None) -> Thing:
    """Those that are not canceled, unless a status is asked for; `all` and `ended` are such too."""
    params.only("customer", "price", "status", "collection_method", "created", *PAGING)
    owner, price, status = customer or params.text("customer"), params.text("price"), params.text("status")

    def matches(subscription: Thing) -> bool:
        now = subscription["status"]
        asked = (
            True
            if status == "all"
            else now in standing.ENDED
            if status == "ended"
            else now == status
            if status
            else now not in standing.ENDED
        )
        prices = {item["price"]["id"] for item in subscription["items"]["data"]}
        return asked and owner in {None, subscription["customer"]} and (price is None or price in prices)

    return newest(state, "subscription", params, "/v1/subscriptions", matches)


# Change


def update(state: State, params: Params, name: str) -> Thing:
    params.only(*UPDATE)
    subscription = state.get("subscription", name)
    require(
        subscription["status"] not in standing.ENDED,
        "A canceled subscription can only update its cancellation_details and metadata.",
    )
    change = change_of(state, subscription, params)
    if change.behavior in {"error_if_incomplete", "pending_if_incomplete"} and not change.same:
        if change.behavior == "pending_if_incomplete":
            params.only(*PENDING)
        decline = unpaid(state, subscription, change)
        if decline is not None and change.behavior == "error_if_incomplete":
            raise declined(decline)
        if decline is not None:
            return hold_back(state, subscription, change)
    metadata = params.metadata(subscription["metadata"])
    check_end(state, subscription, params)
    pause = pause_collection(state, subscription, params)
    with state.changing(subscription, "customer.subscription.updated"):
        subscription["metadata"] = metadata
        if "description" in params:
            subscription["description"] = params.text("description")
        if chosen := params.text("default_payment_method"):
            owner = state.objects[subscription["customer"]]
            subscription["default_payment_method"] = _own_method(state, owner, chosen)["id"]
        if "cancellation_details" in params:
            details = params.part("cancellation_details")
            details.only("comment", "feedback")
            subscription["cancellation_details"] = {
                **subscription["cancellation_details"],
                **{each: details.text(each) for each in ("comment", "feedback") if each in details},
            }
        subscription["pause_collection"] = pause
        invoice = None if change.same else apply(state, subscription, change)
        set_end(state, subscription, params)
    if invoice is not None:
        bill(state, subscription, invoice, pay=change.behavior != "default_incomplete")
    standing.schedule_next(state, subscription)
    return subscription


# Items by themselves

ITEM_CHANGE = ("proration_behavior", "proration_date", "payment_behavior", "off_session")


def create_item(state: State, params: Params) -> Thing:
    params.only("subscription", "price", "quantity", "metadata", *ITEM_CHANGE)
    subscription = state.referred("subscription", params.required("subscription"), "subscription")
    before = {item["id"] for item in subscription["items"]["data"]}
    _update_items(state, subscription, params, {"price": params.required("price")})
    made: Thing
    (made,) = [each for each in subscription["items"]["data"] if each["id"] not in before]
    return made


def retrieve_item(state: State, _: Params, name: str) -> Thing:
    return state.get("subscription_item", name)


def update_item(state: State, params: Params, name: str) -> Thing:
    params.only("price", "quantity", "metadata", *ITEM_CHANGE)
    item = state.require_alive(state.get("subscription_item", name))
    _update_items(state, state.objects[item["subscription"]], params, {"id": name})
    return state.objects[name]


def delete_item(state: State, params: Params, name: str) -> Thing:
    params.only("proration_behavior", "proration_date", "payment_behavior", "clear_usage")
    item = state.require_alive(state.get("subscription_item", name))
    _update_items(state, state.objects[item["subscription"]], params, {"id": name, "deleted": "true"})
    return state.objects[name]


def list_items(state: State, params: Params) -> Thing:
    params.only("subscription", *PAGING)
    subscription = state.referred("subscription", params.required("subscription"), "subscription")
    return page(subscription["items"]["data"], params, "/v1/subscription_items")


def _update_items(state: State, subscription: Thing, params: Params, item: dict[str, Any]) -> None:
    """A change of one item, as the change of its subscription that it is."""
    given = {name: params.text(name) for name in ("price", "quantity") if name in params}
    if "metadata" in params:
        given["metadata"] = params.mapping("metadata")  # type: ignore[assignment]  # a part, not text
    change = {name: params.text(name) for name in ITEM_CHANGE if name in params}
    update(state, Params({"items": [{**given, **item}], **change}), subscription["id"])


def _own_method(state: State, customer: Thing, name: str) -> Thing:
    method = state.referred("payment_method", name, "default_payment_method")
    require(
        method["customer"] == customer["id"],
        f"The customer does not have a payment method with the ID {name}.",
        param="default_payment_method",
    )
    return method


def _trial_end(state: State, params: Params) -> int | None:
    days = params.integer("trial_period_days", lowest=1)
    if days is not None:
        return state.instant + days * 86_400
    if params.text("trial_end") in {None, "now"}:
        return None
    end = params.integer("trial_end")
    require(end is not None and end > state.instant, "Invalid timestamp: must be in the future.", param="trial_end")
    return end


def _collect(state: State, subscription: Thing, invoice: Thing) -> None:
    """Collects the first invoice. While a bank debit is on its way the subscription is active already."""
    invoices.collect(state, invoice)
    intent = state.notes[invoice["id"]]["payment_intent"]
    if intent is not None and state.objects[intent]["status"] == "processing":
        with state.changing(subscription, "customer.subscription.updated"):
            subscription["status"] = "active"
