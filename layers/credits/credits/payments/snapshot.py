"""Snapshot: Stripe's objects of one customer, as plain dicts, made into what the domain knows. Pure, without the SDK.

It reads the shape of 2026-10-28.endive (periods on subscription items, `invoice.parent`, `line.parent` and `.pricing`),
and that of before, where an event brings an object in the version of its endpoint.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from credits.catalog import Catalog
from credits.domain.account import PendingChange, Standing
from credits.domain.entitle import Line, Snapshot, Subscription
from credits.domain.renew import FREE

Thing = Mapping[str, Any]

RANKS: Final = ("active", "trialing", "past_due", "unpaid", "paused", "canceled", "incomplete")
"""Which subscription of a customer counts, where there are several: one that gives a plan before one that once did, and
of two that are alike the newer. One whose first payment never came (`incomplete_expired`) might never have been."""

LOOKED_BACK = timedelta(days=62)
"""Lines that ended longer ago say nothing of a period that is running, nor of whether the one before it was paid."""

RENEWAL = "subscription_cycle"


class UnknownPrice(Exception):
    """Stripe sells something that the catalog does not have. Never taken for Free: somebody paid for it."""


class Unreadable(Exception):
    """An object of Stripe's is not what this project makes of it, such as a subscription to two plans at once."""


def customer_snapshot(
    subscriptions: Sequence[Thing],
    invoices: Sequence[Thing],
    prices: Mapping[str, Thing],
    schedules: Mapping[str, Thing],
    catalog: Catalog,
    *,
    now: datetime,
) -> Snapshot:
    """What these objects say of their one customer.

    `invoices` have all their lines; `prices` are by their id, with their product where their lookup key does not say
    what they are; `schedules` by their id. Raises UnknownPrice and Unreadable.
    """
    chosen = the_one_that_counts(subscriptions)
    lines = [line for invoice in invoices for line in _lines(invoice, prices, catalog, now)]
    lines = [_with_its_subscription(line, lines, subscriptions) for line in lines]
    if chosen is None:
        return Snapshot(None, tuple(lines))
    return Snapshot(_subscription(chosen, invoices, prices, schedules, catalog), tuple(lines))


def the_one_that_counts(subscriptions: Iterable[Thing]) -> Thing | None:
    """The subscription that says what plan its customer is on; None where there is none."""
    known = [each for each in subscriptions if each["status"] in RANKS]
    return min(known, key=lambda each: (RANKS.index(each["status"]), -each["created"], each["id"]), default=None)


def wanted_prices(
    subscriptions: Iterable[Thing], invoices: Iterable[Thing], schedules: Iterable[Thing], *, now: datetime
) -> set[str]:
    """The ids of every price that a snapshot of these objects has to know."""
    chosen = the_one_that_counts(subscriptions)
    found = {item["price"]["id"] for item in chosen["items"]["data"]} if chosen else set()
    found |= {_id(item["price"]) for each in schedules for phase in each["phases"] for item in phase["items"]}
    found |= {_price_of(line) for invoice in invoices for line in invoice["lines"]["data"] if _matters(line, now)}
    return found - {""}


def plan_of(price_id: str, prices: Mapping[str, Thing], catalog: Catalog) -> str:
    """The plan that a price sells, by its lookup key (`plan.pro.month`) or else its product's metadata."""
    price = prices.get(price_id, {})
    kind, _, rest = (price.get("lookup_key") or "").partition(".")
    product = price.get("product")
    metadata = product.get("metadata") or {} if isinstance(product, Mapping) else {}
    for plan in (rest.rpartition(".")[0] if kind == "plan" else "", metadata.get("plan", "")):
        if plan in catalog.plans:
            return plan
    raise UnknownPrice(f"{price_id}: lookup key {price.get('lookup_key')!r}, product {_id(product)!r}")


def instant(seconds: int) -> datetime:
    """A timestamp of Stripe's as ours."""
    return datetime.fromtimestamp(seconds, UTC)


def subscription_of(invoice: Thing) -> str | None:
    """The subscription that an invoice is for."""
    details = (invoice.get("parent") or {}).get("subscription_details") or {}
    return _id(details.get("subscription") or invoice.get("subscription")) or None


def _subscription(
    found: Thing,
    invoices: Iterable[Thing],
    prices: Mapping[str, Thing],
    schedules: Mapping[str, Thing],
    catalog: Catalog,
) -> Subscription:
    items = found["items"]["data"]
    if len(items) != 1:
        raise Unreadable(f"{found['id']} has {len(items)} items, and an account is on one plan")
    (item,) = items
    plan, seats = _sold(item["price"]["id"], item.get("quantity"), prices, catalog)
    trialing = found["status"] == "trialing"
    due = [
        invoice["status_transitions"].get("finalized_at") or invoice["created"]
        for invoice in invoices
        if invoice["status"] == "open" and subscription_of(invoice) == found["id"]
    ]
    return Subscription(
        id=found["id"],
        standing=Standing(found["status"]),
        plan=plan,
        seats=seats,
        anchor=instant(found["billing_cycle_anchor"]),
        started_at=instant(found["trial_start"] if trialing and found.get("trial_start") else found["start_date"]),
        period_ends_at=instant(_period_end(found, item)),
        pending=_pending(found, item, prices, schedules, catalog),
        unpaid_since=instant(min(due)) if due else None,
    )


