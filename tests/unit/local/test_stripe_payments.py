"""Products, payments, refunds, disputes, Checkout and the portal of the Stripe stand-in, driven by the real SDK."""

from typing import Any

import pytest
import stripe

from tests.stripe_sdk import Shop, at, items_of


@pytest.fixture
def shop() -> Shop:
    return Shop()


def checkout(shop: Shop, price: stripe.Price, mode: str, quantity: int = 1, **params: Any) -> stripe.checkout.Session:
    wanted: Any = {
        "mode": mode,
        "line_items": [{"price": price.id, "quantity": quantity}],
        "success_url": "https://example.com/done",
        **params,
    }
    return shop.sdk.v1.checkout.sessions.create(wanted)


def bought(shop: Shop, **params: Any) -> stripe.Charge:
    """The charge of a pack that was bought."""
    shop.engine.complete_checkout(checkout(shop, shop.pack, "payment", **params).id)
    return shop.sdk.v1.charges.list({"limit": 1}).data[0]


# Customers and payment methods


def test_a_customer_is_listed_read_and_changed(shop: Shop) -> None:
    customer = shop.customer()
    shop.customer(account_id="bob")

    shop.sdk.v1.customers.update(customer.id, {"name": "Ada", "metadata": {"tier": "1"}})

    assert shop.sdk.v1.customers.retrieve(customer.id).to_dict()["metadata"] == {"account_id": "ada", "tier": "1"}
    assert [each.email for each in shop.sdk.v1.customers.list({}).data] == ["bob@example.com", "ada@example.com"]
    assert [each.name for each in shop.sdk.v1.customers.list({"email": "ada@example.com"}).data] == ["Ada"]


def test_a_card_that_is_declined_cannot_be_saved_and_makes_no_customer(shop: Shop) -> None:
    with pytest.raises(stripe.CardError):
        shop.customer("pm_card_visa_chargeDeclined")

    assert shop.sdk.v1.customers.list({}).data == []


def test_payment_methods_are_attached_listed_and_detached(shop: Shop) -> None:
    customer = shop.customer(card=None)
    method = shop.sdk.v1.payment_methods.attach("pm_card_mastercard", {"customer": customer.id})
    settings: Any = {"invoice_settings": {"default_payment_method": method.id}}
    shop.sdk.v1.customers.update(customer.id, settings)
    assert [each.id for each in shop.sdk.v1.customers.payment_methods.list(customer.id).data] == [method.id]

    shop.sdk.v1.payment_methods.detach(method.id)

    left = shop.sdk.v1.customers.retrieve(customer.id).invoice_settings
    assert left is not None
    assert left.default_payment_method is None
    assert shop.sdk.v1.payment_methods.list({"customer": customer.id}).data == []


def test_metadata_has_bounds(shop: Shop) -> None:
    for metadata in ({"k" * 41: "v"}, {"k": "v" * 501}, {str(number): "v" for number in range(51)}):
        with pytest.raises(stripe.InvalidRequestError):
            shop.sdk.v1.customers.create({"metadata": metadata})


# Products and prices


def test_a_price_is_found_by_its_lookup_key(shop: Shop) -> None:
    found = shop.sdk.v1.prices.list({"lookup_keys": ["plan.pro.month", "pack.small"], "expand": ["data.product"]}).data

    assert [price.lookup_key for price in found] == ["pack.small", "plan.pro.month"]
    assert isinstance(found[1].product, stripe.Product)
    assert found[1].product.to_dict()["metadata"] == {"plan": "pro"}
    assert (found[0].type, found[1].type, found[1].unit_amount) == ("one_time", "recurring", 2900)


def test_a_lookup_key_is_taken_over_only_where_that_is_asked(shop: Shop) -> None:
    new: Any = {
        "product": shop.pro.product,
        "currency": "usd",
        "unit_amount": 3900,
        "recurring": {"interval": "month"},
        "lookup_key": "plan.pro.month",
    }
    with pytest.raises(stripe.InvalidRequestError, match="already uses that lookup key"):
        shop.sdk.v1.prices.create(new)

    price = shop.sdk.v1.prices.create(new | {"transfer_lookup_key": True})

    assert price.lookup_key == "plan.pro.month"
    assert shop.sdk.v1.prices.retrieve(shop.pro.id).lookup_key is None
    assert shop.sdk.v1.prices.update(shop.pro.id, {"active": False}).active is False
    with pytest.raises(stripe.InvalidRequestError, match="inactive"):
        shop.subscribe(shop.customer(), shop.pro)


