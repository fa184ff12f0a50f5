"""The items of subscriptions: what they are to be, their periods, and the lines that charge for those."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from local.stripe import proration
from local.stripe.fault import invalid
from local.stripe.params import Params
from local.stripe.period import Span, span_at
from local.stripe.state import State, Thing, require

# "A subscription can have up to 20 items."
MOST_ITEMS = 20

ITEM = ("id", "price", "plan", "quantity", "metadata", "deleted")


@dataclass(frozen=True, slots=True)
class Wanted:
    """An item as it is to be; `item` is what it was, None for a new one."""

    price: Thing
    quantity: int
    metadata: Mapping[str, str]
    item: Thing | None = None


def wanted_items(state: State, params: Params, present: Sequence[Thing]) -> list[Wanted]:
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


def add_item(state: State, subscription: Thing, wanted: Wanted) -> Thing:
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
        "plan": plan_of(wanted.price),
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


def plan_of(price: Thing) -> Thing:
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


def same_interval(one: Thing, other: Thing) -> bool:
    return all(one["recurring"][name] == other["recurring"][name] for name in ("interval", "interval_count"))


def set_period(item: Thing, span: Span) -> None:
    item |= {"current_period_start": span.start, "current_period_end": span.end, "billed_until": span.end}


def current_span(subscription: Thing, item: Thing, at: int) -> Span:
    return span_at(subscription["billing_cycle_anchor"], item["price"]["recurring"], at)


def next_span(subscription: Thing, item: Thing) -> Span:
    """The period after the item's present one."""
    return current_span(subscription, item, item["current_period_end"])


def renew_item(state: State, subscription: Thing, item: Thing) -> Thing:
    """Moves the item on to its next period. Returns the line that charges for it."""
    span = next_span(subscription, item)
    set_period(item, span)
    return proration.full_line(state, subscription, item, span)


def rest_lines(state: State, subscription: Thing, item: Thing, at: int) -> list[Thing]:
    """The line that charges for the rest of the item's period."""
    whole = current_span(subscription, item, at)
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
        span = current_span(subscription, item, state.instant)
        set_period(item, span)
        lines.append(proration.full_line(state, subscription, item, span))
    return lines


def begin_trial(state: State, subscription: Thing, until: int) -> None:
    if subscription["status"] != "trialing":
        subscription["trial_start"] = state.instant
    subscription |= {"status": "trialing", "trial_end": until, "billing_cycle_anchor": until}
    for item in subscription["items"]["data"]:
        set_period(item, Span(state.instant, until))
