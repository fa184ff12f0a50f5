"""What an invoice says of a subscription's item, and what a change in mid-period credits and charges.

As in flexible billing mode, a credit is worked out from what was really charged for the rest of the period, and not
from the price that the item has: each line that charges for an item is remembered as a debit until its time is over or
has been credited. So no sequence of changes credits more than was invoiced.
"""

from datetime import UTC, datetime

from local.stripe.period import Span
from local.stripe.state import State, Thing


def share(amount: int, part: int, whole: int) -> int:
    """The amount for a part of the time, to the nearest cent; halves go up."""
    return (2 * amount * part + whole) // (2 * whole) if whole else 0


def full_line(state: State, subscription: Thing, item: Thing, span: Span, *, trial: bool = False) -> Thing:
    """The line that charges for an item's whole period, or shows a free trial."""
    price, quantity = item["price"], item["quantity"]
    amount = 0 if trial else price["unit_amount"] * quantity
    recurring = price["recurring"]
    interval = (
        recurring["interval"]
        if recurring["interval_count"] == 1
        else (f"{recurring['interval_count']} {recurring['interval']}s")
    )
    name = _product(state, price)
    description = (
        f"Trial period for {name}"
        if trial
        else f"{quantity} × {name} (at ${price['unit_amount'] / 100:,.2f} / {interval})"
    )
    line = _line(state, subscription, item, amount=amount, description=description, span=span)
    if not trial:
        _debit(state, item, line)
    return line


def part_line(state: State, subscription: Thing, item: Thing, *, span: Span, whole: Span) -> Thing:
    """The line that charges for the part `span` of the `whole` period."""
    price, quantity = item["price"], item["quantity"]
    amount = share(price["unit_amount"] * quantity, span.seconds, whole.seconds)
    named = f"{quantity} × {_product(state, price)}" if quantity > 1 else _product(state, price)
    description = f"Remaining time on {named} after {_day(span.start)}"
    line = _line(state, subscription, item, amount=amount, description=description, span=span, proration=True)
    _debit(state, item, line)
    return line


def credit_lines(state: State, subscription: Thing, item: Thing, at: int) -> list[Thing]:
    """Lines that give back what was charged for the item's time after `at`: one for each debit, which is then gone."""
    lines = []
    for debit in state.notes[item["id"]]["debits"]:
        span = Span(debit["period"]["start"], debit["period"]["end"])
        if span.end <= at or not debit["amount"]:
            continue
        since = max(at, span.start)
        quantity, price = debit["quantity"], state.objects[debit["pricing"]["price_details"]["price"]]
        named = f"{quantity} × {_product(state, price)}" if quantity > 1 else _product(state, price)
        line = _line(
            state,
            subscription,
            item,
            amount=-share(debit["amount"], span.end - since, span.seconds),
            description=f"Unused time on {named} after {_day(since)}",
            span=Span(since, span.end),
            proration=True,
        )
        line["quantity"] = quantity
        line["quantity_decimal"] = str(quantity)
        line["pricing"] = debit["pricing"]
        if debit["invoice"] is not None:
            credited = {"invoice": debit["invoice"], "invoice_line_items": [debit["id"]]}
            line["parent"]["subscription_item_details"]["proration_details"] = {"credited_items": credited}
        lines.append(line)
    state.notes[item["id"]]["debits"] = []
    return lines


def _debit(state: State, item: Thing, line: Thing) -> None:
    """Remembers what was charged; what was charged for time that is over by then is forgotten."""
    debits = state.notes[item["id"]]["debits"]
    debits[:] = [each for each in debits if each["period"]["end"] > line["period"]["start"]]
    debits.append(line)


def _line(
    state: State,
    subscription: Thing,
    item: Thing,
    *,
    amount: int,
    description: str,
    span: Span,
    proration: bool = False,
) -> Thing:
    price = item["price"]
    return {
        "id": state.new_id("line_item"),
        "object": "line_item",
        "amount": amount,
        "currency": price["currency"],
        "description": description,
        "discount_amounts": [],
        "discountable": not proration,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": dict(subscription["metadata"]),
        "parent": {
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": proration,
                "proration_details": {"credited_items": None},
                "subscription": subscription["id"],
                "subscription_item": item["id"],
            },
            "type": "subscription_item_details",
        },
        "period": {"start": span.start, "end": span.end},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "quantity": item["quantity"],
        "quantity_decimal": str(item["quantity"]),
        "subscription": subscription["id"],
        "subtotal": amount,
        "taxes": [],
    }


def _product(state: State, price: Thing) -> str:
    return str(state.objects[price["product"]].get("name", "deleted product"))


def _day(at: int) -> str:
    day = datetime.fromtimestamp(at, UTC)
    return f"{day.day} {day:%b %Y}"