def test_a_product_keeps_its_id_and_one_with_prices_stays(shop: Shop) -> None:
    product = shop.sdk.v1.products.create({"id": "plan_pro", "name": "Pro"})
    with pytest.raises(stripe.InvalidRequestError, match="already exists"):
        shop.sdk.v1.products.create({"id": "plan_pro", "name": "Pro"})
    shop.sdk.v1.products.update(product.id, {"name": "Pro 2", "metadata": {"plan": "pro"}, "active": False})

    assert shop.sdk.v1.products.retrieve("plan_pro").name == "Pro 2"
    assert [each.id for each in shop.sdk.v1.products.list({"active": False}).data] == ["plan_pro"]
    assert shop.sdk.v1.products.delete("plan_pro").deleted is True
    with pytest.raises(stripe.InvalidRequestError, match="cannot be deleted"):
        shop.sdk.v1.products.delete(str(shop.pro.product))


def test_lists_are_paged_newest_first(shop: Shop) -> None:
    names = [shop.customer(account_id=f"a{number}").id for number in range(5)][::-1]

    first = shop.sdk.v1.customers.list({"limit": 2})
    second = shop.sdk.v1.customers.list({"limit": 2, "starting_after": first.data[-1].id})
    back = shop.sdk.v1.customers.list({"limit": 2, "ending_before": second.data[0].id})

    assert ([each.id for each in first.data], first.has_more) == (names[:2], True)
    assert ([each.id for each in second.data], second.has_more) == (names[2:4], True)
    assert ([each.id for each in back.data], back.has_more) == (names[:2], False)
    assert [each.id for each in shop.sdk.v1.customers.list({"limit": 2}).auto_paging_iter()] == names
    with pytest.raises(stripe.InvalidRequestError):
        shop.sdk.v1.customers.list({"limit": 101})
    with pytest.raises(stripe.InvalidRequestError):
        shop.sdk.v1.customers.list({"starting_after": "cus_nope"})


def test_a_list_can_be_bounded_in_time(shop: Shop) -> None:
    old = shop.customer()
    shop.move(days=1)
    new = shop.customer()

    since = shop.sdk.v1.customers.list({"created": {"gt": old.created}}).data
    until = shop.sdk.v1.customers.list({"created": {"lte": old.created}}).data

    assert ([each.id for each in since], [each.id for each in until]) == ([new.id], [old.id])


# Errors


def test_what_a_path_names_is_404_and_what_a_parameter_names_is_400(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError) as path:
        shop.sdk.v1.subscriptions.retrieve("sub_nope")
    with pytest.raises(stripe.InvalidRequestError) as parameter:
        shop.sdk.v1.subscriptions.create({"customer": "cus_nope", "items": [{"price": shop.pro.id}]})

    assert (path.value.http_status, path.value.code, path.value.param) == (404, "resource_missing", "id")
    assert (parameter.value.http_status, parameter.value.code, parameter.value.param) == (
        400,
        "resource_missing",
        "customer",
    )
    assert parameter.value.user_message == "No such customer: 'cus_nope'"


def test_a_parameter_that_is_not_known_or_missing_is_named(shop: Shop) -> None:
    misspelt: Any = {"emial": "ada@example.com"}
    with pytest.raises(stripe.InvalidRequestError) as unknown:
        shop.sdk.v1.customers.create(misspelt)
    with pytest.raises(stripe.InvalidRequestError) as lacking:
        shop.sdk.v1.products.create({})  # type: ignore[typeddict-item]

    assert (unknown.value.code, unknown.value.param) == ("parameter_unknown", "emial")
    assert (lacking.value.code, lacking.value.param) == ("parameter_missing", "name")


def test_an_expansion_that_leads_nowhere_is_refused(shop: Shop) -> None:
    customer = shop.customer()
    for path in ("email", "nothing", "invoice_settings.email"):
        with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
            shop.sdk.v1.customers.retrieve(customer.id, {"expand": [path]})


