"""Subscriptions and their items: created, changed, paused and canceled by request, each invoice following at once."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from local.stripe import invoices, methods, payments, proration, standing
from local.stripe.fault import StripeFault, declined, invalid
from local.stripe.paging import PAGING, newest, page
from local.stripe.params import Params
from local.stripe.period import Span, span_at
from local.stripe.state import State, Thing, require

MOST_ITEMS = 20

PRORATIONS = ("create_prorations", "always_invoice", "none")

ITEM = ("id", "price", "plan", "quantity", "metadata", "deleted")
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


@dataclass(frozen=True, slots=True)
class Wanted:
    """An item as it is to be; `item` is what it was, None for a new one."""

    price: Thing
    quantity: int
    metadata: Mapping[str, str]
    item: Thing | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a subscription's items or of its cycle: none where it is the `same` after as before.

    Items that are not `wanted` are taken away. `at` is the instant that prorations are counted from, `restart` begins a
    new cycle, `behavior` says what happens if its invoice cannot be paid.
    """

    wanted: Sequence[Wanted]
    proration: str = "create_prorations"
    at: int = 0
    restart: bool = False
    trial_end: int | None = None
    ends_trial: bool = False
    behavior: str = "allow_incomplete"
    same: bool = False


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
    wanted = _wanted(state, params, [])
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
    _check_end(state, subscription, params)
    state.add(subscription)
    lines = _first_periods(state, subscription, wanted, params, trial_end=trial_end, anchor=anchor)
    _set_end(state, subscription, params)
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
        item = _new_item(state, subscription, each)
        whole = span_at(subscription["billing_cycle_anchor"], each.price["recurring"], state.instant)
        span = Span(state.instant, trial_end or whole.end)
        _set_period(item, span)
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


# Update


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
        unpaid = _unpaid(state, subscription, change)
        if unpaid is not None and change.behavior == "error_if_incomplete":
            raise declined(unpaid)
        if unpaid is not None:
            return _hold_back(state, subscription, change)
    metadata = params.metadata(subscription["metadata"])
    _check_end(state, subscription, params)
    pause = _pause(state, subscription, params)
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
        _set_end(state, subscription, params)
    if invoice is not None:
        bill(state, subscription, invoice, pay=change.behavior != "default_incomplete")
    standing.schedule_next(state, subscription)
    return subscription


def apply(state: State, subscription: Thing, change: Change) -> Thing | None:
    """Makes the change. Returns the draft of the invoice that it calls for now, if it does."""
    billed = subscription["status"] not in {"trialing", "paused"}
    anew = change.restart or any(
        each.item is not None and not _same_interval(each.item["price"], each.price) for each in change.wanted
    )
    wanted = {each.item["id"]: each for each in change.wanted if each.item is not None}
    waits: list[Thing] = []
    lines: list[Thing] = []
    prorates = change.proration != "none" and billed
    for item in list(subscription["items"]["data"]):
        each = wanted.get(item["id"])
        same = each is not None and (each.price["id"], each.quantity) == (item["price"]["id"], item["quantity"])
        if prorates and (anew or not same or change.trial_end):
            waits += proration.credit_lines(state, subscription, item, change.at)
        if each is None:
            subscription["items"]["data"].remove(item)
            state.remove(item)
            continue
        item |= {"price": each.price, "plan": _plan(each.price), "quantity": each.quantity}
        item["metadata"] = dict(each.metadata)
        if prorates and not (anew or same or change.trial_end):
            waits += _rest(state, subscription, item, change.at)
    for each in change.wanted:
        if each.item is None:
            item = _new_item(state, subscription, each)
            _set_period(item, _current(subscription, item, state.instant))
            if prorates and not (anew or change.trial_end):
                waits += _rest(state, subscription, item, change.at)
    subscription["items"]["total_count"] = len(subscription["items"]["data"])
    if change.trial_end:
        _begin_trial(state, subscription, change.trial_end)
    elif anew and (billed or change.ends_trial):
        lines = restart(state, subscription)
    invoices.wait(state, subscription, waits)
    if lines or (waits and change.proration == "always_invoice"):
        span = Span(state.instant, state.instant)
        return invoices.draft(
            state, subscription["customer"], lines, reason="subscription_update", span=span, subscription=subscription
        )
    return None


def bill(state: State, subscription: Thing, invoice: Thing, *, pay: bool = True) -> None:
    """Finalizes an invoice that is due at once, and collects it."""
    if not (pay or not invoice["amount_due"]):
        invoice["auto_advance"] = False
    invoices.finalize(state, invoice)
    if pay or not invoice["amount_remaining"]:
        invoices.collect(state, invoice)
    else:
        standing.owed(state, invoice)
    standing.schedule_next(state, subscription)


