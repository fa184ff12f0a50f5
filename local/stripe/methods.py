"""Payment methods: Stripe's test cards and bank accounts, and what comes of charging them."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass

from local.stripe.fault import declined, invalid
from local.stripe.paging import PAGING, newest
from local.stripe.params import Params
from local.stripe.state import State, Thing


@dataclass(frozen=True, slots=True)
class Specimen:
    """One of Stripe's test payment methods: what it looks like, and what the bank says when it is charged.

    `decline` is its code, or None where the money comes. `attaches` says whether it can be saved for a customer at all;
    `disputed`, whether its owner tells the bank at once that it was not them. What `settles` is a bank debit: until
    the money comes, or does not, the payment is processing.
    """

    kind: str
    brand: str
    last4: str
    decline: str | None = None
    attaches: bool = True
    disputed: bool = False

    @property
    def settles(self) -> bool:
        return self.kind == "us_bank_account"


# https://docs.stripe.com/testing: by the ids that tests use in the place of card numbers.
SPECIMENS: Mapping[str, Specimen] = {
    "pm_card_visa": Specimen("card", "visa", "4242"),
    "pm_card_mastercard": Specimen("card", "mastercard", "4444"),
    "pm_card_createDispute": Specimen("card", "visa", "0259", disputed=True),
    "pm_card_chargeCustomerFail": Specimen("card", "visa", "0341", decline="generic_decline"),
    "pm_card_chargeDeclined": Specimen("card", "visa", "0002", decline="generic_decline", attaches=False),
    "pm_card_visa_chargeDeclined": Specimen("card", "visa", "0002", decline="generic_decline", attaches=False),
    "pm_card_visa_chargeDeclinedInsufficientFunds": Specimen(
        "card", "visa", "9995", decline="insufficient_funds", attaches=False
    ),
    "pm_usBankAccount_success": Specimen("us_bank_account", "STRIPE TEST BANK", "6789"),
    "pm_usBankAccount_insufficientFunds": Specimen(
        "us_bank_account", "STRIPE TEST BANK", "2227", decline="insufficient_funds"
    ),
}

# When the money of a bank debit comes: "up to 4 business days".
SETTLES_AFTER_SECONDS = 4 * 86_400


def made(state: State, name: str) -> Thing:
    """A new payment method like one of Stripe's test ones, not yet anybody's."""
    specimen = SPECIMENS[name]
    details: Thing
    if specimen.kind == "card":
        details = {
            "brand": specimen.brand,
            "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
            "country": "US",
            "display_brand": specimen.brand,
            "exp_month": 12,
            "exp_year": 2040,
            "fingerprint": f"local{specimen.last4}",
            "funding": "credit",
            "generated_from": None,
            "last4": specimen.last4,
            "networks": {"available": [specimen.brand], "preferred": None},
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        }
    else:
        details = {
            "account_holder_type": "individual",
            "account_type": "checking",
            "bank_name": specimen.brand,
            "financial_connections_account": None,
            "fingerprint": f"local{specimen.last4}",
            "last4": specimen.last4,
            "networks": {"preferred": "ach", "supported": ["ach"]},
            "routing_number": "110000000",
            "status_details": {},
        }
    method: Thing = {
        "id": state.new_id("payment_method"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": {"address": None, "email": None, "name": None, "phone": None, "tax_id": None},
        specimen.kind: details,
        "created": state.instant,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": specimen.kind,
    }
    return state.add(method, specimen=name)


def behind(state: State, method: Thing) -> Specimen:
    """What the bank will say of it."""
    return SPECIMENS[state.notes[method["id"]]["specimen"]]


def named(state: State, name: str, param: str = "payment_method") -> Thing:
    """The payment method that a parameter names: a saved one, or a new one of Stripe's test ones."""
    return made(state, name) if name in SPECIMENS else state.referred("payment_method", name, param)


def attached(state: State, name: str, customer: Thing, param: str = "payment_method") -> Thing:
    """The payment method that a parameter names, saved for the customer. Raises a 402 where its bank declines that."""
    method = named(state, name, param)
    if method["customer"] == customer["id"]:
        return method
    if method["customer"] is not None:
        raise invalid("The payment method you provided has already been attached to a customer.", param=param)
    specimen = behind(state, method)
    if not specimen.attaches:
        raise declined(str(specimen.decline), payment_method=deepcopy(method))
    method["customer"] = customer["id"]
    state.emit("payment_method.attached", method)
    return method


def of_customer(state: State, customer: str, subscription: Thing | None = None) -> Thing | None:
    """The payment method that is charged: the subscription's own, else the customer's default; None without either."""
    name = (subscription or {}).get("default_payment_method")
    name = name or state.objects[customer].get("invoice_settings", {}).get("default_payment_method")
    return state.objects[name] if name else None


def create(state: State, params: Params) -> Thing:
    """A card by the token that Stripe's test page makes of its number (`card[token]`), or a bank account."""
    params.only("type", "card", "us_bank_account", "billing_details", "metadata")
    kind = params.choice("type", ("card", "us_bank_account"), "card")
    token = params.part("card").text("token", "tok_visa")
    name = "pm_usBankAccount_success" if kind == "us_bank_account" else f"pm_card_{str(token).removeprefix('tok_')}"
    if name not in SPECIMENS:
        raise invalid(f"No such token: '{token}'", param="card[token]", code="resource_missing")
    method = made(state, name)
    method["metadata"] = params.metadata()
    method["billing_details"] |= params.mapping("billing_details")
    return method


def retrieve(state: State, _: Params, name: str) -> Thing:
    return state.get("payment_method", name)


def attach(state: State, params: Params, name: str) -> Thing:
    params.only("customer")
    customer = state.referred("customer", params.required("customer"), "customer")
    if name not in SPECIMENS:
        state.get("payment_method", name)
    return attached(state, name, customer)


def detach(state: State, params: Params, name: str) -> Thing:
    params.only()
    method = state.get("payment_method", name)
    customer = state.objects.get(method["customer"] or "", {})
    if customer.get("invoice_settings", {}).get("default_payment_method") == name:
        with state.changing(customer, "customer.updated"):
            customer["invoice_settings"] = {**customer["invoice_settings"], "default_payment_method": None}
    with state.changing(method, "payment_method.detached"):
        method["customer"] = None
    return method


def list_all(state: State, params: Params, customer: str | None = None) -> Thing:
    params.only("customer", "type", "allow_redisplay", *PAGING)
    owner, kind = customer or params.text("customer"), params.text("type")

    def matches(method: Thing) -> bool:
        return (owner is None or method["customer"] == owner) and (kind is None or method["type"] == kind)

    return newest(state, "payment_method", params, "/v1/payment_methods", matches)
