"""Invoices: drafted, finalized, paid by the customer's payment method, retried, voided; and what waits for one."""

from collections.abc import Sequence

from local.stripe import methods, payments, standing
from local.stripe.fault import declined, invalid
from local.stripe.paging import PAGING, newest, page
from local.stripe.params import Params
from local.stripe.period import Span
from local.stripe.state import State, Thing, require

# An invoice shows this many of its lines; the rest are at /v1/invoices/{id}/lines.
LINES_SHOWN = 10

# "The minimum charge amount": what is less is kept on the customer's balance for the next invoice.
LEAST_CHARGE_CENTS = 50

DAY_SECONDS = 86_400


# Items that wait


def wait(state: State, subscription: Thing, lines: Sequence[Thing]) -> None:
    """Makes invoice items of a change's prorations. They are on the next invoice of the subscription."""
    for line in lines:
        details = line["parent"]["subscription_item_details"]
        item: Thing = {
            "id": state.new_id("invoiceitem"),
            "object": "invoiceitem",
            "amount": line["amount"],
            "currency": line["currency"],
            "customer": subscription["customer"],
            "customer_account": None,
            "date": state.instant,
            "description": line["description"],
            "discountable": False,
            "discounts": [],
            "invoice": None,
            "livemode": False,
            "metadata": {},
            "net_amount": line["amount"],
            "parent": {
                "subscription_details": {
                    "subscription": subscription["id"],
                    "subscription_item": details["subscription_item"],
                },
                "type": "subscription_details",
            },
            "period": dict(line["period"]),
            "pricing": line["pricing"],
            "proration": True,
            "proration_details": {"credited_items": None, "discount_amounts": []},
            "quantity": line["quantity"],
            "quantity_decimal": line["quantity_decimal"],
            "tax_rates": [],
            "test_clock": None,
        }
        details["invoice_item"] = item["id"]
        _keep_waiting(state, item, line)


def create_item(state: State, params: Params) -> Thing:
    """An item of an operator's own: an amount, or a one-time price."""
    params.only("customer", "amount", "currency", "description", "metadata", "pricing", "quantity", "subscription")
    customer = state.referred("customer", params.required("customer"), "customer")
    quantity = params.integer("quantity", 1, lowest=0) or 0
    pricing = None
    if "pricing" in params:
        price = state.referred("price", params.part("pricing").required("price"), "pricing[price]")
        amount = price["unit_amount"] * quantity
        pricing = {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        }
        currency = price["currency"]
    else:
        given = params.integer("amount", lowest=-99_999_999)
        if given is None:
            raise params.lacks("amount")
        amount, currency = given, params.required("currency").lower()
    subscription = params.text("subscription")
    if subscription is not None:
        state.referred("subscription", subscription, "subscription")
    item: Thing = {
        "id": state.new_id("invoiceitem"),
        "object": "invoiceitem",
        "amount": amount,
        "currency": currency,
        "customer": customer["id"],
        "customer_account": None,
        "date": state.instant,
        "description": params.text("description"),
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": params.metadata(),
        "net_amount": amount,
        "parent": subscription
        and {
            "subscription_details": {"subscription": subscription, "subscription_item": None},
            "type": "subscription_details",
        },
        "period": {"start": state.instant, "end": state.instant},
        "pricing": pricing,
        "proration": False,
        "proration_details": None,
        "quantity": quantity,
        "quantity_decimal": str(quantity),
        "tax_rates": [],
        "test_clock": None,
    }
    line: Thing = {
        "id": state.new_id("line_item"),
        "object": "line_item",
        "amount": amount,
        "currency": currency,
        "description": item["description"],
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": dict(item["metadata"]),
        "parent": {
            "invoice_item_details": {
                "invoice_item": item["id"],
                "proration": False,
                "proration_details": {"credited_items": None},
                "subscription": subscription,
            },
            "subscription_item_details": None,
            "type": "invoice_item_details",
        },
        "period": dict(item["period"]),
        "pretax_credit_amounts": [],
        "pricing": pricing,
        "quantity": quantity,
        "quantity_decimal": str(quantity),
        "subscription": subscription,
        "subtotal": amount,
        "taxes": [],
    }
    _keep_waiting(state, item, line)
    return item


def retrieve_item(state: State, _: Params, name: str) -> Thing:
    return state.get("invoiceitem", name)


