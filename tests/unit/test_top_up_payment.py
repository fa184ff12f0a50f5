"""What a payment intent says of a top-up: paid, or why not."""

from typing import Any

import pytest

from credits.payments.top_up import refusal_of


@pytest.mark.parametrize(
    ("status", "error", "refusal"),
    [
        ("succeeded", None, None),
        # A bank debit: its money comes in some days, or the sync hears that it does not.
        ("processing", None, None),
        (
            "requires_payment_method",
            {"code": "card_declined", "decline_code": "insufficient_funds"},
            "insufficient_funds",
        ),
        # The bank wants to see its customer, who is not there.
        ("requires_payment_method", {"code": "authentication_required"}, "authentication_required"),
        ("requires_action", None, "requires_action"),
        ("canceled", None, "canceled"),
    ],
)
def test_a_payment_is_made_or_says_why_it_is_not(
    status: str, error: dict[str, Any] | None, refusal: str | None
) -> None:
    assert refusal_of({"status": status, "last_payment_error": error}) == refusal
