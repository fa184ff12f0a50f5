"""Subscriptions of the Stripe stand-in, driven by the real SDK: amounts and instants as Stripe counts them."""

from typing import Any

import pytest
import stripe

from local.stripe.state import Policy
from tests.stripe_sdk import Shop, at, items_of, lines_of


@pytest.fixture
def shop() -> Shop:
    return Shop()


# Create


def test_a_subscription_is_paid_at_once_and_its_period_is_on_its_item(shop: Shop) -> None:
    subscription = shop.subscribe(shop.customer(), shop.pro, metadata={"account_id": "ada"})
    (item,) = items_of(subscription)
    invoice = shop.invoice(subscription)

    assert (subscription.status, subscription.billing_mode.type) == ("active", "flexible")
    assert (at(item.current_period_start), at(item.current_period_end)) == ("2027-01-15T12:00", "2027-02-15T12:00")
    assert "current_period_end" not in subscription.to_dict()
    assert (item.price.lookup_key, item.quantity) == ("plan.pro.month", 1)
    assert (invoice.status, invoice.amount_paid, invoice.billing_reason) == ("paid", 2900, "subscription_create")
    assert invoice.parent is not None
    assert invoice.parent.subscription_details is not None
    assert invoice.parent.subscription_details.subscription == subscription.id
    assert invoice.parent.subscription_details.to_dict()["metadata"] == {"account_id": "ada"}
    assert lines_of(invoice) == [("1 × Pro (at $29.00 / month)", 2900)]
    line = invoice.lines.data[0].to_dict()
    assert line["period"] == {"start": item.current_period_start, "end": item.current_period_end}
    assert line["pricing"]["price_details"]["price"] == shop.pro.id
    details = line["parent"]["subscription_item_details"]
    assert (details["subscription_item"], details["proration"]) == (item.id, False)


def test_the_events_of_a_first_payment_come_in_stripes_order(shop: Shop) -> None:
    customer = shop.customer()
    before = len(shop.engine.events)

    shop.subscribe(customer, shop.pro)

    assert shop.types(before) == [
        "customer.subscription.created",
        "invoice.created",
        "payment_intent.created",
        "invoice.finalized",
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice_payment.paid",
        "invoice.paid",
        "invoice.payment_succeeded",
        "customer.subscription.updated",
    ]
    assert shop.engine.events[-1]["data"]["previous_attributes"] == {"status": "incomplete"}


def test_without_a_payment_method_nothing_is_created(shop: Shop) -> None:
    customer = shop.customer(card=None)

    with pytest.raises(stripe.InvalidRequestError, match="no attached payment source"):
        shop.subscribe(customer, shop.pro)

    assert shop.sdk.v1.subscriptions.list({"customer": customer.id, "status": "all"}).data == []


def test_a_first_payment_that_is_declined_leaves_it_incomplete_and_a_day_later_it_never_was(shop: Shop) -> None:
    subscription = shop.subscribe(shop.customer("pm_card_chargeCustomerFail"), shop.pro)
    assert (subscription.status, shop.invoice(subscription).status) == ("incomplete", "open")

    shop.move(hours=24)

    assert (shop.read(subscription).status, shop.invoice(subscription).status) == ("incomplete_expired", "void")


def test_an_incomplete_subscription_is_active_once_its_invoice_is_paid(shop: Shop) -> None:
    subscription = shop.subscribe(shop.customer(card=None), shop.pro, payment_behavior="default_incomplete")
    assert subscription.status == "incomplete"

    shop.sdk.v1.invoices.pay(str(subscription.latest_invoice), {"payment_method": "pm_card_visa"})
    shop.move(hours=24)

    assert shop.read(subscription).status == "active"
    assert len(shop.sdk.v1.invoices.list({"subscription": subscription.id, "status": "paid"}).data) == 1


