"""Money: payment intents, the charges they make, refunds, and disputes."""

from copy import deepcopy

from local.stripe import methods
from local.stripe.fault import declined, invalid
from local.stripe.paging import PAGING, newest
from local.stripe.params import Params
from local.stripe.state import State, Thing, require

# The evidence with which a dispute in test mode is decided at once (https://docs.stripe.com/testing#disputes).
WINNING, LOSING = "winning_evidence", "losing_evidence"

# "Your business has 7 to 21 days to respond", by network.
EVIDENCE_DUE_SECONDS = 9 * 86_400


# Payment intents


def open_intent(
    state: State, *, amount: int, currency: str, customer: str | None, description: str | None, metadata: Thing
) -> Thing:
    """A new payment intent that waits for a payment method."""
    name = state.new_id("payment_intent")
    intent: Thing = {
        "id": name,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": {"allow_redirects": "always", "enabled": True},
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": f"{name}_secret_{state.new_id('request').removeprefix('req_')}",
        "confirmation_method": "automatic",
        "created": state.instant,
        "currency": currency,
        "customer": customer,
        "customer_account": None,
        "description": description,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": metadata,
        "next_action": None,
        "payment_method": None,
        "payment_method_types": ["card", "us_bank_account"],
        "processing": None,
        "receipt_email": None,
        "setup_future_usage": None,
        "status": "requires_payment_method",
    }
    state.add(intent)
    state.emit("payment_intent.created", intent)
    return intent


def outlook(state: State, customer: str | None, method: Thing | None) -> str | None:
    """The code with which a charge would be declined; None where it would not."""
    if method is None:
        return "generic_decline"
    if methods.behind(state, method).settles:
        return None
    return state.failing.get(customer or "") or methods.behind(state, method).decline


def confirm_intent(state: State, intent: Thing, method: Thing) -> str:
    """Charges the payment method. Returns the intent's status: succeeded, processing, or requires_payment_method."""
    require(
        intent["status"] != "processing",
        "A payment is already processing.",
        code="payment_intent_unexpected_state",
    )
    decline = outlook(state, intent["customer"], method)
    intent["payment_method"] = method["id"]
    charge = _charge(state, intent, method)
    intent["latest_charge"] = charge["id"]
    if methods.behind(state, method).settles:
        intent["status"] = "processing"
        intent["processing"] = {"type": method["type"]}
        state.emit("charge.pending", charge)
        state.emit("payment_intent.processing", intent)
        state.agenda.put("settle", intent["id"], state.instant + methods.SETTLES_AFTER_SECONDS)
    elif decline is None:
        _succeed(state, intent, charge)
    else:
        _fail(state, intent, charge, decline)
    return str(intent["status"])


def settle_intent(state: State, intent: Thing, *, comes: bool | None = None) -> str:
    """What a bank debit comes to: the money `comes`, or does not; None leaves it to the bank account."""
    require(intent["status"] == "processing", "This payment is not processing.")
    state.agenda.put("settle", intent["id"], None)
    charge = state.objects[intent["latest_charge"]]
    method = state.objects[intent["payment_method"]]
    decline = state.failing.get(intent["customer"] or "") or methods.behind(state, method).decline
    if comes is not None:
        decline = None if comes else decline or "insufficient_funds"
    intent["processing"] = None
    if decline is None:
        _succeed(state, intent, charge)
    else:
        _fail(state, intent, charge, decline)
    return str(intent["status"])


def cancel_intent(state: State, intent: Thing, reason: str) -> None:
    """Nobody pays this any more. One that has ended stays as it is."""
    if intent["status"] not in {"succeeded", "canceled", "processing"}:
        intent |= {"status": "canceled", "canceled_at": state.instant, "cancellation_reason": reason}
        state.emit("payment_intent.canceled", intent)