def delete_item(state: State, params: Params, name: str) -> Thing:
    params.only()
    item = state.require_alive(state.get("invoiceitem", name))
    require(item["invoice"] is None, "You cannot delete an invoice item that is attached to an invoice.")
    state.notes[item["customer"]]["waiting"].remove(name)
    state.emit("invoiceitem.deleted", item)
    return state.remove(item)


def list_items(state: State, params: Params) -> Thing:
    params.only("customer", "invoice", "pending", "created", *PAGING)
    equal = {name: params.text(name) for name in ("customer", "invoice") if name in params}
    pending = params.text("pending")

    def matches(item: Thing) -> bool:
        return all(item[name] == value for name, value in equal.items()) and (
            pending is None or (item["invoice"] is None) == (pending == "true")
        )

    return newest(state, "invoiceitem", params, "/v1/invoiceitems", matches)


def _keep_waiting(state: State, item: Thing, line: Thing) -> None:
    state.add(item, line=line)
    state.notes[item["customer"]].setdefault("waiting", []).append(item["id"])
    state.emit("invoiceitem.created", item)


def _take_waiting(state: State, customer: str, subscription: Thing | None) -> list[Thing]:
    """The items that go on an invoice of this subscription, or on one that is made by hand. They wait no more."""
    waiting = state.notes[customer].get("waiting", [])
    taken = []
    for item in map(state.objects.__getitem__, waiting):
        details = (item["parent"] or {}).get("subscription_details")
        if details is None or subscription is None or details["subscription"] == subscription["id"]:
            taken.append(item)
    names = {item["id"] for item in taken}
    state.notes[customer]["waiting"] = [each for each in waiting if each not in names]
    return taken


# The life of an invoice


def draft(
    state: State,
    customer: str,
    lines: Sequence[Thing],
    *,
    reason: str,
    span: Span,
    subscription: Thing | None = None,
) -> Thing:
    """A new invoice with these lines and every item that waited for it. It is the subscription's latest."""
    owner = state.objects[customer]
    name = state.new_id("invoice")
    parent = subscription and {
        "quote_details": None,
        "subscription_details": {
            "metadata": dict(subscription["metadata"]),
            "subscription": subscription["id"],
            "subscription_proration_date": None,
        },
        "type": "subscription_details",
    }
    invoice: Thing = {
        "id": name,
        "object": "invoice",
        "account_country": "US",
        "account_name": "InfuseOS (local)",
        "account_tax_ids": None,
        "amount_due": 0,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_paid_off_stripe": None,
        "amount_remaining": 0,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "automatically_finalizes_at": None,
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "created": state.instant,
        "currency": "usd",
        "custom_fields": None,
        "customer": customer,
        "customer_account": None,
        "customer_address": owner.get("address"),
        "customer_email": owner.get("email"),
        "customer_name": owner.get("name"),
        "customer_phone": owner.get("phone"),
        "customer_shipping": None,
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "due_date": None,
        "effective_at": None,
        "ending_balance": None,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "lines": {},
        "livemode": False,
        "metadata": {},
        "next_payment_attempt": None,
        "number": None,
        "on_behalf_of": None,
        "parent": parent,
        "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
        "period_end": span.end,
        "period_start": span.start,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": owner.get("balance", 0),
        "statement_descriptor": None,
        "status": "draft",
        "status_details": None,
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "subtotal": 0,
        "subtotal_excluding_tax": 0,
        "test_clock": None,
        "threshold_reason": None,
        "total": 0,
        "total_discount_amounts": [],
        "total_excluding_tax": 0,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": None,
    }
    waiting = _take_waiting(state, customer, subscription)
    for item in waiting:
        item["invoice"] = name
    every = [*(state.notes[item["id"]]["line"] for item in waiting), *lines]
    for line in every:
        line["invoice"] = name
    total = sum(line["amount"] for line in every)
    url = f"/v1/invoices/{name}/lines"
    invoice["lines"] = {
        "object": "list",
        "data": every[:LINES_SHOWN],
        "has_more": len(every) > LINES_SHOWN,
        "total_count": len(every),
        "url": url,
    }
    if every:
        invoice["currency"] = every[0]["currency"]
    invoice |= {"subtotal": total, "subtotal_excluding_tax": total, "total": total, "total_excluding_tax": total}
    invoice["amount_due"] = invoice["amount_remaining"] = max(0, total + min(0, owner.get("balance", 0)))
    state.add(invoice, lines=every, items=[item["id"] for item in waiting], payment_intent=None)
    if subscription is not None:
        subscription["latest_invoice"] = name
    state.emit("invoice.created", invoice)
    return invoice


