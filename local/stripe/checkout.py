"""Checkout sessions: what somebody is asked to pay for, and what comes of it on the hosted page."""

from collections.abc import Callable, Sequence

from local.stripe import customers, methods, payments, standing, subscriptions
from local.stripe.fault import declined, invalid
from local.stripe.paging import PAGING, newest, page
from local.stripe.params import Params
from local.stripe.state import State, Thing, require

# "An open session expires 24 hours after it was created" unless it is told otherwise.
EXPIRES_SECONDS = 24 * 3600
EARLIEST_EXPIRY_SECONDS = 30 * 60

SHOWN_ONLY = (
    *("locale", "submit_type", "billing_address_collection", "allow_promotion_codes"),
    "payment_method_collection",
)
CREATE = (
    *("mode", "line_items", "success_url", "cancel_url", "customer", "customer_email", "client_reference_id"),
    *("metadata", "subscription_data", "payment_intent_data", "setup_intent_data", "expires_at", "currency"),
    *("customer_creation", "payment_method_types", "automatic_tax", "tax_id_collection", "customer_update"),
    *("saved_payment_method_options", "consent_collection", "payment_method_options", "custom_text", "ui_mode"),
    *SHOWN_ONLY,
)
SUBSCRIPTION_DATA = (
    *("metadata", "description", "trial_end", "trial_period_days", "trial_settings", "billing_mode"),
    *("billing_cycle_anchor", "proration_behavior"),
)


def create(state: State, params: Params) -> Thing:
    params.only(*CREATE)
    mode = params.choice("mode", ("payment", "setup", "subscription"), "payment")
    params.choice("ui_mode", ("hosted_page",), "hosted_page")
    params.required("success_url")
    customer = params.text("customer")
    if customer is not None:
        state.referred("customer", customer, "customer")
    items = _line_items(state, params, mode)
    require(bool(items) or mode == "setup", "Missing required param: line_items.", param="line_items")
    for name, allowed in (
        ("subscription_data", SUBSCRIPTION_DATA),
        ("payment_intent_data", ("metadata", "description", "receipt_email", "setup_future_usage")),
        ("setup_intent_data", ("metadata", "description")),
    ):
        params.part(name).only(*allowed)
    require(mode == "subscription" or "subscription_data" not in params, "subscription_data needs mode=subscription.")
    require(mode == "payment" or "payment_intent_data" not in params, "payment_intent_data needs mode=payment.")
    expires_at = params.integer("expires_at", state.instant + EXPIRES_SECONDS) or 0
    require(
        state.instant + EARLIEST_EXPIRY_SECONDS <= expires_at <= state.instant + EXPIRES_SECONDS,
        "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.",
        param="expires_at",
    )
    total = sum(item["amount_total"] for item in items)
    name = state.new_id("checkout.session")
    session: Thing = {
        "id": name,
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": False},
        "after_expiration": None,
        "amount_subtotal": total if items else None,
        "amount_total": total if items else None,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "cancel_url": params.text("cancel_url"),
        "client_reference_id": params.text("client_reference_id"),
        "client_secret": None,
        "collected_information": None,
        "consent": None,
        "consent_collection": None,
        "created": state.instant,
        "currency": items[0]["currency"] if items else params.text("currency", "usd"),
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": {"after_submit": None, "shipping_address": None, "submit": None},
        "customer": customer,
        "customer_account": None,
        "customer_creation": None if customer else params.text("customer_creation") or _creation(mode),
        "customer_details": None,
        "customer_email": params.text("customer_email"),
        "discounts": [],
        "expires_at": expires_at,
        "invoice": None,
        "invoice_creation": None,
        "livemode": False,
        "metadata": params.metadata(),
        "mode": mode,
        "payment_intent": None,
        "payment_link": None,
        "payment_method_options": {},
        "payment_method_types": params.texts("payment_method_types") or ["card", "us_bank_account"],
        "payment_status": "no_payment_required" if mode == "setup" else "unpaid",
        "phone_number_collection": {"enabled": False},
        "recovered_from": None,
        "saved_payment_method_options": None,
        "setup_intent": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "subscription": None,
        "success_url": params.text("success_url"),
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": f"{state.origin}/pages/checkout/{name}",
        **{field: params.text(field) for field in SHOWN_ONLY},
    }
    data = {each: params.mapping(each) for each in ("subscription_data", "payment_intent_data", "setup_intent_data")}
    state.add(session, line_items=items, **data)
    state.agenda.put("expire", name, expires_at)
    return session


