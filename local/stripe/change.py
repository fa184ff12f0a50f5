"""Changes of a subscription's items or cycle, with what is credited and charged for them, paid or held back."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

from local.stripe import invoices, methods, payments, proration, standing
from local.stripe.items import (
    Wanted,
    add_item,
    begin_trial,
    current_span,
    plan_of,
    rest_lines,
    restart,
    same_interval,
    set_period,
    wanted_items,
)
from local.stripe.params import Params
from local.stripe.period import Span
from local.stripe.state import State, Thing, require

PRORATIONS = ("create_prorations", "always_invoice", "none")


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


def change_of(state: State, subscription: Thing, params: Params) -> Change:
    """What the request changes of the items and the cycle."""
    wanted = wanted_items(state, params, subscription["items"]["data"])
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


def apply(state: State, subscription: Thing, change: Change) -> Thing | None:
    """Makes the change, in the place of one that waits. Returns the draft of the invoice that it calls for now, if it
    does."""
    drop_pending(state, subscription)
    billed = subscription["status"] not in {"trialing", "paused"}
    anew = change.restart or any(
        each.item is not None and not same_interval(each.item["price"], each.price) for each in change.wanted
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
        item |= {"price": each.price, "plan": plan_of(each.price), "quantity": each.quantity}
        item["metadata"] = dict(each.metadata)
        if prorates and not (anew or same or change.trial_end):
            waits += rest_lines(state, subscription, item, change.at)
    for each in change.wanted:
        if each.item is None:
            item = add_item(state, subscription, each)
            set_period(item, current_span(subscription, item, state.instant))
            if prorates and not (anew or change.trial_end):
                waits += rest_lines(state, subscription, item, change.at)
    subscription["items"]["total_count"] = len(subscription["items"]["data"])
    if change.trial_end:
        begin_trial(state, subscription, change.trial_end)
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


def _of_copy(change: Change, copy: Thing) -> Change:
    """The same change of a copy of the subscription."""
    items = {item["id"]: item for item in copy["items"]["data"]}
    return replace(change, wanted=[replace(each, item=each.item and items[each.item["id"]]) for each in change.wanted])


def unpaid(state: State, subscription: Thing, change: Change) -> str | None:
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


def hold_back(state: State, subscription: Thing, change: Change) -> Thing:
    """Keeps the change as the subscription's `pending_update`: it is made once its invoice is paid, or never."""
    drop_pending(state, subscription)
    fork = state.fork(subscription["customer"])
    copy = fork.objects[subscription["id"]]
    drafted = apply(fork, copy, _of_copy(change, copy))
    after = deepcopy(copy["items"]["data"])
    every = deepcopy(fork.notes[drafted["id"]]["lines"]) if drafted is not None else []
    # What waited before is here as well, and gets on the invoice by itself.
    lines = [line for line in every if _waits_for(line) not in state.objects]
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


def drop_pending(state: State, subscription: Thing) -> None:
    """A change that waits for its payment is made no more."""
    pending = state.notes[subscription["id"]].pop("pending", None)
    if pending is None:
        return
    state.agenda.put("expire", subscription["id"], None)
    with state.changing(subscription, "customer.subscription.updated"):
        subscription["pending_update"] = None
    state.emit("customer.subscription.pending_update_expired", subscription)
    invoices.void(state, state.objects[pending["invoice"]])


def _waits_for(line: Thing) -> str | None:
    """The invoice item that the line is of."""
    details = line["parent"]["subscription_item_details"] or line["parent"]["invoice_item_details"]
    name: str | None = details["invoice_item"]
    return name