def finalize(state: State, invoice: Thing) -> None:
    """Makes a draft final: it has a number, what the customer's balance covers is taken off, and the rest is due."""
    customer = state.objects[invoice["customer"]]
    state.agenda.put("finalize", invoice["id"], None)
    balance, total = customer.get("balance", 0), invoice["total"]
    due = max(0, total + balance)
    if 0 < due < LEAST_CHARGE_CENTS:
        left, due = due, 0
    else:
        left = min(0, total + balance)
    if left != balance:
        with state.changing(customer, "customer.updated"):
            customer["balance"] = left
    invoice["number"] = f"{customer.get('invoice_prefix', 'LOCAL')}-{customer.get('next_invoice_sequence', 1):04}"
    customer["next_invoice_sequence"] = customer.get("next_invoice_sequence", 1) + 1
    invoice |= {
        "status": "open",
        "starting_balance": balance,
        "ending_balance": left,
        "amount_due": due,
        "amount_remaining": due,
        "automatically_finalizes_at": None,
        "effective_at": state.instant,
        "hosted_invoice_url": f"{state.origin}/pages/invoices/{invoice['id']}",
    }
    _transition(state, invoice, "finalized_at")
    if due:
        _open_payment(state, invoice)
    state.emit("invoice.finalized", invoice)


def collect(state: State, invoice: Thing, *, method: Thing | None = None, by_hand: bool = False) -> bool:
    """Tries to pay an open invoice with this payment method, or the one that the customer has for it.

    True where that was enough. A try that fails counts towards the schedule of retries; one `by_hand` only if it is the
    first.
    """
    if not invoice["amount_remaining"]:
        _paid(state, invoice, attempted=False)
        return True
    subscription = standing.subscription_of(state, invoice)
    method = method or methods.of_customer(state, invoice["customer"], subscription)
    intent = state.objects[state.notes[invoice["id"]]["payment_intent"]]
    if intent["status"] == "processing" and not by_hand:
        return False  # somebody has paid by bank meanwhile: what comes of that is heard of
    status = payments.confirm_intent(state, intent, method) if method is not None else intent["status"]
    counts = not (by_hand and invoice["attempted"])
    before = {name: invoice[name] for name in ("attempt_count", "attempted", "next_payment_attempt")}
    if counts:
        invoice |= {"attempt_count": invoice["attempt_count"] + 1, "attempted": True, "next_payment_attempt": None}
        state.agenda.put("retry", invoice["id"], None)
    if status == "succeeded":
        _paid(state, invoice)
    elif status != "processing" and counts:
        _failed(state, invoice, before)
    elif status != "processing":
        state.emit("invoice.payment_failed", invoice)
    return status == "succeeded"


def settled(state: State, intent: Thing) -> None:
    """The bank debit of an invoice has come, or has not."""
    name = state.notes[intent["id"]].get("invoice")
    if name is None:
        return
    invoice = state.objects[name]
    if invoice["status"] != "open":
        return
    if intent["status"] == "succeeded":
        _paid(state, invoice)
    else:
        _failed(state, invoice, {"next_payment_attempt": invoice["next_payment_attempt"]})


def void(state: State, invoice: Thing) -> None:
    """An open invoice that nobody has to pay: as if it had never been."""
    require(invoice["status"] in {"open", "uncollectible"}, f"You can't void a {invoice['status']} invoice.")
    _close(state, invoice, "void", "voided_at", "invoice.voided")


def mark_uncollectible(state: State, invoice: Thing) -> None:
    """An open invoice that will not be paid: bad debt."""
    require(invoice["status"] == "open", f"A {invoice['status']} invoice cannot be marked uncollectible.")
    _close(state, invoice, "uncollectible", "marked_uncollectible_at", "invoice.marked_uncollectible")


def _open_payment(state: State, invoice: Thing) -> None:
    what = {"subscription_create": "Subscription creation", "subscription_update": "Subscription update"}
    intent = payments.open_intent(
        state,
        amount=invoice["amount_due"],
        currency=invoice["currency"],
        customer=invoice["customer"],
        description=what.get(invoice["billing_reason"], "Payment for Invoice"),
        metadata={},
    )
    payment = state.add(
        {
            "id": state.new_id("invoice_payment"),
            "object": "invoice_payment",
            "amount_paid": None,
            "amount_requested": invoice["amount_due"],
            "created": state.instant,
            "currency": invoice["currency"],
            "invoice": invoice["id"],
            "is_default": True,
            "livemode": False,
            "payment": {"payment_intent": intent["id"], "type": "payment_intent"},
            "status": "open",
            "status_transitions": {"canceled_at": None, "paid_at": None},
        },
        customer=invoice["customer"],
    )
    state.notes[invoice["id"]] |= {"payment_intent": intent["id"], "payment": payment["id"]}
    state.notes[intent["id"]]["invoice"] = invoice["id"]


