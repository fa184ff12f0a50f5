"""How subscriptions end and pause: at once, on a day that is set, or because a payment never came."""

from local.stripe import invoices, proration, standing
from local.stripe.change import PRORATIONS, drop_pending
from local.stripe.items import current_span, rest_lines, restart, set_period
from local.stripe.params import Params
from local.stripe.period import Span
from local.stripe.state import State, Thing, require


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
    drop_pending(state, subscription)
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


def expire(state: State, subscription: Thing) -> None:
    """The payment that the subscription waited for never came: its first, or that of a change, or of its resumption."""
    notes = state.notes[subscription["id"]]
    if subscription["status"] == "incomplete":
        latest = state.objects[subscription["latest_invoice"]]
        standing.expire_first_payment(state, subscription)
        if latest["status"] == "open":
            invoices.void(state, latest)
    elif "pending" in notes:
        drop_pending(state, subscription)
    elif (resuming := notes.pop("resumed_by", None)) is not None:
        invoices.void(state, state.objects[resuming])


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
            set_period(item, current_span(subscription, item, state.instant))
            if prorations != "none":
                waits += rest_lines(state, subscription, item, state.instant)
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


def set_end(state: State, subscription: Thing, params: Params) -> None:
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


def check_end(state: State, subscription: Thing, params: Params) -> None:
    schedule = subscription["schedule"]
    require(
        schedule is None or not ("cancel_at" in params or "cancel_at_period_end" in params),
        f"The subscription is managed by the subscription schedule `{schedule}`, and updating any cancelation behavior "
        "directly is not allowed. Please update the schedule instead.",
    )
    if params.text("cancel_at") not in {None, "min_period_end", "max_period_end"}:
        at = params.integer("cancel_at")
        require(at is not None and at > state.instant, "cancel_at must be in the future.", param="cancel_at")


def pause_collection(state: State, subscription: Thing, params: Params) -> Thing | None:
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