def retrieve(state: State, _: Params, name: str) -> Thing:
    return state.get("checkout.session", name)


def update(state: State, params: Params, name: str) -> Thing:
    params.only("metadata")
    session = state.get("checkout.session", name)
    session["metadata"] = params.metadata(session["metadata"])
    return session


def list_all(state: State, params: Params) -> Thing:
    params.only("customer", "payment_intent", "subscription", "status", "created", *PAGING)
    fields = ("customer", "payment_intent", "subscription", "status")
    equal = {name: params.text(name) for name in fields if name in params}

    def matches(session: Thing) -> bool:
        return all(session[name] == value for name, value in equal.items())

    return newest(state, "checkout.session", params, "/v1/checkout/sessions", matches)


def list_line_items(state: State, params: Params, name: str) -> Thing:
    params.only(*PAGING)
    state.get("checkout.session", name)
    return page(state.notes[name]["line_items"], params, f"/v1/checkout/sessions/{name}/line_items")


def expire(state: State, params: Params, name: str) -> Thing:
    params.only()
    session = state.get("checkout.session", name)
    require(session["status"] == "open", 'Only Checkout Sessions with a status in ["open"] can be expired.')
    end(state, session)
    return session


def end(state: State, session: Thing) -> None:
    """Nobody can pay in the session any more."""
    state.agenda.drop(session["id"])
    with state.changing(session, "checkout.session.expired"):
        session |= {"status": "expired", "url": None}


def complete(state: State, session: Thing, method_name: str) -> Thing:
    """What happens when somebody pays on the page, with one of Stripe's test payment methods or a saved one.

    Raises a 402 where the bank declines; the session then stays open, and another try is possible.
    """
    require(session["status"] == "open", "This Checkout Session is not open any more.")
    modes: dict[str, Callable[[State, Thing, str], None]] = {
        "payment": _pay,
        "setup": _save,
        "subscription": _subscribe,
    }
    modes[session["mode"]](state, session, method_name)
    state.agenda.drop(session["id"])
    session |= {"status": "complete", "url": None}
    owner = state.objects.get(session["customer"] or "", {})
    session["customer_details"] = {
        "address": None,
        "email": owner.get("email") or session["customer_email"] or "somebody@example.com",
        "name": owner.get("name"),
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": [],
    }
    state.emit("checkout.session.completed", session)
    return session


def settled(state: State, intent: Thing) -> None:
    """The bank debit that a session was paid with has come in, or has not."""
    notes = state.notes[intent["id"]]
    name = notes.get("session") or state.notes.get(notes.get("invoice", ""), {}).get("session")
    if name is None:
        return
    session = state.objects[name]
    if intent["status"] == "succeeded":
        session["payment_status"] = "paid"
        state.emit("checkout.session.async_payment_succeeded", session)
    else:
        state.emit("checkout.session.async_payment_failed", session)


def _creation(mode: str) -> str:
    return "if_required" if mode == "payment" else "always"


def _line_items(state: State, params: Params, mode: str) -> list[Thing]:
    items = []
    for each in params.parts("line_items"):
        each.only("price", "quantity", "adjustable_quantity", "metadata")
        price = state.referred("price", each.required("price"), "line_items[0][price]")
        require(price["active"], f"The price `{price['id']}` is not available to be purchased because it is inactive.")
        if mode == "payment" and price["type"] == "recurring":
            raise invalid("You specified `payment` mode but passed a recurring price.", param="mode")
        quantity = each.integer("quantity", 1, lowest=1) or 1
        amount = price["unit_amount"] * quantity
        adjustable = each.part("adjustable_quantity")
        adjustable.only("enabled", "minimum", "maximum")
        items.append(
            {
                "id": state.new_id("item"),
                "object": "item",
                "adjustable_quantity": {
                    "enabled": adjustable.boolean("enabled"),
                    "maximum": adjustable.integer("maximum", 99),
                    "minimum": adjustable.integer("minimum", 1),
                }
                if adjustable.boolean("enabled")
                else None,
                "amount_discount": 0,
                "amount_subtotal": amount,
                "amount_tax": 0,
                "amount_total": amount,
                "currency": price["currency"],
                "description": state.objects[price["product"]]["name"],
                "discounts": [],
                "metadata": each.metadata(),
                "price": price,
                "quantity": quantity,
                "taxes": [],
            }
        )
    recurring = [item for item in items if item["price"]["type"] == "recurring"]
    require(
        mode != "subscription" or bool(recurring),
        "You must provide at least one recurring price in `subscription` mode when using prices.",
        param="line_items",
    )
    require(len(recurring) in {0, len(items)}, "The stand-in takes recurring prices alone.", param="line_items")
    return items


