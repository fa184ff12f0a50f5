"""`expand[]`: an object in the place of its id, and what Stripe includes only when it is asked to."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from local.stripe.fault import invalid
from local.stripe.state import State, Thing

# "Expansions have a maximum depth of four levels."
DEEPEST = 4


def expanded(state: State, thing: Thing, paths: list[str]) -> Thing:
    """A copy of the object with what the paths name in it. Raises a 400 for a path that leads nowhere."""
    shown = deepcopy(thing)
    for path in paths:
        fields = path.split(".")
        if len(fields) - fields.count("data") > DEEPEST:
            raise invalid(f"You cannot expand more than {DEEPEST} levels of a property.", param="expand")
        _expand(state, shown, fields, path)
    return shown


def _expand(state: State, holder: Any, fields: list[str], path: str) -> None:
    if isinstance(holder, list):
        for each in holder:
            _expand(state, each, fields, path)
        return
    if not fields or holder is None:
        return
    field, *further = fields
    included = INCLUDED.get((str(holder.get("object")), field)) if isinstance(holder, dict) else None
    if included is not None:
        holder[field] = included(state, holder)
    elif not isinstance(holder, dict) or field not in holder or not _expands(state, holder[field]):
        raise invalid(f"This property cannot be expanded ({path}).", param="expand")
    elif isinstance(holder[field], str):
        holder[field] = deepcopy(state.objects[holder[field]])
    elif isinstance(holder[field], list):
        holder[field] = [deepcopy(state.objects[each]) if isinstance(each, str) else each for each in holder[field]]
    _expand(state, holder[field], further, path)


def _expands(state: State, value: Any) -> bool:
    return value is None or isinstance(value, dict | list) or value in state.objects


def _payments(state: State, invoice: Thing) -> Thing:
    payments = [each for each in state.all("invoice_payment") if each["invoice"] == invoice["id"]]
    return _list(payments, f"/v1/invoice_payments?invoice={invoice['id']}")


def _refunds(state: State, charge: Thing) -> Thing:
    refunds = [each for each in state.all("refund") if each["charge"] == charge["id"]]
    return _list(refunds[::-1], f"/v1/charges/{charge['id']}/refunds")


def _subscriptions(state: State, customer: Thing) -> Thing:
    current = [
        each
        for each in state.all("subscription")
        if each["customer"] == customer["id"] and each["status"] not in {"canceled", "incomplete_expired"}
    ]
    return _list(current[::-1], f"/v1/customers/{customer['id']}/subscriptions")


def _line_items(state: State, session: Thing) -> Thing:
    items = state.notes[session["id"]]["line_items"]
    return _list(items, f"/v1/checkout/sessions/{session['id']}/line_items")


def _confirmation_secret(state: State, invoice: Thing) -> Thing | None:
    intent = state.notes[invoice["id"]].get("payment_intent")
    if intent is None or invoice["status"] != "open":
        return None
    return {"type": "payment_intent", "client_secret": state.objects[intent]["client_secret"]}


def _list(things: list[Thing], url: str) -> Thing:
    return {"object": "list", "data": deepcopy(things), "has_more": False, "url": url}


# What is not in an object until it is asked for.
INCLUDED: dict[tuple[str, str], Callable[[State, Thing], Thing | None]] = {
    ("invoice", "payments"): _payments,
    ("invoice", "confirmation_secret"): _confirmation_secret,
    ("charge", "refunds"): _refunds,
    ("customer", "subscriptions"): _subscriptions,
    ("checkout.session", "line_items"): _line_items,
}