def change_of(state: State, subscription: Thing, params: Params) -> Change:
    """What the request changes of the items and the cycle."""
    wanted = _wanted(state, params, subscription["items"]["data"])
    trial_end = params.text("trial_end")
    ends_trial = trial_end == "now" and subscription["status"] == "trialing"
    later = None if trial_end in {None, "now"} else params.integer("trial_end")
    require(later is None or later > state.instant, "Invalid timestamp: must be in the future.", param="trial_end")
    given = "billing_cycle_anchor"
    anchor = params.part(given).text("type") if params.mapping(given) else params.text(given)
    require(
        anchor in {None, "now", "unchanged"},
        "billing_cycle_anchor[type] must be one of now, unchanged.",
        param="billing_cycle_anchor",
    )
    at = params.integer("proration_date", state.instant) or state.instant
    starts = [item["current_period_start"] for item in subscription["items"]["data"]]
    ends = [item["current_period_end"] for item in subscription["items"]["data"]]
    require(
        max(starts) <= at <= min(ends),
        "Cannot specify `proration_date` outside of the current billing period.",
        param="proration_date",
    )
    change = Change(
        wanted,
        proration=params.choice("proration_behavior", PRORATIONS, "create_prorations"),
        at=at,
        restart=anchor == "now" or ends_trial,
        trial_end=later,
        ends_trial=ends_trial,
        behavior=params.choice(
            "payment_behavior",
            ("allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete"),
            "allow_incomplete",
        ),
    )
    untouched = "items" not in params and not change.restart and later is None
    return replace(change, same=untouched)


def _wanted(state: State, params: Params, present: Sequence[Thing]) -> list[Wanted]:
    """The items after the request. Those that it does not name stay as they are."""
    wanted: dict[str, Wanted | None] = {
        item["id"]: Wanted(item["price"], item["quantity"], item["metadata"], item) for item in present
    }
    new: list[Wanted] = []
    for each in params.parts("items"):
        each.only(*ITEM)
        name = each.text("id")
        was = wanted.get(name) if name is not None else None
        if name is not None and was is None:
            raise invalid(f"No such subscription item: '{name}'", param="items[id]", code="resource_missing")
        if was is not None and each.boolean("deleted"):
            wanted[str(name)] = None
            continue
        price_name = each.text("price") or each.text("plan")
        if price_name is None and was is None:
            raise each.lacks("price")
        price = state.referred("price", price_name, "items[price]") if price_name else was.price if was else {}
        require(price["type"] == "recurring", f"The price specified is set to `type=one_time`: {price['id']}")
        require(
            price["active"] or (was is not None and was.price is price),
            "The price specified is inactive. This field only accepts active prices.",
            param="items[price]",
        )
        quantity = each.integer("quantity", was.quantity if was else 1)
        made = Wanted(price, 1 if quantity is None else quantity, each.metadata(was.metadata if was else None))
        if was is None:
            new.append(made)
        else:
            wanted[str(name)] = replace(made, item=was.item)
    every = [*(each for each in wanted.values() if each is not None), *new]
    require(len(every) <= MOST_ITEMS, f"A subscription can have up to {MOST_ITEMS} items.", param="items")
    require(bool(every) or not present, "A subscription must have at least one active plan.", param="items")
    require(len({each.price["currency"] for each in every}) <= 1, "All prices must have the same currency.")
    return every


def _of_copy(change: Change, copy: Thing) -> Change:
    """The same change of a copy of the subscription."""
    items = {item["id"]: item for item in copy["items"]["data"]}
    return replace(change, wanted=[replace(each, item=each.item and items[each.item["id"]]) for each in change.wanted])


def _unpaid(state: State, subscription: Thing, change: Change) -> str | None:
    """Tries the change on a copy. The decline code with which its invoice would not be paid; None where it would be."""
    fork = state.fork(subscription["customer"])
    copy = fork.objects[subscription["id"]]
    invoice = apply(fork, copy, _of_copy(change, copy))
    if invoice is None:
        return None
    bill(fork, copy, invoice)
    if invoice["status"] != "open":
        return None
    method = methods.of_customer(fork, copy["customer"], copy)
    return payments.outlook(fork, copy["customer"], method)


