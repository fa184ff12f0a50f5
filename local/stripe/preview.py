"""Invoices that are only asked for. The change is really made, to a copy of the customer that is then thrown away."""

from copy import deepcopy

from local.stripe import customers, standing, subscriptions
from local.stripe.change import PRORATIONS, apply, change_of
from local.stripe.ending import finish
from local.stripe.fault import StripeFault, invalid
from local.stripe.params import Params
from local.stripe.renewal import pass_time
from local.stripe.state import State, Thing, require

DETAILS = ("items", "proration_behavior", "proration_date", "billing_cycle_anchor", "cancel_now", "trial_end")


def create(state: State, params: Params) -> Thing:
    """The invoice that a change would make at once; else the next one of the subscription, with what waits for it."""
    params.only("customer", "customer_details", "subscription", "subscription_details", "preview_mode", "currency")
    params.choice("preview_mode", ("next",), "next")
    details = params.part("subscription_details")
    details.only(*DETAILS)
    name = params.text("subscription")
    if name is None:
        return _shown(*_of_new(state, params.text("customer"), details))
    subscription = state.referred("subscription", name, "subscription")
    require(subscription["status"] not in standing.ENDED, "You cannot preview the invoice of a canceled subscription.")
    fork = state.fork(subscription["customer"])
    return _shown(*_of_change(fork, fork.objects[name], details))


def _of_new(state: State, customer: str | None, details: Params) -> tuple[State, Thing]:
    if customer is not None:
        state.referred("customer", customer, "customer")
    fork = state.fork(customer or "")
    owner = fork.objects[customer] if customer is not None else customers.create(fork, Params({}))
    wanted = {"payment_behavior": "default_incomplete", "items": details.listed("items")}
    if "trial_end" in details:
        wanted["trial_end"] = details.text("trial_end") or ""
    made = subscriptions.created(fork, owner, Params(wanted))
    return fork, fork.objects[made["latest_invoice"]]


def _of_change(fork: State, copy: Thing, details: Params) -> tuple[State, Thing]:
    if details.boolean("cancel_now"):
        prorate = details.choice("proration_behavior", PRORATIONS, "create_prorations") != "none"
        before = copy["latest_invoice"]
        finish(fork, copy, prorate=prorate, invoice_now=True)
        return fork, _made(fork, copy, before)
    change = change_of(fork, copy, details)
    invoice = None if change.same else apply(fork, copy, change)
    if invoice is None:
        before = copy["latest_invoice"]
        standing.schedule_next(fork, copy)
        pass_time(fork, min(item["current_period_end"] for item in copy["items"]["data"]))
        invoice = _made(fork, copy, before)
    return fork, invoice


def _made(fork: State, copy: Thing, before: str) -> Thing:
    """The invoice that came after `before`. Raises the 404 of a subscription that makes none any more."""
    if copy["latest_invoice"] == before:
        fault = invalid("No upcoming invoices for customer: " + copy["customer"], code="invoice_upcoming_none")
        raise StripeFault(404, fault.body)
    return fork.objects[copy["latest_invoice"]]


def _shown(fork: State, invoice: Thing) -> Thing:
    """As Stripe shows an invoice that is none: a draft, with every line."""
    name = f"upcoming_{invoice['id']}"
    lines = deepcopy(fork.notes[invoice["id"]]["lines"])
    for line in lines:
        line["invoice"] = name
    listed = {**invoice["lines"], "data": lines, "has_more": False, "url": f"/v1/invoices/{name}/lines"}
    return {**invoice, "id": name, "status": "draft", "lines": listed, "number": None, "hosted_invoice_url": None}