def _customer(state: State, session: Thing) -> Thing:
    """The session's customer, made now if there is none."""
    if session["customer"] is None:
        email = session["customer_email"] or "somebody@example.com"
        session["customer"] = customers.create(state, Params({"email": email}))["id"]
    return state.referred("customer", session["customer"], "customer")


def _saved(state: State, session: Thing, name: str) -> Thing:
    """The payment method, saved for the customer. Raises a 402 before anybody is made a customer of."""
    specimen = methods.SPECIMENS.get(name)
    if specimen is not None and specimen.decline and not specimen.attaches:
        raise declined(specimen.decline)
    return methods.attached(state, name, _customer(state, session))


def _pay(state: State, session: Thing, method_name: str) -> None:
    data = Params(state.notes[session["id"]]["payment_intent_data"])
    if session["customer_creation"] == "always" or data.text("setup_future_usage"):
        _customer(state, session)
    name = state.notes[session["id"]].get("intent")
    intent = state.objects[name] if name else None
    if intent is None:
        intent = payments.open_intent(
            state,
            amount=session["amount_total"],
            currency=session["currency"],
            customer=session["customer"],
            description=data.text("description"),
            metadata=data.metadata(),
        )
        state.notes[session["id"]]["intent"] = intent["id"]
        state.notes[intent["id"]]["session"] = session["id"]
    method = methods.named(state, method_name)
    status = payments.confirm_intent(state, intent, method)
    if status == "requires_payment_method":
        raise declined(intent["last_payment_error"]["decline_code"])
    if data.text("setup_future_usage") and method["customer"] is None:
        methods.attached(state, method["id"], _customer(state, session))
    session |= {"payment_intent": intent["id"], "payment_status": "paid" if status == "succeeded" else "unpaid"}


def _subscribe(state: State, session: Thing, method_name: str) -> None:
    notes = state.notes[session["id"]]
    method = _saved(state, session, method_name)
    customer = state.objects[session["customer"]]
    decline = payments.outlook(state, customer["id"], method)
    trial = {"trial_end", "trial_period_days"} & set(notes["subscription_data"])
    if decline is not None and not trial and session["amount_total"]:
        raise declined(decline)
    items = [
        {"price": item["price"]["id"], "quantity": str(item["quantity"]), "metadata": item["metadata"]}
        for item in notes["line_items"]
    ]
    wanted = {"items": items, "default_payment_method": method["id"], **notes["subscription_data"]}
    wanted.pop("billing_mode", None)
    subscription = subscriptions.created(state, customer, Params(wanted))
    invoice = state.objects[subscription["latest_invoice"]]
    state.notes[invoice["id"]]["session"] = session["id"]
    settled_at_once = invoice["status"] == "paid"
    session |= {
        "subscription": subscription["id"],
        "invoice": invoice["id"],
        "payment_status": "unpaid"
        if not settled_at_once
        else "no_payment_required"
        if subscription["status"] == "trialing"
        else "paid",
    }


def _save(state: State, session: Thing, method_name: str) -> None:
    method = _saved(state, session, method_name)
    data = Params(state.notes[session["id"]]["setup_intent_data"])
    name = state.new_id("setup_intent")
    intent: Thing = {
        "id": name,
        "object": "setup_intent",
        "application": None,
        "cancellation_reason": None,
        "client_secret": f"{name}_secret_local",
        "created": state.instant,
        "customer": session["customer"],
        "customer_account": None,
        "description": data.text("description"),
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": False,
        "mandate": None,
        "metadata": data.metadata(),
        "next_action": None,
        "payment_method": method["id"],
        "payment_method_types": session["payment_method_types"],
        "status": "succeeded",
        "usage": "off_session",
    }
    state.add(intent)
    state.emit("setup_intent.created", intent)
    state.emit("setup_intent.succeeded", intent)
    session["setup_intent"] = name


def retrieve_setup_intent(state: State, _: Params, name: str) -> Thing:
    return state.get("setup_intent", name)


def open_subscriptions(state: State, customer: str) -> Sequence[Thing]:
    """The customer's subscriptions that have not ended, newest first."""
    found = [each for each in state.all("subscription") if each["customer"] == customer]
    return [each for each in found[::-1] if each["status"] not in standing.ENDED]
