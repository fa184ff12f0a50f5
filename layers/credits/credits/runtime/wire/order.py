"""Orders, as the forms of the Usage page send them."""

import re
from collections.abc import Mapping

from credits.catalog import MOST_SEATS
from credits.errors import InvalidRequest
from credits.payments.order import Order
from credits.runtime.wire.shape import ID


def ordered_plan(fields: Mapping[str, str]) -> Order:
    """The plan and the seats that are asked for. Raises InvalidRequest for seats that are no number of them."""
    seats = fields.get("seats") or "1"
    if not (
        seats.isascii() and seats.isdecimal() and len(seats) <= len(str(MOST_SEATS)) and 1 <= int(seats) <= MOST_SEATS
    ):
        raise InvalidRequest([("seats", f"is a number from 1 to {MOST_SEATS}")])
    return Order(fields.get("plan", ""), int(seats))


def order_key(form: Mapping[str, str]) -> str:
    """What makes a form that is sent twice one order. Raises InvalidRequest where the form has none."""
    key = form.get("key", "")
    if not re.fullmatch(ID, key):
        raise InvalidRequest([("key", "is missing: open the page again and press the button there")])
    return key