def test_a_decline_is_the_same_under_its_idempotency_key(shop: Shop) -> None:
    customer = shop.customer()
    shop.engine.fail_payments(customer.id)
    wanted: Any = {
        "customer": customer.id,
        "items": [{"price": shop.pro.id}],
        "payment_behavior": "error_if_incomplete",
    }
    with pytest.raises(stripe.CardError) as first:
        shop.sdk.v1.subscriptions.create(wanted, {"idempotency_key": "k"})
    shop.engine.fail_payments(customer.id, None)

    with pytest.raises(stripe.CardError) as again:
        shop.sdk.v1.subscriptions.create(wanted, {"idempotency_key": "k"})

    assert again.value.json_body == first.value.json_body
    assert shop.sdk.v1.subscriptions.create(wanted, {"idempotency_key": "k2"}).status == "active"


# Payment intents


def test_a_saved_card_is_charged_without_its_owner(shop: Shop) -> None:
    customer = shop.customer()
    method = shop.sdk.v1.payment_methods.list({"customer": customer.id}).data[0].id

    intent = shop.sdk.v1.payment_intents.create(
        {
            "amount": 999,
            "currency": "usd",
            "customer": customer.id,
            "payment_method": method,
            "confirm": True,
            "off_session": True,
            "metadata": {"account_id": "ada", "pack": "small"},
        }
    )

    assert (intent.status, intent.amount_received) == ("succeeded", 999)
    charge = shop.sdk.v1.charges.retrieve(str(intent.latest_charge))
    assert (charge.customer, charge.payment_intent, charge.paid) == (customer.id, intent.id, True)
    assert charge.metadata.to_dict() == {"account_id": "ada", "pack": "small"}


def test_a_charge_that_is_declined_is_a_card_error_that_carries_the_intent(shop: Shop) -> None:
    customer = shop.customer("pm_card_chargeCustomerFail")
    method = shop.sdk.v1.payment_methods.list({"customer": customer.id}).data[0].id

    with pytest.raises(stripe.CardError) as declined:
        shop.sdk.v1.payment_intents.create(
            {"amount": 999, "currency": "usd", "customer": customer.id, "payment_method": method, "confirm": True}
        )

    assert declined.value.error is not None
    assert declined.value.error.payment_intent is not None
    intent = shop.sdk.v1.payment_intents.retrieve(declined.value.error.payment_intent.id)
    assert intent.status == "requires_payment_method"
    assert shop.types()[-2:] == ["charge.failed", "payment_intent.payment_failed"]
    retried = shop.sdk.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert retried.status == "succeeded"


def test_payments_are_listed_by_customer_and_since_a_time_the_newest_first(shop: Shop) -> None:
    ada, bob = shop.customer(), shop.customer(account_id="bob")
    made = []
    for customer, mark in ((ada, "1"), (bob, "2"), (ada, "3")):
        wanted: Any = {"amount": 999, "currency": "usd", "customer": customer.id, "metadata": {"top_up": mark}}
        made.append(shop.sdk.v1.payment_intents.create(wanted))
        shop.move(hours=1)

    def marks(**params: Any) -> list[str]:
        wanted: Any = params
        return [each.metadata["top_up"] for each in shop.sdk.v1.payment_intents.list(wanted).data]

    assert marks() == ["3", "2", "1"]
    assert marks(customer=ada.id) == ["3", "1"]
    assert marks(customer=ada.id, created={"gte": made[0].created}) == ["3", "1"]
    assert marks(customer=ada.id, created={"gte": made[0].created + 1}) == ["3"]


def test_an_intent_can_be_canceled_until_it_is_paid(shop: Shop) -> None:
    intent = shop.sdk.v1.payment_intents.create({"amount": 500, "currency": "usd"})
    assert shop.sdk.v1.payment_intents.cancel(intent.id).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError, match="canceled"):
        shop.sdk.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})


# Invoices