def test_error_if_incomplete_is_a_card_error_and_creates_nothing(shop: Shop) -> None:
    customer = shop.customer("pm_card_chargeCustomerFail")

    with pytest.raises(stripe.CardError) as declined:
        shop.subscribe(customer, shop.pro, payment_behavior="error_if_incomplete")

    assert (declined.value.http_status, declined.value.code) == (402, "card_declined")
    assert shop.sdk.v1.subscriptions.list({"status": "all"}).data == []


def test_a_future_anchor_charges_the_time_until_it(shop: Shop) -> None:
    anchor = shop.engine.state.instant + 17 * 86_400  # 1 February, 12:00

    subscription = shop.subscribe(shop.customer(), shop.pro, billing_cycle_anchor=anchor)

    assert lines_of(shop.invoice(subscription)) == [("Remaining time on Pro after 15 Jan 2027", 1590)]
    assert at(items_of(subscription)[0].current_period_end) == "2027-02-01T12:00"


# Renewals


def test_a_subscription_renews_on_its_anchors_day_and_its_invoice_is_a_draft_for_an_hour(shop: Shop) -> None:
    shop.clock.move(days=16)  # 31 January
    subscription = shop.subscribe(shop.customer(), shop.pro)
    ends = []
    for _ in range(3):
        end = items_of(shop.read(subscription))[0].current_period_end
        ends.append(at(end))
        shop.move(seconds=end - shop.engine.state.instant)
        assert shop.invoice(subscription).status == "draft"
        shop.move(hours=1)
        assert shop.invoice(subscription).status == "paid"

    assert ends == ["2027-02-28T12:00", "2027-03-31T12:00", "2027-04-30T12:00"]
    invoice = shop.invoice(subscription)
    assert invoice.billing_reason == "subscription_cycle"
    # What Stripe calls the invoice's period is the one before.
    assert (at(invoice.period_start), at(invoice.period_end)) == ("2027-03-31T12:00", "2027-04-30T12:00")
    assert at(invoice.lines.data[0].period.start) == "2027-04-30T12:00"


def test_a_year_passes_in_one_step_as_it_does_in_many(shop: Shop) -> None:
    stepped = Shop()
    for each in (shop, stepped):
        each.subscribe(each.customer(), each.pro)
    shop.move(days=365)
    for _ in range(365):
        stepped.move(days=1)

    # The SDK makes up idempotency keys; all else is the same, ids and instants too.
    assert [event | {"request": None} for event in shop.engine.events] == [
        event | {"request": None} for event in stepped.engine.events
    ]
    assert shop.types().count("invoice.paid") == 12


def test_an_annual_price_renews_after_a_year(shop: Shop) -> None:
    yearly = shop.price("Pro, by the year", 29_000, "plan.pro.year", interval="year")
    subscription = shop.subscribe(shop.customer(), yearly)

    shop.move(days=364)

    assert at(items_of(shop.read(subscription))[0].current_period_end) == "2028-01-15T12:00"
    assert shop.types().count("invoice.paid") == 1


# Changes


def test_an_upgrade_that_starts_a_new_cycle_without_proration_charges_it_whole(shop: Shop) -> None:
    subscription = shop.subscribe(shop.customer(), shop.pro)
    shop.move(days=10)

    upgraded = shop.change(
        subscription, price=shop.max.id, proration_behavior="none", billing_cycle_anchor={"type": "now"}
    )

    assert lines_of(shop.invoice(upgraded)) == [("1 × Max (at $49.00 / month)", 4900)]
    assert shop.invoice(upgraded).billing_reason == "subscription_update"
    (item,) = items_of(upgraded)
    assert (at(item.current_period_start), at(item.current_period_end)) == ("2027-01-25T12:00", "2027-02-25T12:00")
    assert item.id == items_of(subscription)[0].id
    shop.move(days=32)
    assert [each.total for each in shop.sdk.v1.invoices.list({"subscription": subscription.id}).data] == [
        4900,
        4900,
        2900,
    ]


