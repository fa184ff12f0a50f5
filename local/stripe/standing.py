"""What becomes of a subscription when its invoices are paid, or are not, and how it ends."""

from local.stripe.state import State, Thing

ENDED = {"canceled", "incomplete_expired"}

# One period follows another.
RUNNING = {"active", "past_due", "trialing", "unpaid"}

# The first payment of a subscription has 23 hours, as has a change or a resumption that waits for its payment.
FIRST_PAYMENT_SECONDS = 23 * 3600

# "The subscription's trial ends in three days": customer.subscription.trial_will_end.
TRIAL_NOTICE_SECONDS = 3 * 86_400


def subscription_of(state: State, invoice: Thing) -> Thing | None:
    """The subscription that made the invoice."""
    details = (invoice["parent"] or {}).get("subscription_details")
    return state.objects[details["subscription"]] if details else None


def end(state: State, subscription: Thing, *, reason: str = "cancellation_requested", at_end: bool = False) -> None:
    """Cancels the subscription, for good and at once. `at_end`: the day that was set for it has come."""
    subscription |= {"status": "canceled", "ended_at": state.instant}
    if not at_end or subscription["canceled_at"] is None:
        subscription["canceled_at"] = state.instant
    details = subscription["cancellation_details"]
    subscription["cancellation_details"] = {**details, "reason": details["reason"] or reason}
    subscription["pause_collection"] = None
    state.agenda.drop(subscription["id"])
    if subscription["schedule"] is not None:
        schedule = state.objects[subscription["schedule"]]
        schedule |= {"status": "canceled", "canceled_at": state.instant, "current_phase": None}
        state.agenda.drop(schedule["id"])
        state.emit("subscription_schedule.canceled", schedule)
    # Nothing is collected any more by itself. What is open may still be paid.
    for invoice in state.all("invoice"):
        if invoice["status"] in {"draft", "open"} and subscription_of(state, invoice) is subscription:
            invoice |= {"auto_advance": False, "next_payment_attempt": None}
            state.agenda.drop(invoice["id"])
    state.emit("customer.subscription.deleted", subscription)


def paid(state: State, invoice: Thing) -> None:
    """The invoice was paid: the subscription is in good standing, if this was the latest it owed."""
    customer = state.objects[invoice["customer"]]
    if customer.get("delinquent") and not _owes(state, customer):
        with state.changing(customer, "customer.updated"):
            customer["delinquent"] = False
    subscription = subscription_of(state, invoice)
    if subscription is None or subscription["latest_invoice"] != invoice["id"]:
        return
    was = subscription["status"]
    if was in {"incomplete", "past_due", "unpaid"}:
        state.agenda.put("expire", subscription["id"], None)
        with state.changing(subscription, "customer.subscription.updated"):
            subscription["status"] = "active"
        schedule_next(state, subscription)
    elif was == "paused" and state.notes[subscription["id"]].get("resumed_by") == invoice["id"]:
        resumed(state, subscription)
    settle_pending(state, subscription)


def resumed(state: State, subscription: Thing) -> None:
    """A paused subscription runs again."""
    state.agenda.put("expire", subscription["id"], None)
    state.notes[subscription["id"]].pop("resumed_by", None)
    before = {"status": subscription["status"], "status_details": subscription["status_details"]}
    subscription |= {"status": "active", "status_details": None}
    state.emit("customer.subscription.updated", subscription, previous=before)
    state.emit("customer.subscription.resumed", subscription)
    schedule_next(state, subscription)


def owed(state: State, invoice: Thing) -> None:
    """A payment of the invoice failed: the subscription is past due, if it was in good"""
    customer = state.objects[invoice["customer"]]
    if customer.get("delinquent") is False:
        with state.changing(customer, "customer.updated"):
            customer["delinquent"] = True
    subscription = subscription_of(state, invoice)
    if subscription is None or subscription["latest_invoice"] != invoice["id"]:
        return
    pending = state.notes[subscription["id"]].get("pending", {})
    if subscription["status"] in {"active", "trialing"} and pending.get("invoice") != invoice["id"]:
        with state.changing(subscription, "customer.subscription.updated"):
            subscription["status"] = "past_due"