def test_an_invoice_shows_ten_lines_and_lists_them_all(shop: Shop) -> None:
    customer = shop.customer()
    for number in range(12):
        shop.sdk.v1.invoice_items.create({"customer": customer.id, "amount": 100 + number, "currency": "usd"})
    invoice = shop.sdk.v1.invoices.create({"customer": customer.id})

    assert (invoice.total, len(invoice.lines.data), invoice.lines.has_more) == (1266, 10, True)
    assert len(list(invoice.lines.auto_paging_iter())) == 12
    assert shop.sdk.v1.invoices.line_items.list(invoice.id, {"limit": 5}).has_more is True
    shop.sdk.v1.invoices.finalize_invoice(invoice.id)
    paid = shop.sdk.v1.invoices.pay(invoice.id)
    assert (paid.status, paid.amount_paid, paid.number) == ("paid", 1266, f"{customer.id[-8:].upper()}-0001")


def test_the_way_from_a_charge_to_its_invoice_is_the_invoices_payment(shop: Shop) -> None:
    subscription = shop.subscribe(shop.customer(), shop.pro)
    (charge,) = shop.sdk.v1.charges.list({}).data

    payments = shop.sdk.v1.invoice_payments.list(
        {"payment": {"type": "payment_intent", "payment_intent": str(charge.payment_intent)}}
    ).data

    assert [(each.invoice, each.status, each.amount_paid) for each in payments] == [
        (subscription.latest_invoice, "paid", 2900)
    ]
    shown = shop.sdk.v1.invoices.retrieve(
        str(subscription.latest_invoice), {"expand": ["payments.data.payment.payment_intent"]}
    )
    assert shown.payments is not None
    intent = shown.payments.data[0].payment.payment_intent
    assert isinstance(intent, stripe.PaymentIntent)
    assert intent.id == charge.payment_intent


def test_an_open_invoice_is_voided_or_written_off(shop: Shop) -> None:
    shop.engine.fail_payments((customer := shop.customer()).id)
    for end, status in (("void_invoice", "void"), ("mark_uncollectible", "uncollectible")):
        shop.sdk.v1.invoice_items.create({"customer": customer.id, "amount": 700, "currency": "usd"})
        invoice = shop.sdk.v1.invoices.create({"customer": customer.id, "auto_advance": False})
        shop.sdk.v1.invoices.finalize_invoice(invoice.id)
        assert getattr(shop.sdk.v1.invoices, end)(invoice.id).status == status

        with pytest.raises(stripe.InvalidRequestError):
            shop.sdk.v1.invoices.mark_uncollectible(invoice.id)

    assert shop.types()[-1] == "invoice.marked_uncollectible"


def test_an_invoice_can_be_paid_elsewhere(shop: Shop) -> None:
    subscription = shop.subscribe(shop.customer(card=None), shop.pro, payment_behavior="default_incomplete")

    paid = shop.sdk.v1.invoices.pay(str(subscription.latest_invoice), {"paid_out_of_band": True})

    assert (paid.status, shop.read(subscription).status) == ("paid", "active")
    assert shop.sdk.v1.charges.list({}).data == []


def test_what_is_less_than_the_least_charge_is_kept_for_the_next_invoice(shop: Shop) -> None:
    customer = shop.customer()
    shop.sdk.v1.invoice_items.create({"customer": customer.id, "amount": 30, "currency": "usd"})
    invoice = shop.sdk.v1.invoices.create({"customer": customer.id})

    done = shop.sdk.v1.invoices.finalize_invoice(invoice.id)

    assert (done.status, done.amount_due, done.total) == ("paid", 0, 30)
    assert shop.sdk.v1.customers.retrieve(customer.id).balance == 30


def test_a_draft_can_be_deleted_and_its_items_wait_again(shop: Shop) -> None:
    customer = shop.customer()
    item = shop.sdk.v1.invoice_items.create({"customer": customer.id, "amount": 900, "currency": "usd"})
    invoice = shop.sdk.v1.invoices.create({"customer": customer.id})
    assert shop.sdk.v1.invoices.delete(invoice.id).deleted is True

    assert shop.sdk.v1.invoice_items.retrieve(item.id).invoice is None
    assert shop.sdk.v1.invoice_items.delete(item.id).deleted is True
    with pytest.raises(stripe.InvalidRequestError) as gone:
        shop.sdk.v1.invoices.retrieve(invoice.id)
    assert gone.value.http_status == 404


# Checkout