def create_intent(state: State, params: Params) -> Thing:
    params.only(
        *("amount", "currency", "customer", "payment_method", "confirm", "off_session", "description", "metadata"),
        *("automatic_payment_methods", "payment_method_types", "receipt_email", "setup_future_usage"),
        *("statement_descriptor", "statement_descriptor_suffix", "error_on_requires_action", "shipping"),
    )
    amount = params.integer("amount", lowest=1)
    if amount is None:
        raise params.lacks("amount")
    customer = params.text("customer")
    if customer is not None:
        state.referred("customer", customer, "customer")
    chosen = params.text("payment_method")
    method = methods.named(state, chosen) if chosen is not None else None
    require(
        method is None or method["customer"] in {None, customer},
        "The provided PaymentMethod belongs to another Customer.",
        param="payment_method",
    )
    intent = open_intent(
        state,
        amount=amount,
        currency=params.required("currency").lower(),
        customer=customer,
        description=params.text("description"),
        metadata=params.metadata(),
    )
    intent["shipping"] = params.mapping("shipping") or None
    if method is not None:
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    return _confirmed(state, intent) if params.boolean("confirm") else intent


def retrieve_intent(state: State, _: Params, name: str) -> Thing:
    return state.get("payment_intent", name)


def update_intent(state: State, params: Params, name: str) -> Thing:
    params.only("metadata", "description", "payment_method", "receipt_email", "setup_future_usage")
    intent = state.get("payment_intent", name)
    metadata = params.metadata(intent["metadata"])
    if chosen := params.text("payment_method"):
        _require_open(intent)
        intent |= {"payment_method": methods.named(state, chosen)["id"], "status": "requires_confirmation"}
    intent["metadata"] = metadata
    intent["description"] = params.text("description", intent["description"])
    return intent


def confirm_by_request(state: State, params: Params, name: str) -> Thing:
    params.only("payment_method", "off_session", "return_url")
    intent = state.get("payment_intent", name)
    _require_open(intent)
    if chosen := params.text("payment_method"):
        intent["payment_method"] = methods.named(state, chosen)["id"]
    return _confirmed(state, intent)


def cancel_by_request(state: State, params: Params, name: str) -> Thing:
    params.only("cancellation_reason")
    intent = state.get("payment_intent", name)
    _require_open(intent)
    cancel_intent(state, intent, params.text("cancellation_reason") or "requested_by_customer")
    return intent


def list_intents(state: State, params: Params) -> Thing:
    params.only("customer", "created", *PAGING)
    customer = params.text("customer")
    url = "/v1/payment_intents"
    return newest(state, "payment_intent", params, url, lambda each: customer in {None, each["customer"]})


def _confirmed(state: State, intent: Thing) -> Thing:
    """The intent after its confirmation. Raises a 402 with it where the payment was declined."""
    if intent["payment_method"] is None:
        raise invalid(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            code="payment_intent_unexpected_state",
        )
    confirm_intent(state, intent, state.objects[intent["payment_method"]])
    if intent["status"] == "requires_payment_method":
        error = intent["last_payment_error"]
        raise declined(error["decline_code"], charge=intent["latest_charge"], payment_intent=deepcopy(intent))
    return intent


def _require_open(intent: Thing) -> None:
    require(
        intent["status"] in {"requires_payment_method", "requires_confirmation"},
        f"This PaymentIntent's state is {intent['status']}: it cannot be changed any more.",
        code="payment_intent_unexpected_state",
    )


# Charges