def _hold_back(state: State, subscription: Thing, change: Change) -> Thing:
    """Keeps the change as the subscription's `pending_update`: it is made once its invoice is paid, or never."""
    fork = state.fork(subscription["customer"])
    copy = fork.objects[subscription["id"]]
    drafted = apply(fork, copy, _of_copy(change, copy))
    after = deepcopy(copy["items"]["data"])
    lines = deepcopy(fork.notes[drafted["id"]]["lines"]) if drafted is not None else []
    state.random.setstate(fork.random.getstate())
    expires = state.instant + standing.FIRST_PAYMENT_SECONDS
    with state.changing(subscription, "customer.subscription.updated"):
        subscription["pending_update"] = {
            "billing_cycle_anchor": copy["billing_cycle_anchor"] if change.restart else None,
            "expires_at": expires,
            "subscription_items": after,
            "trial_end": None,
            "trial_from_plan": None,
        }
        invoice = invoices.draft(
            state,
            subscription["customer"],
            lines,
            reason="subscription_update",
            span=Span(state.instant, state.instant),
            subscription=subscription,
        )
    debits = {item["id"]: deepcopy(fork.notes[item["id"]]["debits"]) for item in copy["items"]["data"]}
    state.notes[subscription["id"]]["pending"] = {
        "invoice": invoice["id"],
        "items": after,
        "anchor": copy["billing_cycle_anchor"],
        "debits": debits,
    }
    invoice["auto_advance"] = False
    invoices.finalize(state, invoice)
    invoices.collect(state, invoice)
    state.agenda.put("expire", subscription["id"], expires)
    return subscription


def expire(state: State, subscription: Thing) -> None:
    """The payment that the subscription waited for never came: its first, or that of a change, or of its resumption."""
    notes = state.notes[subscription["id"]]
    if subscription["status"] == "incomplete":
        latest = state.objects[subscription["latest_invoice"]]
        standing.expire_first_payment(state, subscription)
        if latest["status"] == "open":
            invoices.void(state, latest)
    elif (pending := notes.pop("pending", None)) is not None:
        with state.changing(subscription, "customer.subscription.updated"):
            subscription["pending_update"] = None
        state.emit("customer.subscription.pending_update_expired", subscription)
        invoices.void(state, state.objects[pending["invoice"]])
    elif (resuming := notes.pop("resumed_by", None)) is not None:
        invoices.void(state, state.objects[resuming])


# Periods


def next_span(subscription: Thing, item: Thing) -> Span:
    """The period after the item's present one."""
    return _current(subscription, item, item["current_period_end"])


def _current(subscription: Thing, item: Thing, at: int) -> Span:
    return span_at(subscription["billing_cycle_anchor"], item["price"]["recurring"], at)


def _set_period(item: Thing, span: Span) -> None:
    item |= {"current_period_start": span.start, "current_period_end": span.end, "billed_until": span.end}


def renew_item(state: State, subscription: Thing, item: Thing) -> Thing:
    """Moves the item on to its next period. Returns the line that charges for it."""
    span = next_span(subscription, item)
    _set_period(item, span)
    return proration.full_line(state, subscription, item, span)


def _rest(state: State, subscription: Thing, item: Thing, at: int) -> list[Thing]:
    """The line that charges for the rest of the item's period."""
    whole = _current(subscription, item, at)
    span = Span(at, item["current_period_end"])
    return [proration.part_line(state, subscription, item, span=span, whole=whole)] if span.seconds > 0 else []


def restart(state: State, subscription: Thing) -> list[Thing]:
    """Begins a new cycle now, each item with a whole period, and ends a trial. Returns their lines."""
    subscription["billing_cycle_anchor"] = state.instant
    if subscription["status"] == "trialing":
        subscription |= {"status": "active", "trial_end": state.instant}
    lines = []
    for item in subscription["items"]["data"]:
        state.notes[item["id"]]["debits"] = []
        span = _current(subscription, item, state.instant)
        _set_period(item, span)
        lines.append(proration.full_line(state, subscription, item, span))
    return lines


def _begin_trial(state: State, subscription: Thing, until: int) -> None:
    if subscription["status"] != "trialing":
        subscription["trial_start"] = state.instant
    subscription |= {"status": "trialing", "trial_end": until, "billing_cycle_anchor": until}
    for item in subscription["items"]["data"]:
        _set_period(item, Span(state.instant, until))


# Items


def _new_item(state: State, subscription: Thing, wanted: Wanted) -> Thing:
    item: Thing = {
        "id": state.new_id("subscription_item"),
        "object": "subscription_item",
        "billed_until": None,
        "billing_thresholds": None,
        "created": state.instant,
        "current_period_end": 0,
        "current_period_start": 0,
        "current_trial": None,
        "discounts": [],
        "metadata": dict(wanted.metadata),
        "plan": _plan(wanted.price),
        "price": wanted.price,
        "quantity": wanted.quantity,
        "subscription": subscription["id"],
        "tax_rates": [],
    }
    state.add(item, debits=[])
    listed = subscription["items"]
    listed["data"].append(item)
    listed |= {
        "total_count": len(listed["data"]),
        "url": f"/v1/subscription_items?subscription={subscription['id']}",
    }
    return item