def test_a_new_cycle_with_proration_credits_the_rest_of_the_old_one(shop: Shop) -> None:
    subscription = shop.subscribe(shop.customer(), shop.pro)
    shop.move(days=10)

    upgraded = shop.change(subscription, price=shop.max.id, billing_cycle_anchor={"type": "now"})

    # 21 of 31 days of $29.00.
    assert lines_of(shop.invoice(upgraded)) == [
        ("Unused time on Pro after 25 Jan 2027", -1965),
        ("1 × Max (at $49.00 / month)", 4900),
    ]


def test_seats_added_are_invoiced_for_the_rest_of_the_period(shop: Shop) -> None:
    subscription = shop.subscribe(shop.customer(), shop.team, 3)
    shop.move(days=10)

    more = shop.change(subscription, quantity=5, proration_behavior="always_invoice")

    # 21 of 31 days: of 3 × $49.00 back, of 5 × $49.00 due.
    assert lines_of(shop.invoice(more)) == [
        ("Unused time on 3 × Team after 25 Jan 2027", -9958),
        ("Remaining time on 5 × Team after 25 Jan 2027", 16597),
    ]
    assert (shop.invoice(more).amount_paid, shop.invoice(more).billing_reason) == (6639, "subscription_update")
    assert at(items_of(more)[0].current_period_end) == "2027-02-15T12:00"
    lines = [line.to_dict()["parent"]["subscription_item_details"] for line in shop.invoice(more).lines.data]
    assert [line["proration"] for line in lines] == [True, True]
    first = shop.sdk.v1.invoices.retrieve(str(subscription.latest_invoice))
    assert lines[0]["proration_details"]["credited_items"] == {
        "invoice": first.id,
        "invoice_line_items": [first.lines.data[0].id],
    }


def test_prorations_wait_for_the_next_invoice_unless_they_are_to_be_invoiced(shop: Shop) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer, shop.team, 1)
    shop.move(days=10)

    shop.change(subscription, quantity=2)

    waiting = shop.sdk.v1.invoice_items.list({"customer": customer.id, "pending": True}).data
    assert [item.amount for item in waiting] == [6639, -3319]
    shop.move(days=21, hours=1)
    assert lines_of(shop.invoice(subscription)) == [
        ("Unused time on Team after 25 Jan 2027", -3319),
        ("Remaining time on 2 × Team after 25 Jan 2027", 6639),
        ("2 × Team (at $49.00 / month)", 9800),
    ]


def test_a_decrease_that_is_invoiced_is_kept_on_the_customers_balance(shop: Shop) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer, shop.max)
    shop.move(days=10)

    lower = shop.change(subscription, price=shop.pro.id, proration_behavior="always_invoice")

    invoice = shop.invoice(lower)
    assert (invoice.total, invoice.amount_due, invoice.status, invoice.ending_balance) == (-1354, 0, "paid", -1354)
    assert shop.sdk.v1.customers.retrieve(customer.id).balance == -1354
    shop.move(days=21, hours=1)
    renewed = shop.invoice(lower)
    assert (renewed.total, renewed.amount_due, renewed.starting_balance) == (2900, 1546, -1354)
    assert shop.sdk.v1.customers.retrieve(customer.id).balance == 0


def test_a_change_without_proration_moves_no_money_and_is_not_credited_later_either(shop: Shop) -> None:
    subscription = shop.subscribe(shop.customer(), shop.pro)
    shop.change(subscription, price=shop.max.id, proration_behavior="none")
    shop.move(days=10)

    shop.change(subscription, price=shop.pro.id, proration_behavior="always_invoice")

    # Only the $29.00 that were paid come back, for 21 of 31 days, and are due again.
    assert lines_of(shop.invoice(subscription)) == [
        ("Unused time on Pro after 25 Jan 2027", -1965),
        ("Remaining time on Pro after 25 Jan 2027", 1965),
    ]