def given_up(state: State, invoice: Thing) -> None:
    """The last retry failed: what the account's settings say happens to the subscription."""
    subscription = subscription_of(state, invoice)
    if subscription is None or subscription["status"] != "past_due":
        return
    if state.policy.after_last_retry == "cancel":
        end(state, subscription, reason="payment_failed")
    elif state.policy.after_last_retry == "unpaid":
        with state.changing(subscription, "customer.subscription.updated"):
            subscription["status"] = "unpaid"


def forgiven(state: State, invoice: Thing) -> None:
    """The invoice was voided or marked uncollectible: nobody waits for it any more."""
    subscription = subscription_of(state, invoice)
    if subscription is None or subscription["latest_invoice"] != invoice["id"]:
        return
    if subscription["status"] == "incomplete":
        expire_first_payment(state, subscription)
    elif subscription["status"] == "past_due":
        with state.changing(subscription, "customer.subscription.updated"):
            subscription["status"] = "active"


def expire_first_payment(state: State, subscription: Thing) -> None:
    """The first payment never came: the subscription never was."""
    state.agenda.drop(subscription["id"])
    with state.changing(subscription, "customer.subscription.updated"):
        subscription |= {"status": "incomplete_expired", "ended_at": state.instant}


def _owes(state: State, customer: Thing) -> bool:
    return any(
        invoice["status"] == "open" and invoice["attempted"] and invoice["customer"] == customer["id"]
        for invoice in state.all("invoice")
    )


def settle_pending(state: State, subscription: Thing) -> None:
    """Makes the change that waited, if its invoice has been paid."""
    pending = state.notes[subscription["id"]].get("pending")
    if pending is None or state.objects[pending["invoice"]]["status"] != "paid":
        return
    del state.notes[subscription["id"]]["pending"]
    state.agenda.put("expire", subscription["id"], None)
    before = {"pending_update": subscription["pending_update"]}
    for item in subscription["items"]["data"]:
        if item["id"] not in pending["debits"]:
            state.remove(item)
    for item in pending["items"]:
        item["price"] = state.objects[item["price"]["id"]]
        state.objects[item["id"]] = item
        state.notes[item["id"]] = {"debits": pending["debits"][item["id"]]}
    subscription["items"] = {**subscription["items"], "data": pending["items"], "total_count": len(pending["items"])}
    subscription |= {"billing_cycle_anchor": pending["anchor"], "pending_update": None}
    state.emit("customer.subscription.updated", subscription, previous=before)
    state.emit("customer.subscription.pending_update_applied", subscription)
    schedule_next(state, subscription)


def schedule_next(state: State, subscription: Thing) -> None:
    """Puts down what happens next to the subscription without a request."""
    name, status = subscription["id"], subscription["status"]
    if status in ENDED:
        state.agenda.drop(name)
        return
    running = status in {"active", "past_due", "unpaid"}
    ends = min(item["current_period_end"] for item in subscription["items"]["data"])
    trialing = status == "trialing"
    if subscription["cancel_at_period_end"]:
        subscription["cancel_at"] = max(item["current_period_end"] for item in subscription["items"]["data"])
    state.agenda.put("renew", name, ends if running else None)
    state.agenda.put("trial_end", name, subscription["trial_end"] if trialing else None)
    if trialing:
        notice = max(state.instant, subscription["trial_end"] - TRIAL_NOTICE_SECONDS)
        told = state.notes[name].get("trial_told") == subscription["trial_end"]
        state.agenda.put("trial_will_end", name, None if told else notice)
    state.agenda.put("cancel", name, subscription["cancel_at"])
    pause = subscription["pause_collection"]
    state.agenda.put("resume", name, pause["resumes_at"] if pause else None)
