"""Customers. One that is deleted is remembered as deleted, and has no subscription any more."""

from collections.abc import Callable

from local.stripe import methods
from local.stripe.paging import PAGING, newest
from local.stripe.params import Params
from local.stripe.state import State, Thing, require

FIELDS = ("name", "email", "phone", "description", "business_name", "individual_name")
KEPT = ("address", "shipping", "preferred_locales", "tax_exempt")
CREATE = (*FIELDS, *KEPT, "metadata", "payment_method", "invoice_settings", "balance", "invoice_prefix")


def create(state: State, params: Params) -> Thing:
    params.only(*CREATE)
    name = state.new_id("customer")
    customer: Thing = {
        "id": name,
        "object": "customer",
        "address": None,
        "balance": params.integer("balance", 0, lowest=-99_999_999),
        "created": state.instant,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "discount": None,
        "invoice_prefix": params.text("invoice_prefix") or name[-8:].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": params.metadata(),
        "next_invoice_sequence": 1,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
        **{field: params.text(field) for field in FIELDS},
    }
    _keep(customer, params)
    # Nobody is made a customer by a card that cannot be saved.
    _settle_method(state, customer, params)
    state.add(customer)
    state.emit("customer.created", customer)
    return customer


def retrieve(state: State, _: Params, name: str) -> Thing:
    return state.get("customer", name)


def update(state: State, params: Params, name: str) -> Thing:
    params.only(*CREATE)
    customer = state.require_alive(state.get("customer", name))
    metadata = params.metadata(customer["metadata"])
    with state.changing(customer, "customer.updated"):
        for field in FIELDS:
            if field in params:
                customer[field] = params.text(field)
        if "balance" in params:
            customer["balance"] = params.integer("balance", 0, lowest=-99_999_999)
        _keep(customer, params)
        _settle_method(state, customer, params)
        customer["metadata"] = metadata
    return customer


def delete(state: State, params: Params, name: str, *, end: Callable[[State, Thing], None]) -> Thing:
    """Deletes the customer for good. `end` cancels each subscription, at once."""
    params.only()
    customer = state.require_alive(state.get("customer", name))
    for subscription in list(state.all("subscription")):
        if subscription["customer"] == name and subscription["status"] not in {"canceled", "incomplete_expired"}:
            end(state, subscription)
    state.emit("customer.deleted", customer)
    return state.remove(customer)


def list_all(state: State, params: Params) -> Thing:
    params.only("email", "created", *PAGING)
    email = params.text("email")
    return newest(state, "customer", params, "/v1/customers", lambda each: email is None or each["email"] == email)


def _keep(customer: Thing, params: Params) -> None:
    for field in KEPT:
        if field in params:
            customer[field] = (
                params.texts(field)
                if field == "preferred_locales"
                else params.text(field, "none")
                if field == "tax_exempt"
                else params.mapping(field) or None
            )


def _settle_method(state: State, customer: Thing, params: Params) -> None:
    """Saves the payment method that was given along, and makes the one that was named the default."""
    given = params.text("payment_method")
    method = methods.attached(state, given, customer) if given is not None else None
    settings = params.part("invoice_settings")
    settings.only("default_payment_method", "custom_fields", "footer", "rendering_options")
    if "default_payment_method" not in settings:
        return
    default = settings.text("default_payment_method")
    if default is not None and method is not None and default in {given, method["id"]}:
        default = method["id"]
    elif default is not None:
        saved = state.referred("payment_method", default, "invoice_settings[default_payment_method]")
        require(
            saved["customer"] == customer["id"],
            "The customer does not have a payment method with the ID " + default,
            param="invoice_settings[default_payment_method]",
        )
    customer["invoice_settings"] = {**customer["invoice_settings"], "default_payment_method": default}