def test_no_sequence_of_changes_credits_more_than_was_charged(shop: Shop) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer, shop.team, 2)
    for quantity in (9, 1, 7, 3, 8, 1, 2):
        shop.move(days=3, minutes=7)
        shop.change(subscription, quantity=quantity, proration_behavior="always_invoice")

    invoices = shop.sdk.v1.invoices.list({"subscription": subscription.id, "limit": 100}).data
    credited = {
        str(each["parent"]["subscription_item_details"]["proration_details"]["credited_items"]): each["amount"]
        for invoice in invoices
        for each in (line.to_dict() for line in invoice.lines.data)
        if each["amount"] < 0
    }
    # Each line that charged was credited once at the most, and never by more than it had charged.
    charged = {line.id: line.amount for invoice in invoices for line in invoice.lines.data if line.amount > 0}
    assert len(credited) == 7
    assert sum(invoice.total for invoice in invoices) == sum(charged.values()) + sum(credited.values())
    assert sum(invoice.total for invoice in invoices) > 0


def test_an_upgrade_whose_payment_is_declined_is_not_made_where_that_is_asked(shop: Shop) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer, shop.pro)
    shop.engine.fail_payments(customer.id, "insufficient_funds")
    before = shop.engine.state.objects[subscription.id].copy()

    with pytest.raises(stripe.CardError) as declined:
        shop.change(
            subscription,
            price=shop.max.id,
            billing_cycle_anchor={"type": "now"},
            proration_behavior="none",
            payment_behavior="error_if_incomplete",
        )

    assert declined.value.error is not None
    assert declined.value.error.decline_code == "insufficient_funds"
    assert shop.engine.state.objects[subscription.id] == before
    assert len(shop.sdk.v1.invoices.list({"subscription": subscription.id}).data) == 1


def test_an_upgrade_whose_payment_is_declined_is_made_and_past_due_otherwise(shop: Shop) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer, shop.pro)
    shop.engine.fail_payments(customer.id)

    upgraded = shop.change(
        subscription, price=shop.max.id, billing_cycle_anchor={"type": "now"}, proration_behavior="none"
    )

    assert (upgraded.status, shop.invoice(upgraded).status) == ("past_due", "open")


def test_a_pending_update_is_made_once_it_is_paid(shop: Shop) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer, shop.team, 1)
    shop.move(days=10)
    shop.engine.fail_payments(customer.id)
    pending = shop.change(
        subscription, quantity=3, proration_behavior="always_invoice", payment_behavior="pending_if_incomplete"
    )
    assert pending.pending_update is not None
    assert [item.quantity for item in items_of(pending)] == [1]
    assert pending.status == "active"

    shop.engine.fail_payments(customer.id, None)
    shop.sdk.v1.invoices.pay(str(pending.latest_invoice))

    made = shop.read(subscription)
    assert (made.pending_update, [item.quantity for item in items_of(made)]) == (None, [3])
    assert "customer.subscription.pending_update_applied" in shop.types()
    assert shop.invoice(made).amount_paid == 6639


def test_a_pending_update_that_is_not_paid_in_a_day_is_never_made(shop: Shop) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer, shop.team, 1)
    shop.engine.fail_payments(customer.id)
    shop.change(subscription, quantity=3, proration_behavior="always_invoice", payment_behavior="pending_if_incomplete")

    shop.move(days=1)

    after = shop.read(subscription)
    assert (after.pending_update, items_of(after)[0].quantity, after.status) == (None, 1, "active")
    assert shop.types()[-1] == "invoice.voided"


def test_a_pending_update_counts_what_waited_before_once(shop: Shop) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer, shop.team, 1)
    shop.move(days=10)
    shop.change(subscription, quantity=2)
    shop.engine.fail_payments(customer.id)

    shop.change(subscription, quantity=3, proration_behavior="always_invoice", payment_behavior="pending_if_incomplete")

    assert lines_of(shop.invoice(subscription)) == [
        ("Unused time on Team after 25 Jan 2027", -3319),
        ("Remaining time on 2 × Team after 25 Jan 2027", 6639),
        ("Unused time on 2 × Team after 25 Jan 2027", -6639),
        ("Remaining time on 3 × Team after 25 Jan 2027", 9958),
    ]