def _paid(state: State, invoice: Thing, *, attempted: bool = True) -> None:
    amount = invoice["amount_remaining"]
    state.agenda.drop(invoice["id"])
    invoice |= {
        "status": "paid",
        "attempted": True,
        "auto_advance": False,
        "amount_paid": amount,
        "amount_remaining": 0,
        "next_payment_attempt": None,
    }
    _transition(state, invoice, "paid_at")
    if attempted:
        payment = state.objects[state.notes[invoice["id"]]["payment"]]
        payment |= {"status": "paid", "amount_paid": amount}
        payment["status_transitions"] = {"canceled_at": None, "paid_at": state.instant}
        state.emit("invoice_payment.paid", payment)
    state.emit("invoice.paid", invoice)
    state.emit("invoice.payment_succeeded", invoice)
    standing.paid(state, invoice)


def _failed(state: State, invoice: Thing, before: Thing) -> None:
    """Counts the try, and says when the next one is, or that there is none any more."""
    subscription = standing.subscription_of(state, invoice)
    tries = state.policy.retry_after_days
    retried = (
        invoice["auto_advance"] and subscription is not None and subscription["status"] not in {"incomplete", "paused"}
    )
    again = retried and 0 < invoice["attempt_count"] <= len(tries)
    if again:
        at = state.instant + tries[invoice["attempt_count"] - 1] * DAY_SECONDS
        invoice["next_payment_attempt"] = at
        state.agenda.put("retry", invoice["id"], at)
    state.emit("invoice.payment_failed", invoice)
    state.emit("invoice.updated", invoice, previous=before)
    standing.owed(state, invoice)
    if retried and not again:
        standing.given_up(state, invoice)


def _close(state: State, invoice: Thing, status: str, moment: str, event: str) -> None:
    intent = state.notes[invoice["id"]]["payment_intent"]
    if intent is not None:
        payments.cancel_intent(state, state.objects[intent], "void_invoice")
    state.agenda.drop(invoice["id"])
    with state.changing(invoice, event):
        invoice |= {"status": status, "auto_advance": False, "next_payment_attempt": None}
        _transition(state, invoice, moment)
    standing.forgiven(state, invoice)


def _transition(state: State, invoice: Thing, moment: str) -> None:
    invoice["status_transitions"] = {**invoice["status_transitions"], moment: state.instant}


# Requests


def create(state: State, params: Params) -> Thing:
    """An invoice by hand, of every item that waits."""
    params.only("customer", "auto_advance", "description", "metadata", "pending_invoice_items_behavior", "subscription")
    customer = state.referred("customer", params.required("customer"), "customer")
    name = params.text("subscription")
    subscription = state.referred("subscription", name, "subscription") if name else None
    span = Span(state.instant, state.instant)
    invoice = draft(state, customer["id"], [], reason="manual", span=span, subscription=subscription)
    invoice["auto_advance"] = params.boolean("auto_advance")
    invoice["description"] = params.text("description")
    invoice["metadata"] = params.metadata()
    return invoice


def retrieve(state: State, _: Params, name: str) -> Thing:
    return state.get("invoice", name)


def update(state: State, params: Params, name: str) -> Thing:
    params.only("auto_advance", "description", "metadata", "default_payment_method")
    invoice = state.get("invoice", name)
    metadata = params.metadata(invoice["metadata"])
    with state.changing(invoice, "invoice.updated"):
        invoice["metadata"] = metadata
        invoice["description"] = params.text("description", invoice["description"])
        invoice["auto_advance"] = params.boolean("auto_advance", default=invoice["auto_advance"])
    if invoice["status"] == "draft":
        at = state.instant + state.policy.draft_seconds if invoice["auto_advance"] else None
        state.agenda.put("finalize", name, at)
    return invoice