def _plan(price: Thing) -> Thing:
    """The price in the shape that came before prices, which items still carry."""
    recurring = price["recurring"]
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": "per_unit",
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "livemode": False,
        "metadata": price["metadata"],
        "meter": None,
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }


def _same_interval(one: Thing, other: Thing) -> bool:
    return all(one["recurring"][name] == other["recurring"][name] for name in ("interval", "interval_count"))


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


ITEM_CHANGE = ("proration_behavior", "proration_date", "payment_behavior", "off_session")


def _update_items(state: State, subscription: Thing, params: Params, item: dict[str, Any]) -> None:
    """A change of one item, as the change of its subscription that it is."""
    given = {name: params.text(name) for name in ("price", "quantity") if name in params}
    if "metadata" in params:
        given["metadata"] = params.mapping("metadata")  # type: ignore[assignment]  # a part, not text
    change = {name: params.text(name) for name in ITEM_CHANGE if name in params}
    update(state, Params({"items": [{**given, **item}], **change}), subscription["id"])


# Ends and pauses


def cancel(state: State, params: Params, name: str) -> Thing:
    """Ends the subscription now. `prorate` credits what was not used of it, `invoice_now` settles what waits."""
    params.only("invoice_now", "prorate", "cancellation_details")
    subscription = state.get("subscription", name)
    require(subscription["status"] not in standing.ENDED, f"No such subscription: '{name}'", code="resource_missing")
    details = params.part("cancellation_details")
    details.only("comment", "feedback")
    subscription["cancellation_details"] = {
        **subscription["cancellation_details"],
        **{each: details.text(each) for each in ("comment", "feedback") if each in details},
    }
    finish(state, subscription, prorate=params.boolean("prorate"), invoice_now=params.boolean("invoice_now"))
    return subscription


def finish(
    state: State, subscription: Thing, *, prorate: bool = False, invoice_now: bool = False, at_end: bool = False
) -> None:
    """Ends the subscription, at the day that was set for it (`at_end`) or at once."""
    if subscription["status"] == "incomplete":
        expire(state, subscription)
        return
    if prorate and subscription["status"] != "trialing":
        for item in subscription["items"]["data"]:
            invoices.wait(state, subscription, proration.credit_lines(state, subscription, item, state.instant))
    standing.end(state, subscription, at_end=at_end)
    if invoice_now and state.notes[subscription["customer"]].get("waiting"):
        span = Span(state.instant, state.instant)
        last = invoices.draft(
            state, subscription["customer"], [], reason="subscription_update", span=span, subscription=subscription
        )
        invoices.finalize(state, last)
        invoices.collect(state, last)


def pause(state: State, params: Params, name: str) -> Thing:
    """Pauses the subscription itself: no periods, no invoices. Unused time is credited unless that is declined."""
    params.only("type", "bill_for", "invoicing_behavior")
    subscription = state.get("subscription", name)
    require(
        subscription["status"] in {"active", "trialing", "past_due"},
        f"You cannot pause a subscription that is {subscription['status']}.",
    )
    require(subscription["schedule"] is None, "You cannot pause a subscription with an attached schedule.")
    unused = params.part("bill_for").part("unused_time_from")
    since = unused.choice("type", ("now", "none", "item_current_period_start"), "now")
    for item in subscription["items"]["data"]:
        if since != "none" and subscription["status"] != "trialing":
            at = state.instant if since == "now" else item["current_period_start"]
            invoices.wait(state, subscription, proration.credit_lines(state, subscription, item, at))
    set_paused(state, subscription, "pause_requested")
    if params.choice("invoicing_behavior", ("invoice", "pending_invoice_item"), "pending_invoice_item") == "invoice":
        span = Span(state.instant, state.instant)
        invoice = invoices.draft(
            state, subscription["customer"], [], reason="subscription_update", span=span, subscription=subscription
        )
        invoices.finalize(state, invoice)
        invoices.collect(state, invoice)
    return subscription


def set_paused(state: State, subscription: Thing, reason: str) -> None:
    before = {"status": subscription["status"], "status_details": subscription["status_details"]}
    subscription["status"] = "paused"
    subscription["status_details"] = {
        "paused": {"subscription": {"type": reason}, "transitioned_at": state.instant, "type": "subscription"}
    }
    standing.schedule_next(state, subscription)
    state.emit("customer.subscription.updated", subscription, previous=before)
    state.emit("customer.subscription.paused", subscription)