def test_a_pending_update_gives_way_to_the_next_change(shop: Shop) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer, shop.team, 2)
    shop.engine.fail_payments(customer.id)
    pending = shop.change(
        subscription, quantity=3, proration_behavior="always_invoice", payment_behavior="pending_if_incomplete"
    )

    changed = shop.change(subscription, quantity=1, proration_behavior="none")

    assert (changed.pending_update, items_of(changed)[0].quantity) == (None, 1)
    assert shop.sdk.v1.invoices.retrieve(str(pending.latest_invoice)).status == "void"


def test_an_invoice_whose_bank_debit_is_on_its_way_is_not_paid_twice(shop: Shop) -> None:
    subscription = shop.subscribe(shop.customer("pm_usBankAccount_success"), shop.pro)

    with pytest.raises(stripe.InvalidRequestError, match="already processing"):
        shop.sdk.v1.invoices.pay(str(subscription.latest_invoice), {"payment_method": "pm_card_visa"})
    shop.move(days=4)

    assert (shop.invoice(subscription).amount_paid, len(shop.sdk.v1.charges.list({}).data)) == (2900, 1)


def test_metadata_is_merged_and_an_empty_value_takes_a_key_away(shop: Shop) -> None:
    subscription = shop.subscribe(shop.customer(), shop.pro, metadata={"a": "1", "b": "2"})

    changed = shop.sdk.v1.subscriptions.update(subscription.id, {"metadata": {"a": "", "c": "3"}})

    assert changed.metadata.to_dict() == {"b": "2", "c": "3"}


def test_items_can_be_added_changed_and_taken_away_by_themselves(shop: Shop) -> None:
    subscription = shop.subscribe(shop.customer(), shop.pro)
    shop.move(days=10)

    added = shop.sdk.v1.subscription_items.create(
        {"subscription": subscription.id, "price": shop.team.id, "quantity": 2, "proration_behavior": "always_invoice"}
    )
    assert (shop.invoice(subscription).total, added.quantity) == (6639, 2)
    shop.sdk.v1.subscription_items.update(added.id, {"quantity": 1, "proration_behavior": "none"})
    assert shop.sdk.v1.subscription_items.retrieve(added.id).quantity == 1
    gone = shop.sdk.v1.subscription_items.delete(added.id, {"proration_behavior": "none"})
    assert gone.deleted is True
    left = shop.sdk.v1.subscription_items.list({"subscription": subscription.id}).data
    assert [item.price.id for item in left] == [shop.pro.id]


# Trials


def test_a_trial_costs_nothing_until_it_ends_and_says_so_three_days_before(shop: Shop) -> None:
    subscription = shop.subscribe(shop.customer(), shop.pro, trial_period_days=14)
    assert (subscription.status, shop.invoice(subscription).total) == ("trialing", 0)
    assert lines_of(shop.invoice(subscription)) == [("Trial period for Pro", 0)]

    shop.move(days=11)
    assert shop.types()[-1] == "customer.subscription.trial_will_end"
    shop.move(days=3, hours=1)

    (item,) = items_of(shop.read(subscription))
    assert (at(item.current_period_start), at(item.current_period_end)) == ("2027-01-29T12:00", "2027-02-28T12:00")
    assert shop.read(subscription).status == "active"
    assert (shop.invoice(subscription).amount_paid, shop.invoice(subscription).billing_reason) == (
        2900,
        "subscription_cycle",
    )


def test_a_trial_can_be_ended_now(shop: Shop) -> None:
    subscription = shop.subscribe(shop.customer(), shop.pro, trial_period_days=14)
    shop.move(days=2)

    paid = shop.sdk.v1.subscriptions.update(subscription.id, {"trial_end": "now"})

    assert (paid.status, shop.invoice(paid).amount_paid) == ("active", 2900)
    assert at(items_of(paid)[0].current_period_start) == "2027-01-17T12:00"