def _charge(state: State, intent: Thing, method: Thing) -> Thing:
    charge: Thing = {
        "id": state.new_id("charge"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": dict(method["billing_details"]),
        "calculated_statement_descriptor": "INFUSEOS",
        "captured": False,
        "created": state.instant,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "on_behalf_of": None,
        "outcome": None,
        "paid": False,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {"type": method["type"], method["type"]: dict(method[method["type"]])},
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "pending",
        "transfer_data": None,
        "transfer_group": None,
    }
    return state.add(charge)


def _succeed(state: State, intent: Thing, charge: Thing) -> None:
    charge |= {"status": "succeeded", "paid": True, "captured": True, "amount_captured": charge["amount"]}
    charge["outcome"] = {
        "network_status": "approved_by_network",
        "reason": None,
        "risk_level": "normal",
        "seller_message": "Payment complete.",
        "type": "authorized",
    }
    intent |= {"status": "succeeded", "amount_received": intent["amount"], "last_payment_error": None}
    state.emit("charge.succeeded", charge)
    state.emit("payment_intent.succeeded", intent)
    if methods.behind(state, state.objects[charge["payment_method"]]).disputed:
        open_dispute(state, charge)


def _fail(state: State, intent: Thing, charge: Thing, decline: str) -> None:
    error = declined(decline).error
    method = state.objects[charge["payment_method"]]
    charge |= {"status": "failed", "failure_code": error["code"], "failure_message": error["message"]}
    charge["outcome"] = {
        "network_status": "declined_by_network",
        "reason": decline,
        "risk_level": "normal",
        "seller_message": "The bank did not return any further details with this decline.",
        "type": "issuer_declined",
    }
    intent["last_payment_error"] = {**error, "charge": charge["id"], "payment_method": deepcopy(method)}
    intent |= {"status": "requires_payment_method", "payment_method": None}
    state.emit("charge.failed", charge)
    state.emit("payment_intent.payment_failed", intent)


def retrieve_charge(state: State, _: Params, name: str) -> Thing:
    return state.get("charge", name)


def update_charge(state: State, params: Params, name: str) -> Thing:
    params.only("metadata", "description", "receipt_email")
    charge = state.get("charge", name)
    metadata = params.metadata(charge["metadata"])
    with state.changing(charge, "charge.updated"):
        charge["metadata"] = metadata
        charge["description"] = params.text("description", charge["description"])
    return charge


def list_charges(state: State, params: Params) -> Thing:
    params.only("customer", "payment_intent", "created", *PAGING)
    equal = {name: params.text(name) for name in ("customer", "payment_intent") if name in params}

    def matches(charge: Thing) -> bool:
        return all(charge[name] == value for name, value in equal.items())

    return newest(state, "charge", params, "/v1/charges", matches)


# Refunds


def create_refund(state: State, params: Params) -> Thing:
    """Gives back the whole of what is left of a charge, or an amount of it."""
    params.only("charge", "payment_intent", "amount", "reason", "metadata")
    charge = _charge_to_refund(state, params)
    left = charge["amount"] - charge["amount_refunded"]
    require(left > 0, f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    amount = params.integer("amount", left, lowest=1) or left
    require(
        amount <= left,
        f"Refund amount ({_dollars(amount)}) is greater than unrefunded amount on charge ({_dollars(left)})",
        param="amount",
    )
    metadata = params.metadata()
    reason = params.text("reason")
    refund: Thing = {
        "id": state.new_id("refund"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": state.instant,
        "currency": charge["currency"],
        "destination_details": {"type": charge["payment_method_details"]["type"]},
        "metadata": metadata,
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "pending_reason": None,
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }
    state.add(refund)
    before = {"amount_refunded": charge["amount_refunded"], "refunded": charge["refunded"]}
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    state.emit("refund.created", refund)
    state.emit("charge.refunded", charge, previous=before)
    return refund


def retrieve_refund(state: State, _: Params, name: str) -> Thing:
    return state.get("refund", name)


def update_refund(state: State, params: Params, name: str) -> Thing:
    params.only("metadata")
    refund = state.get("refund", name)
    metadata = params.metadata(refund["metadata"])
    with state.changing(refund, "refund.updated"):
        refund["metadata"] = metadata
    return refund


def list_refunds(state: State, params: Params) -> Thing:
    params.only("charge", "payment_intent", "created", *PAGING)
    equal = {name: params.text(name) for name in ("charge", "payment_intent") if name in params}

    def matches(refund: Thing) -> bool:
        return all(refund[name] == value for name, value in equal.items())

    return newest(state, "refund", params, "/v1/refunds", matches)


def _charge_to_refund(state: State, params: Params) -> Thing:
    if name := params.text("charge"):
        charge = state.referred("charge", name, "charge")
    else:
        if "payment_intent" not in params:
            raise invalid("One of the following params should be provided for this request: payment_intent or charge.")
        intent = state.referred("payment_intent", params.required("payment_intent"), "payment_intent")
        require(
            intent["latest_charge"] is not None,
            "This PaymentIntent does not have a successful charge to refund.",
            param="payment_intent",
        )
        charge = state.objects[intent["latest_charge"]]
    require(charge["status"] == "succeeded", f"Charge {charge['id']} was not paid, so there is nothing to refund.")
    lost = any(each["charge"] == charge["id"] and each["status"] != "won" for each in state.all("dispute"))
    require(not lost, f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed")
    return charge


def _dollars(cents: int) -> str:
    return f"${cents // 100:,}.{cents % 100:02}"


# Disputes


def open_dispute(state: State, charge: Thing, *, reason: str = "fraudulent", amount: int | None = None) -> Thing:
    """The payer tells their bank that they want the money back, and the bank takes it until the dispute is decided."""
    require(charge["status"] == "succeeded" and not charge["disputed"], "This charge cannot be disputed.")
    dispute: Thing = {
        "id": state.new_id("dispute"),
        "object": "dispute",
        "amount": charge["amount"] - charge["amount_refunded"] if amount is None else amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": state.instant,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {"uncategorized_text": None},
        "evidence_details": {
            "due_by": state.instant + EVIDENCE_DUE_SECONDS,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "intended_submission_method": None,
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "network_reason_code": None,
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "card": {"brand": "visa", "case_type": "chargeback", "network_reason_code": "10.4"},
            "type": "card",
        },
        "reason": reason,
        "status": "needs_response",
    }
    state.add(dispute)
    with state.changing(charge, "charge.updated"):
        charge["disputed"] = True
    state.emit("charge.dispute.created", dispute)
    state.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def decide_dispute(state: State, dispute: Thing, *, won: bool) -> Thing:
    """The bank decides: `won`, the money comes back; lost, it stays with the payer."""
    require(dispute["status"] in {"needs_response", "under_review"}, "This dispute is already closed.")
    with state.changing(dispute, "charge.dispute.closed"):
        dispute["status"] = "won" if won else "lost"
    if won:
        state.emit("charge.dispute.funds_reinstated", dispute)
    return dispute


def retrieve_dispute(state: State, _: Params, name: str) -> Thing:
    return state.get("dispute", name)


def update_dispute(state: State, params: Params, name: str) -> Thing:
    """Takes evidence. Submitted, it is reviewed; Stripe's test evidence decides at once."""
    params.only("evidence", "metadata", "submit", "intended_submission_method")
    dispute = state.get("dispute", name)
    require(dispute["status"] == "needs_response", "This dispute is already closed.")
    metadata = params.metadata(dispute["metadata"])
    evidence = params.mapping("evidence")
    with state.changing(dispute, "charge.dispute.updated"):
        dispute["metadata"] = metadata
        if evidence:
            dispute["evidence"] = {**dispute["evidence"], **evidence}
            dispute["evidence_details"] = {**dispute["evidence_details"], "has_evidence": True}
        if "evidence" in params and params.boolean("submit", default=True):
            dispute["status"] = "under_review"
    if dispute["status"] == "under_review" and evidence.get("uncategorized_text") in {WINNING, LOSING}:
        decide_dispute(state, dispute, won=evidence["uncategorized_text"] == WINNING)
    return dispute


def close_dispute(state: State, params: Params, name: str) -> Thing:
    """Accepts the dispute: it is lost."""
    params.only()
    return decide_dispute(state, state.get("dispute", name), won=False)


def list_disputes(state: State, params: Params) -> Thing:
    params.only("charge", "payment_intent", "created", *PAGING)
    equal = {name: params.text(name) for name in ("charge", "payment_intent") if name in params}

    def matches(dispute: Thing) -> bool:
        return all(dispute[name] == value for name, value in equal.items())

    return newest(state, "dispute", params, "/v1/disputes", matches)