def delete(state: State, params: Params, name: str) -> Thing:
    params.only()
    invoice = state.require_alive(state.get("invoice", name))
    require(
        invoice["status"] == "draft" and standing.subscription_of(state, invoice) is None,
        "You can only delete draft invoices that no subscription made.",
    )
    state.agenda.drop(name)
    for item in state.notes[name]["items"]:
        state.objects[item]["invoice"] = None
        state.notes[invoice["customer"]]["waiting"].append(item)
    state.emit("invoice.deleted", invoice)
    return state.remove(invoice)


def list_all(state: State, params: Params) -> Thing:
    params.only("customer", "subscription", "status", "collection_method", "created", *PAGING)
    customer, subscription, status = params.text("customer"), params.text("subscription"), params.text("status")

    def matches(invoice: Thing) -> bool:
        details = (invoice["parent"] or {}).get("subscription_details") or {}
        return (
            customer in {None, invoice["customer"]}
            and subscription in {None, details.get("subscription")}
            and status in {None, invoice["status"]}
        )

    return newest(state, "invoice", params, "/v1/invoices", matches)


def list_lines(state: State, params: Params, name: str) -> Thing:
    params.only(*PAGING)
    state.require_alive(state.get("invoice", name))
    return page(state.notes[name]["lines"], params, f"/v1/invoices/{name}/lines")


def finalize_by_request(state: State, params: Params, name: str) -> Thing:
    params.only("auto_advance")
    invoice = state.get("invoice", name)
    require(
        invoice["status"] == "draft",
        "This invoice is already finalized, you can't re-finalize a non-draft invoice.",
        code="invoice_not_editable",
    )
    finalize(state, invoice)
    if params.boolean("auto_advance", default=bool(invoice["auto_advance"])) or not invoice["amount_remaining"]:
        collect(state, invoice)
    return invoice


def pay(state: State, params: Params, name: str) -> Thing:
    """Pays now. Raises a 402 where the payment is declined, and the invoice stays open."""
    params.only("payment_method", "paid_out_of_band", "off_session", "forgive")
    invoice = state.get("invoice", name)
    if invoice["status"] == "draft":
        finalize(state, invoice)
    require(invoice["status"] != "paid", "Invoice is already paid", code="invoice_already_paid")
    require(invoice["status"] in {"open", "uncollectible"}, f"You cannot pay a {invoice['status']} invoice.")
    if params.boolean("paid_out_of_band"):
        intent = state.notes[name]["payment_intent"]
        if intent is not None:
            payments.cancel_intent(state, state.objects[intent], "automatic")
        invoice["amount_paid_off_stripe"] = invoice["amount_remaining"]
        _paid(state, invoice, attempted=False)
        return invoice
    subscription = standing.subscription_of(state, invoice)
    chosen = params.text("payment_method")
    method = methods.named(state, chosen) if chosen else None
    method = method or methods.of_customer(state, invoice["customer"], subscription)
    if method is None and invoice["amount_remaining"]:
        raise invalid(
            "There is no `default_payment_method` set on this Customer or Invoice. Please set one first.",
            code="resource_missing",
        )
    collect(state, invoice, method=method, by_hand=True)
    if invoice["status"] == "open" and method is not None and not methods.behind(state, method).settles:
        intent = state.objects[state.notes[name]["payment_intent"]]
        raise declined(intent["last_payment_error"]["decline_code"], charge=intent["latest_charge"])
    return invoice


def void_by_request(state: State, params: Params, name: str) -> Thing:
    params.only()
    invoice = state.get("invoice", name)
    void(state, invoice)
    return invoice


def mark_by_request(state: State, params: Params, name: str) -> Thing:
    params.only()
    invoice = state.get("invoice", name)
    mark_uncollectible(state, invoice)
    return invoice


def retrieve_payment(state: State, _: Params, name: str) -> Thing:
    return state.get("invoice_payment", name)


def list_payments(state: State, params: Params) -> Thing:
    """The payments of an invoice, or the one that a payment intent is: the way from a charge to its invoice."""
    params.only("invoice", "payment", "status", "created", *PAGING)
    invoice, status = params.text("invoice"), params.text("status")
    of = params.part("payment")
    of.only("type", "payment_intent")
    intent = of.text("payment_intent")

    def matches(payment: Thing) -> bool:
        return (
            invoice in {None, payment["invoice"]}
            and status in {None, payment["status"]}
            and intent in {None, payment["payment"]["payment_intent"]}
        )

    return newest(state, "invoice_payment", params, "/v1/invoice_payments", matches)