def test_checkout_makes_a_customer_and_a_subscription_with_the_metadata_it_was_given(shop: Shop) -> None:
    session = checkout(
        shop,
        shop.team,
        "subscription",
        quantity=3,
        client_reference_id="ada",
        customer_email="ada@example.com",
        metadata={"account_id": "ada"},
        subscription_data={"metadata": {"account_id": "ada"}},
    )
    assert (session.status, session.payment_status, session.amount_total) == ("open", "unpaid", 14_700)

    shop.engine.complete_checkout(session.id)

    done = shop.sdk.v1.checkout.sessions.retrieve(session.id, {"expand": ["line_items", "subscription", "customer"]})
    assert (done.status, done.payment_status, done.client_reference_id, done.url) == ("complete", "paid", "ada", None)
    assert isinstance(done.subscription, stripe.Subscription)
    assert (done.subscription.status, items_of(done.subscription)[0].quantity) == ("active", 3)
    assert done.subscription.metadata.to_dict() == {"account_id": "ada"}
    assert isinstance(done.customer, stripe.Customer)
    assert done.customer.email == "ada@example.com"
    assert done.line_items is not None
    assert [item.quantity for item in done.line_items.data] == [3]
    assert [item.amount_total for item in shop.sdk.v1.checkout.sessions.line_items.list(session.id).data] == [14_700]
    assert shop.types()[-1] == "checkout.session.completed"
    # Renewals are charged to the card that was given.
    shop.move(days=31, hours=1)
    assert shop.invoice(done.subscription).status == "paid"


def test_a_pack_is_paid_with_the_metadata_on_its_intent(shop: Shop) -> None:
    customer = shop.customer()
    session = checkout(
        shop, shop.pack, "payment", customer=customer.id, payment_intent_data={"metadata": {"pack": "small"}}
    )

    shop.engine.complete_checkout(session.id)

    done = shop.sdk.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert isinstance(done.payment_intent, stripe.PaymentIntent)
    assert (done.payment_intent.amount_received, done.payment_intent.customer) == (999, customer.id)
    assert done.payment_intent.metadata.to_dict() == {"pack": "small"}
    with pytest.raises(Exception, match="not open any more"):
        shop.engine.complete_checkout(session.id)


def test_a_declined_card_leaves_the_session_open_for_another(shop: Shop) -> None:
    for price, mode in ((shop.pack, "payment"), (shop.pro, "subscription")):
        session = checkout(shop, price, mode)
        for card in ("pm_card_visa_chargeDeclined", "pm_card_chargeCustomerFail"):
            with pytest.raises(Exception, match="declined"):
                shop.engine.complete_checkout(session.id, card)
        assert shop.sdk.v1.checkout.sessions.retrieve(session.id).status == "open"

        assert shop.engine.complete_checkout(session.id)["payment_status"] == "paid"

    assert shop.types().count("checkout.session.completed") == 2
    assert len(shop.sdk.v1.subscriptions.list({"status": "all"}).data) == 1


def test_a_bank_debit_completes_the_session_unpaid_and_the_money_comes_days_later(shop: Shop) -> None:
    session = checkout(shop, shop.pack, "payment")

    done = shop.engine.complete_checkout(session.id, "pm_usBankAccount_success")
    assert (done["status"], done["payment_status"]) == ("complete", "unpaid")
    shop.move(days=4)

    assert shop.sdk.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"
    assert shop.types()[-1] == "checkout.session.async_payment_succeeded"


def test_a_bank_debit_that_is_returned_is_told(shop: Shop) -> None:
    pack = checkout(shop, shop.pack, "payment")
    plan = checkout(shop, shop.pro, "subscription")
    for session in (pack, plan):
        shop.engine.complete_checkout(session.id, "pm_usBankAccount_insufficientFunds")
    (subscription,) = shop.sdk.v1.subscriptions.list({}).data
    assert (subscription.status, shop.invoice(subscription).status) == ("active", "open")

    shop.move(days=4)

    assert shop.types().count("checkout.session.async_payment_failed") == 2
    assert shop.read(subscription).status == "past_due"


