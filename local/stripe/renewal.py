"""What the passing of time does: renewals, the ends of trials, retries, cancellations, bank debits that come in."""

from local.stripe import change, checkout, ending, invoices, items, methods, payments, schedules, standing
from local.stripe.period import Span
from local.stripe.state import State, Thing


def pass_time(state: State, until: int) -> None:
    """Does all that is due by `until`, in order, each at its own instant; it is `until` then."""
    # It ends: whatever happens is put down again for a later time, if at all.
    while (due := state.agenda.take(until)) is not None:
        at, what, name = due
        state.instant = max(state.instant, at)
        happen(state, what, name)
    state.instant = max(state.instant, until)


def happen(state: State, what: str, name: str) -> None:
    """Does what has become due to the object called `name`, at `state.instant`."""
    thing = state.objects[name]
    match what:
        case "renew":
            renew(state, thing)
        case "trial_will_end":
            state.notes[name]["trial_told"] = thing["trial_end"]
            state.emit("customer.subscription.trial_will_end", thing)
        case "trial_end":
            end_trial(state, thing)
        case "cancel":
            early = thing["cancel_at"] < min(item["current_period_end"] for item in thing["items"]["data"])
            prorate = early and state.notes[name].get("end_prorates", False)
            ending.finish(state, thing, prorate=prorate, at_end=True)
        case "resume":
            with state.changing(thing, "customer.subscription.updated"):
                thing["pause_collection"] = None
        case "phase":
            schedules.move_on(state, thing)
        case "finalize":
            invoices.finalize(state, thing)
            invoices.collect(state, thing)
        case "retry":
            invoices.collect(state, thing)
        case "settle":
            settle(state, thing)
        case "expire" if thing["object"] == "checkout.session":
            checkout.end(state, thing)
        case "expire":
            ending.expire(state, thing)


def renew(state: State, subscription: Thing) -> None:
    """Begins the next period of each item whose period is over. Its invoice is a draft for an hour."""
    change.drop_pending(state, subscription)
    ended = [item for item in subscription["items"]["data"] if item["current_period_end"] <= state.instant]
    span = Span(min(item["current_period_start"] for item in ended), state.instant)
    with state.changing(subscription, "customer.subscription.updated"):
        lines = [items.renew_item(state, subscription, item) for item in ended]
        _draft_cycle(state, subscription, lines, span)
    standing.schedule_next(state, subscription)


def end_trial(state: State, subscription: Thing) -> None:
    """The first paid period begins; without a payment method, as the subscription's settings say."""
    behavior = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    if methods.of_customer(state, subscription["customer"], subscription) is None and behavior != "create_invoice":
        if behavior == "cancel":
            standing.end(state, subscription)
        else:
            ending.set_paused(state, subscription, "trial_end_without_payment_method")
        return
    with state.changing(subscription, "customer.subscription.updated"):
        span = Span(subscription["trial_start"], state.instant)
        lines = items.restart(state, subscription)
        _draft_cycle(state, subscription, lines, span)
    standing.schedule_next(state, subscription)


def settle(state: State, intent: Thing, *, comes: bool | None = None) -> None:
    """A bank debit comes in, or does not, and what was bought by it hears of that."""
    payments.settle_intent(state, intent, comes=comes)
    invoices.settled(state, intent)
    checkout.settled(state, intent)


def _draft_cycle(state: State, subscription: Thing, lines: list[Thing], span: Span) -> None:
    invoice = invoices.draft(
        state, subscription["customer"], lines, reason="subscription_cycle", span=span, subscription=subscription
    )
    pause = subscription["pause_collection"]
    if pause is not None and pause["behavior"] != "keep_as_draft":
        invoices.finalize(state, invoice)
        close = invoices.void if pause["behavior"] == "void" else invoices.mark_uncollectible
        close(state, invoice)
    elif pause is not None or subscription["status"] == "unpaid":
        # Of these Stripe makes drafts, for whoever wants to collect them.
        invoice["auto_advance"] = False
    else:
        invoice["automatically_finalizes_at"] = state.instant + state.policy.draft_seconds
        state.agenda.put("finalize", invoice["id"], invoice["automatically_finalizes_at"])