@pytest.mark.parametrize(
    ("behavior", "status"), [("cancel", "canceled"), ("pause", "paused"), ("create_invoice", "active")]
)
def test_a_trial_that_ends_without_a_payment_method_goes_as_its_settings_say(
    shop: Shop, behavior: str, status: str
) -> None:
    subscription = shop.subscribe(
        shop.customer(card=None),
        shop.pro,
        trial_period_days=7,
        trial_settings={"end_behavior": {"missing_payment_method": behavior}},
    )

    shop.move(days=7)

    assert shop.read(subscription).status == status


# Payments that fail


def test_a_renewal_that_cannot_be_paid_is_retried_on_days_3_8_and_15_and_then_canceled(shop: Shop) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer, shop.pro)
    shop.engine.fail_payments(customer.id)
    tried = []
    shop.move(days=31, hours=1)
    for _ in range(4):
        tried.append((at(shop.engine.state.instant), shop.read(subscription).status))
        due = shop.invoice(subscription).next_payment_attempt
        if due is not None:
            shop.move(seconds=due - shop.engine.state.instant)

    assert tried == [
        ("2027-02-15T13:00", "past_due"),
        ("2027-02-18T13:00", "past_due"),
        ("2027-02-23T13:00", "past_due"),
        ("2027-03-02T13:00", "canceled"),
    ]
    canceled = shop.read(subscription)
    assert canceled.cancellation_details is not None
    assert canceled.cancellation_details.reason == "payment_failed"
    assert shop.invoice(subscription).status == "open"
    assert shop.sdk.v1.customers.retrieve(customer.id).delinquent is True


def test_paying_in_time_makes_it_active_again(shop: Shop) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer, shop.pro)
    shop.engine.fail_payments(customer.id)
    shop.move(days=31, hours=1)
    with pytest.raises(stripe.CardError):
        shop.sdk.v1.invoices.pay(str(shop.read(subscription).latest_invoice))
    shop.engine.fail_payments(customer.id, None)

    shop.move(days=3)

    assert (shop.read(subscription).status, shop.invoice(subscription).status) == ("active", "paid")
    assert shop.sdk.v1.customers.retrieve(customer.id).delinquent is False


def test_payments_that_may_succeed_again_have_failed_until_that_moment(shop: Shop) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer, shop.pro)
    shop.engine.fail_payments(customer.id)
    # Past the renewal and two retries, which nobody has asked about yet.
    shop.clock.move(days=31 + 9)

    shop.engine.fail_payments(customer.id, None)

    assert (shop.read(subscription).status, shop.invoice(subscription).attempt_count) == ("past_due", 3)


@pytest.mark.parametrize("after", ["unpaid", "past_due"])
def test_after_the_last_retry_the_accounts_settings_decide(after: Any) -> None:
    shop = Shop(policy=Policy(after_last_retry=after))
    customer = shop.customer()
    subscription = shop.subscribe(customer, shop.pro)
    shop.engine.fail_payments(customer.id)

    shop.move(days=31 + 16)

    assert shop.read(subscription).status == after


def test_an_unpaid_subscription_makes_drafts_and_is_active_once_the_latest_is_paid() -> None:
    shop = Shop(policy=Policy(after_last_retry="unpaid"))
    customer = shop.customer()
    subscription = shop.subscribe(customer, shop.pro)
    shop.engine.fail_payments(customer.id)
    shop.move(days=31 + 28 + 3)
    assert (shop.read(subscription).status, shop.invoice(subscription).status) == ("unpaid", "draft")

    shop.engine.fail_payments(customer.id, None)
    shop.sdk.v1.invoices.pay(str(shop.read(subscription).latest_invoice))

    assert shop.read(subscription).status == "active"


# Ends and pauses


def test_canceled_now_it_ends_now_and_nothing_more_is_billed(shop: Shop) -> None:
    subscription = shop.subscribe(shop.customer(), shop.pro)
    shop.move(days=10)

    canceled = shop.sdk.v1.subscriptions.cancel(subscription.id)
    shop.move(days=60)

    assert (canceled.status, at(canceled.ended_at)) == ("canceled", "2027-01-25T12:00")
    assert shop.types().count("customer.subscription.deleted") == 1
    assert shop.types().count("invoice.created") == 1