def test_a_session_expires_by_itself_or_by_request(shop: Shop) -> None:
    one, other = checkout(shop, shop.pack, "payment"), checkout(shop, shop.pack, "payment")
    shop.sdk.v1.checkout.sessions.expire(one.id)
    shop.move(hours=24)

    statuses = [each.status for each in shop.sdk.v1.checkout.sessions.list({}).data]
    assert statuses == ["expired", "expired"]
    assert shop.types()[-2:] == ["checkout.session.expired", "checkout.session.expired"]
    with pytest.raises(Exception, match="not open any more"):
        shop.engine.complete_checkout(other.id)


def test_a_session_can_save_a_payment_method_alone(shop: Shop) -> None:
    customer = shop.customer(card=None)
    wanted: Any = {"mode": "setup", "customer": customer.id, "success_url": "https://example.com", "currency": "usd"}
    session = shop.sdk.v1.checkout.sessions.create(wanted)

    shop.engine.complete_checkout(session.id)

    done = shop.sdk.v1.checkout.sessions.retrieve(session.id)
    intent = shop.sdk.v1.setup_intents.retrieve(str(done.setup_intent))
    assert (done.payment_status, intent.status, intent.customer) == ("no_payment_required", "succeeded", customer.id)
    assert len(shop.sdk.v1.payment_methods.list({"customer": customer.id}).data) == 1


def test_a_checkout_with_a_trial_needs_no_payment_yet(shop: Shop) -> None:
    session = checkout(shop, shop.pro, "subscription", subscription_data={"trial_period_days": 7})

    done = shop.engine.complete_checkout(session.id)

    assert done["payment_status"] == "no_payment_required"
    assert shop.sdk.v1.subscriptions.retrieve(done["subscription"]).status == "trialing"


def test_modes_and_prices_must_fit(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="recurring price"):
        checkout(shop, shop.pro, "payment")
    with pytest.raises(stripe.InvalidRequestError, match="at least one recurring price"):
        checkout(shop, shop.pack, "subscription")


# Refunds and disputes


def test_a_charge_is_refunded_in_parts_and_not_beyond(shop: Shop) -> None:
    charge = bought(shop)
    part = shop.sdk.v1.refunds.create({"charge": charge.id, "amount": 300, "reason": "requested_by_customer"})
    assert (part.status, shop.sdk.v1.charges.retrieve(charge.id).refunded) == ("succeeded", False)
    with pytest.raises(stripe.InvalidRequestError, match=r"Refund amount \(\$7\.00\) is greater"):
        shop.sdk.v1.refunds.create({"charge": charge.id, "amount": 700})

    shop.sdk.v1.refunds.create({"payment_intent": str(charge.payment_intent)})

    whole = shop.sdk.v1.charges.retrieve(charge.id, {"expand": ["refunds"]})
    assert (whole.refunded, whole.amount_refunded) == (True, 999)
    assert whole.refunds is not None
    assert [refund.amount for refund in whole.refunds.data] == [699, 300]
    assert shop.types()[-2:] == ["refund.created", "charge.refunded"]
    assert shop.engine.events[-1]["data"]["previous_attributes"] == {"amount_refunded": 300, "refunded": False}
    with pytest.raises(stripe.InvalidRequestError) as again:
        shop.sdk.v1.refunds.create({"charge": charge.id})
    assert again.value.code == "charge_already_refunded"


@pytest.mark.parametrize(
    ("evidence", "status", "told"),
    [
        ("winning_evidence", "won", ["charge.dispute.closed", "charge.dispute.funds_reinstated"]),
        ("losing_evidence", "lost", ["charge.dispute.updated", "charge.dispute.closed"]),
    ],
)
def test_a_dispute_takes_the_money_and_is_won_or_lost(shop: Shop, evidence: str, status: str, told: list[str]) -> None:
    charge = bought(shop)
    shop.engine.open_dispute(charge.id)
    assert shop.types()[-3:] == ["charge.updated", "charge.dispute.created", "charge.dispute.funds_withdrawn"]
    (dispute,) = shop.sdk.v1.disputes.list({"charge": charge.id}).data
    # A dispute names no customer.
    assert (dispute.amount, dispute.status, "customer" in dispute.to_dict()) == (999, "needs_response", False)
    with pytest.raises(stripe.InvalidRequestError, match="charged back"):
        shop.sdk.v1.refunds.create({"charge": charge.id})

    closed = shop.sdk.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": evidence}})

    assert closed.status == status
    assert shop.types()[-2:] == told