def resume(state: State, params: Params, name: str) -> Thing:
    """Runs again: from a new cycle, which is invoiced, or on in the old one, with the rest of its period prorated."""
    params.only("billing_cycle_anchor", "proration_behavior", "payment_behavior", "proration_date")
    subscription = state.get("subscription", name)
    require(subscription["status"] == "paused", "You can only resume a paused subscription.")
    anchor = params.part("billing_cycle_anchor").choice("type", ("now", "unchanged"), "now")
    behavior = params.choice(
        "payment_behavior", ("resume_on_payment_attempt", "resume_on_payment_success"), "resume_on_payment_attempt"
    )
    prorations = params.choice("proration_behavior", PRORATIONS, "create_prorations")
    if anchor == "now":
        lines = restart(state, subscription)
    else:
        waits = []
        for item in subscription["items"]["data"]:
            _set_period(item, _current(subscription, item, state.instant))
            if prorations != "none":
                waits += _rest(state, subscription, item, state.instant)
        lines = []
        invoices.wait(state, subscription, waits)
    if not lines and prorations != "always_invoice":
        standing.resumed(state, subscription)
        standing.schedule_next(state, subscription)
        return subscription
    span = Span(state.instant, state.instant)
    invoice = invoices.draft(
        state, subscription["customer"], lines, reason="subscription_update", span=span, subscription=subscription
    )
    state.notes[subscription["id"]]["resumed_by"] = invoice["id"]
    state.agenda.put("expire", subscription["id"], state.instant + standing.FIRST_PAYMENT_SECONDS)
    invoices.finalize(state, invoice)
    paid = invoices.collect(state, invoice)
    if not paid and behavior == "resume_on_payment_attempt":
        standing.resumed(state, subscription)
        standing.owed(state, invoice)
    standing.schedule_next(state, subscription)
    return subscription


def _set_end(state: State, subscription: Thing, params: Params) -> None:
    """Sets or takes back the day that the subscription ends."""
    ends = [item["current_period_end"] for item in subscription["items"]["data"]]
    if given := params.text("cancel_at"):
        at = {"min_period_end": min(ends), "max_period_end": max(ends)}.get(given) or int(given)
        set_cancel_at(state, subscription, at)
        prorates = params.choice("proration_behavior", PRORATIONS, "create_prorations") != "none"
        state.notes[subscription["id"]]["end_prorates"] = prorates
    elif params.is_unset("cancel_at") or params.text("cancel_at_period_end") == "false":
        set_cancel_at(state, subscription, None)
    if params.boolean("cancel_at_period_end"):
        set_cancel_at(state, subscription, max(ends))
        subscription["cancel_at_period_end"] = True


def set_cancel_at(state: State, subscription: Thing, at: int | None) -> None:
    """As flexible billing mode does it: a day, and `cancel_at_period_end` only for whoever asks by that name."""
    subscription |= {"cancel_at": at, "cancel_at_period_end": False}
    subscription["canceled_at"] = None if at is None else state.instant
    reason = None if at is None else "cancellation_requested"
    details = subscription["cancellation_details"]
    subscription["cancellation_details"] = (
        {"comment": None, "feedback": None, "reason": None} if at is None else {**details, "reason": reason}
    )


def _check_end(state: State, subscription: Thing, params: Params) -> None:
    schedule = subscription["schedule"]
    require(
        schedule is None or not ("cancel_at" in params or "cancel_at_period_end" in params),
        f"The subscription is managed by the subscription schedule `{schedule}`, and updating any cancelation behavior "
        "directly is not allowed. Please update the schedule instead.",
    )
    if params.text("cancel_at") not in {None, "min_period_end", "max_period_end"}:
        at = params.integer("cancel_at")
        require(at is not None and at > state.instant, "cancel_at must be in the future.", param="cancel_at")


def _pause(state: State, subscription: Thing, params: Params) -> Thing | None:
    """`pause_collection` after the request."""
    present: Thing | None = subscription["pause_collection"]
    if params.is_unset("pause_collection") or "pause_collection" not in params:
        return None if params.is_unset("pause_collection") else present
    pause = params.part("pause_collection")
    pause.only("behavior", "resumes_at")
    pause.required("behavior")
    resumes_at = pause.integer("resumes_at")
    require(resumes_at is None or resumes_at > state.instant, "resumes_at must be in the future.")
    behavior = pause.choice("behavior", ("keep_as_draft", "mark_uncollectible", "void"), "void")
    return {"behavior": behavior, "resumes_at": resumes_at}


# Payments


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