def test_canceled_with_proration_what_was_not_used_is_credited(shop: Shop) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer, shop.pro)
    shop.move(days=10)

    shop.sdk.v1.subscriptions.cancel(subscription.id, {"prorate": True, "invoice_now": True})

    assert shop.invoice(subscription).total == -1965
    assert shop.sdk.v1.customers.retrieve(customer.id).balance == -1965


def test_canceled_at_the_periods_end_it_runs_until_then(shop: Shop) -> None:
    subscription = shop.subscribe(shop.customer(), shop.pro)

    told = shop.sdk.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    assert (told.status, told.cancel_at_period_end, at(told.cancel_at)) == ("active", True, "2027-02-15T12:00")
    shop.move(days=31)

    assert shop.read(subscription).status == "canceled"
    assert shop.types().count("invoice.created") == 1


def test_a_cancellation_can_be_taken_back(shop: Shop) -> None:
    subscription = shop.subscribe(shop.customer(), shop.pro)
    shop.sdk.v1.subscriptions.update(subscription.id, {"cancel_at": "min_period_end"})

    kept = shop.sdk.v1.subscriptions.update(subscription.id, {"cancel_at": ""})
    shop.move(days=32)

    assert (kept.cancel_at, kept.canceled_at, shop.read(subscription).status) == (None, None, "active")


def test_collection_can_be_paused_and_resumes_by_itself(shop: Shop) -> None:
    subscription = shop.subscribe(shop.customer(), shop.pro)
    resumes_at = shop.engine.state.instant + 40 * 86_400
    paused = shop.sdk.v1.subscriptions.update(
        subscription.id, {"pause_collection": {"behavior": "void", "resumes_at": resumes_at}}
    )
    assert paused.status == "active"

    shop.move(days=32)
    assert shop.invoice(subscription).status == "void"
    shop.move(days=30)

    assert shop.read(subscription).pause_collection is None
    assert shop.invoice(subscription).status == "paid"


def test_a_paused_subscription_makes_no_invoices_until_it_is_resumed(shop: Shop) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer, shop.pro)
    shop.move(days=10)
    paused = shop.sdk.v1.subscriptions.pause(subscription.id)
    assert paused.status == "paused"
    assert shop.types()[-1] == "customer.subscription.paused"
    shop.move(days=60)
    assert shop.types().count("invoice.created") == 1

    resumed = shop.sdk.v1.subscriptions.resume(subscription.id)

    assert resumed.status == "active"
    assert "customer.subscription.resumed" in shop.types()
    # A new cycle is due, less the 21 days that were credited when it was paused.
    assert lines_of(shop.invoice(resumed)) == [
        ("Unused time on Pro after 25 Jan 2027", -1965),
        ("1 × Pro (at $29.00 / month)", 2900),
    ]
    assert at(items_of(resumed)[0].current_period_start) == "2027-03-26T12:00"


def test_deleting_a_customer_ends_the_subscriptions_first(shop: Shop) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer, shop.pro)

    shop.sdk.v1.customers.delete(customer.id)

    assert shop.types()[-2:] == ["customer.subscription.deleted", "customer.deleted"]
    assert shop.sdk.v1.customers.retrieve(customer.id).deleted is True
    assert shop.read(subscription).status == "canceled"


# Schedules