def test_a_dispute_that_is_accepted_is_lost(shop: Shop) -> None:
    session = checkout(shop, shop.pack, "payment")
    shop.engine.complete_checkout(session.id, "pm_card_createDispute")
    (dispute,) = shop.sdk.v1.disputes.list({}).data

    assert shop.sdk.v1.disputes.close(dispute.id).status == "lost"
    with pytest.raises(stripe.InvalidRequestError, match="already closed"):
        shop.sdk.v1.disputes.close(dispute.id)


# The portal


def configured(shop: Shop, **update: Any) -> stripe.billing_portal.Configuration:
    """A portal where plans and seats change as the product has it: up at once, down at the period's end."""
    plans = (shop.pro, shop.max, shop.team)
    features: Any = {
        "payment_method_update": {"enabled": True},
        "invoice_history": {"enabled": True},
        "subscription_cancel": {"enabled": True, "mode": "at_period_end"},
        "subscription_update": {
            "enabled": True,
            "default_allowed_updates": ["price", "quantity"],
            "products": [{"product": str(price.product), "prices": [price.id]} for price in plans],
            "proration_behavior": "always_invoice",
            "schedule_at_period_end": {"conditions": [{"type": "decreasing_item_amount"}]},
            **update,
        },
    }
    return shop.sdk.v1.billing_portal.configurations.create({"features": features})


def portal(shop: Shop, customer: stripe.Customer, **update: Any) -> str:
    configuration = configured(shop, **update)
    return shop.sdk.v1.billing_portal.sessions.create({"customer": customer.id, "configuration": configuration.id}).id


def test_a_portal_cancel_sets_cancel_at_and_no_flag_and_can_be_taken_back(shop: Shop) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer, shop.pro)
    session = portal(shop, customer)

    shop.engine.cancel_in_portal(session, feedback="too_expensive")
    canceled = shop.read(subscription)
    assert (at(canceled.cancel_at), canceled.cancel_at_period_end) == ("2027-02-15T12:00", False)
    assert canceled.cancellation_details is not None
    assert canceled.cancellation_details.feedback == "too_expensive"
    shop.engine.keep_in_portal(session)

    assert (shop.read(subscription).cancel_at, shop.read(subscription).canceled_at) == (None, None)
    shop.engine.cancel_in_portal(session)
    shop.move(days=31)
    assert shop.read(subscription).status == "canceled"


def test_a_portal_upgrade_is_made_at_once_and_starts_a_new_cycle_where_it_is_configured_so(shop: Shop) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer, shop.pro)
    shop.move(days=10)
    session = portal(shop, customer, billing_cycle_anchor="now", proration_behavior="none")

    shop.engine.change_plan(session, price=shop.max.id)

    (item,) = items_of(shop.read(subscription))
    assert (item.price.lookup_key, at(item.current_period_start)) == ("plan.max.month", "2027-01-25T12:00")
    assert shop.invoice(subscription).amount_paid == 4900


def test_a_portal_decrease_waits_for_the_periods_end_under_a_schedule(shop: Shop) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer, shop.team, 5)
    session = portal(shop, customer)

    shop.engine.change_plan(session, price=shop.team.id, quantity=2)
    assert items_of(shop.read(subscription))[0].quantity == 5
    assert shop.read(subscription).schedule is not None
    shop.move(days=31, hours=1)

    assert items_of(shop.read(subscription))[0].quantity == 2
    assert shop.invoice(subscription).amount_paid == 9800


def test_a_portal_decrease_that_waits_can_be_taken_back_or_replaced(shop: Shop) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer, shop.team, 5)
    session = portal(shop, customer)
    shop.engine.change_plan(session, price=shop.team.id, quantity=2)

    shop.engine.keep_in_portal(session)
    assert shop.read(subscription).schedule is None
    shop.engine.change_plan(session, price=shop.team.id, quantity=2)
    shop.engine.change_plan(session, price=shop.team.id, quantity=6)

    assert (items_of(shop.read(subscription))[0].quantity, shop.read(subscription).schedule) == (6, None)