def _period_end(found: Thing, item: Thing) -> int:
    end: int = item.get("current_period_end") or found["current_period_end"]
    return end


def _pending(
    found: Thing, item: Thing, prices: Mapping[str, Thing], schedules: Mapping[str, Thing], catalog: Catalog
) -> PendingChange | None:
    """The cancellation that waits for its date, or the change that a schedule has for one. Flexible billing sets
    `cancel_at` where classic billing sets `cancel_at_period_end`."""
    if found.get("cancel_at"):
        return PendingChange(FREE, 1, instant(found["cancel_at"]))
    if found.get("cancel_at_period_end"):
        return PendingChange(FREE, 1, instant(_period_end(found, item)))
    schedule = schedules.get(_id(found.get("schedule")))
    if schedule is None or schedule["status"] not in {"active", "not_started"}:
        return None
    current = (schedule.get("current_phase") or {}).get("start_date") or 0
    phases = sorted((each for each in schedule["phases"] if each["start_date"] > current), key=_start)
    if phases:
        items = phases[0]["items"]
        if len(items) != 1:
            raise Unreadable(f"a phase of {schedule['id']} has {len(items)} items, and an account is on one plan")
        plan, seats = _sold(_id(items[0]["price"]), items[0].get("quantity"), prices, catalog)
        return PendingChange(plan, seats, instant(phases[0]["start_date"]))
    if schedule.get("end_behavior") == "cancel":
        return PendingChange(FREE, 1, instant(max(each["end_date"] for each in schedule["phases"])))
    return None


def _start(phase: Thing) -> int:
    start: int = phase["start_date"]
    return start


def _lines(invoice: Thing, prices: Mapping[str, Thing], catalog: Catalog, now: datetime) -> Iterable[Line]:
    """The lines of an invoice that entitle: of a paid one all, of a renewal's open one what it will pay for."""
    paid = invoice["status"] == "paid"
    if not paid and not (invoice["status"] in {"draft", "open"} and invoice["billing_reason"] == RENEWAL):
        return
    for line in invoice["lines"]["data"]:
        parent = line.get("parent") or {}
        details = parent.get(parent.get("type") or "") or {}
        subscription_id = _id(details.get("subscription") or line.get("subscription"))
        proration = bool(details.get("proration", line.get("proration", False)))
        if not subscription_id or not _matters(line, now) or (proration and not paid):
            continue
        credited = (details.get("proration_details") or line.get("proration_details") or {}).get("credited_items")
        plan, quantity = _sold(_price_of(line), line.get("quantity"), prices, catalog)
        yield Line(
            id=line["id"],
            subscription_id=subscription_id,
            plan=plan,
            quantity=quantity,
            start=instant(line["period"]["start"]),
            end=instant(line["period"]["end"]),
            credit=line["amount"] < 0 or bool(credited),
            proration=proration,
            paid=paid,
        )


def _with_its_subscription(line: Line, lines: Iterable[Line], subscriptions: Iterable[Thing]) -> Line:
    """The line, with what its subscription says of it: whether it is of a trial, and when its cycle was cut short."""
    found = next((each for each in subscriptions if each["id"] == line.subscription_id), {})
    trial_start, trial_end = found.get("trial_start"), found.get("trial_end")
    trial = bool(trial_start and trial_end and instant(trial_start) <= line.start < instant(trial_end))
    stops = [
        each.start
        for each in lines
        if each.subscription_id == line.subscription_id and each.begins_a_period and line.start < each.start < line.end
    ]
    if ended := found.get("ended_at"):
        stops.append(instant(ended))
    return replace(line, trial=trial, stopped_at=min(stops, default=None))


def _sold(price_id: str, quantity: int | None, prices: Mapping[str, Thing], catalog: Catalog) -> tuple[str, int]:
    """The plan and the seats that so many of a price are."""
    plan = plan_of(price_id, prices, catalog)
    return plan, (quantity or 1) if catalog.plans[plan].per_seat else 1


def _matters(line: Thing, now: datetime) -> bool:
    return instant(line["period"]["end"]) > now - LOOKED_BACK


def _price_of(line: Thing) -> str:
    """The id of the price of an invoice's line."""
    details = (line.get("pricing") or {}).get("price_details") or {}
    return _id(details.get("price") or line.get("price"))


def _id(reference: Any) -> str:
    """The id of an object that is referred to, by its id or as a whole; empty for none."""
    found = reference["id"] if isinstance(reference, Mapping) else reference
    return found or ""