def test_a_schedule_moves_the_subscription_to_its_next_phase_at_the_periods_end(shop: Shop) -> None:
    subscription = shop.subscribe(shop.customer(), shop.max)
    schedule = shop.sdk.v1.subscription_schedules.create({"from_subscription": subscription.id})
    assert shop.read(subscription).schedule == schedule.id
    (phase,) = schedule.phases
    shop.sdk.v1.subscription_schedules.update(
        schedule.id,
        {
            "end_behavior": "release",
            "phases": [
                {"items": [{"price": shop.max.id}], "start_date": phase.start_date, "end_date": phase.end_date},
                {"items": [{"price": shop.pro.id}], "proration_behavior": "none"},
            ],
        },
    )
    assert [item.price.id for item in items_of(shop.read(subscription))] == [shop.max.id]

    shop.move(days=31, hours=1)

    assert [item.price.id for item in items_of(shop.read(subscription))] == [shop.pro.id]
    assert lines_of(shop.invoice(subscription)) == [("1 × Pro (at $29.00 / month)", 2900)]
    shop.move(days=31)
    released = shop.sdk.v1.subscription_schedules.retrieve(schedule.id)
    assert (released.status, released.released_subscription) == ("released", subscription.id)
    assert shop.read(subscription).schedule is None


def test_a_scheduled_subscription_is_canceled_through_its_schedule_alone(shop: Shop) -> None:
    subscription = shop.subscribe(shop.customer(), shop.max)
    schedule = shop.sdk.v1.subscription_schedules.create({"from_subscription": subscription.id})
    with pytest.raises(stripe.InvalidRequestError, match="managed by the subscription schedule"):
        shop.sdk.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})

    shop.sdk.v1.subscription_schedules.release(schedule.id)

    shop.sdk.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    assert shop.sdk.v1.subscription_schedules.list({}).data[0].status == "released"


def test_a_schedule_whose_end_is_to_cancel_cancels(shop: Shop) -> None:
    subscription = shop.subscribe(shop.customer(), shop.max)
    schedule = shop.sdk.v1.subscription_schedules.create({"from_subscription": subscription.id})
    shop.sdk.v1.subscription_schedules.update(schedule.id, {"end_behavior": "cancel"})

    shop.move(days=31)

    assert shop.read(subscription).status == "canceled"
    assert shop.sdk.v1.subscription_schedules.retrieve(schedule.id).status == "completed"


# Previews


def test_a_preview_is_what_the_change_then_costs_and_changes_nothing(shop: Shop) -> None:
    subscription = shop.subscribe(shop.customer(), shop.team, 3)
    shop.move(days=10)
    item = items_of(subscription)[0].id
    details: Any = {"items": [{"id": item, "quantity": 5}], "proration_behavior": "always_invoice"}
    events = len(shop.engine.events)

    preview = shop.sdk.v1.invoices.create_preview({"subscription": subscription.id, "subscription_details": details})

    assert (preview.amount_due, preview.status, preview.id[:12]) == (6639, "draft", "upcoming_in_")
    assert len(shop.engine.events) == events
    assert items_of(shop.read(subscription))[0].quantity == 3
    made = shop.change(subscription, quantity=5, proration_behavior="always_invoice")
    assert lines_of(shop.invoice(made)) == lines_of(preview)


def test_without_a_change_a_preview_is_the_next_renewal_with_what_waits_for_it(shop: Shop) -> None:
    subscription = shop.subscribe(shop.customer(), shop.team, 1)
    shop.move(days=10)
    shop.change(subscription, quantity=2)

    preview = shop.sdk.v1.invoices.create_preview({"subscription": subscription.id})

    assert (preview.total, at(preview.period_end)) == (6639 - 3319 + 9800, "2027-02-15T12:00")


def test_a_subscription_that_ends_has_no_next_invoice(shop: Shop) -> None:
    subscription = shop.subscribe(shop.customer(), shop.pro, cancel_at_period_end=True)

    with pytest.raises(stripe.InvalidRequestError) as none:
        shop.sdk.v1.invoices.create_preview({"subscription": subscription.id})

    assert (none.value.http_status, none.value.code) == (404, "invoice_upcoming_none")


def test_a_new_subscription_can_be_previewed_for_nobody_in_particular(shop: Shop) -> None:
    preview = shop.sdk.v1.invoices.create_preview(
        {"subscription_details": {"items": [{"price": shop.team.id, "quantity": 4}]}}
    )

    assert preview.amount_due == 19_600
    assert shop.sdk.v1.customers.list({}).data == []