def test_a_portal_change_that_is_declined_changes_nothing(shop: Shop) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer, shop.pro)
    session = portal(shop, customer)
    shop.engine.fail_payments(customer.id)

    with pytest.raises(Exception, match="declined"):
        shop.engine.change_plan(session, price=shop.max.id)

    assert items_of(shop.read(subscription))[0].price.lookup_key == "plan.pro.month"
    assert shop.read(subscription).status == "active"


def test_in_the_portal_a_new_card_pays_what_is_open(shop: Shop) -> None:
    customer = shop.customer("pm_card_chargeCustomerFail")
    subscription = shop.subscribe(customer, shop.pro)
    session = portal(shop, customer)
    with pytest.raises(Exception, match="declined"):
        shop.engine.pay_in_portal(session, str(subscription.latest_invoice))

    shop.engine.use_method_in_portal(session, "pm_card_visa")
    shop.engine.pay_in_portal(session, str(subscription.latest_invoice))

    assert shop.read(subscription).status == "active"


def test_what_a_configuration_does_not_allow_is_refused(shop: Shop) -> None:
    customer = shop.customer()
    shop.subscribe(customer, shop.pro)
    session = shop.sdk.v1.billing_portal.sessions.create({"customer": customer.id}).id

    with pytest.raises(Exception, match="not configured for subscription_update"):
        shop.engine.change_plan(session, price=shop.max.id)


def test_a_configuration_is_updated_feature_by_feature(shop: Shop) -> None:
    configuration = configured(shop)

    changed = shop.sdk.v1.billing_portal.configurations.update(
        configuration.id, {"features": {"subscription_cancel": {"enabled": False}}, "metadata": {"catalog": "1"}}
    )

    assert changed.features.subscription_cancel.enabled is False
    assert changed.features.subscription_update.enabled is True
    listed = shop.sdk.v1.billing_portal.configurations.list({"active": True}).data
    assert [each.is_default for each in listed] == [False, True]


def test_a_flow_says_what_it_is_for(shop: Shop) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer, shop.pro)
    flow: Any = {
        "type": "subscription_cancel",
        "subscription_cancel": {"subscription": subscription.id},
        "after_completion": {"type": "redirect", "redirect": {"return_url": "https://example.com/done"}},
    }

    session = shop.sdk.v1.billing_portal.sessions.create({"customer": customer.id, "flow_data": flow})

    assert session.flow is not None
    assert session.flow.type == "subscription_cancel"
    assert session.flow.subscription_cancel is not None
    assert session.flow.subscription_cancel.subscription == subscription.id


# Webhook endpoints and events


def test_an_endpoint_shows_its_secret_once(shop: Shop) -> None:
    made = shop.sdk.v1.webhook_endpoints.create({"url": "https://example.com/hook", "enabled_events": ["*"]})
    assert str(made.secret).startswith("whsec_")
    assert "secret" not in shop.sdk.v1.webhook_endpoints.retrieve(made.id).to_dict()

    updated = shop.sdk.v1.webhook_endpoints.update(made.id, {"enabled_events": ["invoice.paid"]})
    assert updated.enabled_events == ["invoice.paid"]
    assert [each.id for each in shop.sdk.v1.webhook_endpoints.list({}).data] == [made.id]
    assert shop.sdk.v1.webhook_endpoints.delete(made.id).deleted is True
    with pytest.raises(stripe.InvalidRequestError, match="explicit scheme"):
        shop.sdk.v1.webhook_endpoints.create({"url": "example.com", "enabled_events": ["*"]})


def test_events_are_listed_for_thirty_days_and_found_by_type(shop: Shop) -> None:
    shop.subscribe(shop.customer(), shop.pro)

    paid = shop.sdk.v1.events.list({"types": ["invoice.paid", "invoice.created"]}).data
    assert [event.type for event in paid] == ["invoice.paid", "invoice.created"]
    assert shop.sdk.v1.events.retrieve(paid[0].id).data.object["status"] == "paid"
    assert shop.engine.events[-1]["request"]["idempotency_key"] is not None
    shop.move(days=32)

    assert {event.type for event in shop.sdk.v1.events.list({"type": "customer.*"}).data} == {
        "customer.subscription.updated"
    }
    # Nobody asked for a renewal.
    assert shop.engine.events[-1]["request"] == {"id": None, "idempotency_key": None}
